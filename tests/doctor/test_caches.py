import os
import sqlite3
import time
import zipfile

import numpy as np
import pytest

from acofer.doctor import disk
from acofer.doctor.caches import cache_findings
from acofer.doctor.disk import is_sound_zip, place_at
from acofer.doctor.embedded import embedded_findings
from acofer.features import cache, shipped
from acofer.features.cache import Store
from acofer.features.entry import key_of
from acofer.scoring.memo import ScoreMemo

ABOUT = {
    "pictures_digest": "p" * 64, "weights_digest": "w" * 64, "backbone": "mobilenetv2", "image_size": 48,
    "pooling": "flatten", "preprocessing": 1,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A cache folder with one entry of 40 rows."""
    place = tmp_path / "kept here"
    with Store(place).writer(key_of(ABOUT), 40) as writer:
        writer.append(np.ones((40, 30), np.float16))
        writer.commit(ABOUT)
    return place


def look(folder, **how):
    return {finding.name: finding for finding in cache_findings(str(folder), **how)}


def everything_in(folder):
    paths = [folder, *folder.rglob("*")]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_a_sound_folder_is_told_and_left_as_it_is(folder):
    ScoreMemo(folder / "scores.sqlite", "0" * 64).close()
    (folder / "faces").mkdir()
    np.savez(folder / "faces" / "found.npz", landmarks=np.zeros((3, 68, 2)))
    before = everything_in(folder)
    for deep in (False, True):
        found = look(folder, deep=deep)
        assert {finding.mark for finding in found.values()} == {"ok"}
        assert list(found) == ["embeddings", "scores", "found faces"]
        assert found["embeddings"].said.startswith(f"1 entry, 0.0 MB, in {folder}; ")
        assert found["embeddings"].said.endswith(" free on its disk")
        assert found["embeddings"].facts["keys"] == [key_of(ABOUT)]
        assert found["scores"].said.startswith("0 remembered")
        assert found["found faces"].said.startswith("landmarks, 1 file")
    assert everything_in(folder) == before


def test_the_folder_is_the_one_that_other_commands_take(tmp_path, monkeypatch):
    assert str(tmp_path / "cache") in cache_findings()[0].said
    monkeypatch.setenv("ACOFER_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert str(tmp_path / "elsewhere") in cache_findings()[0].said
    assert str(tmp_path / "named") in cache_findings(str(tmp_path / "named"))[0].said


def test_an_absent_folder_is_no_fault_and_is_not_made(tmp_path):
    found = look(tmp_path / "not" / "yet")
    assert {finding.mark for finding in found.values()} == {"ok"}
    assert found["embeddings"].said.startswith("none yet, in ")
    assert found["embeddings"].facts["exists"] is False
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    found = look(tmp_path / "file" / "cache")["embeddings"]
    assert found.mark == "warn"
    assert found.said.endswith("it cannot be made: Not a directory")
    assert "--cache-dir" in found.advice


def test_a_folder_that_is_read_only(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(disk.tempfile, "TemporaryFile", refuse)
    found = look(folder)["embeddings"]
    assert found.mark == "warn"
    assert found.said.endswith("it cannot be written: Read-only file system")
    assert found.said.startswith("1 entry"), "what is there can be used"


def test_a_folder_that_is_closed_to_this_user(folder):
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        folder.chmod(0o755)
        pytest.skip("this user, e.g. root, writes anyway")
    try:
        assert look(folder)["embeddings"].said.endswith("it cannot be written: Permission denied")
    finally:
        folder.chmod(0o755)


def test_a_full_disk_is_a_warning(folder, monkeypatch):
    usage = type("Usage", (), {"free": 10_000_000})
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    found = look(folder)["embeddings"]
    assert found.mark == "warn"
    assert "10.0 MB free" in found.said
    assert "acofer cache prune" in found.advice


def test_a_damaged_entry_is_named_with_the_line_that_removes_it(folder):
    key = key_of(ABOUT)
    with (folder / key / "values.npy").open("r+b") as file:
        file.truncate(130)
    found = look(folder)["damaged"]
    assert found.mark == "warn"
    assert found.said.startswith(f"1 entry: {key[:8]}: values.npy has 130 of ")
    assert found.command == f"acofer cache prune {key} --cache-dir '{folder}'"
    assert found.facts == {key: found.facts[key]}


def test_a_flipped_bit_is_found_by_a_deep_look(folder):
    with (folder / key_of(ABOUT) / "values.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    assert "damaged" not in look(folder)
    assert "block 0" in look(folder, deep=True)["damaged"].said


def test_many_damaged_entries_are_counted_and_all_are_in_the_line(tmp_path):
    keys = [f"{number:032x}" for number in range(5)]
    for key in keys:
        (tmp_path / key).mkdir()
    found = look(tmp_path)["damaged"]
    assert found.said.startswith("5 entries: ")
    assert found.said.endswith(", and 2 more")
    assert found.command.startswith(f"acofer cache prune {' '.join(keys)} --cache-dir")


def test_leftovers_of_killed_writers_are_named_with_the_line_that_removes_them(folder):
    left = folder / f"{cache.WRITING}{key_of(ABOUT)}-{'0' * 32}"
    left.mkdir()
    (left / "values.npy").write_bytes(bytes(2_000_000))
    assert "leftovers" not in look(folder), "it may be at work"
    long_ago = time.time() - cache.STALE_SECONDS - 10
    for path in (left / "values.npy", left):
        os.utime(path, (long_ago, long_ago))
    found = look(folder)["leftovers"]
    assert found.said == "1 folder, 2.0 MB, left by processes that were killed"
    days = int(found.command.partition("--older-than ")[2].split()[0])
    assert Store(folder).prune(older_than_days=days) == []
    assert "leftovers" not in look(folder)


def test_a_damaged_memo_and_damaged_landmarks_are_warnings(folder):
    (folder / "scores.sqlite").write_bytes(b"nothing of the kind" * 100)
    (folder / "faces").mkdir()
    (folder / "faces" / "found.npz").write_bytes(b"PK")
    found = look(folder)
    assert found["scores"].mark == found["found faces"].mark == "warn"
    assert "not a database" in found["scores"].said
    assert found["scores"].advice == "move it away, and a new one is made"
    assert found["found faces"].said.endswith("damaged: found.npz")


def test_a_memo_of_another_program_is_left_alone(folder):
    connection = sqlite3.connect(folder / "scores.sqlite")
    connection.execute("CREATE TABLE others (a)")
    connection.close()
    assert "another program's" in look(folder)["scores"].said


def test_a_zip_is_checked_to_its_end_or_byte_by_byte(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", bytes(range(256)) * 20)
    assert is_sound_zip(path, everything=True)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert is_sound_zip(path, everything=False)
    assert not is_sound_zip(path, everything=True)
    path.write_bytes(content[:-30])
    assert not is_sound_zip(path, everything=False)
    assert not is_sound_zip(tmp_path / "absent.npz", everything=False)


def test_a_place_is_tried_and_nothing_is_left_there(tmp_path):
    place = place_at(tmp_path / "a" / "b")
    assert (place.exists, place.fault) == (False, None)
    assert place.free > 0
    assert place_at(tmp_path).exists
    assert list(tmp_path.iterdir()) == []


def test_what_came_with_acofer_is_whole():
    for deep in (False, True):
        (found,) = embedded_findings(deep=deep)
        assert found.mark == "ok"


def test_a_package_that_was_copied_in_part_stops_the_core(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path)
    (found,) = embedded_findings()
    assert found.stops_the_core
    assert str(tmp_path) in found.said
    key = "c" * 32
    (tmp_path / key).mkdir()
    (found,) = embedded_findings()
    assert found.facts["damaged"] == [str(tmp_path / key / "values.npz"), str(tmp_path / key)]
    assert "--force-reinstall" in found.command
