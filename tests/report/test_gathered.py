"""Benches, trainings and searches on disk become rows; what is damaged becomes one line."""

import copy
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made import CLASSES, SHARES, made_bench

from acofer.errors import DataError, MissingFileError
from acofer.report.gathered import rows_of
from acofer.report.numbers import page_numbers
from acofer.scoring.metrics import binary_accuracy, log_loss, scorecard

REPORTS = Path(__file__).parents[2] / "reports"
N, FEATURES = 300, 40
CONTENDERS = {"colony": 0.6, "all features": 0.62, "top by heuristic": 0.5, "random 1": 0.4, "random 2": 0.42}


def outputs_of(labels, accuracy, seed):
    rng = np.random.default_rng(seed)
    predicted = np.where(rng.random(N) < accuracy, labels, rng.integers(0, 7, N))
    return (0.9 * np.eye(7)[predicted] + 0.1 * rng.dirichlet(np.ones(7), N)).astype(np.float32)


@pytest.fixture
def labels():
    return np.random.default_rng(5).choice(7, N, p=SHARES)


def common(seed, **configuration):
    return {
        "acofer": "0.1.0",
        "finished": "2026-11-21T12:00:00Z",
        "seed": seed,
        "configuration": {"data": "demo", "seed": seed, "out": f"runs/{seed}", **configuration},
        "data": {
            "name": "demo",
            "source": "demo",
            "pictures": 3000,
            "classes": CLASSES,
            "digest": "ab",
            "warnings": [],
        },
        "split": {
            **{"name": "official", "fingerprint": "0123456789abcdef", "train": 2400, "validation": 300, "test": N},
            **{"test rows also in train or validation": 0, "synthetic test rows": 0},
        },
        "without copies": None,
        "versions": {"acofer": "0.1.0"},
        "machine": {"processor": "AMD EPYC"},
    }


def leave(folder, numbers, **arrays):
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(numbers), encoding="utf-8")
    if arrays:
        np.savez(folder / "predictions.npz", **arrays)
    return folder


def training(folder, labels, *, seed=0, accuracy=0.7, keeps_labels=True, net="small-cnn", epochs=20):
    """Leave what ``acofer train`` leaves."""
    outputs = outputs_of(labels, accuracy, seed + 100)
    card = scorecard(labels, outputs, seed=seed) | {"binary accuracy": binary_accuracy(labels, outputs, seed=seed)}
    numbers = common(seed, net=net, epochs=epochs, classes=None) | {
        "net": {
            "name": net,
            "parameters": {"trainable": 200, "frozen": 50},
            "multiply-adds": 1000,
            "timing": {"latency of one picture, ms": 1.5},
        },
        "training": {"epochs": epochs, "best epoch": 1, "seconds": 60.0, "history": []},
        "test": card,
        "seconds": {"test": 1.0},
        "peak memory, GB": 1.0,
    }
    kept = {"labels": labels} if keeps_labels else {}
    return leave(folder, numbers, rows=np.arange(N), outputs=outputs, **kept)


def search(folder, labels, *, seed=0, keeps_predictions=True, accuracies=CONTENDERS, **options):
    """Leave what ``acofer search`` leaves."""
    outputs = {name: outputs_of(labels, a, seed + 7 * place) for place, (name, a) in enumerate(accuracies.items())}
    cards = {
        name: {"features": FEATURES if name == "all features" else 8, **scorecard(labels, one, seed=seed)}
        for name, one in outputs.items()
    }
    values = [1.5, 1.4, 1.45, 1.2, 1.3]
    scored = [{"features": 8, "value": value, "standard error": 0.1, "estimate": value == 1.2} for value in values]
    chosen = {"features": 8, "value": 1.3, "standard error": 0.1, "trees": 90, "estimate": False}
    numbers = common(seed, scorer="forest", heuristic="importance", size=8, ants=5, **options) | {
        "protocol": "clean",
        "embeddings": {
            **{"features": FEATURES, "backbone": "mobilenetv2", "image_size": 48, "pooling": "flatten"},
            "layers": [{"name": "out_relu", "shape": [2, 2, 10]}],
        },
        "search": {"metric": "log-loss", "ants": 5, "subsets scored": 5, "chosen": chosen, "scored": scored},
        "contenders": cards,
        "search score": {
            **{"metric": "log-loss", "search score": 1.3, "optimism": 0.1},
            "same metric on the test part": log_loss(labels, outputs["colony"].astype(float)),
        },
        "seconds": {"heuristic": 1.0, "balancing": 2.0, "search": 3.0, "test": 4.0},
    }
    arrays = {"rows": np.arange(N), "labels": labels, "names": np.array(list(outputs))}
    kept = {**arrays, "outputs": np.stack(list(outputs.values()))} if keeps_predictions else {}
    leave(folder, numbers, **kept)
    indices = np.sort(np.random.default_rng(seed).choice(FEATURES, 8, replace=False)).tolist()
    (folder / "subset.json").write_text(json.dumps({"features": 8, "indices": indices}), encoding="utf-8")
    return folder


def page(*folders, **options):
    return page_numbers([rows_of(folder) for folder in folders], **options)


def rows_by_name(numbers):
    return {row["contender"]: row for row in numbers["main"]["rows"]}


def test_a_bench_comes_as_it_is(tmp_path):
    bench = made_bench(n_test=60, seeds=(0,), features=128)
    found = rows_of(leave(tmp_path / "bench", bench))
    assert {name: found[name] for name in bench} == bench
    assert page_numbers([found], now=0)["main"] == page_numbers([bench], now=0)["main"]


def test_a_bench_that_says_no_command_can_be_repeated_all_the_same(tmp_path):
    bench = made_bench(n_test=60, seeds=(0,), features=128)
    del bench["command"]
    folder = leave(tmp_path / "bench", bench)
    assert page(folder)["made"]["commands"] == [f"acofer bench {folder / 'plan.toml'}"]


def test_a_search_has_its_colony_and_what_that_was_to_beat(tmp_path, labels):
    numbers = page(search(tmp_path / "a", labels))
    rows = rows_by_name(numbers)
    assert list(rows) == ["colony", "all features", "top by heuristic", "random"]
    for name, kept in (("colony", "colony"), ("all features", "all features")):
        expected = np.mean(outputs_of(labels, CONTENDERS[kept], 7 * list(CONTENDERS).index(kept)).argmax(1) == labels)
        assert rows[name]["accuracy"]["mean"] == pytest.approx(expected)
    assert rows["random"]["seeds"] == 2
    assert rows["colony"]["search seconds"] == 4.0
    assert rows["colony"]["classifier"] == "forest"
    assert {d["contender"] for d in numbers["differences"]} == {"all features", "top by heuristic", "random"}
    assert numbers["settings"][0]["name"] == "demo 48x48 flattened"
    assert numbers["repeat"][0]["command"] == f"acofer search --config {tmp_path / 'a' / 'config.toml'}"


def test_a_searchs_course_leaves_estimates_out_of_the_best(tmp_path, labels):
    numbers = page(search(tmp_path / "a", labels))
    (curve,) = numbers["convergence"][0]["curves"]
    assert (curve["evaluations"], curve["value"], curve["seconds"]) == ([1, 2, 5, 5], [1.5, 1.4, 1.3, 1.3], None)
    assert numbers["archive"][0]["front"] == [[8, 1.3]]
    entry = numbers["optimism"][0]
    assert entry["optimism"] == pytest.approx(entry["on the test part"] - 1.3)


def test_a_search_that_another_classifier_ended_has_no_optimism(tmp_path, labels):
    folder = search(tmp_path / "a", labels, classifier="SVC")
    numbers = json.loads((folder / "result.json").read_text())
    numbers["search score"]["optimism"] = None
    (folder / "result.json").write_text(json.dumps(numbers))
    assert page(folder)["optimism"] == []
    assert rows_by_name(page(folder))["colony"]["classifier"] == "SVC"


def test_features_are_named_as_layers_and_pooling_make_them(tmp_path, labels):
    folder = search(tmp_path / "a", labels)
    (entry,) = page(folder)["features"]
    indices = json.loads((folder / "subset.json").read_text())["indices"]
    names = [f"out_relu/c{c:04d}/r{r}c{k}" for r in (0, 1) for k in (0, 1) for c in range(10)]
    assert [top["name"] for top in entry["top"]] == [names[j] for j in indices]
    assert np.sum(entry["layers"][0]["places"]) == 8


def test_seeds_of_one_search_are_one_contender(tmp_path, labels):
    numbers = page(*(search(tmp_path / str(seed), labels, seed=seed) for seed in (0, 1, 2)))
    rows = rows_by_name(numbers)
    assert list(rows) == ["colony", "all features", "top by heuristic", "random"]
    assert rows["colony"]["seeds"] == 3
    assert rows["random"]["seeds"] == 6
    assert numbers["features"][0]["stability"]["interval"] is not None
    assert numbers["checks"][6]["status"] in ("pass", "warn")


def test_searches_with_other_settings_are_told_apart(tmp_path, labels):
    rows = rows_by_name(page(search(tmp_path / "a", labels), search(tmp_path / "b", labels, seed=0, alpha=2.0)))
    assert [name for name in rows if name.startswith("colony")] == ["colony (a)", "colony (b)"]
    assert rows["all features"]["seeds"] == 1  # the same classifier on the same features, given twice


def test_a_training_stands_beside_a_search_of_the_same_split(tmp_path, labels):
    numbers = page(search(tmp_path / "a", labels), training(tmp_path / "net", labels, accuracy=0.9))
    row = rows_by_name(numbers)["small-cnn"]
    assert (row["kind"], row["parameters"], row["multiply-adds"]) == ("network", 250, 1000)
    assert (row["training seconds"], row["latency, ms"]) == (60.0, 1.5)
    assert row["outcome"] == "better"
    assert len(numbers["settings"]) == 1


def test_trainings_alone_are_a_setting(tmp_path, labels):
    folders = training(tmp_path / "a", labels), training(tmp_path / "b", labels, net="mobilenetv2", accuracy=0.9)
    numbers = page(*folders)
    assert [setting["name"] for setting in numbers["settings"]] == ["demo, networks"]
    assert numbers["main"]["reference"] == "small-cnn"
    assert rows_by_name(numbers)["mobilenetv2"]["outcome"] == "better"


def test_a_training_without_labels_borrows_them_from_its_split(tmp_path, labels):
    old = training(tmp_path / "net", labels, keeps_labels=False)
    assert rows_by_name(page(old, search(tmp_path / "a", labels)))["small-cnn"]["outcome"] != "not compared"


def test_where_nobody_has_labels_there_are_numbers_and_no_difference(tmp_path, labels):
    folders = [training(tmp_path / net, labels, keeps_labels=False, net=net) for net in ("small-cnn", "hybrid")]
    numbers = page(*folders)
    rows = rows_by_name(numbers)
    card = json.loads((folders[1] / "result.json").read_text())["test"]
    assert rows["hybrid"]["accuracy"] == {
        **{"mean": pytest.approx(card["accuracy"]["value"]), "sd": None},
        "interval": card["accuracy"]["interval"],
    }
    assert rows["hybrid"]["outcome"] == "not compared"
    assert numbers["differences"] == []
    assert "no difference was tested" in numbers["verdict"][0]


def test_a_search_of_before_predictions_were_kept_has_its_numbers():
    numbers = page(REPORTS / "fer2013-search")
    rows = rows_by_name(numbers)
    assert rows["colony"]["accuracy"]["mean"] == pytest.approx(0.43187517414321536)
    assert rows["colony"]["without copies"]["accuracy"] == pytest.approx(0.385, abs=0.001)
    assert rows["all features"]["outcome"] == "not compared"
    assert numbers["settings"][0]["copies"] == 314


def test_labels_that_contradict_each_other_are_refused(tmp_path, labels):
    others = (labels + 1) % 7
    with pytest.raises(DataError, match="differ in true classes"):
        page(search(tmp_path / "a", labels), training(tmp_path / "net", others))


def test_a_tie_within_single_precision_is_no_contradiction(tmp_path, labels):
    """Votes of a forest tie; the scorecard saw them in double precision, where the last digit had decided."""
    folder = search(tmp_path / "a", labels)
    with np.load(folder / "predictions.npz") as kept:
        arrays = dict(kept)
    outputs = arrays["outputs"]
    row = int(np.flatnonzero((outputs[0].argmax(1) == labels) & (labels > 0))[0])
    outputs[0, row] = 0
    outputs[0, row, [0, labels[row]]] = 0.5
    np.savez(folder / "predictions.npz", **arrays)
    written = json.loads((folder / "result.json").read_text())["contenders"]["colony"]["accuracy"]["value"]
    assert rows_by_name(page(folder))["colony"]["accuracy"]["mean"] == pytest.approx(written - 1 / N)


def test_packed_predictions_are_read(tmp_path, labels):
    """Trainings packed theirs once, and a page of committed runs was refused."""
    folder = search(tmp_path / "a", labels)
    plain = page(folder)
    with np.load(folder / "predictions.npz") as kept:
        arrays = dict(kept)
    np.savez_compressed(folder / "predictions.npz", **arrays)
    assert rows_by_name(page(folder)) == rows_by_name(plain)


def test_predictions_of_another_run_are_refused(tmp_path, labels):
    folder = search(tmp_path / "a", labels)
    other = search(tmp_path / "b", labels, seed=9)
    (other / "predictions.npz").replace(folder / "predictions.npz")
    with pytest.raises(DataError, match="its confusion is not that of its predictions"):
        page(folder)


def test_five_classes_of_a_training_are_a_protocol(tmp_path, labels):
    folder = training(tmp_path / "net", labels)
    numbers = json.loads((folder / "result.json").read_text())
    five = labels % 5
    outputs = outputs_of(five, 0.8, 0)[:, :5]
    numbers["configuration"]["classes"] = "Angry,Disgust,Happy,Neutral,Surprise"
    numbers["data"]["classes"] = CLASSES[:5]
    numbers["test"] = scorecard(five, outputs) | {"binary accuracy": binary_accuracy(five, outputs)}
    np.savez(folder / "predictions.npz", rows=np.arange(N), labels=five, outputs=outputs)
    (folder / "result.json").write_text(json.dumps(numbers))
    found = page(folder)
    assert found["main"]["rows"] == []
    assert [row["protocol"] for row in found["audit"]["rows"]] == ["five-classes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON; it is nested too deep"),
        ('{"seed": ' + "9" * 5000 + "}", "expected JSON; Exceeds the limit"),
        ("[1, 2]", "expected named values; got another list"),
        ('{"hello": 1}', "expected the result of acofer bench, search or train"),
        ('{"net": {"name": 3}, "training": {}}', "expected"),
    ],
)
def test_a_damaged_or_foreign_result_is_one_line(tmp_path, content, message):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        page(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_is_no_run_folder_is_one_line(tmp_path):
    with pytest.raises(MissingFileError, match=r"expected a run folder with result\.json"):
        rows_of(tmp_path / "nowhere")


@pytest.mark.parametrize(("left", "words"), [("rows.jsonl", "the bench at"), ("checkpoint.npz", "--resume")])
def test_what_is_not_finished_is_told_to_go_on(tmp_path, left, words):
    (tmp_path / left).write_text("")
    with pytest.raises(MissingFileError, match=words):
        rows_of(tmp_path)


def _cut(folder):
    place = folder / "predictions.npz"
    place.write_bytes(place.read_bytes()[:-400])


def _text(folder):
    (folder / "predictions.npz").write_text("hello")


def _objects(folder):
    np.savez(folder / "predictions.npz", rows=[1], outputs=np.array([{}], dtype=object))


def _short(folder):
    np.savez(folder / "predictions.npz", rows=[1], outputs=np.ones((3, 7)), labels=np.zeros(3, int))


def _nan(folder):
    np.savez(folder / "predictions.npz", rows=[1], outputs=np.full((N, 7), np.nan))


def _labels(folder):
    np.savez(folder / "predictions.npz", rows=[1], outputs=np.ones((N, 7)), labels=np.full(N, 7))


def _nothing(folder):
    np.savez(folder / "predictions.npz", rows=[1])


@pytest.mark.parametrize("damage", [_cut, _text, _objects, _short, _nan, _labels, _nothing])
def test_damaged_predictions_are_one_line(tmp_path, labels, damage):
    folder = training(tmp_path / "net", labels)
    damage(folder)
    with pytest.raises(DataError, match=r"predictions\.npz: expected") as caught:
        page(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["training", "search"])
def test_whatever_is_damaged_there_is_one_line_or_a_page(tmp_path, labels, kind):
    few = {"colony": 0.6, "random 1": 0.5}
    make = training if kind == "training" else partial(search, accuracies=few)
    folder = make(tmp_path / "run", labels)
    numbers = json.loads((folder / "result.json").read_text())
    rng = np.random.default_rng(0)
    junk = (None, "x", -1, float("nan"), [], {}, [[1], [1, 2]], 1e9)

    def spots(value, path=()):
        items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
        for name, one in items:
            yield (*path, name)
            yield from spots(one, (*path, name))

    paths = [path for path in spots(numbers) if path[:1] != ("contenders",) or path[1:2] == ("colony",)]
    assert len(paths) > 60
    for path in paths:
        damaged = copy.deepcopy(numbers)
        within = damaged
        for name in path[:-1]:
            within = within[name]
        within[path[-1]] = copy.deepcopy(junk[rng.integers(len(junk))])
        (folder / "result.json").write_text(json.dumps(damaged))
        complaint = ""
        try:
            json.dumps(page(folder), allow_nan=False)
        except DataError as error:
            complaint = str(error)
        assert "\n" not in complaint
        assert len(complaint) < 500
