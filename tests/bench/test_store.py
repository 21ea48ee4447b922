"""What a bench leaves behind: whole rows, or none."""

import builtins
import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from acofer.bench import store
from acofer.bench.store import PLAN, ROWS, TABLE, BenchFolder
from acofer.errors import ConfigError, DataError, StoreError
from acofer.runs.folder import RESULT

OUTPUTS = {"rows": np.arange(3), "outputs": np.full((3, 2), 0.5, np.float32)}


def row(cell, **more):
    return {"cell": cell, "status": "ok", **more}


@pytest.fixture
def folder(tmp_path):
    folder = BenchFolder(tmp_path / "bench")
    folder.write_plan("# a plan\n")
    for cell in "abc":
        folder.keep(row(cell, number=ord(cell)), OUTPUTS)
    return folder


@pytest.fixture
def rows(folder):
    return folder.place / ROWS


def test_rows_and_predictions_come_back(folder):
    again = BenchFolder(folder.place)
    assert again.rows() == {cell: row(cell, number=ord(cell)) for cell in "abc"}
    for name, kept in again.outputs("b").items():
        np.testing.assert_array_equal(kept, OUTPUTS[name])


def test_a_folder_without_rows_has_none(tmp_path):
    assert BenchFolder(tmp_path / "new").rows() == {}


@pytest.mark.parametrize("cut", [1, 2, 10, 35])
def test_a_torn_last_line_is_cut_off(folder, rows, cut):
    whole = rows.read_bytes()
    os.truncate(rows, len(whole) - cut)
    assert set(folder.rows()) == {"a", "b"}
    assert rows.read_bytes() == b"".join(whole.splitlines(keepends=True)[:2])
    folder.keep(row("c", number=99), OUTPUTS)  # else it would go on where the torn line ended
    assert folder.rows()["c"]["number"] == 99
    assert len(folder.rows()) == 3


@pytest.mark.parametrize(
    "damage",
    [b'{"cell": "a"', b"", b"[]", b"3", b"\xff\xfe", b'{"cell": "a"}', b'{"cell": "a", "status": "fine"}',
     b'{"cell": 3, "status": "ok"}'],
)  # fmt: skip
def test_a_damaged_line_before_the_last_is_refused(folder, rows, damage):
    lines = rows.read_bytes().splitlines()
    lines[1] = damage
    rows.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(DataError, match=r"rows.jsonl: line 2 is damaged; remove it, and its cell runs again"):
        folder.rows()
    rows.write_bytes(b"\n".join([lines[0], lines[2]]) + b"\n")
    assert set(folder.rows()) == {"a", "c"}


def test_the_later_of_two_rows_of_a_cell_counts(folder):
    folder.keep(row("b", number=0))
    folder.keep({"cell": "a", "status": "failed"})
    kept = folder.rows()
    assert (kept["b"]["number"], kept["a"]["status"], len(kept)) == (0, "failed", 3)


@pytest.mark.parametrize("name", ["result.json", "notes.txt"])
def test_a_foreign_folder_is_refused_and_left_as_it_is(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=r"exists and is no bench's folder; name another with --out"):
        BenchFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(ConfigError, match=r"is no bench's folder"):
        BenchFolder(tmp_path / name)


def test_a_place_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="expected a folder that can be written to at"):
        BenchFolder(tmp_path / "file" / "bench")


class _FullDisk(io.FileIO):
    """A file on a disk that has room for some bytes more."""

    room = 20

    def write(self, content):
        content = bytes(content)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(content[: self.room])
        self.room -= written
        return written


def test_no_room_leaves_no_half_row(folder, rows, monkeypatch):
    before = rows.read_bytes()

    def full(path, mode="r", *rest, **more):
        is_rows = Path(path) == rows and "a" in mode
        return io.BufferedWriter(_FullDisk(path, "a")) if is_rows else io.open(path, mode, *rest, **more)  # noqa: UP020

    with monkeypatch.context() as patch:
        patch.setattr(store.Path, "open", full)
        with pytest.raises(StoreError, match=r"rows.jsonl: No space left on device; make room"):
            folder.keep(row("d", number=4), OUTPUTS)
    assert set(BenchFolder(folder.place).rows()) == {"a", "b", "c"}
    assert rows.read_bytes() == before
    folder.keep(row("d", number=5), OUTPUTS)
    assert folder.rows()["d"]["number"] == 5


def test_no_room_for_predictions_leaves_no_row(folder, rows, monkeypatch):
    before = rows.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.np, "savez", full)
    with pytest.raises(StoreError, match="predictions cannot be written to"):
        folder.keep(row("d"), OUTPUTS)
    assert rows.read_bytes() == before
    assert sorted(path.name for path in (folder.place / "predictions").iterdir()) == ["a.npz", "b.npz", "c.npz"]


@pytest.mark.parametrize("damage", [None, b"", b"PK\x03\x04", b"no zip at all"])
def test_predictions_that_are_absent_or_damaged_are_refused(folder, damage):
    path = folder.place / "predictions" / "b.npz"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(DataError, match=r"b.npz: expected predictions; .* remove the line of b in rows.jsonl"):
        folder.outputs("b")


def test_a_problem_is_kept(folder):
    assert folder.problem("p") is None
    folder.keep_problem("p", {"test": 3})
    assert folder.problem("p") == {"test": 3}


def test_the_table_quotes_and_the_result_counts_how_often_it_was_opened(folder):
    assert folder.opened() == 0
    lines = [{"contender": 'a, "b"', "accuracy": None}, {"contender": "c", "accuracy": 0.25}]
    folder.finish({"opened": 3}, ["contender", "accuracy"], lines)
    assert folder.opened() == 3
    assert (folder.place / TABLE).read_text() == 'contender,accuracy\n"a, ""b""",\nc,0.25\n'
    assert json.loads((folder.place / RESULT).read_text()) == {"opened": 3}


def test_a_damaged_result_is_one_line(folder):
    (folder.place / RESULT).write_text('{"opened": ')
    with pytest.raises(DataError, match=r"result.json: expected JSON"):
        folder.opened()


def test_files_are_whole_whatever_happens(folder, monkeypatch):
    def torn(path, text, **_):
        with builtins.open(path, "w") as file:  # noqa: PTH123
            file.write(text[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.Path, "write_text", torn)
        with pytest.raises(KeyboardInterrupt):
            folder.write_plan("# another plan\n")
    assert (folder.place / PLAN).read_text() == "# a plan\n"
    assert not [path for path in folder.place.iterdir() if path.name.endswith(".part")]
