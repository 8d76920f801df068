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


@pytest.fixture(scope="session")
def cluster(binary, tmp_path_factory):
    """Start a cluster that no test breaks."""
    running = rig_fleet.Cluster(binary, tmp_path_factory.mktemp("cluster"))
    yield running.start()
    running.kill()


@pytest.fixture
def mortal_cluster(binary, tmp_path):
    """Start a cluster for one test."""
    running = rig_fleet.Cluster(binary, tmp_path)
    yield running.start()
    running.kill()


@pytest.fixture(scope="session")
def watched(binary, tmp_path_factory):
    """Start a primary with Sentinels that no test breaks; its role may move."""
    running = rig_fleet.Watched(binary, tmp_path_factory.mktemp("watched"))
    yield running.start()
    running.kill()


@pytest.fixture
def mortal_watched(binary, tmp_path):
    """Start a primary with Sentinels for one test."""
    running = rig_fleet.Watched(binary, tmp_path)
    yield running.start()
    running.kill()
