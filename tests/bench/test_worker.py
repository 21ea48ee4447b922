"""Processes of their own for cells: what hangs is ended, what dies is a row, and networks are gone on with."""

import itertools
import json
import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from made_bench import ALL, OWN, _of, by_contender, content_of, plan_of, plan_with

from acofer.bench import attempt as attempts
from acofer.bench import runner, worker
from acofer.bench.selectors import SELECTORS
from acofer.bench.worker import InlineWorker, ProcessWorker, trained
from acofer.config.train import TrainConfig
from acofer.errors import LeakageError, MissingExtraError, MissingFileError
from acofer.runs.folder import PREDICTIONS, RESULT
from acofer.runs.training_folder import CHECKPOINT


def nobody(*_):
    """For who does not want to know."""


def run(plan, out, **more):
    """Run a plan in workers' processes."""
    return by_contender(runner.run_plan(plan, out, **more))


def test_what_hangs_or_dies_is_a_row_and_the_next_cell_runs(made_process, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MADE_BENCH_FLAG", str(tmp_path / "died"))
    plan = plan_with("sleeps", "prints", "dies-once", "at-random", "fails", timeout=1)
    took = {}
    last = [time.monotonic()]

    def on_row(row, *_):
        took[row["contender"]], last[0] = time.monotonic() - last[0], time.monotonic()

    rows = run(plan, tmp_path / "bench", on_row=on_row)
    assert {name: row["status"] for name, row in rows.items()} == {
        "sleeps": "timed out", "prints": "ok", "dies-once": "failed", "at-random": "ok", "fails": "failed"
    }  # fmt: skip
    assert rows["sleeps"]["reason"] == "ended after 1 s, its time-out"
    assert "test" not in rows["sleeps"]
    assert rows["dies-once"]["reason"] == "its process was killed by signal 9 (9: most likely for want of memory)"
    assert rows["at-random"]["test"] == rows["prints"]["test"]  # the same subset by the same classifier
    assert rows["at-random"]["seconds"]["fit"] < 1
    assert capfd.readouterr().out == ""  # chatter of libraries is not the bench's result
    assert took["fails"] < 5
    ran = []
    less = plan_with("prints", "dies-once", "at-random")
    again = run(less, tmp_path / "bench", retry=True, on_row=lambda row, *_: ran.append(row["contender"]))
    assert ran == ["dies-once"]
    assert again["dies-once"]["status"] == "ok"
    assert again["dies-once"]["test"] == again["at-random"]["test"]
    assert not multiprocessing.active_children()


class _Talker:
    """A process's end of the pipe, in which always something lies: how far a search is."""

    def __init__(self):
        self.said = iter([(worker._BEGUN, ())] + [(worker._TOLD, ("searching", 1, 9))] * 100)

    def poll(self, _seconds):
        return True

    def recv(self):
        return next(self.said, (worker._DONE, "far too late"))


def test_who_never_stops_talking_is_ended_all_the_same(monkeypatch):
    """The clock was looked at in silence only."""
    now = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    (cell,) = plan_with("at-random", timeout=20).cells
    own = ProcessWorker()
    own._pipe = _Talker()
    told = []
    outcome = own._listen(cell, lambda *part: told.append(part))
    assert (outcome.status, outcome.reason) == ("timed out", "ended after 20 s, its time-out")
    assert 10 < len(told) <= 20
    (cell,) = plan_with("at-random", timeout=0).cells
    own._pipe = _Talker()
    assert own._listen(cell, nobody) == "far too late"  # none is none


def test_a_process_says_what_this_one_would(made_process, tmp_path):
    contenders = ["all", {"selector": "random-search", "size": 6}, "too-few"]
    theirs = run(plan_with(*contenders), tmp_path / "process")
    ours = run(plan_with(*contenders), tmp_path / "inline", selectors=OWN)
    for name in ("all", "random-search", "too-few"):
        for key in ("status", "reason", "test", "indices", "scored", "search score", "evaluations", "fingerprint"):
            assert theirs[name].get(key) == ours[name].get(key), (name, key)


def test_a_process_stays_for_its_problem_and_comes_back_when_it_has_died(made_process):
    (cell,) = plan_with({"selector": "random-search", "size": 6}).cells
    own, told, here = ProcessWorker(), [], threading.get_ident()
    assert own.run(cell, None, "", lambda *part: told.append((threading.get_ident(), part))).status == "ok"
    assert (here, ("searching", 12, 12)) in told
    first = own._process.pid
    assert own.run(cell, None, "", nobody).status == "ok"
    assert own._process.pid == first  # the problem is laid out once
    own._process.kill()  # between two cells
    own._process.join()
    assert own.run(cell, None, "", nobody).status == "ok"
    assert own._process.pid != first
    own.close()
    own.close()
    assert not multiprocessing.active_children()


# In this process.


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (LeakageError("two\nlines"), "caught", "two lines"),
        (MissingExtraError("no optuna"), "skipped", "no optuna"),
        (MissingFileError("no weights"), "skipped", "no weights"),
        (MemoryError(), "failed", "MemoryError: no more is known (test_worker.py, line "),
        (KeyError("x"), "failed", "KeyError: 'x' (test_worker.py, line "),
    ],
)
def test_whatever_is_raised_is_an_outcome(made, monkeypatch, error, status, reason):
    def raises(*_, **__):
        raise error

    monkeypatch.setattr(worker, "attempt", raises)
    outcome = InlineWorker().run(plan_with("all").cells[0], None, "", nobody)
    assert outcome.status == status
    assert outcome.reason.startswith(reason)
    assert outcome.attempt is outcome.problem is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemError])
def test_ctrl_c_is_no_outcome(made, monkeypatch, error):
    """In a compiled kernel it comes as a SystemError that it has caused; that was a row, and the bench went on."""

    def interrupted(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as cause:
            raise error from cause

    monkeypatch.setattr(worker, "attempt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        InlineWorker().run(plan_with("all").cells[0], None, "", nobody)


def test_the_clock_starts_when_the_problem_is_laid_out(made, monkeypatch):
    order = []
    honest = worker.Problem

    def slow(*arguments):
        order.append("laid out")
        return honest(*arguments)

    monkeypatch.setattr(worker, "Problem", slow)
    own = InlineWorker({**SELECTORS, **OWN})
    cells = plan_with("all", "at-random").cells
    for cell in cells:
        assert own.run(cell, None, "", nobody, lambda: order.append("begun")).status == "ok"
    assert order == ["laid out", "begun", "begun"]


def test_progress_counts_what_the_budget_counts(made):
    told = []
    by_number, by_time = plan_with(
        {"selector": "random-search", "size": 6, "budget": [{"evaluations": 30}, {"seconds": 0.4}]}
    ).cells
    InlineWorker().run(by_number, None, "", lambda *part: told.append(part))
    searching = [part for part in told if part[0] == "searching"]
    assert searching[-1] == ("searching", 30, 30)
    assert [done for _, done, _ in searching] == sorted(done for _, done, _ in searching)
    outcome = InlineWorker().run(by_time, None, "", nobody)
    assert outcome.attempt.row["history"][-1][1] < 5


def test_what_a_failed_one_asked_for_is_not_charged_to_the_next(made):
    def asks_and_fails(task):
        task.heuristic("importance")
        raise ValueError

    own = {**ALL, "asks": _of("asks", asks_and_fails)}
    first, second = plan_of(content_of("asks", "at-random"), "made", "", own).cells
    inline = InlineWorker(own)
    assert inline.run(first, None, "", nobody).status == "failed"
    assert inline.run(second, None, "", nobody).attempt.row["seconds"]["heuristic"] == 0


def test_heuristic_information_is_waited_for_once_and_paid_by_all_who_use_it(made, monkeypatch):
    from acofer.bench import problem

    honest = problem.heuristic_of

    def slow(*arguments):
        time.sleep(0.3)
        return honest(*arguments)

    monkeypatch.setattr(problem, "heuristic_of", slow)
    own = InlineWorker()
    cells = plan_with({"selector": "anova-f", "size": [4, 6]}).cells
    seconds = [own.run(cell, None, "", nobody).attempt.row["seconds"] for cell in cells]
    for spent in seconds:
        assert spent["heuristic"] == seconds[0]["heuristic"] >= 0.3
        assert spent["selection"] < 0.2


def test_latency_is_of_one_row(made, monkeypatch):
    seen = []
    honest = attempts.predicted_by

    def watched(model, X, indices, classes):
        seen.append(len(X))
        return honest(model, X, indices, classes)

    monkeypatch.setattr(attempts, "predicted_by", watched)
    outcome = InlineWorker().run(plan_with("all").cells[0], None, "", nobody)
    assert seen == [140] + [1] * attempts._LATENCY_CALLS
    assert 0 < outcome.attempt.row["classifier latency, ms"] < 1000


# Networks.


@pytest.fixture
def trainings(monkeypatch):
    """What was called in place of trainings; each leaves what a finished one leaves."""
    calls = []

    def finish(place):
        place.mkdir(exist_ok=True)
        (place / CHECKPOINT).unlink(missing_ok=True)
        timing = {"latency of one picture, ms": 1.0}
        numbers = {
            "net": {"parameters": {"trainable": 5, "frozen": 2}, "multiply-adds": 7, "timing": timing},
            "training": {"seconds": 2.0, "epochs": 3, "best epoch": 2}, "seconds": {"test": 0.5},
            "peak memory, GB": 0.1, "split": {"fingerprint": "f"}, "versions": {"keras": "3"}, "machine": {},
        }  # fmt: skip
        (place / RESULT).write_text(json.dumps(numbers))
        np.savez(place / PREDICTIONS, rows=np.arange(3), outputs=np.eye(3, dtype=np.float32))

    def run_train(config, **_):
        calls.append(("train", config))
        assert not Path(config.out).exists()  # as the real one demands
        finish(Path(config.out))

    def resume_train(place, **_):
        calls.append(("resume", place))
        finish(place)

    monkeypatch.setattr(worker, "run_train", run_train)
    monkeypatch.setattr(worker, "resume_train", resume_train)
    return calls


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        ([], "train"),
        (["config.toml"], "train"),  # killed before its first epoch was kept: it failed for ever after
        (["config.toml", CHECKPOINT], "resume"),
        (["config.toml", RESULT], None),
        (["config.toml", RESULT, CHECKPOINT], None),  # killed after its last word: it failed, too
    ],
    ids=str,
)
def test_a_training_is_begun_or_gone_on_with_or_taken(trainings, tmp_path, left, kind):
    (cell,) = plan_with({"net": "small-cnn", "set": {"epochs": 3}}).cells
    assert isinstance(cell.config, TrainConfig)
    place = tmp_path / "network"
    if RESULT in left:
        trained(cell, place, nobody)
        trainings.clear()
    elif left:
        place.mkdir()
    for name in left:
        (place / name).touch()
    found = trained(cell, place, nobody)
    assert [call[0] for call in trainings] == ([] if kind is None else [kind])
    if kind == "train":
        ((_, config),) = trainings
        assert (config.out, config.epochs, config.net) == (str(place), 3, "small-cnn")
    assert (found.row["parameters"], found.row["multiply-adds"], found.row["fingerprint"]) == (7, 7, "f")
    assert found.row["about"] == {"epochs": 3, "best epoch": 2}
    np.testing.assert_array_equal(found.outputs, np.eye(3))
