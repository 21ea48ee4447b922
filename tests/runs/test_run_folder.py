import json

import pytest

from acofer.errors import DataError, MissingFileError, StoreError
from acofer.runs.folder import RunFolder, read_json


def test_nothing_stands_under_the_final_name_before_the_end(tmp_path):
    folder = RunFolder(str(tmp_path / "a" / "run"), "name")
    folder.write_json("result.json", {"one": 1})
    assert not (tmp_path / "a" / "run").exists()
    assert folder.finish() == tmp_path / "a" / "run"
    assert json.loads((tmp_path / "a" / "run" / "result.json").read_text()) == {"one": 1}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["run"]


def test_a_finished_folder_may_be_read_by_others(tmp_path):
    assert RunFolder(str(tmp_path / "run"), "name").finish().stat().st_mode & 0o055 == 0o055


def test_discarding_takes_away_only_what_was_made(tmp_path):
    (tmp_path / "kept").mkdir()
    RunFolder(str(tmp_path / "kept" / "new" / "newer" / "run"), "name").discard()
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


def test_discarding_leaves_the_folder_that_another_run_moved_into(tmp_path):
    failing = RunFolder(str(tmp_path / "runs" / "one"), "name")
    other = RunFolder(str(tmp_path / "runs" / "two"), "name")
    failing.discard()
    assert other.finish().is_dir()


def test_two_runs_of_one_second_both_stay(tmp_path):
    one, two, three = (RunFolder(str(tmp_path / "run"), "name") for _ in range(3))
    one.write_text("who.txt", "one")
    assert one.finish() == tmp_path / "run"
    for number, late in ((2, two), (3, three)):
        late.write_text("who.txt", str(number))
        with pytest.warns(UserWarning, match=f"kept in .*run-{number}"):
            assert late.finish() == tmp_path / f"run-{number}"
    assert (tmp_path / "run" / "who.txt").read_text() == "one"


def test_a_place_that_can_never_be_had_ends_with_one_line(tmp_path, monkeypatch):
    folder = RunFolder(str(tmp_path / "run"), "name")
    monkeypatch.setattr("acofer.runs.folder._is_taken_by", lambda take, place: False)
    with pytest.raises(StoreError, match="was taken while it lasted"):
        folder.finish()


def test_a_number_that_json_has_no_word_for_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        RunFolder(str(tmp_path / "run"), "name").write_json("result.json", {"value": float("nan")})


def test_what_is_no_run_folder_is_said_so(tmp_path):
    with pytest.raises(MissingFileError, match=r"expected a run folder with result\.json at"):
        read_json(tmp_path, "result.json")
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(DataError, match="expected JSON"):
        read_json(tmp_path, "result.json")
