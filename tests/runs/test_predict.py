"""A folder of small pictures, from pixels to predictions, through a network that was never trained."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from acofer.config.search import SearchConfig
from acofer.errors import AcoferError, ConfigError, DataError, MissingFileError
from acofer.features.layers import BANKS, describe_layer, name_features
from acofer.pretrained.weights import Weights
from acofer.runs import folder as files
from acofer.runs import predict as predicting
from acofer.runs.predict import predict
from acofer.runs.record import chosen_places
from acofer.runs.search import run_search

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 70), "red": (200, 50, 40)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of coloured noise, with an official split in which one test picture is a copy."""
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for part, count in (("train", 10), ("validation", 4), ("test", 5)):
        for name, colour in COLOURS.items():
            (place / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(np.array(colour) + rng.normal(0, 30, (20, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / part / name / f"{i}.png")
    shutil.copy(place / "train" / "red" / "0.png", place / "test" / "red" / "copy.png")
    return place


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    pytest.importorskip("keras")
    place = tmp_path_factory.mktemp("run")
    config = SearchConfig(
        data=str(pictures), weights="random", image_size=32, pooling="avg", ants=3, iterations=2, trees=10, size=20,
        heuristic="f", null_draws=1, workers=1, cache_dir=str(place / "cache"), out=str(place / "run"),
    )  # fmt: skip
    return run_search(config)


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run.folder, tmp_path / "run")


def altered(folder, name, change):
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def test_pictures_are_classified_as_the_test_part_was(run, pictures):
    paths = sorted((pictures / "test").rglob("*.png"))
    told = []
    predictions = predict(run.folder, paths, progress=lambda *event: told.append(event))
    assert [row["picture"] for row in predictions] == [str(path) for path in paths]
    assert told[-1] == ("predicting", len(paths), len(paths))
    counts = np.zeros((3, 3), int)
    for path, row in zip(paths, predictions, strict=True):
        assert list(row["shares"]) == list(COLOURS)
        assert sum(row["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert row["shares"][row["class"]] == max(row["shares"].values())
        counts[list(COLOURS).index(path.parent.name), list(COLOURS).index(row["class"])] += 1
    assert counts.tolist() == run.numbers["contenders"]["colony"]["confusion"]


@pytest.fixture(scope="module")
def bank_run(pictures, tmp_path_factory):
    """A run on three layers and the mirror images."""
    pytest.importorskip("keras")
    place = tmp_path_factory.mktemp("bank_run")
    config = SearchConfig(
        data=str(pictures), weights="random", image_size=32, layers="bank", pooling="grid:2", mirror="average", ants=3,
        iterations=2, trees=10, size=20, heuristic="f", null_draws=1, workers=1, cache_dir=str(place / "cache"),
        out=str(place / "run"),
    )  # fmt: skip
    return run_search(config)


def test_predictions_from_a_bank_are_those_of_the_test_part(bank_run, pictures):
    paths = sorted((pictures / "test").rglob("*.png"))
    counts = np.zeros((3, 3), int)
    for path, row in zip(paths, predict(bank_run.folder, paths), strict=True):
        counts[list(COLOURS).index(path.parent.name), list(COLOURS).index(row["class"])] += 1
    assert counts.tolist() == bank_run.numbers["contenders"]["colony"]["confusion"]


@pytest.mark.parametrize("scorer", ["ridge", "forest"])
def test_a_bank_is_searched_as_it_lies_and_predicted_from(pictures, tmp_path, scorer):
    pytest.importorskip("keras")
    config = SearchConfig(
        data=str(pictures), weights="random", image_size=32, layers="bank", pooling="grid:1", balance="none", ants=3,
        iterations=2, trees=10, size="8:32", null_draws=1, workers=1, scorer=scorer, out=str(tmp_path / "run"),
    )  # fmt: skip
    done = run_search(config)
    assert done.numbers["embeddings"]["features"] == 192 + 384 + 576
    assert done.numbers["contenders"]["colony"]["accuracy"]["value"] > 0.6  # three colours
    paths = sorted((pictures / "test").rglob("*.png"))
    counts = np.zeros((3, 3), int)
    for path, row in zip(paths, predict(done.folder, paths), strict=True):
        counts[list(COLOURS).index(path.parent.name), list(COLOURS).index(row["class"])] += 1
    assert counts.tolist() == done.numbers["contenders"]["colony"]["confusion"]


def test_a_bank_is_embedded_anew_as_the_run_did(bank_run, pictures, monkeypatch):
    asked = []

    def spy(*arguments, **options):
        asked.append((arguments, options))
        raise DataError("enough")

    monkeypatch.setattr(predicting, "load_backbone", spy)
    with pytest.raises(DataError, match="enough"):
        predict(bank_run.folder, [next(pictures.rglob("*.png"))])
    ((name, size, _, pooling), options) = asked[0]
    assert (name, size, pooling) == ("mobilenetv2", 32, "grid:2")
    assert options == {"layers": ",".join(BANKS["mobilenetv2"]), "mirror": "average"}


def test_a_run_says_where_its_features_lie(bank_run):
    numbers = json.loads((bank_run.folder / files.RESULT).read_text())
    names = json.loads((bank_run.folder / files.SUBSET).read_text())["names"]
    assert [(line["layer"], line["of"]) for line in numbers["features"]] == [
        (name, 4 * channels) for name, channels in zip(BANKS["mobilenetv2"], (192, 384, 576), strict=True)
    ]
    for line in numbers["features"]:
        own = [name for name in names if name.startswith(f"{line['layer']}/")]
        assert line["chosen"] == len(own)
        assert line["places"] == [
            [sum(name.endswith(f"/r{row}c{column}") for name in own) for column in range(2)] for row in range(2)
        ]
    assert sum(line["chosen"] for line in numbers["features"]) == 20
    assert (numbers["embeddings"]["mirror"], numbers["embeddings"]["features"]) == ("average", 4 * (192 + 384 + 576))
    assert [layer["shape"] for layer in numbers["embeddings"]["layers"]] == [[2, 2, 192], [2, 2, 384], [2, 2, 576]]


def test_places_of_one_layer():
    """Flattened, and with one number a channel."""
    flat = name_features([describe_layer("a", (1, 2, 3), "flatten")], "flatten")
    assert chosen_places(np.array([0, 2, 4]), flat) == [{"layer": "a", "of": 6, "chosen": 3, "places": [[2, 1]]}]
    averaged = name_features([describe_layer("a", (2, 2, 3), "avg")], "avg")
    assert chosen_places(np.array([1]), averaged) == [{"layer": "a", "of": 3, "chosen": 1, "places": [[1]]}]


def test_a_copy_of_a_training_picture_is_taken_out_of_the_test(run):
    assert run.numbers["split"]["name"] == "official"
    assert run.numbers["split"]["test rows also in train or validation"] == 1
    assert run.numbers["without copies"]["rows"] == run.numbers["contenders"]["colony"]["rows"] - 1 == 15


def test_random_weights_are_labelled(run):
    assert "random" in run.numbers["embeddings"]["weights"]
    assert run.numbers["embeddings"]["weights_digest"] == "random-seed0"


def test_other_weights_are_refused(run, pictures, tmp_path, monkeypatch):
    other = Weights("file", tmp_path / "other.h5", "f" * 64, "file (other.h5)")
    monkeypatch.setattr(predicting, "obtain_weights", lambda *_: other)
    with pytest.raises(ConfigError, match=r"expected those of the run \(sha256 random-seed0\); got ffff"):
        predict(run.folder, [next(pictures.rglob("*.png"))], weights="other.h5")


def test_a_missing_run_and_a_missing_picture_are_told_apart(run, tmp_path, pictures):
    with pytest.raises(MissingFileError, match="expected a run folder"):
        predict(tmp_path / "absent", [next(pictures.rglob("*.png"))])
    with pytest.raises(AcoferError, match=r"absent\.png"):
        predict(run.folder, [tmp_path / "absent.png"])


def test_a_broken_picture_is_named_before_a_net_is_loaded(run, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "import_keras", None)
    (tmp_path / "broken.png").write_bytes(next(pictures.rglob("*.png")).read_bytes()[:60])
    with pytest.raises(DataError, match=r"broken\.png"):
        predict(run.folder, [next(pictures.rglob("*.png")), tmp_path / "broken.png"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (files.RESULT, lambda c: c.pop("embeddings")),
        (files.RESULT, lambda c: c["embeddings"].pop("weights_digest")),
        (files.RESULT, lambda c: c["embeddings"].pop("layers")),
        (files.RESULT, lambda c: c["embeddings"].update(layers=[{"name": "block_6_expand_relu"}])),
        (files.RESULT, lambda c: c.update(data=[1, 2])),
        (files.SUBSET, lambda c: c.pop("indices")),
        (files.SUBSET, lambda c: c.update(indices=[10**6] * 20)),
        (files.SUBSET, lambda c: c.update(indices=[-1] * 20)),
    ],
)
def test_an_altered_run_folder_is_refused(copied, pictures, name, change):
    altered(copied, name, change)
    with pytest.raises(DataError, match="expected a run folder as acofer search leaves it; it was altered"):
        predict(copied, [next(pictures.rglob("*.png"))])


def test_a_model_of_other_features_is_refused(copied, pictures):
    altered(copied, files.SUBSET, lambda content: content["indices"].pop())
    with pytest.raises(DataError, match="expected a classifier of 19 features"):
        predict(copied, [next(pictures.rglob("*.png"))])
