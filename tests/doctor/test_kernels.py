"""Where numba keeps what it compiles: numba itself is asked whether the doctor is right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from acofer.doctor import kernels
from acofer.doctor.disk import Place
from acofer.doctor.kernels import kernel_findings
from acofer.doctor.surroundings import CODE


def numbas_folder(**environment):
    code = "from acofer.streams import next_uniform as f; print(f._cache.cache_path)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def test_numba_keeps_kernels_where_the_doctor_says(tmp_path, monkeypatch):
    folder = numbas_folder(NUMBA_CACHE_DIR=str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    (folder / f"streams.next_uniform-18.{version}.nbi").write_bytes(bytes(10))
    (folder / f"streams.next_uniform-18.{version}.1.nbc").write_bytes(bytes(1_000_000))
    (folder / "streams.next_uniform-18.py27.nbi").write_bytes(bytes(10))
    (found,) = kernel_findings()
    assert found.mark == "ok"
    assert found.said == f"1 kernel compiled, 1.0 MB, in {tmp_path}"


def test_without_a_folder_of_its_own_numba_takes_the_one_beside_the_code(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (found,) = kernel_findings()
    folder = numbas_folder(NUMBA_CACHE_DIR="")
    assert found.facts["folder"] == str(CODE / "*" / "__pycache__")
    assert folder == CODE / "__pycache__"


@pytest.fixture
def refused(monkeypatch):
    """Return a setter of the folders that can be written: those whose path holds one of some words."""

    def allow(*words):
        monkeypatch.setattr(
            kernels,
            "place_at",
            lambda folder: Place(folder, True, None if any(w in str(folder) for w in words) else "Read-only", 1),
        )

    return allow


def test_a_package_that_cannot_be_written_sends_kernels_to_the_users_cache(refused, monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    refused("xdg")
    (found,) = kernel_findings()
    assert (found.mark, found.facts["folder"]) == ("ok", str(tmp_path / "xdg" / "numba"))


def test_a_named_folder_that_cannot_be_written_is_a_warning(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "named"))
    refused("__pycache__")
    (found,) = kernel_findings()
    assert found.mark == "warn"
    assert "since NUMBA_CACHE_DIR cannot be written: Read-only" in found.said


def test_no_folder_at_all_stops_the_core(refused):
    """numba raises where a function that is to be kept is defined: acofer could not be imported."""
    refused()
    (found,) = kernel_findings()
    assert found.stops_the_core
    assert "NUMBA_CACHE_DIR" in found.advice
