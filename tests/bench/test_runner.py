"""Plans, run: what fails is a row, what is there is not run again, and who was stopped ends where others do."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import made_bench
import pytest
import tomli_w
from made_bench import OWN, bench, by_contender, content_of, plan_with

from acofer.bench import runner
from acofer.bench.opening import open_labels
from acofer.bench.problem import Problem
from acofer.bench.selectors import SELECTORS
from acofer.bench.store import PLAN, ROWS, TABLE, BenchFolder
from acofer.errors import ConfigError, StoreError
from acofer.runs.folder import RESULT

PROGRAM = Path(made_bench.__file__)
TIMES = ("finished", "seconds", "peak memory, GB", "latency, ms", "classifier latency, ms")
TIME_COLUMNS = ("latency, ms", "selection seconds", "fit seconds", "training seconds", "peak memory, GB")


def lasting(thing):
    """Return a result without what differs from run to run: times and memory."""
    if isinstance(thing, dict):
        kept = {key: lasting(value) for key, value in thing.items() if key not in TIMES}
        if kept.get("history"):
            kept["history"] = [[n, value, size] for n, _, value, size in kept["history"]]
        return kept
    return [lasting(each) for each in thing] if isinstance(thing, list) else thing


def kept_in(folder):
    """Return the result and the table that lie in a folder, but for times and memory."""
    with (folder / TABLE).open() as file:
        lines = [{k: v for k, v in line.items() if k not in TIME_COLUMNS} for line in csv.DictReader(file)]
    return lasting(json.loads((folder / RESULT).read_text())), lines


def test_what_is_left_out_of_comparisons_is_times_and_nothing_else(made, tmp_path):
    result = bench(tmp_path / "bench", {"selector": "colony", "size": 6}, "all")
    (left,) = [row for row in lasting(result)["rows"] if row["contender"] == "colony"]
    full = by_contender(result)["colony"]
    assert set(full) - set(left) == set(TIMES[1:])
    assert left["history"][-1] == [full["history"][-1][place] for place in (0, 2, 3)]
    for name in ("indices", "test", "predicted", "search score", "scored", "configuration"):
        assert left[name] == full[name]


def test_the_same_plan_gives_the_same_result(made, tmp_path):
    contenders = [{"selector": ["colony", "random-search"], "size": 6}, "at-random"]
    for name in ("one", "other"):
        bench(tmp_path / name, *contenders, seeds=[0, 1], null_test=True)
    assert kept_in(tmp_path / "one") == kept_in(tmp_path / "other")


def test_a_failure_is_a_row_and_stops_nothing(made, tmp_path):
    told = []
    result = bench(
        tmp_path / "bench", "fails", "all", "beyond-the-last", "at-random",
        on_row=lambda row, done, total: told.append((row["contender"], row["status"], done, total)),
    )  # fmt: skip
    assert told == [("fails", "failed", 1, 4), ("all", "ok", 2, 4), ("beyond-the-last", "failed", 3, 4),
                    ("at-random", "ok", 4, 4)]  # fmt: skip
    rows = by_contender(result)
    assert rows["fails"]["reason"].startswith("ValueError: on purpose (made_bench.py, line ")
    assert "test" not in rows["fails"]
    assert rows["all"]["test"]["accuracy"]["value"] > 0.25


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        # NumPy took the first two without a word.
        ("counts-from-the-end", "in ascending order, each once, from 0 to 23; got array([-2, -1], dtype=int32)"),
        ("one-twice", "in ascending order, each once, from 0 to 23; got array([3, 3], dtype=int32)"),
        ("beyond-the-last", "in ascending order, each once, from 0 to 23; got array([ 0, 24], dtype=int32)"),
        # These two could not be written, which ended the whole bench.
        ("says-nan", "expected plain data and finite numbers about its choice; Out of range float values"),
        ("says-an-array", "expected plain data and finite numbers about its choice; Object of type ndarray"),
    ],
)
def test_a_choice_that_cannot_be_is_a_failure(made, tmp_path, selector, words):
    rows = by_contender(bench(tmp_path / "bench", selector, "all"))
    assert (rows[selector]["status"], rows["all"]["status"]) == ("failed", "ok")
    assert f"{selector}: expected" in rows[selector]["reason"]
    assert words in rows[selector]["reason"]


def test_what_is_not_installed_is_skipped(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "boruta", None)
    row = by_contender(bench(tmp_path / "bench", {"selector": "boruta", "size": 6}, "all"))["boruta"]
    assert row["status"] == "skipped"
    assert "pip install 'acofer[bench]'" in row["reason"]


def test_a_problem_that_cannot_be_laid_out_fails_its_cells_only(made, tmp_path):
    content = content_of({"selector": "all"})
    content["setting"].append({"name": "no folds", "scorer": "forest", "balance": "none", "folds": 500})
    plan = made_bench.plan_of(content, "made", "", made_bench.ALL)
    rows = {row["setting"]: row for row in runner.run_plan(plan, tmp_path / "bench", selectors=OWN)["rows"]}
    assert (rows["made"]["status"], rows["no folds"]["status"]) == ("ok", "failed")
    assert "use fewer folds" in rows["no folds"]["reason"]


def test_when_nothing_ends_well_there_is_still_a_result(made, tmp_path):
    result = bench(tmp_path / "bench", "fails", null_test=True)
    assert [row["status"] for row in result["rows"]] == ["failed", "failed"]
    assert (tmp_path / "bench" / TABLE).read_text().count("\n") == 2


def test_retry_runs_what_did_not_end_well_and_nothing_else(made, tmp_path, monkeypatch):
    contenders = ["all", "fails", "too-few", "at-random"]
    bench(tmp_path / "bench", *contenders)
    ran = []
    bench(tmp_path / "bench", *contenders, on_row=lambda row, *_: ran.append(row["contender"]))
    assert ran == []
    monkeypatch.setitem(OWN, "fails", OWN["at-random"])
    result = bench(
        tmp_path / "bench",
        *contenders,
        retry=True,
        on_row=lambda row, *_: ran.append((row["contender"], row["status"])),
    )
    assert sorted(ran) == [("fails", "ok"), ("too-few", "caught")]
    rows = by_contender(result)
    assert rows["fails"]["test"] == rows["at-random"]["test"]
    assert rows["fails"]["reason"] is None
    assert len(BenchFolder(tmp_path / "bench").rows()) == 4


def test_a_plan_that_grows_runs_what_is_new(made, tmp_path):
    bench(tmp_path / "bench", "all")
    ran = []
    result = bench(tmp_path / "bench", "all", "at-random", seeds=[0, 1], on_row=lambda row, *_: ran.append(row["cell"]))
    assert len(ran) == 3
    assert len(result["rows"]) == 4
    shrunk = bench(tmp_path / "bench", "at-random", seeds=[1])
    assert [(row["contender"], row["seed"]) for row in shrunk["rows"]] == [("at-random", 1)]
    assert len(BenchFolder(tmp_path / "bench").rows()) == 4


def test_a_foreign_folder_is_refused(made, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match="no bench's folder"):
        bench(tmp_path, "all")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_torn_row_runs_again_and_the_result_is_the_same(made, tmp_path):
    for name in ("whole", "torn"):
        bench(tmp_path / name, "all", {"selector": "colony", "size": 6})
    rows = tmp_path / "torn" / ROWS
    os.truncate(rows, len(rows.read_bytes()) - 7)
    (tmp_path / "torn" / RESULT).unlink()
    ran = []
    bench(tmp_path / "torn", "all", {"selector": "colony", "size": 6}, on_row=lambda row, *_: ran.append(row["cell"]))
    assert len(ran) == 1
    assert kept_in(tmp_path / "torn") == kept_in(tmp_path / "whole")


def test_no_room_for_a_row_ends_the_bench_and_it_goes_on_later(made, tmp_path, monkeypatch):
    keep = BenchFolder.keep

    def full(self, row, outputs=None):
        if row["contender"] == "at-random":
            raise StoreError("a row cannot be written: No space left on device; make room")
        keep(self, row, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(BenchFolder, "keep", full)
        with pytest.raises(StoreError, match="make room"):
            bench(tmp_path / "bench", "all", "at-random")
    assert len(BenchFolder(tmp_path / "bench").rows()) == 1
    assert {row["status"] for row in bench(tmp_path / "bench", "all", "at-random")["rows"]} == {"ok"}


# One choice for many cells.


@pytest.fixture
def counted(monkeypatch):
    """How often each of two selectors was asked."""
    asked = []
    for name, is_seeded in (("seeded", True), ("unseeded", False)):

        def function(task, name=name, is_seeded=is_seeded):
            asked.append(name)
            return made_bench.Choice(made_bench._some(task.seed if is_seeded else 0), about={"asked": len(asked)})

        selector = made_bench._of(name, function, is_seeded=is_seeded)
        monkeypatch.setitem(OWN, name, selector)
        monkeypatch.setitem(made_bench.ALL, name, selector)
    return asked


def test_a_choice_is_made_once_for_classifiers_and_where_it_is_not_seeded_for_seeds(made, tmp_path, counted):
    classifiers = ["auto", "GaussianNB", "LogisticRegression"]
    contenders = [{"selector": ["seeded", "unseeded"], "classifier": classifiers}]
    rows = bench(tmp_path / "bench", *contenders, seeds=[0, 1], null_test=True)["rows"]
    # Shuffled labels are another problem: everybody chooses anew.
    assert (counted.count("seeded"), counted.count("unseeded")) == (3, 2)
    by_cell = {row["cell"]: row for row in rows}
    groups = {}
    for row in rows:
        seed = row["seed"] if row["selector"] == "seeded" else None
        groups.setdefault((row["selector"], seed, row["is null"]), []).append(row)
    for group in groups.values():
        assert len({tuple(row["indices"]) for row in group}) == 1
        first, *others = group
        assert "chosen by" not in first["about"]
        for other in others:
            assert by_cell[other["about"]["chosen by"]]["indices"] == other["indices"]
            assert other["about"]["asked"] == first["about"]["asked"]
            assert other["seconds"]["selection"] == first["seconds"]["selection"]
    assert len({json.dumps(row["predicted"]) for row in groups["seeded", 0, False]}) == 3  # classifiers differ


def test_a_choice_is_shared_after_a_restart_too(made, tmp_path, counted):
    bench(tmp_path / "bench", {"selector": "seeded", "classifier": "auto"})
    bench(tmp_path / "bench", {"selector": "seeded", "classifier": ["auto", "GaussianNB"]})
    assert counted == ["seeded"]


@pytest.mark.parametrize(
    "name", [s.name for s in SELECTORS.values() if not s.is_seeded and s.name not in ("all", "pca")]
)
def test_who_is_said_not_to_hang_on_the_seed_does_not(made, name):
    """Else the choice of one seed would be handed to all."""
    for module in SELECTORS[name].needs:
        pytest.importorskip(module)
    chosen = []
    for seed in (0, 1):
        (cell,) = plan_with({"selector": name, "size": 6}, seeds=seed).cells
        laid_out = Problem(cell)
        chosen.append(made_bench.SELECTORS[name].function(laid_out.task(cell, None)).indices.tolist())
    assert chosen[0] == chosen[1]


# Labels.


def test_no_result_before_all_rows_and_every_opening_is_counted(made, tmp_path):
    there = []

    def look(*_):
        there.append((tmp_path / "bench" / RESULT).exists())

    contenders = ["all", "at-random"]
    assert bench(tmp_path / "bench", *contenders, on_row=look)["opened"] == 1
    assert there == [False, False]
    assert bench(tmp_path / "bench", *contenders)["opened"] == 2
    assert json.loads((tmp_path / "bench" / RESULT).read_text())["opened"] == 2


def test_rows_on_disk_say_nothing_that_needs_the_labels(made, tmp_path):
    bench(tmp_path / "bench", "all", {"selector": "colony", "size": 6}, null_test=True)
    for row in BenchFolder(tmp_path / "bench").rows().values():
        assert not {"test", "predicted", "without copies", "null test"} & set(row)


# Stopped and started again.

PLAN_TO_STOP = [{"selector": "random-search", "size": 6}, "fails", "at-random", "slow"]
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole") / "bench"
    with pytest.MonkeyPatch.context() as patch:
        made_bench.serve_made(made_bench.pictures(), made_bench.values(), patch.setattr)
        bench(place, *PLAN_TO_STOP, seeds=SEEDS, null_test=True)
    return kept_in(place)


@pytest.mark.parametrize("at", range(1, 13, 3))
def test_ctrl_c_keeps_rows_and_says_how_to_go_on(made, tmp_path, uninterrupted, at):
    def stop(_row, done, _total):
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"every row .* is kept; go on with the same command \(in .*\)"):
        bench(tmp_path / "bench", *PLAN_TO_STOP, seeds=SEEDS, null_test=True, on_row=stop)
    assert len(BenchFolder(tmp_path / "bench").rows()) == at
    assert not (tmp_path / "bench" / RESULT).exists()
    bench(tmp_path / "bench", *PLAN_TO_STOP, seeds=SEEDS, null_test=True)
    assert kept_in(tmp_path / "bench") == uninterrupted


def test_ctrl_c_while_labels_are_opened_says_so_too(made, tmp_path, monkeypatch):
    """It said that nothing was written."""

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "open_labels", stopped)
        with pytest.raises(KeyboardInterrupt, match="every row that was done is kept"):
            bench(tmp_path / "bench", "all")
    assert runner.open_labels is open_labels
    assert bench(tmp_path / "bench", "all")["opened"] == 1


@pytest.fixture
def plan_file(tmp_path):
    path = tmp_path / "made.toml"
    path.write_text(tomli_w.dumps(content_of(*PLAN_TO_STOP, seeds=SEEDS, null_test=True)))
    return path


def started(plan, out, *flags, **more):
    """Start the program, in a group of processes of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, PROGRAM, plan, "--out", out, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, env=environment, **more,
    )  # fmt: skip


def wait_for_rows(process, out, n):
    """Wait until so many rows are there, or the process has ended."""
    rows = Path(out) / ROWS
    while process.poll() is None and (rows.read_bytes().count(b"\n") if rows.exists() else 0) < n:
        time.sleep(0.005)


@pytest.mark.timeout(7200)
def test_killed_again_and_again_it_ends_where_an_uninterrupted_one_does(
    plan_file, tmp_path, uninterrupted, n_kills, tried
):
    """`kill -9`, in the first cells, later, and while rows are read or labels opened."""
    out = tmp_path / "bench"
    rng = random.Random(0)
    often = [(rng.randrange(10), rng.uniform(0, 0.3)) for _ in range(n_kills)]
    for rows, delay in sorted([(1, 0.0), (5, 0.02), (9, 0.05), *often]):
        process = started(plan_file, out, "--quiet")
        wait_for_rows(process, out, rows)
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert not (out / RESULT).exists()
    process = started(plan_file, out, "--quiet", "--json")
    printed, complaints = process.communicate(timeout=120)
    assert (process.returncode, complaints) == (0, "")
    result, lines = kept_in(out)
    whole, whole_lines = uninterrupted
    assert lines == whole_lines
    assert result == whole
    assert json.loads(printed)["rows"] == json.loads((out / RESULT).read_text())["rows"]
    assert not list(out.rglob("*.part"))
    tried("a killed bench is gone on with", times=3 + n_kills)


def test_ctrl_c_on_a_terminal_is_one_line_and_130(plan_file, tmp_path):
    """The terminal interrupts the worker's process, too, which printed a traceback."""
    out = tmp_path / "bench"
    never_ends = {"selector": "sleeps", "size": 4}
    plan_file.write_text(tomli_w.dumps(content_of(*PLAN_TO_STOP, never_ends, seeds=SEEDS, null_test=True)))
    process = started(plan_file, out, "--quiet")
    wait_for_rows(process, out, 2)
    os.killpg(process.pid, signal.SIGINT)
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    assert printed == ""
    assert complaints == (
        f"acofer: interrupted; every row that was done is kept; go on with the same command (in {out})\n"
    )
    kept = len(BenchFolder(out).rows())
    assert kept >= 2
    assert (out / PLAN).read_text() == plan_file.read_text()
    assert is_gone(process.pid)  # nobody goes on behind one's back


def is_gone(group):
    """Say whether a group of processes has ended, in ten seconds at most."""
    for _ in range(1000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
