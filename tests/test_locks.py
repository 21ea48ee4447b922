from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from acofer.errors import StoreError
from acofer.locks import locked

# Holds a folder, says so, and waits to be killed or told to end; argv: folder, name.
HOLDER = """
import sys; from pathlib import Path; from acofer.locks import locked
with locked(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True); sys.stdin.readline()
"""
# Adds one to a number in a file, many times; argv: folder.
ADDER = """
import sys; from pathlib import Path; from acofer.locks import locked
place = Path(sys.argv[1])
for _ in range(40):
    with locked(place, on_wait=lambda who: None):
        number = int((place / "number").read_text())
        (place / "number").write_text(str(number + 1))
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), "-x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_holds_it_is_said(tmp_path, holder):
    with (
        pytest.raises(
            StoreError, match=rf"another acofer \(process {holder.pid} on .* since 20\d\d.*; wait until it is"
        ),
        locked(tmp_path, "-x"),
    ):
        raise AssertionError("held twice")
    with locked(tmp_path, "-y"):
        pass  # another thing in the same folder


def test_what_a_killed_process_held_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    with locked(tmp_path, "-x"):
        assert str(os.getpid()) in next(tmp_path.glob(".holder*")).read_text()
    assert list(tmp_path.iterdir()) == []


def test_who_may_wait_gets_it_when_it_is_free(tmp_path, holder):
    told = []

    def on_wait(who):
        told.append(who)
        holder.communicate("\n")

    with locked(tmp_path, "-x", on_wait=on_wait):
        assert len(told) == 1
        assert f"process {holder.pid}" in told[0]
    assert list(tmp_path.iterdir()) == []


def test_several_processes_lose_no_count(tmp_path):
    (tmp_path / "number").write_text("0")
    adders = [subprocess.Popen([sys.executable, "-c", ADDER, str(tmp_path)]) for _ in range(3)]
    assert [adder.wait(timeout=120) for adder in adders] == [0, 0, 0]
    assert (tmp_path / "number").read_text() == "120"


def test_rubbish_about_the_holder_is_not_believed(tmp_path, holder):
    (tmp_path / ".holder.json-x").write_text('{"process": "rm -rf", "host": ["x"]}')
    with pytest.raises(StoreError, match="is being written to by another acofer; wait"), locked(tmp_path, "-x"):
        pass


def test_where_there_are_no_locks_a_warning_says_so(tmp_path, monkeypatch):
    def none(*_, **__):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock.FileLock.acquire", none)
    with pytest.warns(UserWarning, match=r"cannot be locked .*; let no second process write there"), locked(tmp_path):
        assert list(tmp_path.iterdir()) == []
