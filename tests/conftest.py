"""Fixtures: real servers, and every store that the library can use."""

import uuid

import pytest
from hypothesis import settings

import rig

# How long an example takes is the machine's affair, not the test's.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", params=rig.servers(), ids=lambda server: server[0])
def server(request, tmp_path_factory):
    """Start one real server of each kind for the whole run."""
    running = rig.Server(request.param[1], tmp_path_factory.mktemp("server")).start()
    yield running
    running.kill()


@pytest.fixture
def clean_server(server):
    """Return the server, empty; after the test every key must have a TTL."""
    if server.process.poll() is not None:
        server.start()
    with server.client() as client:
        client.flushall()
        client.script_flush()
        client.config_resetstat()
        yield server
        server.resume()
        for key in client.scan_iter():
            assert client.pttl(key) > 0, f"{key} never expires"


@pytest.fixture(
    scope="session", params=[*rig.servers(), ("memory", "")], ids=lambda store: store[0]
)
def _store(request, tmp_path_factory):
    name, binary = request.param
    if name == "memory":
        yield None
        return
    running = rig.Server(binary, tmp_path_factory.mktemp("store")).start()
    yield running
    running.kill()


@pytest.fixture
def store_url(_store):
    """Return the URL of a store that holds nothing yet."""
    if _store is None:
        return f"memory://{uuid.uuid4().hex}"
    with _store.client() as client:
        client.flushall()
    return _store.url


@pytest.fixture
def free_port():
    """Return a TCP port on which nobody listens."""
    return rig.free_port()
