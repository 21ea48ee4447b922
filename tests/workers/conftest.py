"""Clusters of processes on this machine."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Two workers that no test may kill."""
    pytest.importorskip("distributed")
    from jobs import Cluster

    made = Cluster(tmp_path_factory.mktemp("cluster"), 2)
    yield made
    made.close()
