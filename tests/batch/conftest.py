"""A provider for all tests of a batch, begun anew for each."""

import uuid

import pytest

from paceline.mock import serve
from rig_batch import Batch


@pytest.fixture(scope="session")
def _provider():
    with serve(limits=["10k requests/s"], latency=0.001, jitter=0.0) as mock:
        yield mock


@pytest.fixture
def provider(_provider):
    """Return a provider with full buckets, no counts and no errors."""
    _provider.reset()
    return _provider


@pytest.fixture
def batch(tmp_path, provider):
    """Return a batch on a store in memory."""
    return Batch(tmp_path, provider, f"memory://{uuid.uuid4().hex}")
