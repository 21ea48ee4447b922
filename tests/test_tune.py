"""Tuning: on training rows alone, scored on rows that the search has not seen, resumable and shared."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from acofer.bench.budget import Budget
from acofer.bench.plan import plan_of
from acofer.bench.selector import Knob, Selector
from acofer.bench.selectors import SELECTORS, selector_named
from acofer.config.common import seconds_of
from acofer.config.search import SearchConfig
from acofer.config.sources import join_sources
from acofer.config.tune import TuneConfig
from acofer.data.pictures import ArrayPictures
from acofer.errors import ConfigError, DataError, MissingExtraError, StoreError
from acofer.features.balance import balance
from acofer.records import Embeddings, ImageSet
from acofer.report.tuning import write_tuning_figures
from acofer.scoring.estimator import classifier_named
from acofer.scoring.protocol import stratified_folds
from acofer.stopping import Stop
from acofer.tune import run
from acofer.tune.folds import Search, outer_folds
from acofer.tune.run import run_tune
from acofer.tune.space import defaults_of, space_of
from acofer.tune.study import Study

pytest.importorskip("optuna")

N, P, PLANTED = 300, 24, 4
SMALL = {
    "scorer": "ridge", "size": 4, "evaluations": 8, "ants": 4, "heuristic": "uniform", "local_search": "off",
    "space": "alpha,beta,q0", "outer_folds": 2, "trials": 3, "seed": 1, "workers": 1,
}  # fmt: skip
KNOBS = {name: SMALL[name] for name in ("ants", "heuristic", "local_search")}


def made(seed=0):
    """Three classes that four features of 24 tell apart; two thirds of the rows train."""
    rng = np.random.default_rng(seed)
    labels = np.resize([0, 0, 0, 1, 1, 2], N)
    values = rng.normal(size=(N, P))
    values[:, :PLANTED] += np.eye(3)[labels] @ rng.normal(size=(3, PLANTED))
    parts = np.repeat([0, 1, 2], [N * 2 // 3, N // 6, N // 6]).astype(np.uint8)
    return labels, values.astype(np.float16), parts


def serve(monkeypatch, labels, values, parts):
    pixels = np.arange(N).astype("<u4").view(np.uint8).reshape(-1, 2, 2)
    names = tuple(f"class {label}" for label in range(3))
    rows = [f"row {row}" for row in range(N)]
    images = ImageSet("made", ArrayPictures(pixels), labels.astype(np.int16), names, parts, rows, "made")
    about = {"backbone": "made", "image_size": 48, "pooling": "avg", "weights": "made up", "seconds": 1.0}
    embeddings = Embeddings(values, tuple(f"made/c{j:04d}" for j in range(P)), "k" * 32, about)
    monkeypatch.setattr(run, "configured_pictures", lambda *_, **__: images)
    monkeypatch.setattr(run, "configured_embeddings", lambda *_, **__: embeddings)
    return images, embeddings


@pytest.fixture
def pictures(monkeypatch):
    return serve(monkeypatch, *made())


@pytest.fixture
def config(tmp_path):
    def make(out="run", **options):
        return TuneConfig(**{**SMALL, "out": str(tmp_path / out), **options})

    return make


def values_of(numbers):
    return [(row["state"], row["value"], row["knobs"], row["folds"]) for row in numbers["history"]]


def search_of(**knobs):
    colony = selector_named("colony")
    fixed = {name: knob.default for name, knob in colony.knobs.items()}
    return Search(colony, {**fixed, **KNOBS, **knobs}, 4, {}, Budget(8))


def ignore(_):
    """For who need not be told."""


def test_a_tuning_leaves_what_it_found(pictures, config):
    result = run_tune(config(trials=12, seed=5), draw=write_tuning_figures)
    numbers, folder = result.numbers, result.folder
    history = numbers["history"]
    assert [row["trial"] for row in history] == list(range(12))
    assert history[0]["knobs"] == {"alpha": 1.1, "beta": 1.5, "q0": 0.9} == numbers["default"]["knobs"]
    assert numbers["best"]["value"] == min(row["value"] for row in history if row["value"] is not None)
    gains = np.subtract(numbers["default"]["folds"], numbers["best"]["folds"])
    assert numbers["gain"]["value"] == pytest.approx(gains.mean())
    assert numbers["gain"]["standard error"] == pytest.approx(gains.std(ddof=1) / np.sqrt(len(gains)))
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(numbers))
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    assert [float(row["value"]) for row in rows if row["value"]] == [r["value"] for r in history if r["value"]]
    assert [float(row["alpha"]) for row in rows] == [row["knobs"]["alpha"] for row in history]
    assert sorted(path.name for path in (folder / "figures").iterdir()) == [
        "history.png", "history.svg", "importances.png", "importances.svg",
    ]  # fmt: skip
    assert "optimistic" in numbers["verdict"]
    assert f"{numbers['gain']['value']:.4f} in brier" in numbers["verdict"]


def test_the_best_knobs_are_a_search_and_a_contender(pictures, config):
    result = run_tune(config(trials=4))
    best = result.numbers["best"]
    search = join_sources(SearchConfig, {}, result.folder / "tune-best.toml")
    for name, value in {**best["knobs"], "size": 4, "ants": 4, "path": "off", "out": None}.items():
        assert getattr(search, name) == value
    assert search.iterations == round(np.mean(best["asked"]) / 4)
    content = tomllib.loads((result.folder / "tune-best-contender.toml").read_text())
    assert content == {"contender": [{"selector": "colony", "size": 4, "set": best["knobs"]}]}
    assert plan_of({"setting": [{"name": "s", "scorer": "ridge"}], "budget": {"evaluations": 8}, **content}, "plan")


def test_validation_and_test_part_change_nothing(monkeypatch, config):
    labels, values, parts = made()
    serve(monkeypatch, labels, values, parts)
    clean = run_tune(config("clean", trials=3)).numbers
    elsewhere = parts > 0
    values[elsewhere] = np.nan
    labels[elsewhere] = np.random.default_rng(1).permutation(labels[elsewhere])
    serve(monkeypatch, labels, values, parts)
    poisoned = run_tune(config("poisoned", trials=3)).numbers
    assert values_of(poisoned) == values_of(clean)
    assert clean["split"]["train"] == N * 2 // 3


def test_a_search_does_not_see_the_rows_that_score_it(config):
    labels, values, _ = made()
    settled = config().settled()
    training = np.arange(N * 2 // 3)
    fold = outer_folds(settled, values, labels, training, 3)[0]
    scored, rescored = [], []
    chosen = fold.choose(search_of(), lambda counting: scored.extend(score.value for score in counting.archive))
    (_, held_out), _ = stratified_folds(labels[training], 2, settled.seed)
    poisoned, shuffled = values.copy(), labels.copy()
    poisoned[held_out] = np.random.default_rng(0).normal(size=(len(held_out), P))
    again = outer_folds(settled, poisoned, shuffled, training, 3)[0]
    same = again.choose(search_of(), lambda counting: rescored.extend(score.value for score in counting.archive))
    assert same.tolist() == chosen.tolist()
    assert len(scored) > 0
    assert scored == rescored
    assert again.value(same) > fold.value(chosen) + 0.1  # Brier score: noise is worse


def test_a_choice_is_worth_what_its_final_classifier_is_on_held_out_rows(config):
    """Against the plain way: standardise, fit ridge on what the search saw, predict the rest."""
    labels, values, _ = made()
    settled = config(penalty=0.1, objective="accuracy").settled()
    training = np.arange(N * 2 // 3)
    folds = outer_folds(settled, values, labels, training, 3)
    for fold, (seen, held_out) in zip(folds, stratified_folds(labels[training], 2, settled.seed), strict=True):
        chosen = fold.choose(search_of(), ignore)
        X, targets = values[seen][:, chosen].astype(np.float64), np.eye(3)[labels[seen]]
        centre, scale = X.mean(axis=0), X.std(axis=0)
        Z = (X - centre) / scale
        weights = np.linalg.solve(Z.T @ Z + 0.1 * len(Z) * np.eye(4), Z.T @ (targets - targets.mean(axis=0)))
        scores = (values[held_out][:, chosen] - centre) / scale @ weights + targets.mean(axis=0)
        assert fold.value(chosen) == pytest.approx((scores.argmax(axis=1) == labels[held_out]).mean())


def test_resampling_stays_inside(config):
    """Synthetic rows are made of what the search saw, and train; those that score are the pictures' own."""
    labels, values, _ = made()
    settled = config(scorer="LogisticRegression", balance="smote", objective="accuracy").settled()
    training = np.arange(N * 2 // 3)
    folds = outer_folds(settled, values, labels, training, 3)
    for number, (seen, held_out) in enumerate(stratified_folds(labels[training], 2, settled.seed)):
        chosen = folds[number].choose(search_of(), ignore)
        balanced = balance(values[seen], labels[seen], "smote", seed=settled.seed + number)
        assert len(balanced.y) > len(seen)
        model = classifier_named("LogisticRegression", seed=settled.seed + number).fit(
            balanced.X[:, chosen], balanced.y
        )
        right = model.predict(values[held_out][:, chosen].astype(np.float32)) == labels[held_out]
        assert folds[number].value(chosen) == pytest.approx(right.mean())


def test_a_search_with_the_iterations_that_are_written_does_as_much(pictures, config):
    """Those that found nothing new are not counted."""
    for q0, iterations in ((0.0, 2), (1.0, 1)):  # without chance one iteration finds all
        result = run_tune(config(f"q0-{q0}", trials=1, q0=q0, alpha=0.0, heuristic="f"))
        assert join_sources(SearchConfig, {}, result.folder / "tune-best.toml").iterations == iterations


def test_seconds_are_a_budget(pictures, config):
    numbers = run_tune(config(evaluations=None, seconds=0.05, trials=2)).numbers
    assert numbers["budget"] == {"evaluations": None, "seconds": 0.05}
    assert all(len(curve) == 5 for row in numbers["history"] for curve in row["curves"])
    assert min(numbers["default"]["evaluations"]) > 0


def test_a_study_goes_on_as_if_nothing_had_been(pictures, config, tmp_path):
    whole = run_tune(config("whole", trials=5)).numbers
    storage = {"storage": str(tmp_path / "study.journal")}
    first = run_tune(config("first", trials=2, **storage)).numbers
    second = run_tune(config("second", trials=5, **storage)).numbers
    assert values_of(first) == values_of(whole)[:2]
    assert values_of(second) == values_of(whole)
    third = run_tune(config("third", trials=5, **storage)).numbers  # there is nothing left to do
    assert values_of(third) == values_of(whole)
    kept = str(tmp_path / "whole" / "study.journal")
    assert values_of(run_tune(config("fourth", trials=6, storage=kept)).numbers)[:5] == values_of(whole)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"size": 5}, "its size is 4, not 5"), ({"seed": 2}, "its seed is 1, not 2"),
        ({"evaluations": 9}, "its evaluations is 8, not 9"), ({"space": "alpha"}, r"its space is {.*}, not {"),
        ({"scorer": "forest"}, "its "), ({"outer_folds": 3}, "its outer_folds is 2, not 3"),
    ],
)  # fmt: skip
def test_a_study_of_another_problem_is_refused(pictures, config, tmp_path, changed, words):
    storage = {"storage": str(tmp_path / "study.journal")}
    run_tune(config("first", trials=1, **storage))
    with pytest.raises(ConfigError, match=f"about another problem: {words}"):
        run_tune(config("second", **storage, **changed))
    assert not (tmp_path / "second").exists()


def test_a_study_of_other_pictures_is_refused(monkeypatch, config, tmp_path):
    storage = {"storage": str(tmp_path / "study.journal")}
    serve(monkeypatch, *made())
    run_tune(config("first", trials=1, **storage))
    labels, values, parts = made()
    serve(monkeypatch, labels[::-1], values, parts)
    with pytest.raises(ConfigError, match="its data fingerprint is"):
        run_tune(config("second", **storage))


def test_a_database_keeps_a_study_too(pictures, config, tmp_path):
    storage = {"storage": f"sqlite:///{tmp_path / 'study.db'}"}
    journal = run_tune(config("journal", trials=3)).numbers
    run_tune(config("first", trials=1, **storage))
    assert values_of(run_tune(config("second", trials=3, **storage)).numbers) == values_of(journal)


def run_child(storage, out, trials):
    """Tune in a process of its own; called by `test_two_processes_share_a_study`."""
    with pytest.MonkeyPatch.context() as patch:
        serve(patch, *made())
        run_tune(TuneConfig(**{**SMALL, "storage": storage, "out": out, "trials": trials}))


def test_two_processes_share_a_study(tmp_path):
    storage = str(tmp_path / "study.journal")
    code = "import sys; sys.path.insert(0, {!r}); import test_tune; test_tune.run_child({!r}, {!r}, 12)"
    outs = [tmp_path / "one", tmp_path / "two"]
    here = str(Path(__file__).parent)
    children = [subprocess.Popen([sys.executable, "-c", code.format(here, storage, str(out))]) for out in outs]
    assert [child.wait(300) for child in children] == [0, 0]
    last = max((json.loads((out / "result.json").read_text()) for out in outs), key=lambda n: len(n["history"]))
    assert 12 <= last["trials"]["complete"] + last["trials"]["pruned"] <= 13  # the last two may end together
    knobs = [tuple(row["knobs"].values()) for row in last["history"]]
    assert len(set(knobs)) == len(knobs)  # nobody did another's work
    assert last["default"]["trial"] == 0


def planted(task):
    """Score subsets of the planted features if `good` says so, else of noise."""
    rng, pool = np.random.default_rng(task.seed), np.arange(8) if task.knobs["good"] > 0.5 else np.arange(8, P)
    while True:
        task.scorer.score([np.sort(rng.choice(pool, 4, replace=False)).astype(np.int32) for _ in range(4)])


@pytest.fixture
def fake(monkeypatch):
    knobs = {"good": Knob("float", 0.9, 0.0, 1.0)}
    monkeypatch.setitem(SELECTORS, "fake", Selector("fake", "", planted, searches=True, is_seeded=True, knobs=knobs))


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_who_falls_behind_is_pruned_after_the_first_fold(pictures, fake, config, pruner):
    numbers = run_tune(config(contender="fake", space="auto", trials=24, pruner=pruner)).numbers
    pruned = [row for row in numbers["history"] if row["state"] == "pruned"]
    assert pruned
    assert all(row["knobs"]["good"] <= 0.5 for row in pruned)
    assert all(len(row["folds"]) == 1 for row in pruned)  # of two folds
    assert numbers["best"]["knobs"]["good"] > 0.5
    kept = run_tune(config("off", contender="fake", space="auto", trials=12, pruner="off")).numbers
    assert kept["trials"]["pruned"] == 0


def test_what_a_pruner_is_told(pictures, fake, config, monkeypatch):
    """A mean over all folds: of those to come the defaults' value, of this one its lead at the same step."""
    told = {}

    def report(self, trial, value, step):
        told.setdefault(trial.number, {})[step] = value
        return False

    monkeypatch.setattr(Study, "report", report)
    numbers = run_tune(config(contender="fake", space="auto", trials=4)).numbers
    (d0, d1), mean = numbers["default"]["curves"], numbers["default"]["value"]
    assert 0 not in told
    for row in numbers["history"][1:]:
        v0, v1 = row["curves"]
        assert told[row["trial"]] == pytest.approx({
            1: mean + (v0[0] - d0[0]) / 2, 2: mean + (v0[1] - d0[1]) / 2,
            3: mean + (v0[1] - d0[1] + v1[0] - d1[0]) / 2, 4: row["value"],
        })  # fmt: skip


def test_an_interrupt_ends_it_after_the_trial(pictures, config):
    ended = []

    def on_trial(trial):
        ended.append(trial["trial"])
        if len(ended) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    stop = Stop()
    with stop.listening():
        numbers = run_tune(config(trials=50), on_trial=on_trial, stop=stop).numbers
    assert (ended, numbers["ended"], len(numbers["history"])) == ([0, 1], "interrupted", 2)


def test_a_second_interrupt_ends_it_at_once(pictures, config):
    def progress(stage, done, _total):
        if (stage, done) == ("tuning", 6):  # in the middle of the second trial
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    stop = Stop()
    with stop.listening():
        result = run_tune(config(trials=50), progress=progress, stop=stop)
    assert result.numbers["ended"] == "interrupted"
    assert [row["state"] for row in result.numbers["history"]] == ["complete", "fail"]
    assert (result.folder / "tune-best.toml").exists()


def test_interrupted_in_its_first_trial_it_leaves_nothing(pictures, config, tmp_path):
    def progress(stage, *_):
        if stage == "tuning":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_tune(config(), progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_no_trial_begins_after_the_timeout(pictures, config):
    numbers = run_tune(config(trials=10_000, timeout="1s")).numbers
    assert numbers["ended"] == "timeout"
    assert 1 <= len(numbers["history"]) < 10_000


def test_a_fault_does_not_cost_what_was_found(pictures, fake, config, tmp_path, monkeypatch):
    def breaks(task):
        if task.knobs["good"] != 0.9:
            raise MemoryError("no room")
        planted(task)

    monkeypatch.setitem(SELECTORS, "fake", dataclasses.replace(SELECTORS["fake"], function=breaks))
    with pytest.warns(UserWarning, match="what was found before is kept in"), pytest.raises(MemoryError):
        run_tune(config(contender="fake", space="auto"))
    numbers = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [row["state"] for row in numbers["history"]] == ["complete", "fail"]
    assert numbers["ended"] == "failed"


def test_the_defaults_are_tried_again_where_who_had_begun_them_never_ended(pictures, config, tmp_path):
    settled = config(storage=str(tmp_path / "study.journal")).settled()
    study = Study(
        settled, "other", tmp_path, space_of(settled, selector_named("colony"), P), {}, greater_is_better=True
    )
    study.ask()  # and never told
    assert study.defaults() is None
    study.add_defaults()
    assert study.ask()[1] == defaults_of(study.space)


def test_sizes_and_scorers_are_tuned_on_request(pictures, config):
    result = run_tune(config(space="size=2:6,penalty", trials=5, size=4))
    assert {type(row["knobs"]["size"]) for row in result.numbers["history"]} == {int}
    assert all(row["features"] == [row["knobs"]["size"]] * 2 for row in result.numbers["history"])
    assert result.numbers["default"]["knobs"] == {"size": 4, "penalty": "auto"}
    search = join_sources(SearchConfig, {}, result.folder / "tune-best.toml")
    assert search.size == result.numbers["best"]["knobs"]["size"]
    text = (result.folder / "tune-best-contender.toml").read_text()
    assert "# penalty = " in text
    assert tomllib.loads(text)["contender"][0]["set"] == {}


def test_trees_are_a_knob_of_forests_alone(config):
    colony = selector_named("colony")
    forest = space_of(config(scorer="forest", space="auto,trees,size", size="auto").settled(), colony, P)
    assert forest["trees"].default == 90
    assert forest["size"].choices[0] == "auto"
    assert set(forest["variant"].choices) == {"acs", "mmas", "as"}
    assert list(forest) == ["alpha", "beta", "rho", "q0", "ants", "variant", "heuristic", "trees", "size"]
    with pytest.raises(ConfigError, match="colony has no knob 'trees'"):
        space_of(config(space="trees").settled(), colony, P)


def test_another_searcher_becomes_a_contender(pictures, config):
    pytest.importorskip("deap")
    result = run_tune(config(contender="genetic-algorithm", space="auto", trials=2))
    content = tomllib.loads((result.folder / "tune-best.toml").read_text())
    (contender,) = content["contender"]
    assert (contender["selector"], contender["size"]) == ("genetic-algorithm", 4)
    assert contender["set"] == result.numbers["best"]["knobs"]
    assert set(contender["set"]) == set(selector_named("genetic-algorithm").knobs)
    assert not (result.folder / "tune-best-contender.toml").exists()
    assert plan_of({"setting": [{"name": "s", "scorer": "ridge"}], "budget": {"evaluations": 8}, **content}, "plan")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space": "alpa"}, "colony has no knob 'alpa'; did you mean 'alpha'"),
        ({"space": "alpha=3:2"}, "space: alpha: expected LOW:HIGH within 0:5"),
        ({"space": "alpha=0:9"}, "space: alpha: expected LOW:HIGH within 0:5"),
        ({"space": "alpha=x"}, "space: alpha: expected two numbers, LOW:HIGH; got 'x'"),
        ({"space": "alpha=2:3"}, "expected a range with the default, 1.1, in it"),
        ({"space": "variant=acs|mas"}, "space: variant: expected some of acs|mmas|as; got 'mas'"),
        ({"contender": "all"}, "contender: all has no knobs to tune"),
        ({"contender": "colonie"}, "did you mean 'colony'"),
        ({"contender": "random-search", "size": "auto"}, "size: expected a number of features"),
        ({"outer_folds": 90}, "90 folds need 90 training rows of every class"),
        ({"size": 99}, "size: expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_one_line(pictures, config, tmp_path, options, words):
    with pytest.raises((ConfigError, DataError), match=words.replace("|", r"\|")):
        run_tune(config(**{"space": "auto", **options}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "trials: expected a whole number: at least 1; got 0"),
        ({"timeout": "soon"}, "timeout: expected a time above 0"),
        ({"timeout": "0m"}, "timeout: expected a time above 0"),
        ({"evaluations": 0}, "evaluations: expected a whole number of at least 1"),
        ({"seconds": 0}, "seconds: expected a number above 0"),
        ({"outer_folds": 1}, "outer_folds: expected a whole number: at least 2"),
        ({"protocol": "leaky-smote-first", "balance": "smote"}, "protocol: expected clean"),
        ({"pruner": "mediane"}, "did you mean 'median'"),
    ],
)  # fmt: skip
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        TuneConfig(**options)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 m", 120)])
def test_times_are_read_with_their_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "name", ["file/below.journal", "folder", "garbled.journal", "sqlite:///file/below.db", "no://x"]
)
def test_a_storage_that_is_none_is_one_line(pictures, config, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "garbled.journal").write_text("this is no journal\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match="storage: expected a journal or database that can be read and written at"):
        run_tune(config(storage=name))
    assert sorted(tmp_path.iterdir()) == before


def test_without_optuna_it_says_how_to_get_it(config, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'acofer\[tune\]'"):
        run_tune(config())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.xdist_group("cluster")
def test_on_a_cluster_one_trial_at_a_time_is_as_here_and_more_depend_on_how_many_alone(
    pictures, fake, config, cluster, tmp_path
):
    """Workers know no selector that a test has made, so trials are those of the colony."""
    how = {"backend": "dask", "scheduler": str(cluster.file)}
    here = run_tune(config("here", trials=14, pruner="halving", seed=5)).numbers
    there = run_tune(config("there", trials=14, pruner="halving", seed=5, workers=1, **how)).numbers
    assert values_of(there) == values_of(here)
    assert here["trials"]["pruned"]
    assert there["gain"] == here["gain"]
    for row, other in zip(here["history"], there["history"], strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}
    twice = [run_tune(config(name, trials=7, workers=2, seed=5, **how)).numbers for name in ("one", "two")]
    assert values_of(twice[0]) == values_of(twice[1])
    assert values_of(twice[0])[0] == values_of(here)[0]
    assert [row["trial"] for row in twice[0]["history"]] == list(range(7))


@pytest.mark.xdist_group("cluster")
def test_what_fails_on_a_cluster_leaves_no_trial_open(pictures, config, cluster, tmp_path, monkeypatch):
    from cluster import fails_to_play

    import acofer.tune.trials

    storage = str(tmp_path / "study.journal")
    how = {"backend": "dask", "scheduler": str(cluster.file), "workers": 2, "storage": storage}
    with monkeypatch.context() as patch:
        patch.setattr(acofer.tune.trials, "played_by", fails_to_play)
        with pytest.raises(ValueError, match="on purpose"):
            run_tune(config(trials=4, **how))
    assert not (tmp_path / "run").exists()
    after = run_tune(config(trials=2, **how)).numbers
    assert [row["state"] for row in after["history"]] == ["fail"] * 2 + ["complete"] * 3  # the defaults last
    assert after["trials"]["running"] == 0
    assert after["default"] is not None
