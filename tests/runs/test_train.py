"""Trainings whole, on few drawn faces: what is left behind, what goes on, what is refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acofer.config.sources import train_config
from acofer.config.train import TrainConfig
from acofer.data.classes import some_rows
from acofer.data.demo import load_demo
from acofer.errors import ConfigError, DataError, MissingFileError, StoreError
from acofer.nets.build import build_net
from acofer.nets.table import NETS
from acofer.records import ImageSet
from acofer.runs import train, training_folder
from acofer.runs.network import read_network
from acofer.runs.predict import predict
from acofer.runs.train import TrainResult, resume_train, run_train, settled
from acofer.scoring.metrics import scorecard

pytest.importorskip("keras")

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "nets").glob("*.toml"))
SMALL = {"filters": [4, 4], "units": 8}


def few_faces(counts: Sequence[int] = (4,) * 7) -> ImageSet:
    """The first drawn faces of each class in each part, as many as `counts` says."""
    demo = load_demo()
    assert demo.parts is not None
    chosen = [
        np.flatnonzero((demo.parts == part) & (demo.labels == label))[:n]
        for part in range(3)
        for label, n in enumerate(counts)
    ]
    return some_rows(demo, np.sort(np.concatenate(chosen)))


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    images = few_faces()
    monkeypatch.setattr(train, "configured_pictures", lambda *_: images)


def config(out: Path | None, **options: Any) -> TrainConfig:
    given: dict[str, Any] = {"image_size": 32, "epochs": 3, "net_params": SMALL, **options}
    return TrainConfig(out=None if out is None else str(out), **given)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Let Keras forget the graphs of each test: those of nine networks take gigabytes."""
    yield
    sys.modules["keras"].utils.clear_session()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    place = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        images = few_faces()
        patch.setattr(train, "configured_pictures", lambda *_: images)
        return run_train(config(place))


def curve(folder: Path) -> list[list[str]]:
    """The history but for the seconds."""
    return [line.split(",")[:-1] for line in (folder / "history.csv").read_text().splitlines()]


def test_a_run_leaves_what_it_says(run: TrainResult) -> None:
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"config.toml", "history.csv", "model.keras", "predictions.npz", "result.json"}
    assert json.loads((run.folder / "result.json").read_text()) == run.numbers
    assert len(curve(run.folder)) == 1 + 3
    assert run.numbers["training"]["epochs"] == 3
    assert run.numbers["net"]["bytes on disk"] == (run.folder / "model.keras").stat().st_size
    assert run.numbers["net"]["parameters"] == {"trainable": read_network(run.folder).count_params(), "frozen": 0}
    assert run.numbers["versions"].keys() >= {"keras", "python", "acofer"}


def test_its_figures_are_those_of_its_predictions_on_the_test_part(run: TrainResult) -> None:
    images = few_faces()
    with np.load(run.folder / "predictions.npz", allow_pickle=False) as kept:
        rows, outputs = kept["rows"], kept["outputs"].astype(np.float64)
    np.testing.assert_array_equal(rows, np.flatnonzero(images.parts == 2))
    labels = images.labels[rows].astype(np.int64)
    card = scorecard(labels, outputs / outputs.sum(axis=1, keepdims=True))
    assert run.numbers["test"]["confusion"] == card["confusion"]
    assert run.numbers["test"]["accuracy"] == card["accuracy"]
    yes = outputs > 0.5
    expected = np.mean([[yes[i, c] == (labels[i] == c) for c in range(7)] for i in range(len(rows))])
    assert run.numbers["test"]["binary accuracy"]["value"] == pytest.approx(expected)
    pixels = np.stack(images.pictures.read(rows))
    import PIL.Image

    small = [np.asarray(PIL.Image.fromarray(p).resize((32, 32), PIL.Image.Resampling.BILINEAR)) for p in pixels]
    again = read_network(run.folder).predict_on_batch(np.stack(small)[..., None].repeat(3, -1).astype(np.float32))
    np.testing.assert_allclose(again, outputs, rtol=1e-5)


def test_its_configuration_repeats_it(run: TrainResult, tmp_path: Path) -> None:
    again = run_train(train_config({"out": str(tmp_path / "again")}, run.folder / "config.toml"))
    assert curve(again.folder) == curve(run.folder)
    assert again.numbers["test"] == run.numbers["test"]


def interrupted_in(epoch: int) -> Any:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "training" and done == epoch:  # 28 pictures are one batch an epoch
            raise KeyboardInterrupt

    return progress


def test_going_on_gives_what_never_stopping_gives(run: TrainResult, tmp_path: Path) -> None:
    place = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt, match=f"go on with: acofer train --resume {place}"):
        run_train(config(place), progress=interrupted_in(3))
    assert {path.name for path in place.iterdir()} == {"config.toml", "checkpoint.npz", "history.csv"}
    assert len(curve(place)) == 1 + 2
    resumed = resume_train(place)
    assert curve(place) == curve(run.folder)
    assert resumed.numbers["test"] == run.numbers["test"]
    assert not (place / "checkpoint.npz").exists()
    assert (place / "config.toml").read_text() == (run.folder / "config.toml").read_text()


# Trains the network that these tests train, or goes on with it; says before when all is loaded. argv: its folder.
TRAINER = """
import shutil
import sys
from pathlib import Path
from test_train import config, few_faces, resume_train, run_train, train

place, images = Path(sys.argv[1]), few_faces()
train.configured_pictures = lambda *_: images
print("ready", flush=True)
if (place / "checkpoint.npz").exists():
    resume_train(place)
else:
    shutil.rmtree(place, ignore_errors=True)  # killed before its first epoch was done
    run_train(config(place))
"""


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_killed_by_the_system_at_random_instants_it_goes_on(
    run: TrainResult, tmp_path: Path, n_kills: int, tried: Any
) -> None:
    """`kill -9`, before the first checkpoint, later, and while one is written."""

    def attempt(place: Path) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", TRAINER, str(place)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    began = time.monotonic()
    assert attempt(tmp_path / "whole").wait() == 0
    longest = time.monotonic() - began
    killed = finished = 0
    while killed < (n_kills or 3):
        place = tmp_path / f"run{finished}"
        while not (place / "result.json").exists():
            process = attempt(place)
            if killed < (n_kills or 3):
                time.sleep(random.uniform(0, longest))
                process.kill()
                killed += 1
            said = process.communicate()[1]
            assert process.returncode in (0, -signal.SIGKILL), said
        assert curve(place) == curve(run.folder)
        assert {path.name for path in place.iterdir()} == {path.name for path in run.folder.iterdir()}
        finished += 1
    tried("a killed training is gone on with", times=killed, finished=finished)


def test_more_epochs_than_were_asked_for(run: TrainResult, tmp_path: Path) -> None:
    place = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        run_train(config(place, epochs=2), progress=interrupted_in(2))
    resume_train(place, epochs=3)
    assert curve(place) == curve(run.folder)
    assert "\nepochs = 3" in (place / "config.toml").read_text()


def test_interrupted_before_the_first_epoch_is_done_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        run_train(config(tmp_path / "new" / "run"), progress=interrupted_in(1))
    assert not str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_gone_on_with(run: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="is finished; train on with"):
        resume_train(run.folder)
    with pytest.raises(MissingFileError, match=r"it has no checkpoint\.npz"):
        resume_train(tmp_path)
    place = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        run_train(config(place), progress=interrupted_in(2))
    others = few_faces((4, 4, 4, 4, 4, 4, 3))
    with monkeypatch.context() as patch:
        patch.setattr(train, "configured_pictures", lambda *_: others)
        with pytest.raises(DataError, match="trained on other pictures"):
            resume_train(place)
    text = (place / "config.toml").read_text()
    (place / "config.toml").write_text(text.replace("[4, 4]", "[4, 5]").replace("    4,\n    4,\n", "    4,\n    5,\n"))
    with pytest.raises(DataError, match="another net"):
        resume_train(place)
    (place / "checkpoint.npz").write_bytes((place / "checkpoint.npz").read_bytes()[:1000])
    with pytest.raises(DataError, match="it is damaged"):
        resume_train(place)


def test_a_full_disk_is_said_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = training_folder.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(training_folder.shutil, "disk_usage", lambda _: full)
    with pytest.raises(StoreError, match="MB of room for checkpoints"):
        run_train(config(tmp_path / "new" / "run"))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_costs_one_epoch(
    run: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, savez, calls = tmp_path / "run", np.savez, []

    def fills_up(file: Any, **arrays: Any) -> None:
        calls.append(file)
        if len(calls) == 3:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        savez(file, **arrays)

    with monkeypatch.context() as patch:
        patch.setattr(training_folder.np, "savez", fills_up)
        with pytest.raises(StoreError, match="No space left on device; make room"):
            run_train(config(place))
    assert not [path for path in place.iterdir() if path.name.startswith(".")]
    resume_train(place)
    assert curve(place) == curve(run.folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "small-cn"}, "did you mean 'small-cnn'"),
        ({"image_size": 31}, "at least 32 pixels a side for small-cnn; got 31"),
        ({"net_params": {"filter": [3]}}, "no parameter 'filter'; did you mean 'filters'"),
        ({"net_params": {"dropout": 1.0}}, "dropout: expected a number from 0 to below 1; got 1.0"),
        ({"net_params": {"filters": []}}, "expected a list of whole numbers"),
        ({"weights": "some.h5"}, "small-cnn, which has no networks that come trained"),
        ({"classes": "Happy,Sadd"}, "no class 'Sadd'; did you mean 'Sad'"),
        ({"classes": "Happy"}, "expected at least two names"),
    ],
)
def test_wrong_options_leave_nothing(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        run_train(config(tmp_path / "run", **options))
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken(run: TrainResult) -> None:
    with pytest.raises(ConfigError, match=r"exists already; name a new folder with --out$"):
        run_train(config(run.folder))


def test_one_that_was_killed_before_its_first_epoch_was_done_is_begun_anew(tmp_path: Path) -> None:
    """Each of the two commands named the other, and both refused."""
    place = tmp_path / "killed"
    place.mkdir()
    (place / "config.toml").write_text("[net]\n")
    with pytest.raises(ConfigError, match=r"exists already; name a new folder with --out$"):
        run_train(config(place))
    with pytest.raises(MissingFileError, match=rf"acofer train --config {place}/config\.toml --out NEW$"):
        resume_train(place)


def test_five_classes(tmp_path: Path) -> None:
    result = run_train(config(tmp_path / "five", classes="angry, Disgust,Happy,Neutral,Surprise", epochs=1))
    assert result.numbers["data"]["classes"] == ["Angry", "Disgust", "Happy", "Surprise", "Neutral"]
    assert read_network(result.folder).output_shape == (None, 5)
    assert np.array(result.numbers["test"]["confusion"]).shape == (5, 5)
    assert "0.800 are right where the answer is always no" in result.numbers["verdict"]


@pytest.mark.parametrize("method", ["nearmiss-smote", "smote", "weights"])
def test_only_training_pictures_are_balanced(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = few_faces((5, 3, 6, 9, 7, 4, 8))
    monkeypatch.setattr(train, "configured_pictures", lambda *_: images)
    chosen = settled(
        config(None, balance=method, net="separable-attention", net_params={}), NETS["separable-attention"]
    )
    session = train._prepared(chosen, NETS["separable-attention"], lambda *_: None)
    counts = np.bincount(images.labels[session.split.train])
    labels = session.training._targets.argmax(axis=1)
    expected = {
        "nearmiss-smote": np.full(7, int(np.median(counts))),
        "smote": np.full(7, counts.max()),
        "weights": counts,
    }[method]
    np.testing.assert_array_equal(np.bincount(labels), expected)
    for rows, part in ((session.training._validation, 1), (session.test, 2)):
        assert rows.pictures is images.pictures
        np.testing.assert_array_equal(rows.rows, np.flatnonzero(images.parts == part))
    if method == "weights":
        from sklearn.utils.class_weight import compute_sample_weight

        np.testing.assert_allclose(
            session.training._sample_weight, compute_sample_weight("balanced", labels), rtol=1e-6
        )


def test_the_papers_balance_is_capped_on_small_data() -> None:
    net = NETS["mobilenet-skip"]
    chosen = settled(TrainConfig(net=net.name), net)
    fer2013 = np.repeat(np.arange(7), [3995, 436, 4097, 7215, 4830, 3171, 4965])
    assert train._target(chosen, net, fer2013) == 2650
    assert train._target(chosen, net, np.repeat(np.arange(3), [5, 9, 30])) == 9
    assert train._target(dataclasses.replace(chosen, target=11), net, fer2013) == 11
    assert train._target(dataclasses.replace(chosen, balance="smote"), net, fer2013) is None


def test_recipes_are_the_papers_unless_said_otherwise() -> None:
    chosen = settled(TrainConfig(net="hybrid"), NETS["hybrid"])
    assert (chosen.image_size, chosen.epochs, chosen.batch_size, chosen.learning_rate) == (200, 100, 32, 1e-3)
    assert (chosen.flip, chosen.loss, chosen.weights, chosen.balance) == ("on", "categorical", "imagenet", "none")
    frozen = settled(TrainConfig(net="hybrid", net_params={"trainable": "none"}), NETS["hybrid"])
    assert frozen.epochs == 150
    said = settled(TrainConfig(net="small-cnn", epochs=3, learning_rate=0.1, flip="off"), NETS["small-cnn"])
    assert (said.epochs, said.learning_rate, said.flip, said.loss) == (3, 0.1, "off", "binary")


def test_another_data_set_is_gone_on_to_with_a_new_last_layer(tmp_path: Path) -> None:
    """S3 starts on one data set and goes on to smaller ones, which may have other classes."""
    small = {"net": "separable-attention", "net_params": {"filters": [4, 4, 4]}, "epochs": 1}
    first = run_train(config(tmp_path / "first", **small))
    second = run_train(config(tmp_path / "second", **small, classes="Happy,Sad", start=str(first.folder)))
    taken = second.numbers["net"]["started from"][0]["layers"]
    assert "block1_separable" in taken
    assert "predictions" not in taken
    other = {**small, "net_params": {"filters": [4, 4, 8]}}
    with pytest.raises(DataError, match="has other sizes than separable-attention is asked to have"):
        run_train(config(tmp_path / "third", **other, start=str(first.folder)))
    with pytest.raises(DataError, match="has nothing that small-cnn could start from"):
        run_train(config(tmp_path / "fourth", start=str(first.folder)))
    with pytest.raises(MissingFileError, match=r"it has no model\.keras"):
        run_train(config(tmp_path / "fifth", **small, start=str(tmp_path / "none")))
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


@pytest.mark.nightly
def test_extractors_trained_one_by_one_are_frozen_under_a_new_head(tmp_path: Path) -> None:
    """S4's third way: each extractor fine-tuned by itself, then both frozen."""
    places = [tmp_path / name for name in ("efficientnetb0", "mobilenetv2")]
    for seed, place in enumerate(places, start=1):
        place.mkdir()
        build_net(place.name, 32, 7, parameters={"units": [8]}, seed=seed).save(place / "model.keras")
    frozen = {"units": [8], "trainable": "none"}
    both = run_train(
        config(tmp_path / "both", net="hybrid", net_params=frozen, epochs=1, start=",".join(map(str, places)))
    )
    model = read_network(both.folder)
    for place in places:
        theirs = read_network(place).get_layer(place.name).get_weights()
        for mine, other in zip(model.get_layer(place.name).get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(mine, other)
    assert both.numbers["net"]["parameters"]["trainable"] == 2560 * 8 + 8 + 8 * 7 + 7
    assert both.numbers["net"]["weights"] == {}, "nothing but the runs gave weights"


def test_a_trained_network_predicts_pictures_of_any_kind(run: TrainResult, tmp_path: Path) -> None:
    images = few_faces()
    rows = np.flatnonzero(images.parts == 2)[:3]
    paths = [tmp_path / f"{row}.png" for row in rows]
    for path, pixels in zip(paths, images.pictures.read(rows), strict=True):
        Image.fromarray(pixels).save(path)
    Image.new("RGB", (200, 90), "red").save(tmp_path / "red.png")
    said = predict(run.folder, [*paths, tmp_path / "red.png"])
    outputs = np.load(run.folder / "predictions.npz", allow_pickle=False)["outputs"][:3]
    for one, output in zip(said, outputs, strict=False):
        np.testing.assert_allclose(list(one["shares"].values()), output / output.sum(), atol=1e-4)
        assert one["class"] == images.class_names[int(output.argmax())]
    assert sum(said[3]["shares"].values()) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ConfigError, match="whose trained network brings its own"):
        predict(run.folder, paths, weights="some.h5")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        predict(run.folder, [tmp_path / "broken.png"])


def test_faces_are_found_in_training_and_in_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a face found by rule, what the network sees is the crop: of the picture, whatever surrounds it."""
    from acofer.data import faces

    class Middle:
        identity = "middle"

        def boxes(self, picture: Any) -> list[tuple[int, int, int, int]]:
            n = len(picture)
            return [(n // 4, n // 4, 3 * n // 4, 3 * n // 4)]

        def landmarks(self, picture: Any, box: tuple[int, int, int, int]) -> Any:
            left, top, right, bottom = box
            return np.resize([(left, top), (right, top), (right, bottom), (left, bottom)], (68, 2)).astype(np.float32)

    monkeypatch.setattr(faces, "DlibModel", Middle)
    result = run_train(config(tmp_path / "faces", faces="drop", epochs=1))
    assert result.numbers["data"]["name"] == "demo-faces"
    assert result.numbers["data"]["digest"] != few_faces().digest
    pixels = few_faces().pictures.read(np.array([0]))[0]
    framed = pixels.copy()
    framed[:4] = framed[-4:] = framed[:, :4] = framed[:, -4:] = 255  # outside the middle and its margin
    for name, picture in (("plain", pixels), ("framed", framed)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    plain, bordered = predict(result.folder, [tmp_path / "plain.png", tmp_path / "framed.png"])
    assert plain["shares"] == bordered["shares"]


OFTEN = ("separable-attention", "small-cnn")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in OFTEN else [pytest.mark.nightly]) for n in NETS])
def test_every_architecture_goes_the_whole_way(name: str, tmp_path: Path) -> None:
    net = NETS[name]
    result = run_train(config(tmp_path / name, net=name, net_params={}, weights="random", epochs=1))
    numbers = result.numbers
    assert numbers["net"]["name"] == name
    assert numbers["net"]["parameters"]["trainable"] > 0
    assert numbers["net"]["multiply-adds"] > 1e5
    assert numbers["net"]["weights"].keys() == set(net.backbones)
    assert numbers["test"]["rows"] == 28
    assert numbers["split"]["training pictures after balancing"] == 28
    assert f"prints: {net.printed}." in numbers["verdict"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations_are_the_papers_recipes(path: Path) -> None:
    chosen = train_config({}, path)
    net = NETS[chosen.net]
    asked, recipe = settled(chosen, net), settled(TrainConfig(net=net.name, data=chosen.data), net)
    changed = {f.name for f in dataclasses.fields(asked) if getattr(asked, f.name) != getattr(recipe, f.name)}
    if path.stem in NETS:
        assert not changed
    else:  # at a size that a processor can train; each says in a comment what else differs, and why
        assert path.stem == f"{net.name}-48"
        assert asked.image_size == 48
        assert changed <= {"image_size", "epochs", "learning_rate", "plateau", "lowest_rate", "patience"}


def test_a_damaged_network_is_said_in_one_line(run: TrainResult, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes((run.folder / "model.keras").read_bytes()[:5000])
    with pytest.raises(DataError, match="expected a network as acofer train leaves it") as caught:
        read_network(tmp_path)
    assert "\n" not in str(caught.value)


def test_figures_that_fail_do_not_cost_the_run(tmp_path: Path) -> None:
    def draw(*_: Any) -> None:
        raise RuntimeError("no ink")

    with pytest.warns(UserWarning, match=r"could not be drawn \(no ink\)"):
        result = run_train(config(tmp_path / "run", epochs=1), draw=draw)
    assert (result.folder / "result.json").exists()
