"""A cluster, and a primary with Sentinels: shared while healthy, or to be broken."""

import pytest

import rig
import rig_fleet
import rig_stores


@pytest.fixture(params=["sync", "async"])
def caller(request):
    """Return a way to use a limiter: blocking, or on an event loop."""
    return rig_stores.Blocking if request.param == "sync" else rig_stores.OnLoop


@pytest.fixture(scope="session")
def binary():
    """Return the server that pip brings, or the system's."""
    return rig.servers()[0][1]


@pytest.fixture
def durable(binary, tmp_path):
    """Start a server that loses nothing when it is killed."""
    running = rig_fleet.Node(
        binary, tmp_path, "--appendonly", "yes", "--appendfsync", "always"
    ).start()
    running.wait()
    yield running
    running.kill()


def started(fleet):
    """Start a fleet of servers, and end it afterwards."""
    yield fleet.start()
    fleet.kill()


@pytest.fixture(scope="session")
def cluster(binary, tmp_path_factory):
    """Start a cluster that no test breaks."""
    yield from started(rig_fleet.Cluster(binary, tmp_path_factory.mktemp("cluster")))


@pytest.fixture
def mortal_cluster(binary, tmp_path):
    """Start a cluster for one test."""
    yield from started(rig_fleet.Cluster(binary, tmp_path))


@pytest.fixture(scope="session")
def watched(binary, tmp_path_factory):
    """Start a primary with Sentinels that no test breaks; its role may move."""
    yield from started(rig_fleet.Watched(binary, tmp_path_factory.mktemp("watched")))


@pytest.fixture
def mortal_watched(binary, tmp_path):
    """Start a primary with Sentinels for one test."""
    yield from started(rig_fleet.Watched(binary, tmp_path))
