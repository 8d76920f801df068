"""The proxy does to a connection what its mode says, and nothing else."""

import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rig_proxy import FaultProxy


@pytest.fixture
def proxy(clean_server):
    """Return a proxy in front of an empty server."""
    with FaultProxy(clean_server.socket) as running:
        yield running


@pytest.fixture
def client(proxy):
    """Return a client of the proxy that neither retries nor waits long."""
    with redis.Redis.from_url(
        proxy.url, retry=Retry(NoBackoff(), 0), socket_timeout=0.2, protocol=2
    ) as client:
        yield client


def count(clean_server):
    with clean_server.client() as client:
        return int(client.get("n") or 0)


@pytest.fixture(autouse=True)
def _counter_that_expires(clean_server):
    with clean_server.client() as client:
        client.set("n", 0, ex=60)


def test_it_passes_everything_on(proxy, client):
    """
    Replies come back whole, also those of many chunks.
    """
    assert client.incr("n") == 1
    assert client.set("big", "x" * 1_000_000, ex=60)
    assert client.get("big") == b"x" * 1_000_000
    assert proxy.connections == 1
    assert proxy.requests >= 3


def test_latency_delays_each_answer_and_keeps_them_apart(proxy, client):
    """
    Two answers on one connection, sent together, are late by one delay, not by two.
    """
    client.ping()
    proxy.delay = 0.05
    proxy.mode = "latency"
    before = time.monotonic()
    assert client.pipeline(transaction=False).incr("n").incr("n").execute() == [1, 2]
    assert time.monotonic() - before >= proxy.delay


def test_a_dropped_reply_hides_what_the_server_did(proxy, client, clean_server):
    """
    The caller times out, and the command has run.
    """
    client.ping()
    proxy.mode = "drop_replies"
    with pytest.raises(redis.TimeoutError):
        client.incr("n")
    assert count(clean_server) == 1
    proxy.mode = "pass"
    assert client.incr("n") == 2


def test_a_black_hole_keeps_the_command_from_the_server(proxy, client, clean_server):
    """
    The caller times out, and nothing has run.
    """
    client.ping()
    proxy.mode = "blackhole"
    with pytest.raises(redis.TimeoutError):
        client.incr("n")
    assert count(clean_server) == 0


def test_a_reset_comes_instead_of_the_reply(proxy, client, clean_server):
    """
    The command has run; the caller sees its connection break, each time.
    """
    for done in (1, 2):
        proxy.mode = "pass"
        client.ping()  # a new connection begins with replies of its own
        proxy.mode = "reset_on_reply"
        with pytest.raises(redis.ConnectionError) as caught:
            client.incr("n")
        assert isinstance(caught.value.__context__, ConnectionResetError)
        assert count(clean_server) == done


def test_a_single_reset_leaves_the_next_reply_alone(proxy, client, clean_server):
    """
    The first answer is lost with its connection; then all is well.
    """
    client.ping()
    proxy.mode = "reset_on_reply_once"
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert client.incr("n") == 2
    assert proxy.mode == "pass"
    assert proxy.connections == 2


def test_connections_can_be_cut(proxy, client):
    """
    Those that are open break at once; new ones work.
    """
    assert client.incr("n") == 1
    held = client.connection_pool.get_connection()
    held.send_command("PING")
    assert held.read_response() == b"PONG"
    proxy.cut()
    with pytest.raises(redis.ConnectionError):
        held.read_response()
    client.connection_pool.release(held)
    assert client.incr("n") == 2


def test_a_dead_server_looks_dead(proxy, client, clean_server):
    """
    The proxy does not stand in for a server that is gone.
    """
    clean_server.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    clean_server.start()
    assert client.ping()
