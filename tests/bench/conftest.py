"""Benches on a made problem, in this process or in those that workers start."""

import made_bench
import pytest

from acofer.bench import worker


@pytest.fixture
def made(monkeypatch):
    """Every bench runs on the made problem."""
    made_bench.serve_made(made_bench.pictures(), made_bench.values(), monkeypatch.setattr)


@pytest.fixture
def made_process(made, monkeypatch):
    """And so does every worker's process."""
    monkeypatch.setattr(worker, "_serve", made_bench.serve)
