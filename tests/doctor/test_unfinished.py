import os
import shlex

import pytest

from acofer.bench.plan import read_plan
from acofer.cli import build_parser
from acofer.doctor.unfinished import RECENT_SECONDS, run_findings


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Return a maker of run folders with some files in them, last written to long ago."""
    monkeypatch.chdir(tmp_path)

    def make(name, *files):
        place = tmp_path / "runs" / name
        place.mkdir(parents=True)
        for file in files:
            (place / file).write_text("x")
            os.utime(place / file, (1e9, 1e9))
        return place

    return make


def found():
    return {finding.name: finding for finding in run_findings()}


def test_a_folder_without_runs_says_so_and_is_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [finding.said for finding in run_findings()] == [f"none in {tmp_path / 'runs'}"]
    assert list(tmp_path.iterdir()) == []


def test_finished_runs_are_counted(runs):
    runs("a", "result.json", "config.toml")
    runs("b", "result.json", "plan.toml")
    runs("somebody's own", "notes.txt")
    assert {name: each.said for name, each in found().items()} == {"runs": "2 finished runs in runs/"}


def test_a_training_that_was_interrupted_comes_with_its_line(runs):
    place = runs("my net", "checkpoint.npz", "config.toml", "history.csv")
    training = found()["my net"]
    assert training.mark == "warn"
    assert shlex.split(training.command)[1:] == ["train", "--resume", "runs/my net"]
    assert build_parser().parse_args(shlex.split(training.command)[1:]).resume == "runs/my net"
    os.utime(place / "checkpoint.npz")
    training = found()["my net"]
    assert (training.mark, training.command) == ("ok", None), "it may be at work"


def test_a_search_that_was_killed_comes_with_its_line(runs):
    runs("demo", "checkpoint.npz", "config.toml")
    assert shlex.split(found()["demo"].command)[1:] == ["search", "--resume", "runs/demo"]


def test_a_bench_that_was_interrupted_comes_with_its_line(runs):
    place = runs("quick", "plan.toml", "rows.jsonl")
    line = shlex.split(found()["quick"].command)
    parsed = build_parser().parse_args(line[1:])
    assert (parsed.plan, parsed.out) == ("runs/quick/plan.toml", "runs/quick")
    (place / "plan.toml").write_text('[[setting]]\nname = "a"\n')
    assert RECENT_SECONDS > 60
    with pytest.raises(ValueError, match="contender"):  # read as a plan
        read_plan(parsed.plan)


def test_drafts_are_told(runs):
    runs(".20260101-120000-demo-ab12_cd9", "trace.jsonl")
    drafts = found()["drafts"]
    assert drafts.mark == "warn"
    assert drafts.said.endswith(": .20260101-120000-demo-ab12_cd9")
