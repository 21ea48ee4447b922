from __future__ import annotations

import pytest

from acofer.errors import StoreError
from acofer.writing import remove_parts, written_beside


def test_what_stands_there_is_whole(tmp_path):
    place = tmp_path / "new" / "file.txt"
    with written_beside(place, "the file") as beside:
        beside.write_text("one")
        assert not place.exists()
    assert place.read_text() == "one"
    assert [path.name for path in place.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_one(tmp_path, error):
    place = tmp_path / "file.txt"
    place.write_text("old")

    def fail():
        with written_beside(place, "the file") as beside:
            beside.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert place.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "below.txt"
    with (
        pytest.raises(StoreError, match=r"the letter cannot be written to .*make room") as caught,
        written_beside(place, "the letter") as beside,
    ):
        beside.write_text("x")
    assert "\n" not in str(caught.value)


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    kept = [tmp_path / "file.part", tmp_path / ".file", tmp_path / "deep" / ".hidden.txt"]
    left = [tmp_path / ".file.txt.123.part", tmp_path / "deep" / ".other.9.part"]
    (tmp_path / "deep").mkdir()
    for path in (*kept, *left):
        path.touch()
    remove_parts(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in left)
