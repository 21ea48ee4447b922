"""A network trained end to end, tested once, and kept."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.config.common import listed
from acofer.config.train import TrainConfig
from acofer.data.faces import find_faces
from acofer.data.load import NAMED
from acofer.data.pictures import ArrayPictures
from acofer.errors import DataError
from acofer.features.balance import balance
from acofer.nets.build import build_net, check_net, weights_of
from acofer.nets.device import device
from acofer.nets.pixels import PixelRows
from acofer.nets.start import start_from
from acofer.nets.table import FROZEN_EPOCHS, Augmentation, Net, net_named
from acofer.nets.training import EpochRow, Schedule, Training, predict_outputs
from acofer.pretrained.weights import KEYWORDS, Weights
from acofer.records import ImageSet, Progress, Split, silence
from acofer.runs.folder import PREDICTIONS, Draw
from acofer.runs.kept import faces_folder
from acofer.runs.machine import Stopwatch
from acofer.runs.network import read_network
from acofer.runs.pictures import configured_classes, configured_pictures, configured_split
from acofer.runs.places import absolute
from acofer.runs.train_record import Trained, training_numbers
from acofer.runs.training_folder import NETWORK, TrainingFolder
from acofer.scoring.protocol import SealedLabels, check_disjoint
from acofer.writing import written_beside

_AS_IN_RECIPE = ("batch_size", "learning_rate", "lowest_rate", "plateau", "patience", "loss", "balance")
OnEpoch = Callable[[EpochRow], None]


@dataclass(frozen=True)
class TrainResult:
    """What came of a training: its run folder, and the content of ``result.json``."""

    folder: Path
    numbers: dict[str, Any]


@dataclass
class _Session:
    """A network and all that it is trained and tested on."""

    config: TrainConfig
    net: Net
    images: ImageSet
    split: Split
    training: Training
    n_training_rows: int
    test: PixelRows
    sealed: SealedLabels
    weights: dict[str, Weights]
    started_from: list[dict[str, Any]]
    watch: Stopwatch


def run_train(
    config: TrainConfig, *, progress: Progress | None = None, on_epoch: OnEpoch | None = None, draw: Draw | None = None
) -> TrainResult:
    """Train a network, test it once, and leave a run folder.

    Parameters
    ----------
    config : TrainConfig
    progress : callable, optional
        Told ``(stage, done, total)``.
    on_epoch : callable, optional
        Called with each epoch's `EpochRow`.
    draw : callable, optional
        Called as ``draw(numbers, path)`` to write figures into the folder `path`.

    Returns
    -------
    TrainResult

    Raises
    ------
    AcoferError
        For anything wrong with the options, the data, the weights or the folders. Before the first epoch is done
        nothing is left behind; after it, what `resume_train` needs.
    KeyboardInterrupt
        Where it was interrupted; the message says how to go on.
    """
    net = net_named(config.net)
    config = _placed(settled(config, net))
    folder = TrainingFolder.free(config.out, config.name or net.name)
    session = _prepared(config, net, progress or silence)
    folder.make(config, session.training.model.count_params())
    try:
        return _finished(session, folder, progress or silence, on_epoch, draw)
    finally:
        folder.release()


def resume_train(
    place: str | Path,
    *,
    epochs: int | None = None,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    draw: Draw | None = None,
) -> TrainResult:
    """Go on with a training that was interrupted; as `run_train`.

    Parameters
    ----------
    place : path
        Its run folder.
    epochs : int, optional
        Epochs in all, where they are to be others than were asked for.

    Raises
    ------
    AcoferError
        Where there is nothing to go on with, or the data or the weights are others by now.
    """
    folder = TrainingFolder.unfinished(place)
    try:
        config, state = folder.config(epochs), folder.checkpoint()
        session = _prepared(config, net_named(config.net), progress or silence)
        if bytes(state.pop("split")).decode() != session.split.fingerprint:
            raise DataError(f"resume: {place} was trained on other pictures than {config.data} has now; train anew")
        session.training.restore(state)
        folder.write_config(config)
        return _finished(session, folder, progress or silence, on_epoch, draw)
    finally:
        folder.release()


def settled(config: TrainConfig, net: Net) -> TrainConfig:
    """Return the same with every "auto" replaced by the network's own recipe, or what the device has."""
    recipe = net.recipe
    is_frozen = {**net.parameters, **config.net_params}.get("trainable") == "none"
    meant = {
        "image_size": recipe.image_size,
        "weights": "imagenet" if net.backbones else "random",
        "epochs": FROZEN_EPOCHS.get(net.paper, recipe.epochs) if is_frozen else recipe.epochs,
        "flip": "on" if recipe.augmentation.flip else "off",
        "precision": "bfloat16" if config.precision == "auto" and device()["kind"] == "gpu" else "float32",
        **{name: getattr(recipe.augmentation, name) for name in ("shift", "rotate", "zoom")},
        **{name: getattr(recipe, name) for name in _AS_IN_RECIPE},
    }
    if config.learning_rate != "auto":
        meant["lowest_rate"] = min(recipe.lowest_rate, float(config.learning_rate))
    unsaid = {name: value for name, value in meant.items() if getattr(config, name) == "auto"}
    return dataclasses.replace(config, **unsaid)


def _prepared(config: TrainConfig, net: Net, progress: Progress) -> _Session:
    watch = Stopwatch()
    size = int(config.image_size)
    with watch.stage("reading"):
        images = configured_classes(config, configured_pictures(config, progress))
    with watch.stage("faces"):
        if config.faces != "off":
            folder = faces_folder()
            images = find_faces(images, size=size, without=config.faces, folder=folder, progress=progress).images
    check_net(net, size, images.n_classes, config.net_params)
    with watch.stage("splitting"):
        split = configured_split(config, images)
        check_disjoint(train=split.train, validation=split.validation, test=split.test)
    with watch.stage("building"):
        model, weights, started_from = _network(config, net, images.n_classes, progress)
    with watch.stage("balancing"):
        training, labels = _training_pictures(config, net, images, split)
    validation = PixelRows(images.pictures, split.validation, size, net.channels)
    return _Session(
        config=config,
        net=net,
        images=images,
        split=split,
        training=Training(
            model,
            _schedule(config),
            training,
            labels,
            validation,
            images.labels[split.validation].astype(np.int64),
            _class_weights(labels, images.n_classes) if config.balance == "weights" else None,
        ),
        n_training_rows=len(training),
        test=PixelRows(images.pictures, split.test, size, net.channels),
        sealed=SealedLabels(images.labels[split.test].astype(np.int64)),
        weights=weights,
        started_from=started_from,
        watch=watch,
    )


def _network(
    config: TrainConfig, net: Net, n_classes: int, progress: Progress
) -> tuple[Any, dict[str, Weights], list[dict[str, Any]]]:
    """Build the network; what other runs give it need not be found elsewhere first."""
    size = int(config.image_size)
    others = {place: read_network(place) for place in listed(config.start)}
    given = {backbone for other in others.values() for backbone in net.backbones if _has(other, backbone)}
    spec = "random" if net.backbones and given >= set(net.backbones) else config.weights
    weights = weights_of(spec, net, size, config.seed, progress)
    model = build_net(
        net.name,
        size,
        n_classes,
        parameters=config.net_params,
        weights=weights,
        seed=config.seed,
        precision=config.precision,
    )
    started = [{"run": place, "layers": start_from(model, other, place)} for place, other in others.items()]
    return model, {name: kept for name, kept in weights.items() if name not in given}, started


def _has(other: Any, name: str) -> bool:
    return any(layer.name == name for layer in other.layers)


def _schedule(config: TrainConfig) -> Schedule:
    shift, rotate, zoom = (float(getattr(config, name)) for name in ("shift", "rotate", "zoom"))
    return Schedule(
        epochs=int(config.epochs),
        batch_size=int(config.batch_size),
        learning_rate=float(config.learning_rate),
        lowest_rate=float(config.lowest_rate),
        plateau=int(config.plateau),
        patience=int(config.patience),
        loss=config.loss,
        augmentation=Augmentation(config.flip == "on", shift, rotate, zoom),
        seed=config.seed,
    )


def _training_pictures(
    config: TrainConfig, net: Net, images: ImageSet, split: Split
) -> tuple[PixelRows, NDArray[np.int64]]:
    """Return the training pictures and their classes; resampled ones are drawn between pixels, and rounded."""
    size, labels = int(config.image_size), images.labels[split.train].astype(np.int64)
    real = PixelRows(images.pictures, split.train, size, net.channels)
    if config.balance in ("none", "weights"):
        return real, labels
    flat = np.concatenate([batch.reshape(len(batch), -1) for batch in real.batches(1024)])
    balanced = balance(flat, labels, config.balance, seed=config.seed, target=_target(config, net, labels))
    shape = (len(balanced.y), size, size, net.channels)
    pixels = np.rint(balanced.X).astype(np.uint8).reshape(shape)
    pictures = ArrayPictures(pixels[..., 0] if net.channels == 1 else pixels)
    return PixelRows(pictures, np.arange(len(balanced.y)), size, net.channels), balanced.y


def _target(config: TrainConfig, net: Net, labels: NDArray[np.int64]) -> int | None:
    """Return the rows a class: the paper's, but on smaller data no more than the median class has."""
    if config.target != "auto":
        return int(config.target)
    if net.recipe.target is None or config.balance != net.recipe.balance:
        return None
    return min(net.recipe.target, int(np.median(np.bincount(labels))))


def _class_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Return a weight a row by which all classes weigh the same, with mean one."""
    counts = np.bincount(labels, minlength=n_classes)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)


def _finished(
    session: _Session, folder: TrainingFolder, progress: Progress, on_epoch: OnEpoch | None, draw: Draw | None
) -> TrainResult:
    fingerprint = np.frombuffer(session.split.fingerprint.encode(), np.uint8)

    def keep(training: Training) -> None:
        folder.keep({"split": fingerprint, **training.state()}, training.course.rows)
        if on_epoch is not None:
            on_epoch(training.course.rows[-1])

    try:
        session.training.run(progress, keep)
        return _tested(session, folder, progress, draw)
    except BaseException as error:
        if not folder.has_checkpoint():
            folder.discard()
        elif isinstance(error, KeyboardInterrupt):
            raise type(error)(f"go on with: acofer train --resume {folder.place}") from error
        raise


def _tested(session: _Session, folder: TrainingFolder, progress: Progress, draw: Draw | None) -> TrainResult:
    model = session.training.model
    with session.watch.stage("test"):
        outputs = predict_outputs(model, session.test, progress)
        labels = session.sealed.open({session.net.name: outputs})
    with written_beside(folder.place / NETWORK, "the network") as beside:
        # Keras insists on the ending.
        whole = beside.with_suffix(".keras")
        model.save(whole)
        whole.replace(beside)
    with written_beside(folder.place / PREDICTIONS, "the predictions") as beside, beside.open("wb") as file:
        np.savez(file, rows=session.split.test, labels=labels, outputs=outputs.astype(np.float32))
    on = Trained(
        session.config,
        session.net,
        session.images,
        session.split,
        session.n_training_rows,
        session.training.course,
        session.weights,
        session.started_from,
        model,
        (folder.place / NETWORK).stat().st_size,
    )
    numbers = training_numbers(on, labels, outputs)
    session.watch.seconds["training"] = numbers["training"]["seconds"]
    numbers["seconds"] = {stage: round(seconds, 3) for stage, seconds in session.watch.seconds.items()}
    if draw is not None:
        _drawn(draw, numbers, folder)
    folder.finish(numbers)
    return TrainResult(folder.place, numbers)


def _drawn(draw: Draw, numbers: dict[str, Any], folder: TrainingFolder) -> None:
    """Draw the figures; numbers that took hours are not thrown away because a figure failed."""
    try:
        draw(numbers, folder.figures)
    except Exception as error:
        warnings.warn(f"the figures could not be drawn ({error}); all else is kept", stacklevel=2)


def _placed(config: TrainConfig) -> TrainConfig:
    """Name files and folders so that the run can be repeated, and gone on with, from anywhere."""
    return dataclasses.replace(
        config,
        data=absolute(config.data, NAMED),
        ferplus=config.ferplus and absolute(config.ferplus),
        weights=absolute(config.weights, KEYWORDS),
        start=config.start and ",".join(absolute(place) for place in listed(config.start)),
    )
