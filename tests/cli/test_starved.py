"""Without room on the disk: one line, exit code 2, nothing half-written, and what was done is gone on with."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys

import pytest

# A search that keeps a checkpoint whenever there is anything new; argv: its options.
SEARCH = """
import sys
from acofer.runs import search_folder
search_folder.EVERY, search_folder._SHARE = 0.0, 1e9
from acofer.cli import main
sys.exit(main(sys.argv[1:]))
"""
SMALL = [
    *("search", "--ants", "4", "--iters", "2", "--trees", "5", "--size", "16:32", "--heuristic", "f", "--quiet"),
    *("--balance", "none", "--null-draws", "1", "--all-features", "off", "--workers", "1", "--memo", "off"),
]


def search(*arguments, limit=None):
    """Run a search whose files may have so many bytes."""

    def starve():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-c", SEARCH, *arguments], preexec_fn=starve, capture_output=True, text=True, timeout=300
    )


def complaint(done):
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    line = done.stderr.splitlines()[-1]
    assert done.stderr == f"{line}\n"
    assert line.startswith("acofer: error: ")
    return line


def subset_of(folder):
    return json.loads((folder / "subset.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The search with all the room that it wants."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = search(*SMALL, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def test_files_that_cannot_grow_cost_nothing_that_was_found(whole, tmp_path):
    """The checkpoint fits, the model does not."""
    line = complaint(search(*SMALL, "--out", str(tmp_path / "run"), limit=60_000))
    assert "File too large" in line
    assert "make room" in line
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.toml", "checkpoint.npz"}
    again = search("search", "--resume", str(tmp_path / "run"), "--quiet")
    assert again.returncode == 0, again.stderr
    assert subset_of(tmp_path / "run") == subset_of(whole)


def test_without_room_for_a_checkpoint_nothing_is_left(tmp_path):
    line = complaint(search(*SMALL, "--out", str(tmp_path / "deep" / "run"), limit=2_000))
    assert "File too large" in line
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def disk(tmp_path):
    """Return a function that mounts a disk of so many bytes; where that is not allowed, the test skips."""
    place, mounted = tmp_path / "disk", []

    def mount(size):
        place.mkdir()
        command = shutil.which("mount")
        done = command and subprocess.run(
            [command, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True
        )
        if not done or done.returncode:
            pytest.skip(f"no disk can be mounted here: {done and done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for each in mounted:
        subprocess.run(["umount", "-l", str(each)], check=True)


@pytest.mark.nightly
def test_a_disk_that_fills_up_costs_nothing_that_was_found(whole, disk, tmp_path):
    place = disk(80_000)
    line = complaint(search(*SMALL, "--out", str(place / "run")))
    assert "No space left on device" in line
    kept = {path.name for path in (place / "run").iterdir()}
    assert kept == {"config.toml", "checkpoint.npz"}
    shutil.copytree(place / "run", tmp_path / "moved")  # to where there is room
    assert search("search", "--resume", str(tmp_path / "moved"), "--quiet").returncode == 0
    assert subset_of(tmp_path / "moved") == subset_of(whole)


def test_a_disk_without_room_for_the_cache_is_one_line_and_leaves_nothing(disk, fer_csv):
    pytest.importorskip("keras")
    place = disk(100_000)
    arguments = [str(fer_csv()), "--weights", "random", "--cache-dir", str(place / "cache"), "--quiet"]
    line = complaint(search("embed", *arguments))
    assert "embeddings cannot be kept in" in line
    assert "No space left on device" in line
    assert list((place / "cache").iterdir()) == []


def test_a_cache_that_is_read_only_serves_and_a_memo_there_is_done_without(disk, tmp_path):
    """Two searches in it, of which the second cannot remember anything: a warning, and the same outcome."""
    place = disk(2_000_000)
    arguments = [*SMALL[:-2], "--cache-dir", str(place)]
    assert search(*arguments, "--out", str(tmp_path / "one")).returncode == 0
    assert (place / "scores.sqlite").exists()
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    done = search(*arguments, "--seed", "0", "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert subset_of(tmp_path / "one") == subset_of(tmp_path / "two")
