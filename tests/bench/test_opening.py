"""The figures that come of kept predictions once the labels are open, beside scikit-learn's and a search's own."""

import csv
import json

import made_bench
import numpy as np
import pytest
from made_bench import (
    N_CLASSES,
    OWN,
    N,
    bench,
    by_contender,
    network_folder,
    pictures,
    plan_with,
    sealed_labels,
    serve_made,
    values,
)
from sklearn import metrics

from acofer.bench import opening, runner
from acofer.bench.costs import backbone_cost
from acofer.bench.problem import Problem
from acofer.bench.store import TABLE, BenchFolder
from acofer.config.search import SearchConfig
from acofer.errors import MissingExtraError
from acofer.records import TEST
from acofer.runs import search
from acofer.runs.search import run_search

FOREST = {"scorer": "forest", "trees": 8, "balance": "none"}


def outputs_of(folder, row):
    return BenchFolder(folder).outputs(row["cell"])["outputs"].astype(np.float64)


@pytest.mark.parametrize("setting", [{}, FOREST, {**FOREST, "folds": 2}], ids=str)
def test_figures_are_scikit_learns_on_the_kept_predictions(made, tmp_path, setting):
    contenders = [{"selector": "all", "classifier": ["auto", "GaussianNB", "LinearSVC"]}, "at-random"]
    rows = bench(tmp_path, *contenders, setting=setting)["rows"]
    labels = sealed_labels()
    for row in rows:
        outputs, test = outputs_of(tmp_path, row), row["test"]
        predicted = outputs.argmax(axis=1)
        assert row["predicted"] == predicted.tolist()
        scores = {
            "accuracy": metrics.accuracy_score(labels, predicted),
            "balanced accuracy": metrics.balanced_accuracy_score(labels, predicted),
            "macro F1": metrics.f1_score(labels, predicted, average="macro"),
            "macro precision": metrics.precision_score(labels, predicted, average="macro", zero_division=0),
        }
        for name, score in scores.items():
            assert test[name]["value"] == pytest.approx(score), (row["classifier"], name)
            low, high = test[name]["interval"]
            assert low < score < high
        one_hot = np.eye(N_CLASSES)[labels]
        assert test["binary accuracy"]["value"] == pytest.approx(((outputs > 0.5) == one_hot).mean())
        np.testing.assert_array_equal(test["confusion"], metrics.confusion_matrix(labels, predicted))
        assert test["accuracy"]["value"] > 0.2  # a seventh by chance: predictions and labels belong to each other


def test_copies_are_left_out_where_there_are_some(made, tmp_path, monkeypatch):
    labels = sealed_labels()
    row = bench(tmp_path / "some", "all")["rows"][0]
    place = 0  # of row 4 among the test rows
    rest = np.arange(len(labels)) != place
    predicted = np.array(row["predicted"])
    assert row["without copies"]["rows"] == len(labels) - 1
    for name, score in {
        "accuracy": metrics.accuracy_score(labels[rest], predicted[rest]),
        "balanced accuracy": metrics.balanced_accuracy_score(labels[rest], predicted[rest]),
        "macro F1": metrics.f1_score(labels[rest], predicted[rest], average="macro"),
    }.items():
        assert row["without copies"][name]["value"] == pytest.approx(score)
    assert set(row["without copies"]) == {"rows", "accuracy", "balanced accuracy", "macro F1"}
    serve_made(pictures(copy=0), values(), monkeypatch.setattr)
    result = bench(tmp_path / "none", "all")
    assert result["rows"][0]["without copies"] is None
    assert [numbers["copied"] for numbers in result["problems"].values()] == [[]]


@pytest.mark.parametrize(
    ("setting", "more"),
    [
        ({"scorer": "ridge"}, {"penalty": 0.1}),
        ({"scorer": "ridge", "balance": "weights"}, {"penalty": 0.1}),
        ({"scorer": "ridge", "balance": "smote"}, {"penalty": 0.1}),
        ({"scorer": "ridge", "metric": "macro-f1"}, {"penalty": 0.1}),
        (FOREST, {}),
        ({**FOREST, "balance": "smote", "metric": "balanced-accuracy"}, {}),
        ({**FOREST, "folds": 2, "join": "on", "metric": "accuracy"}, {}),
    ],
    ids=str,
)
def test_figures_are_those_of_a_search_that_chose_the_same(tmp_path, monkeypatch, setting, more):
    labels = np.random.default_rng(0).choice(N_CLASSES, N, p=[0.3, 0.2, 0.15, 0.15, 0.1, 0.05, 0.05])
    serve_made(pictures(labels), values(labels), monkeypatch.setattr)
    monkeypatch.setattr(search, "configured_pictures", lambda *_: pictures(labels))
    monkeypatch.setattr(search, "configured_embeddings", lambda *_: made_bench.embeddings(values(labels)))
    config = SearchConfig(
        **setting, **more, split_seed=0, seed=3, size="5", ants=2, iterations=1, null_draws=1, workers=1, memo="off",
        heuristic="f", pick="best", out=str(tmp_path / "search"),
    )  # fmt: skip
    found = run_search(config)
    chosen = found.chosen.indices

    def as_found(task):
        task.scorer.score([chosen])

    monkeypatch.setitem(OWN, "as-found", made_bench._of("as-found", as_found, searches=True, takes_size="any"))
    monkeypatch.setitem(made_bench.ALL, "as-found", OWN["as-found"])
    plan = plan_with({"selector": "as-found", "size": 5, "seeds": 3}, setting={**setting, **more})
    (row,) = runner.run_plan(plan, tmp_path / "bench", selectors=OWN)["rows"]
    assert row["indices"] == chosen.tolist()
    theirs = found.numbers["search score"]
    assert row["search score"]["metric"] == theirs["metric"]
    assert row["search score"]["value"] == pytest.approx(theirs["search score"], rel=1e-6)
    assert row["test"]["search metric"] == pytest.approx(theirs["same metric on the test part"], rel=1e-5)
    for name in ("accuracy", "macro F1"):
        assert row["test"][name] == found.numbers["contenders"]["colony"][name]


def test_there_is_no_optimism_where_another_classifier_is_tested(made, tmp_path):
    row = bench(tmp_path, {"selector": "random-search", "size": 6, "classifier": "GaussianNB"})["rows"][0]
    assert row["search score"]["metric"] == "brier"
    assert "search metric" not in row["test"]


# Protocols.


def test_of_five_classes_the_labels_are_those_that_are_left(made, tmp_path):
    result = bench(tmp_path, {"selector": "all", "protocol": ["clean", "five-classes"]})
    ((name, numbers),) = [item for item in result["problems"].items() if "five-classes" in item[0]]
    images = pictures()
    left = [images.class_names.index(each) for each in ("Angry", "Disgust", "Happy", "Neutral", "Surprise")]
    assert numbers["data"]["classes"] == [images.class_names[place] for place in sorted(left)]
    of_test = images.labels[(images.parts == TEST) & np.isin(images.labels, left)]
    numbered = {label: images.class_names[label] for label in left}
    assert [numbers["data"]["classes"][label] for label in numbers["labels"]] == [numbered[label] for label in of_test]
    five, seven = (by_protocol(result, protocol)[0] for protocol in ("five-classes", "clean"))
    assert five["problem"] == name
    assert five["test"]["rows"] == len(of_test) == 100
    assert five["test"]["accuracy"]["value"] > seven["test"]["accuracy"]["value"]
    assert len(five["test"]["confusion"]) == 5


def by_protocol(result, protocol):
    return [row for row in result["rows"] if row["protocol"] == protocol]


@pytest.mark.parametrize(("protocol", "shift"), [("leaky-smote-first", 0), ("leaky-smote-test", 2)])
def test_a_leaky_protocols_labels_belong_to_its_predictions(tmp_path, monkeypatch, protocol, shift):
    """Where features say nothing, the neighbours of test rows that were made before the split are all there is."""
    labels = np.random.default_rng(0).choice(N_CLASSES, N, p=[0.6, 0.15, 0.05, 0.05, 0.05, 0.05, 0.05])
    serve_made(pictures(labels), values(labels, shift), monkeypatch.setattr)
    setting = {**FOREST, "balance": "smote", "trees": 30}
    contenders = [{"selector": "all", "protocol": ["clean", protocol], "seeds": [0, 1]}]
    result = bench(tmp_path, *contenders, setting=setting)
    clean, leaky = by_protocol(result, "clean"), by_protocol(result, protocol)
    assert shift or clean[0]["test"]["balanced accuracy"]["value"] < 0.25
    assert len({row["problem"] for row in leaky}) == 2  # each seed draws rows of its own
    for row in leaky:
        numbers = result["problems"][row["problem"]]
        labels, predicted = np.array(numbers["labels"]), outputs_of(tmp_path, row).argmax(axis=1)
        assert row["test"]["accuracy"]["value"] == (labels == predicted).mean()
        assert numbers["synthetic test rows"] > 0
        assert numbers["fingerprint"].endswith(f"-{protocol}-{row['seed']}")
        assert row["test"]["rows"] == numbers["test"] == len(labels)
        assert len(set(np.bincount(labels))) <= 2  # balanced, the test part too
        assert row["test"]["balanced accuracy"]["value"] > 0.5


def test_validation_as_test_scores_subsets_on_the_rows_it_is_tested_on(made, tmp_path):
    contender = {"selector": "random-search", "size": 6, "protocol": ["clean", "validation-as-test"]}
    result = bench(tmp_path, contender, setting=FOREST, budget={"evaluations": 40})
    (leaky,), (clean,) = (by_protocol(result, protocol) for protocol in ("validation-as-test", "clean"))
    assert leaky["test"]["search metric"] == pytest.approx(leaky["search score"]["value"], rel=1e-6)
    assert clean["test"]["search metric"] != pytest.approx(clean["search score"]["value"], rel=1e-3)
    for row in (leaky, clean):
        numbers = result["problems"][row["problem"]]
        assert numbers["labels"] == sealed_labels().tolist()
        assert numbers["test"] == 140


# What else a result says.


def test_a_result_says_what_it_was_measured_on(made, tmp_path):
    result = bench(tmp_path, "all", {"selector": "colony", "size": 6}, seeds=[0, 1], null_test=True)
    (numbers,) = result["problems"].values()
    assert result["kind"] == "bench"
    assert result["reference"] == "all"
    assert (numbers["setting"], numbers["protocol"], numbers["split"]) == ("made", "clean", "official")
    assert (numbers["train"], numbers["validation"], numbers["test"], numbers["features"]) == (420, 140, 140, 24)
    assert numbers["labels"] == sealed_labels().tolist()
    assert numbers["data"]["pictures"] == N
    assert numbers["feature names"][3] == "made/c0003"
    for row in result["rows"]:
        assert result["problems"][row["problem"]] is numbers
        assert row["fingerprint"] == numbers["fingerprint"]
        assert row["configuration"]["seed"] == row["seed"]
        assert row["versions"]["numpy"] == np.__version__
        assert row["peak memory, GB"] > 0
        assert row["multiply-adds"] == 1000
        assert row["latency, ms"] == pytest.approx(1.0 + row["classifier latency, ms"], abs=0.001)
        assert set(row["seconds"]) == {"embedding", "balancing", "heuristic", "selection", "fit", "predict"}
    colony = [row for row in result["rows"] if row["contender"] == "colony"]
    for row in colony:
        assert 0 < row["evaluations"] == len(row["scored"]) <= 12
        assert row["features"] == 6 == len(row["indices"])
        best = min(value for _, value, is_estimate in row["scored"] if not is_estimate)
        assert row["search score"]["value"] == best == row["history"][-1][2]
    null = [row for row in result["rows"] if row["is null"]]
    assert len(null) == 2
    for row in null:
        assert "test" not in row
        others = [each for each in result["rows"] if each["contender"] == row["contender"]]
        assert len({json.dumps(each["null test"]) for each in others}) == 1


def test_the_table_has_a_line_a_row_without_null_tests(made, tmp_path):
    result = bench(tmp_path, "all", "fails", {"selector": "colony", "size": 6}, seeds=[0, 1], null_test=True)
    with (tmp_path / TABLE).open() as file:
        lines = list(csv.DictReader(file))
    rows = [row for row in result["rows"] if not row["is null"]]
    assert len(lines) == len(rows) == 6
    for line, row in zip(lines, rows, strict=True):
        assert (line["contender"], line["status"], line["seed"]) == (row["contender"], row["status"], str(row["seed"]))
        if row["status"] != "ok":
            assert line["accuracy"] == line["features"] == ""
            assert line["reason"] == row["reason"]
            continue
        assert float(line["accuracy"]) == row["test"]["accuracy"]["value"]
        assert float(line["binary accuracy"]) == row["test"]["binary accuracy"]["value"]
        assert float(line["accuracy without copies"]) == row["without copies"]["accuracy"]["value"]
        assert float(line["fit seconds"]) == row["seconds"]["fit"]
        score = row.get("search score")
        assert line["search score"] == ("" if score is None else str(score["value"]))


def test_every_split_and_protocol_is_opened_by_itself(made, tmp_path):
    contender = {"selector": "all", "protocol": ["clean", "five-classes"]}
    result = bench(tmp_path, contender, setting={"split": "stratified", "split_seeds": [0, 1]})
    assert len(result["problems"]) == 4
    laid_out = {}
    for cell in plan_with(contender, setting={"split": "stratified", "split_seeds": [0, 1]}).cells:
        laid_out[cell.key] = Problem(cell)
    for row in result["rows"]:
        numbers = result["problems"][row["problem"]]
        expected = laid_out[row["cell"]]
        assert numbers["fingerprint"] == expected.fingerprint
        labels = expected.material.sealed.open({"all": np.zeros(len(expected.material.sealed))})
        assert numbers["labels"] == labels.tolist()


def test_a_backbone_whose_cost_is_not_known_stops_nothing(made, tmp_path, monkeypatch):
    def absent(*_):
        raise MissingExtraError("counting needs keras,\nwhich is not installed")

    monkeypatch.setattr(opening, "backbone_cost", absent)
    result = bench(tmp_path, "all")
    (numbers,) = result["problems"].values()
    assert numbers["backbone cost"] == {"reason": "counting needs keras, which is not installed"}
    assert result["rows"][0]["latency, ms"] is result["rows"][0]["multiply-adds"] is None


def test_a_backbones_cost_is_counted_to_its_deepest_layer_and_measured_once(tmp_path, monkeypatch):
    pytest.importorskip("keras")
    from acofer.bench import costs

    timed = []
    monkeypatch.setattr(costs, "timing", lambda _: timed.append(1) or {"latency of one picture, ms": 2.0})
    folder = BenchFolder(tmp_path)
    about = {"backbone": "mobilenetv2", "image_size": 32, "pooling": "avg", "layers": [{"name": "block_1_expand_relu"}]}
    early = backbone_cost(about, folder)
    assert backbone_cost(about, folder) == early
    assert len(timed) == 1
    deeper = {**about, "layers": [*about["layers"], {"name": "block_6_expand_relu"}]}
    assert backbone_cost(deeper, folder)["multiply-adds"] > early["multiply-adds"]
    twice = backbone_cost({**about, "mirror": "average"}, folder)
    assert (twice["multiply-adds"], twice["latency, ms"]) == (2 * early["multiply-adds"], 4.0)
    assert twice["parameters"] == early["parameters"]
    # Stem, first block and the 1x1 convolution that widens the second, at 32 x 32: 3x3x3x32 and 3x3x32 at 16 x 16,
    # 32x16 and 16x96 there, too.
    assert early["multiply-adds"] == 16 * 16 * (3 * 3 * 3 * 32 + 3 * 3 * 32 + 32 * 16 + 16 * 96)


def test_pictures_are_read_once_for_all_parts_and_it_is_told_how_far_it_is(made, tmp_path, monkeypatch):
    """FER2013's CSV was read thirteen times, in silence."""
    read, reads, told = opening.configured_pictures, [], []
    monkeypatch.setattr(opening, "configured_pictures", lambda *given: reads.append(1) or read(*given))
    plan = plan_with("all", {"selector": "all", "protocol": "five-classes"}, {"selector": "pca", "size": 4})
    result = runner.run_plan(plan, tmp_path / "bench", selectors=OWN, on_part=lambda *said: told.append(said))
    assert len(result["problems"]) == 2
    assert len(reads) == 1
    total = len(plan.cells)
    stages = [done for stage, done, of in told if stage == "labels" and of == total]
    assert stages[0] == 0
    assert stages[-1] == total
    assert len(stages) == 3


def test_several_layers_are_timed_too(tmp_path, monkeypatch):
    """A bench of inner layers ran for hours, and fell when it took the time of a network with more outputs than one."""
    pytest.importorskip("keras")
    from acofer.nets import timing

    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    layers = [{"name": "block_1_expand_relu"}, {"name": "block_3_expand_relu"}]
    about = {"backbone": "mobilenetv2", "image_size": 32, "pooling": "avg", "layers": layers}
    assert backbone_cost(about, BenchFolder(tmp_path))["latency, ms"] > 0


def test_what_sigmoids_say_is_made_shares_for_log_loss_and_left_for_binary_accuracy(made, tmp_path):
    """Sigmoids' outputs do not add up to one."""
    plan = plan_with("all", {"net": "small-cnn"})
    outputs = np.random.default_rng(0).uniform(size=(140, 7))
    folder = BenchFolder(tmp_path / "bench")
    folder.write_plan("")
    network_folder(folder.network(plan.cells[1].key), Problem(plan.cells[0]).fingerprint, np.arange(4, 700, 5), outputs)
    row = by_contender(runner.run_plan(plan, folder.place, selectors=OWN))["small-cnn"]
    one_hot = np.eye(7)[sealed_labels()]
    assert row["test"]["binary accuracy"]["value"] == pytest.approx(((outputs > 0.5) == one_hot).mean())
    shares = outputs / outputs.sum(axis=1, keepdims=True)
    expected = ((shares - one_hot) ** 2).sum(axis=1).mean()
    assert row["test"]["Brier score"]["value"] == pytest.approx(expected, rel=1e-5)
