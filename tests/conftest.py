from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # for reference.py


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test reads or fills the user's cache, nor is moved by the user's environment."""
    import os

    for name in list(os.environ):
        if name.startswith("ACOFER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ACOFER_CACHE_DIR", str(tmp_path / "cache"))
