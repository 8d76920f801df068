"""URLs and clients become connections of ours: no retries, no passwords shown."""

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection

from paceline import ConfigError
from paceline.stores._sources import ClientSource, UrlSource


def kwargs(client):
    return client.connection_pool.connection_kwargs


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://user:hunter2@h:7000/3", "redis://h:7000/3"),
        ("rediss://:hunter2@h/0", "rediss://h:6379/0"),
        ("unix:///run/s?db=1&password=hunter2", "unix:///run/s"),
    ],
)
def test_addresses_are_shown_without_passwords(url, where):
    """
    Errors name the server, never the credentials.
    """
    assert UrlSource(url, 0.5, 0.5).where == where


def test_our_connections_never_retry_and_time_out_soon():
    """
    redis-py's default retries would charge twice; its timeouts are seconds.
    """
    source = UrlSource("redis://h/0", 0.25, 0.75)
    for client in (source.sync_client(), source.async_client()):
        options = kwargs(client)
        assert options["socket_connect_timeout"] == 0.25
        assert options["socket_timeout"] == 0.75
        assert options["retry"]._retries == 0
        assert options["protocol"] == 2


def test_tls_stays_tls_in_both_kinds():
    """
    rediss:// makes TLS connections, blocking and asyncio.
    """
    source = UrlSource("rediss://h/0", 0.5, 0.5)
    blocking = source.sync_client().connection_pool.connection_class
    assert issubclass(blocking, redis.SSLConnection)
    asynchronous = source.async_client().connection_pool.connection_class
    assert issubclass(asynchronous, AsyncSSLConnection)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_of_certificates_that_is_not_there_is_told_when_the_store_is_named(
    option,
):
    """
    Later it would look like a server that nobody can reach.
    """
    with pytest.raises(ConfigError, match="no file /no/such,") as told:
        UrlSource(f"rediss://:hunter2@h/0?{option}=/no/such", 0.5, 0.5)
    assert told.value.code == "P106"
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
def test_a_users_client_lends_its_address_and_not_its_retries(kind):
    """
    Host, database and credentials are the user's; retries and decoding are ours.
    """
    client = kind(host="h", port=7000, db=3, password="p", decode_responses=True)
    source = ClientSource(client, 0.5, 0.5)
    assert source.where == "redis://h:7000/3"
    for made in (source.sync_client(), source.async_client()):
        options = kwargs(made)
        assert (options["host"], options["port"], options["db"]) == ("h", 7000, 3)
        assert options["password"] == "p"
        assert options["retry"]._retries == 0
        assert not options.get("decode_responses")


def test_what_is_no_client_is_refused():
    """
    An object that is not a client gets an error that says what to give.
    """
    with pytest.raises(ConfigError, match="Give a URL"):
        ClientSource(42, 0.5, 0.5)
