"""A search that was killed, gone on with: the same subsets, scores, predictions and model, to the last bit."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_run_search import WHOLE, trace_of

from acofer.errors import ConfigError, DataError, MissingFileError, StoreError
from acofer.locks import locked
from acofer.runs import folder as files
from acofer.runs import search, search_folder
from acofer.runs.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from acofer.runs.search import resume_search, run_search
from acofer.runs.search_folder import SearchFolder
from acofer.stopping import Stop

RIDGE = {"scorer": "ridge", "heuristic": "auto", "penalty": 0.01, "size": "4:16"}
SCORERS = {
    "forest, raced": {"trees": 90, "ants": 12},
    "forest, folds": {"folds": 3},
    "forest, remembered": {"trees": 30, "memo": "on"},
    "classifier": {"scorer": "LogisticRegression", "metric": "accuracy"},
    "ridge": RIDGE,
    "ridge, rows": {**RIDGE, "metric": "macro-f1"},
    "screened": {"screen": "ridge", "heuristic": "auto"},
    "mmas": {"variant": "mmas"},
    "ant system": {"variant": "as"},
}
EFFORT = ("seconds scoring", "sessions", "cost")
"""What a resumed search took, and how much of it was done twice, is no part of its outcome."""


class Killed(BaseException):
    """What a kill looks like from inside: nothing is caught, nothing is tidied."""


@pytest.fixture
def every_chance(monkeypatch):
    """Keep a checkpoint whenever there is anything new."""
    monkeypatch.setattr(search_folder, "EVERY", 0.0)
    monkeypatch.setattr(search_folder, "_SHARE", 1e9)


def outcome(folder):
    """Everything that a reader sees, but how long it took and how it went."""
    numbers = json.loads((folder / files.RESULT).read_text())
    with np.load(folder / files.PREDICTIONS) as kept:
        predictions = {name: kept[name].tolist() for name in kept.files}
    return {
        "search": {name: value for name, value in numbers["search"].items() if name not in EFFORT},
        "test": {name: numbers[name] for name in ("contenders", "search score", "accuracy differences", "verdict")},
        "trace": [{name: value for name, value in line.items() if name != "seconds"} for line in trace_of(folder)],
        "predictions": predictions,
        **{name: (folder / name).read_text() for name in (files.SUBSET, files.FRONT)},
    }


def n_chances(make, options, monkeypatch):
    """Run without a kill, and return the result and how often a checkpoint was kept."""
    count, kept = [0], SearchFolder.keep

    def counting(self, state):
        count[0] += 1
        kept(self, state)

    with monkeypatch.context() as patch:
        patch.setattr(SearchFolder, "keep", counting)
        whole = run_search(make("whole", **options))
    return whole, count[0]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("scorer", SCORERS)
def test_killed_at_any_checkpoint_it_comes_to_the_same(
    planted, config, tmp_path, monkeypatch, every_chance, scorer, n_kills, tried
):
    """After each checkpoint once; by day after a few."""
    options = {"ants": 5, "iterations": 3, "cache_dir": str(tmp_path / "cache"), **SCORERS[scorer]}
    whole, n_checkpoints = n_chances(config, options, monkeypatch)
    assert n_checkpoints >= 3
    numbers = range(1, n_checkpoints + 1) if n_kills else sorted({1, n_checkpoints // 2, n_checkpoints})
    for number in numbers:
        with monkeypatch.context() as patch:
            die_after(patch, number)
            with pytest.raises(Killed):
                run_search(config(f"killed{number}", **options))
        place = tmp_path / f"killed{number}"
        assert {path.name for path in place.iterdir()} == {files.CONFIG, CHECKPOINT}
        resumed = resume_search(place)
        assert outcome(resumed.folder) == outcome(whole.folder)
        assert resumed.numbers["search"]["sessions"] == 2
        assert {path.name for path in place.iterdir()} == WHOLE - {files.FIGURES}
    tried("a search that ends after any checkpoint is gone on with", times=len(numbers), scorer=scorer)


def die_after(patch, n_checkpoints):
    """Make a search die after so many checkpoints."""
    kept, left = SearchFolder.keep, [n_checkpoints]

    def keep(self, state):
        kept(self, state)
        left[0] -= 1
        if not left[0]:
            self._held.close()  # as the system lets go of a dead process' locks
            patch.setattr(SearchFolder, "discard", lambda self: None)
            raise Killed

    patch.setattr(SearchFolder, "keep", keep)


@pytest.fixture
def unfinished(planted, config, monkeypatch, every_chance, tmp_path):
    """The folder of a search that was killed after its second iteration of three."""
    with monkeypatch.context() as patch:
        die_after(patch, 2)
        with pytest.raises(Killed):
            run_search(config(iterations=3))
    return tmp_path / "run"


def test_another_configuration_is_refused_and_the_difference_named(unfinished):
    with pytest.raises(ConfigError, match=r"was begun with seed = 0; got 1; leave it out, or begin anew with: acofer"):
        resume_search(unfinished, changes={"seed": "1"})
    with pytest.raises(ConfigError, match="was begun with ants = 4; got 5"):
        resume_search(unfinished, changes={"ants": 5, "workers": 2})
    kept = (unfinished / files.CONFIG).read_text()
    (unfinished / files.CONFIG).write_text(kept.replace("rho = 0.2", "rho = 0.3"))
    with pytest.raises(DataError, match=r"begun on other ground: the configuration \(rho\) was 0.2 and is 0.3"):
        resume_search(unfinished)
    (unfinished / files.CONFIG).write_text(kept)
    assert resume_search(unfinished, changes={"seed": "0", "workers": 2, "heuristic": "f"}).numbers


def test_other_data_are_refused_and_the_difference_named(unfinished, noise):
    with pytest.raises(DataError, match=r"begun on other ground: the data \(pictures and split\) was \w+ and is \w+"):
        resume_search(unfinished)
    assert (unfinished / CHECKPOINT).exists()


def test_what_is_no_unfinished_search_is_refused(planted, config, tmp_path):
    with pytest.raises(MissingFileError, match=r"expected the folder of an interrupted search at .*; it has no checkp"):
        resume_search(tmp_path)
    done = run_search(config())
    with pytest.raises(ConfigError, match=r"is finished, and its test labels are open; search anew with: acofer"):
        resume_search(done.folder)


def test_a_second_process_at_the_same_run_is_told_who_has_it(unfinished):
    with locked(unfinished), pytest.raises(StoreError, match=rf"another acofer \(process {os.getpid()} on "):
        resume_search(unfinished)
    assert resume_search(unfinished).numbers["search"]["sessions"] == 2


def test_a_run_that_fails_after_a_checkpoint_can_be_gone_on_with(planted, config, tmp_path, monkeypatch, every_chance):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(search, "write_model", full)
        with pytest.raises(StoreError, match="No space left on device; make room"):
            run_search(config())
    assert {path.name for path in (tmp_path / "run").iterdir()} == {files.CONFIG, CHECKPOINT}
    assert outcome(resume_search(tmp_path / "run").folder) == outcome(run_search(config("other")).folder)


def test_an_interrupt_at_once_says_how_to_go_on(planted, config, tmp_path, monkeypatch, every_chance):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "run_trial", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"go on with: acofer search --resume .*run"):
        run_search(config())


@pytest.mark.parametrize("last", [files.CONFIG, files.MODEL, files.RESULT])
def test_killed_while_files_are_put_into_their_place_it_does_so_again(
    unfinished, planted, config, monkeypatch, tmp_path, last
):
    moved = Path.replace

    def die(self, target):
        if self.name == last and self.parent.name == ".draft":
            raise Killed
        return moved(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        patch.setattr(SearchFolder, "discard", lambda self: self._held.close())
        with pytest.raises(Killed):
            resume_search(unfinished)
    assert (unfinished / ".draft" / last).exists()
    assert not (unfinished / files.RESULT).exists()
    assert outcome(resume_search(unfinished).folder) == outcome(run_search(config("other", iterations=3)).folder)
    assert {path.name for path in unfinished.iterdir()} == WHOLE - {files.FIGURES}


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_a_damaged_checkpoint_is_said_to_be_one(unfinished, cut):
    content = (unfinished / CHECKPOINT).read_bytes()
    (unfinished / CHECKPOINT).write_bytes(content[:cut])
    with pytest.raises(DataError, match="expected a checkpoint; it is damaged"):
        resume_search(unfinished)


def spoilt(tree, *path, value):
    """Replace something deep within a checkpoint."""
    *way, last = path
    for step in way:
        tree = tree[step]
    tree[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("search", "colony", "pheromone"), np.ones(29)),
        (("search", "colony", "pheromone"), np.full(30, np.nan)),
        (("search", "colony", "pheromone"), np.full(30, 7.0)),
        (("search", "colony", "best"), np.array([3, 30], np.int32)),
        (("search", "colony", "best"), np.array([-1, 3], np.int32)),
        (("search", "colony", "best"), np.array([28, 29], np.int32)),
        (("search", "colony", "leader"), np.array([4, 4], np.int32)),
        (("search", "colony", "iteration"), 1),
        (("search", "colony", "_leader_level"), 99),
        (("search", "colony"), {}),
        (("search", "trace", "rows", "ant"), []),
        (("search", "trace", "archive"), [1, 2]),
        (("search", "trace", "rows", "score", 0), {}),
        (("search", "scorer", "champion"), [1]),
        (("search", "scorer", "tally"), {"subsets": "many"}),
        (("search", "pending"), None),
        (("search",), 3),
    ],
    ids=str,
)
def test_a_checkpoint_with_what_cannot_be_is_refused(unfinished, path, value):
    """Kernels would follow features that are none out of their arrays."""
    tree = read_checkpoint(unfinished / CHECKPOINT)
    spoilt(tree, *path, value=value)
    write_checkpoint(unfinished / CHECKPOINT, tree)
    with pytest.raises(DataError, match="expected a checkpoint; it is damaged"):
        resume_search(unfinished)


def change_array(path, name, change):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, name: change(arrays[name])})


@pytest.mark.parametrize("name", ["scores/folds", "scores/sizes", "scores/utility"])
def test_scores_of_another_shape_are_refused(unfinished, name):
    """They went as far as the trace, which is written when all has been searched."""
    change_array(unfinished / CHECKPOINT, name, lambda array: array[:, None])
    with pytest.raises(DataError, match="expected a checkpoint; it is damaged"):
        resume_search(unfinished)


@pytest.mark.parametrize("name", ["scores/folds", "scores/value", "scores/utility"])
def test_infinite_scores_are_refused(unfinished, name):
    """JSON holds none: the result could not be written."""
    change_array(unfinished / CHECKPOINT, name, lambda array: np.full_like(array, np.inf))
    with pytest.raises(DataError, match="its scores are not finite"):
        resume_search(unfinished)


def test_what_outgrows_a_checkpoint_is_not_unpacked(unfinished):
    """A bomb of zeros would fill the memory."""
    with np.load(unfinished / CHECKPOINT) as file:
        arrays = dict(file)
    np.savez_compressed(unfinished / CHECKPOINT, **arrays, zeros=np.zeros(1 << 20))
    with pytest.raises(DataError, match=r"it unpacks to 8,.* bytes, more than"):
        resume_search(unfinished)


def test_a_number_of_evaluations_is_kept_to(planted, config):
    whole = run_search(config("whole", ants=5, iterations=4))
    for evaluations in (1, 5, 7):
        short = run_search(config(f"short{evaluations}", ants=5, iterations=4, evaluations=evaluations))
        numbers = short.numbers["search"]
        assert (numbers["ended"], numbers["subsets scored"]) == ("evaluations", evaluations)
        subsets = {(row.iteration, row.ant): row.score.indices.tolist() for row in whole.trace.rows}
        for row in short.trace.rows:
            assert row.score.indices.tolist() == subsets[row.iteration, row.ant]
    assert run_search(config("enough", evaluations=1000)).numbers["search"]["ended"] == "iterations"


def test_a_time_budget_ends_a_search_with_the_best_so_far(planted, config):
    began = time.monotonic()
    done = run_search(config(iterations=10_000, time_budget="1s"))
    assert time.monotonic() - began < 20
    numbers = done.numbers["search"]
    assert numbers["ended"] == "time budget"
    assert 4 <= numbers["ants"] < numbers["ants planned"] == 40_000
    assert numbers["chosen"]["features"] == done.numbers["contenders"]["colony"]["features"]


@pytest.mark.parametrize("options", [{}, {"scorer": "LogisticRegression"}, {"scorer": "ridge", "heuristic": "auto"}])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_asked_to_stop_it_ends_with_the_best_so_far(planted, config, options, after):
    stop = Stop()

    def ask(stage, done, _total):
        if stage == "search" and done >= after:
            stop._asked = "interrupted"

    if not after:
        stop._asked = "interrupted"
    done = run_search(config(iterations=50, **options), progress=ask, stop=stop)
    numbers = done.numbers["search"]
    assert numbers["ended"] == "interrupted"
    assert 1 <= numbers["ants"] <= after + 4
    assert done.numbers["contenders"]["colony"]["features"] == numbers["chosen"]["features"]


# A process that forks a search again and again and kills it at random instants; argv: folder, kills, seed.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path

from acofer.config.search import SearchConfig
from acofer.runs import search_folder
from acofer.runs.checkpoint import CHECKPOINT, read_checkpoint
from acofer.runs.folder import RESULT
from acofer.runs.guidance import compile_for
from acofer.runs.search import resume_search, run_search

folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
search_folder.EVERY = 0.0
search_folder._SHARE = 1e9
options = json.loads(sys.argv[4])
compile_for(SearchConfig(**options).settled())

def attempt(place):
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    if (place / CHECKPOINT).exists():
        resume_search(place)
    else:
        run_search(SearchConfig(**options, out=str(place)))
    os._exit(0)

began = time.monotonic()
os.waitpid(attempt(folder / "whole"), 0)
longest = time.monotonic() - began
rng, killed, kept, finished = random.Random(seed), 0, 0, 0
while killed < kills:
    place = folder / f"run{finished}"
    while not (place / RESULT).exists():
        pid = attempt(place)
        if killed < kills:
            time.sleep(rng.uniform(0, longest))
            os.kill(pid, signal.SIGKILL)
            killed += 1
        os.waitpid(pid, 0)
        if (place / CHECKPOINT).exists():
            read_checkpoint(place / CHECKPOINT)
            kept += 1
        others = {path.name for path in folder.iterdir() if path.name[0] != "."}
        assert others <= {"whole", *(f"run{i}" for i in range(finished + 1))}, others
    finished += 1
print(json.dumps({"killed": killed, "with a checkpoint": kept, "finished": finished}))
"""


KILLED = {
    "forest": {"trees": 30, "ants": 6, "iterations": 6, "heuristic": "f", "memo": "off"},
    "nearest neighbours": {"scorer": "KNeighborsClassifier", "ants": 6, "iterations": 4, "heuristic": "f"},
    "ridge": {"scorer": "ridge", "penalty": 0.01, "ants": 4, "iterations": 8},
}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("scorer", KILLED)
def test_killed_by_the_system_at_random_instants_it_comes_to_the_same(tmp_path, scorer, n_kills, tried):
    if scorer != "forest" and not n_kills:
        pytest.skip("killed by benchmarks/stress.py")
    always = {"size": "16:32", "null_draws": 1, "workers": 1, "balance": "none", "all_features": "off"}
    times = n_kills or 3
    arguments = [str(tmp_path), str(times), str(random.randrange(2**31)), json.dumps(always | KILLED[scorer])]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLER, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments[2]}: {done.stderr}"
    said = json.loads(done.stdout)
    assert said["killed"] == times
    for number in range(said["finished"]):
        assert outcome(tmp_path / f"run{number}") == outcome(tmp_path / "whole")
        assert {path.name for path in (tmp_path / f"run{number}").iterdir()} == WHOLE - {files.FIGURES}
    tried("a killed search is gone on with", times=times, scorer=scorer, **said)
