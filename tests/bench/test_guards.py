"""Every guard, tripped on purpose; and who is honest gets past all of them."""

import csv
import dataclasses

import numpy as np
import pytest
from made_bench import (
    N_CLASSES,
    OWN,
    N,
    P,
    bench,
    by_contender,
    embeddings,
    network_folder,
    pictures,
    plan_with,
    sealed_labels,
    serve_made,
    values,
)

from acofer.bench import attempt, guards, problem, runner
from acofer.bench.guards import FALSE_ALARM, can_alarm, check_outputs, null_test
from acofer.bench.opening import open_labels
from acofer.bench.problem import Problem
from acofer.bench.stats import independence
from acofer.bench.store import PLAN, TABLE, BenchFolder
from acofer.cli.bench_table import print_bench
from acofer.errors import LeakageError
from acofer.features.bank import Bank
from acofer.records import Split
from acofer.runs import material as materials
from acofer.runs.folder import RESULT
from acofer.scoring.protocol import SealedLabels

HONEST = {"selector": ["anova-f", "random-subset", "greedy-forward", "colony", "random-search"], "size": 6}


# Who knows the test labels.


@pytest.mark.parametrize("scorer", ["ridge", pytest.param("forest", marks=pytest.mark.nightly)])
def test_a_cheater_who_knows_the_test_labels_is_caught(made, tmp_path, scorer, capsys):
    setting = {"scorer": scorer, **({"trees": 5, "balance": "none"} if scorer == "forest" else {})}
    contenders = ["cheats", HONEST, {"selector": "all", "classifier": ["auto", "GaussianNB"]}]
    result = bench(tmp_path / "bench", *contenders, setting=setting, seeds=[0, 1], null_test=True)
    for row in result["rows"]:
        if row["contender"] != "cheats":
            assert (row["status"], row["reason"]) == ("ok", None), row["contender"]
            continue
        assert row["status"] == "caught"
        assert row["reason"].endswith("(p = 0.0002): it knows the test labels")
        assert row["test"] is row["without copies"] is row["predicted"] is None
        assert row["null test"]["hits"] == len(sealed_labels())
    assert sum(row["status"] == "caught" for row in result["rows"]) == 3  # two seeds, and shuffled labels
    with (tmp_path / "bench" / TABLE).open() as file:
        lines = {line["contender"]: line for line in csv.DictReader(file)}
    assert lines["cheats"]["accuracy"] == lines["cheats"]["macro F1"] == ""
    assert lines["cheats"]["status"] == "caught"
    assert float(lines["all"]["accuracy"]) > 0.25
    print_bench(result, "somewhere")
    table, _, below = capsys.readouterr().out.partition("cheats, seed 0: caught")
    assert "anova-f" in table
    assert "cheats" not in table
    assert "it knows the test labels" in below


def test_without_the_null_test_the_cheater_would_win(made, tmp_path):
    """So it is that guard, and no other, that catches it."""
    result = bench(tmp_path / "bench", "cheats", HONEST, null_test=False)
    assert by_contender(result)["cheats"]["test"]["accuracy"]["value"] == 1.0


def test_shuffled_labels_are_the_training_labels_in_another_order(made):
    real, null = (Problem(cell).material for cell in plan_with("all", null_test=True).cells)
    assert (np.sort(real.y) == np.sort(null.y)).all()
    assert 0.05 < (real.y == null.y).mean() < 0.25  # a seventh is the same by chance
    np.testing.assert_array_equal(real.X, null.X)
    other = Problem(plan_with("all", null_test=True, seeds=[1]).cells[1]).material
    assert (other.y != null.y).any()


def test_an_honest_contender_is_hardly_ever_caught():
    """What told every row from chance by itself raised twenty times as many alarms as it said: rows of a class look
    alike, so that a wrong rule is right, by luck, for many of them at once."""
    rng = np.random.default_rng(0)
    y, true = np.arange(1050) % 7, np.arange(700) % 7
    train, test = (1.5 * np.eye(7)[labels] + rng.normal(size=(len(labels), 7)) for labels in (y, true))
    shuffled = np.array([np.random.default_rng(seed).permutation(y) for seed in range(400)])
    weights = np.linalg.pinv(train)
    rules = np.einsum("fn,snc->sfc", weights, np.eye(7)[shuffled] - 1 / 7, optimize=True)
    predicted = (test @ rules).argmax(axis=2)
    found = np.array([null_test(true, one, 7)["p"] for one in predicted])
    by_row = [independence(true, one, 999)["p"] for one in predicted[:100]]
    assert np.mean(np.array(by_row) <= 0.001) >= 0.02
    assert np.mean(found < FALSE_ALARM) <= 0.0075  # three of 400; expected 0.4
    for level in (0.05, 0.1, 0.5):
        assert np.mean(found <= level) < level + 3.5 * np.sqrt(level * (1 - level) / 400)


@pytest.mark.parametrize("seed", range(5))
def test_who_knows_a_fifth_of_the_labels_is_caught(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, 700)
    predicted = np.where(rng.random(700) < 0.2, labels, rng.integers(0, 7, 700))
    assert null_test(labels, predicted, 7)["p"] < FALSE_ALARM


def test_the_null_test_ranks_the_true_names_among_all():
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    assert null_test(labels, labels, 3) == {"hits": 8, "expected": 3.0, "p": pytest.approx(1 / 6)}
    turned = (labels + 1) % 3
    assert null_test(labels, turned, 3)["p"] == 1.0
    # Recalls by renaming: 2.5 (as it is), 1.5, 0 + 0 + .5, ... ; the second and third class mixed.
    mixed = np.array([0, 0, 1, 2, 2, 2, 2, 1])
    assert null_test(labels, mixed, 3)["p"] == pytest.approx(1 / 6)
    assert null_test(labels, np.zeros(8, int), 3) == {"hits": 2, "expected": 2.0, "p": 1.0}
    # A class without a test row, and one that is never predicted, do no harm.
    assert null_test(labels, labels, 4)["p"] == pytest.approx(1 / 24)


def test_many_classes_are_renamed_at_random_and_the_same_every_time():
    labels = np.arange(90) % 9
    assert null_test(labels, labels, 9)["p"] == pytest.approx(1 / 5040)
    predicted = np.random.default_rng(0).integers(0, 9, 90)
    assert null_test(labels, predicted, 9) == null_test(labels, predicted, 9)
    assert 0.01 < null_test(labels, predicted, 9)["p"] < 1


# Who resamples before the split.


def _calls_itself_clean(resampled):
    """Return the rows of a protocol that leaks, under the name of the one that does not."""

    def material_of(config, features, labels, split):
        leaky = resampled(dataclasses.replace(config, balance="smote"), features, labels.astype(np.int64))
        return dataclasses.replace(leaky, protocol="clean")

    return material_of


@pytest.fixture
def unbalanced(monkeypatch):
    """Classes of different sizes, so that there is something to resample."""
    labels = np.random.default_rng(0).choice(N_CLASSES, N, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
    serve_made(pictures(labels), values(labels), monkeypatch.setattr)
    return labels


@pytest.mark.parametrize("protocol", ["clean", "five-classes"])
@pytest.mark.parametrize("resampled", [materials._resampled_first, materials._resampled_test])
def test_who_resamples_before_the_split_is_caught(unbalanced, tmp_path, monkeypatch, resampled, protocol):
    contender = {"selector": "all", "protocol": protocol}
    assert bench(tmp_path / "honest", contender)["rows"][0]["status"] == "ok"
    monkeypatch.setattr(problem, "material_of", _calls_itself_clean(resampled))
    (row,) = bench(tmp_path / "bench", contender)["rows"]
    assert row["status"] == "caught"
    assert "rows of the split, as they are; got" in row["reason"]
    assert "resample inside the training rows only" in row["reason"]
    assert "test" not in row


SPOILT = {
    "a synthetic training row": lambda m: dataclasses.replace(m, X=np.vstack([m.X[:1] + 0.5, m.X[1:]])),
    "test rows in another order": lambda m: dataclasses.replace(m, X_test=m.X_test[::-1]),
    "test rows left out": lambda m: dataclasses.replace(m, X_test=m.X_test[:-1]),
    "a training row more": lambda m: dataclasses.replace(m, X=np.vstack([m.X, m.X[-1:]])),
    "synthetic test rows": lambda m: dataclasses.replace(m, n_synthetic_test_rows=1),
    "test rows of no picture": lambda m: dataclasses.replace(m, test_rows=None),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("is_bank", [False, True])
def test_rows_that_are_not_the_splits_own_are_refused(made, spoil, is_bank):
    laid_out = Problem(plan_with("all").cells[0])
    features = values()
    material = laid_out.material
    guards.check_real(
        material, Bank([features[:, :5], features[:, 5:]]) if is_bank else features, laid_out.split, "clean"
    )
    with pytest.raises(LeakageError):
        guards.check_real(spoil(material), features, laid_out.split, "clean")
    guards.check_real(spoil(material), features, laid_out.split, "leaky-smote-first")  # which says what it is


# Splits.


def split_of(train, validation, test, name="official", copied=()):
    parts = [np.asarray(part, np.int64) for part in (train, validation, test)]
    return Split(name, *parts, "f" * 16, np.asarray(copied, np.int64))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (split_of([0, 1, 2], [3], [2, 4]), "train and test share 1 rows"),
        (split_of([0, 1], [1, 3], [4]), "train and validation share 1 rows"),
        (split_of([0, 1], [3, 4], [4]), "validation and test share 1 rows"),
        (split_of([0, 1], [2], []), "the split has no test rows"),
        (split_of([0, 1], [2], [3, 4], "stratified-seed0", [3]), "1 test rows also stand in train or validation"),
    ],
)
def test_a_split_that_leaks_is_caught(made, tmp_path, monkeypatch, split, words):
    monkeypatch.setattr(problem, "configured_split", lambda *_: split)
    monkeypatch.setattr("acofer.bench.opening.configured_split", lambda *_: split)
    (row,) = bench(tmp_path / "bench", "all")["rows"]
    assert row["status"] == "caught"
    assert words in row["reason"]


def test_an_official_split_states_its_copies(made, tmp_path):
    result = bench(tmp_path / "bench", "all")
    (numbers,) = result["problems"].values()
    assert len(numbers["copied"]) == 1
    assert result["rows"][0]["without copies"]["rows"] == numbers["test"] - 1


def test_a_split_by_chance_keeps_copies_on_one_side(made, tmp_path):
    result = bench(tmp_path / "bench", "all", setting={"split": "stratified", "split_seeds": [0, 1, 2]})
    assert [row["status"] for row in result["rows"]] == ["ok"] * 3
    assert [numbers["copied"] for numbers in result["problems"].values()] == [[]] * 3
    assert len({numbers["fingerprint"] for numbers in result["problems"].values()}) == 3


# Predictions of something else.


NETWORKS = {
    "as it should be": ({}, None),
    "another split": (
        {"fingerprint": "0" * 16},
        "small-cnn, seed 0: expected the split .* begin again in a new folder",
    ),
    "other rows": ({"rows": np.arange(140)}, "expected predictions of the 140 test rows, in their order"),
    "another order": ({"rows": np.arange(699, 0, -5)}, "expected predictions of the 140 test rows, in their order"),
    "too few rows": ({"rows": np.arange(4, 695, 5)}, "got some of 139 rows, not the same ones"),
    "too few outputs": ({"outputs": np.ones((139, 7))}, r"expected outputs of shape \(140, 7\); got \(139, 7\)"),
    "other classes": ({"outputs": np.ones((140, 5))}, r"expected outputs of shape \(140, 7\); got \(140, 5\)"),
    "no numbers": ({"outputs": np.full((140, 7), np.nan)}, "expected finite outputs for every test row"),
}


@pytest.mark.parametrize(("changed", "words"), NETWORKS.values(), ids=NETWORKS)
def test_predictions_of_something_else_are_refused(made, tmp_path, changed, words):
    plan = plan_with("all", {"net": "small-cnn"})
    fingerprint = Problem(plan.cells[0]).fingerprint
    right = {"fingerprint": fingerprint, "rows": np.arange(4, 700, 5), "outputs": np.eye(7)[sealed_labels()]}
    folder = BenchFolder(tmp_path / "bench")
    folder.write_plan("")
    network_folder(folder.network(plan.cells[1].key), **{**right, **changed})
    if words is None:
        row = by_contender(runner.run_plan(plan, folder.place, selectors=OWN))["small-cnn"]
        assert row["test"]["accuracy"]["value"] == 1.0
        assert (row["parameters"], row["multiply-adds"], row["latency, ms"]) == (7, 7, 1.5)
        assert row["seconds"] == {"training": 2.0, "predict": 0.5}
        return
    with pytest.raises(LeakageError, match=words):
        runner.run_plan(plan, folder.place, selectors=OWN)
    assert not (folder.place / RESULT).exists()


def test_outputs_of_another_shape_are_caught(made, tmp_path):
    rows = by_contender(bench(tmp_path / "bench", "too-few", "all"))
    assert rows["too-few"]["status"] == "caught"
    assert rows["too-few"]["reason"] == "expected outputs of shape (140, 7); got (139, 7)"
    assert rows["all"]["status"] == "ok"


def test_outputs_that_are_no_numbers_are_caught(made, tmp_path, monkeypatch):
    honest = attempt.predicted_by

    def predicted_by(model, X, indices, classes):
        return honest(model, X, indices, classes) / (len(indices) != P)  # of all features: divided by zero

    monkeypatch.setattr(attempt, "predicted_by", predicted_by)
    rows = by_contender(bench(tmp_path / "bench", "all", "at-random"))
    assert rows["all"]["status"] == "caught"
    assert rows["all"]["reason"] == "expected finite outputs for every test row; got some that are not"
    assert rows["at-random"]["status"] == "ok"


def test_outputs_are_checked_against_the_rows_that_were_asked_for():
    rows, outputs = np.arange(3), np.full((3, 2), 0.5)
    check_outputs(outputs, rows, rows, 2)
    for wrong in (
        (outputs, rows[::-1], rows, 2),
        (outputs, rows[:2], rows, 2),
        (outputs[:2], rows, rows, 2),
        (outputs, rows, rows, 3),
        (outputs[:, 0], rows, rows, 2),
        (np.where(outputs > 0, np.inf, 0), rows, rows, 2),
    ):
        with pytest.raises(LeakageError):
            check_outputs(*wrong)


CHANGED = {
    "a pixel": lambda: dataclasses.replace(pictures(copy=9)),
    "a label": lambda: dataclasses.replace(pictures(np.concatenate([[1], np.arange(1, N) % N_CLASSES]))),
    "the parts": lambda: pictures(parts=(0, 0, 1, 0, 2)),
    "a class's name": lambda: dataclasses.replace(pictures(), class_names=(*pictures().class_names[:-1], "Other")),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_data_that_changed_between_two_runs_of_a_folder_is_noticed(made, tmp_path, monkeypatch, change):
    bench(tmp_path / "bench", "all")
    before = (tmp_path / "bench" / RESULT).read_bytes()
    serve_made(change(), values(), monkeypatch.setattr)
    with pytest.raises(LeakageError, match=r"all, seed 0: expected the split .* have changed; begin again in"):
        bench(tmp_path / "bench", "all", "at-random")
    assert (tmp_path / "bench" / RESULT).read_bytes() == before


def test_a_choice_made_on_other_pictures_is_not_taken_over(made, tmp_path, monkeypatch):
    """A row of a plan that has changed since handed its choice on: it may have been made on what are test rows now."""
    contender = {"selector": "at-random", "classifier": "auto"}
    bench(tmp_path / "bench", contender)
    serve_made(pictures(parts=(0, 0, 2, 0, 1)), values(), monkeypatch.setattr)
    (row,) = bench(tmp_path / "bench", {**contender, "classifier": "GaussianNB"})["rows"]
    assert "chosen by" not in row["about"]


# Labels.


def test_labels_open_once_and_for_predictions_only(made):
    sealed = Problem(plan_with("all").cells[0]).material.sealed
    with pytest.raises(LeakageError, match="open only after predictions exist"):
        sealed.open({})
    with pytest.raises(LeakageError, match="predicts 139 test rows, expected 140"):
        sealed.open({"all": np.zeros((139, 7))})
    np.testing.assert_array_equal(sealed.open({"all": np.zeros((140, 7))}), sealed_labels())
    with pytest.raises(LeakageError, match="opened before"):
        sealed.open({"all": np.zeros((140, 7))})


def test_no_label_is_asked_for_before_all_predictions_exist(made, tmp_path, monkeypatch):
    asked = []
    opened = SealedLabels.open

    def watched(self, predictions):
        rows = BenchFolder(tmp_path / "bench").rows()
        asked.append((len(rows), set(predictions)))
        return opened(self, predictions)

    monkeypatch.setattr(SealedLabels, "open", watched)
    plan = plan_with("all", "fails", HONEST, seeds=[0, 1], null_test=True)
    runner.run_plan(plan, tmp_path / "bench", selectors=OWN)
    well = {cell.key for cell in plan.cells if cell.selector != "fails"}
    assert asked == [(len(plan.cells), well)]


def test_the_labels_stay_shut_while_a_prediction_is_absent(made, tmp_path, monkeypatch):
    plan = plan_with("all", "at-random")
    runner.run_plan(plan, tmp_path / "bench", selectors=OWN)
    folder = BenchFolder(tmp_path / "bench")
    (folder.place / "predictions" / f"{plan.cells[0].key}.npz").unlink()
    monkeypatch.setattr(SealedLabels, "open", lambda *_: pytest.fail("they were opened"))
    with pytest.raises(Exception, match="expected predictions"):
        open_labels(plan, folder, folder.rows())


# What a selector sees.


def reachable(start):
    """Yield everything that can be had from an object: attributes, items, closures, and what methods belong to."""
    seen, todo = {}, [start]
    while todo:
        thing = todo.pop()
        is_own = type(thing).__module__.split(".")[0] in ("acofer", "functools") or callable(thing)
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen[id(thing)] = thing
        yield thing
        if isinstance(thing, np.ndarray):
            todo += [] if thing.base is None else [thing.base]
            continue
        if isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            todo += thing
        elif is_own:
            todo += list(getattr(thing, "__dict__", {}).values())
            todo += [getattr(thing, name) for name in getattr(type(thing), "__slots__", ()) if hasattr(thing, name)]
            todo += [getattr(thing, name, None) for name in ("__self__", "__wrapped__", "func", "args", "keywords")]
            todo += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]


def test_what_is_reachable_is_found():
    class Holder:
        __module__ = "acofer.made"

        def __init__(self):
            self.inner = {"deep": [np.arange(3)]}

        def method(self):
            return None

    wanted = np.arange(4)[1:]
    found = list(reachable([Holder().method, lambda: wanted]))
    arrays = [thing for thing in found if isinstance(thing, np.ndarray)]
    assert sorted(len(array) for array in arrays) == [3, 3, 4]


@pytest.mark.parametrize("protocol", ["clean", "five-classes"])
@pytest.mark.parametrize(
    "setting",
    [{"scorer": "ridge"}, {"scorer": "forest", "trees": 4}, {"scorer": "LogisticRegression", "folds": 2, "join": "on"},
     {"scorer": "forest", "trees": 4, "screen": "ridge", "folds": 2}],
    ids=str,
)  # fmt: skip
def test_a_task_holds_no_test_row_and_no_label_but_training_ones(made, setting, protocol):
    """The heuristic was a method of the problem, through which the sealed labels could be had."""
    from acofer.bench.budget import CountingScorer

    (cell,) = plan_with({"selector": "colony", "size": 6, "protocol": protocol}, setting=setting).cells
    laid_out = Problem(cell)
    task = laid_out.task(cell, CountingScorer(laid_out.judge.scorer, cell.budget))
    for kind in ("f", "importance", "conditional", "auto"):
        task.heuristic(kind)
    task.scorer.score([np.arange(6, dtype=np.int32)])
    tested = {row.tobytes() for row in np.asarray(laid_out.material.X_test, np.float32)}
    secret = np.array(laid_out.material.sealed._labels)
    n_all = len(laid_out._images)
    n_arrays = 0
    for thing in reachable(task):
        assert not isinstance(thing, Problem | SealedLabels) or len(thing) == 0
        if not isinstance(thing, np.ndarray):
            continue
        n_arrays += 1
        if thing.ndim == 2 and thing.shape[1] == P and thing.dtype.kind == "f":
            assert not tested & {np.ascontiguousarray(row, np.float32).tobytes() for row in thing}
        if thing.ndim == 1 and thing.dtype.kind in "iu":
            assert len(thing) != n_all or n_all == P
            assert not (len(thing) == len(secret) and (thing == secret).all())
    assert n_arrays > 5
    rows = laid_out.split.train
    if setting.get("join") == "on":
        rows = np.concatenate([rows, laid_out.split.validation])
    np.testing.assert_array_equal(task.y, laid_out._images.labels[rows])
    np.testing.assert_array_equal(task.X, laid_out._embeddings.values[rows])


def test_embeddings_are_not_part_of_what_is_seen(made):
    """The walk does find test rows where they are."""
    laid_out = Problem(plan_with("all").cells[0])
    found = [t for t in reachable(laid_out) if isinstance(t, np.ndarray) and t.shape == (N, P)]
    assert found
    assert embeddings(values()).values.shape == (N, P)


def test_the_plan_is_kept_beside_its_rows(made, tmp_path):
    bench(tmp_path / "bench", "all")
    assert 'selector = "all"' in (tmp_path / "bench" / PLAN).read_text()


def test_few_classes_are_told_nothing_rather_than_that_all_is_well():
    labels = np.repeat(np.arange(6), 20)
    assert null_test(labels, labels, 6)["p"] > FALSE_ALARM  # though every row is right
    assert [can_alarm(n) for n in (2, 6, 7, 8)] == [False, False, True, True]
