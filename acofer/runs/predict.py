"""New pictures through a kept run: embedded as the run did and classified by its model, or by its trained network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.data.faces import find_faces
from acofer.data.pictures import FilePictures, read_picture
from acofer.errors import ConfigError, DataError
from acofer.features.backbone import Backbone, load_backbone
from acofer.nets.pixels import PixelRows
from acofer.nets.training import as_probabilities, predict_outputs
from acofer.pretrained.base import import_keras, obtain_weights
from acofer.pretrained.weights import Weights
from acofer.reading import in_few_words
from acofer.records import ImageSet, Pictures, Progress
from acofer.runs import folder as files
from acofer.runs.model import read_model
from acofer.runs.network import read_network
from acofer.runs.training_folder import NETWORK
from acofer.scoring.estimator import class_probabilities

_READ_AT_ONCE = 64
_OF_ALTERED_MODELS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, MemoryError)
"""What scikit-learn and NumPy raise where the parts of an estimator do not go together."""


@dataclass(frozen=True)
class _Recipe:
    """What a run folder says about how its model came to its features."""

    about: dict[str, Any]
    weights: str
    class_names: list[str]
    indices: NDArray[np.int64]
    n_features: int


def predict(
    run: str | Path,
    pictures: Sequence[str | Path],
    *,
    weights: str | Path | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Classify pictures with the model of a run.

    Parameters
    ----------
    run : str or Path
        Run folder of a search or of a training.
    pictures : sequence of str or Path
        Picture files.
    weights : str or Path, optional
        Weights file of a search, where the run's own is not at hand. A file with other
        bytes than the run's is refused, unless both are ImageNet's.
    progress : callable, optional
        Told ``("predicting", done, total)``.

    Returns
    -------
    list of dict
        One a picture: ``picture`` (its path), ``class`` and ``shares`` (by class name).

    Raises
    ------
    MissingFileError, DataError
        If the run or a picture is absent or damaged.
    ConfigError
        If the weights are not the run's, or are named for a trained network, which brings its own.
    MissingExtraError
        If Keras is not installed.
    """
    folder = Path(run)
    if (folder / NETWORK).exists():
        return _by_network(folder, pictures, weights, progress)
    recipe = _read_recipe(folder)
    model = _read_fitting_model(folder / files.MODEL, len(recipe.indices))
    images = [read_picture(path) for path in pictures]  # all of them first: a broken one should not cost a net
    import_keras()
    about, names = recipe.about, recipe.class_names
    wanted = _weights(about, weights or recipe.weights)
    net = _network(recipe, wanted, folder)
    chosen = []
    for first in range(0, len(images), _READ_AT_ONCE):
        chosen.append(net.features(images[first : first + _READ_AT_ONCE])[:, recipe.indices].astype(np.float32))
        if progress is not None:
            progress("predicting", min(first + _READ_AT_ONCE, len(images)), len(images))
    return _named(pictures, names, _probabilities(model, np.concatenate(chosen), len(names), folder / files.MODEL))


def _by_network(
    folder: Path, pictures: Sequence[str | Path], weights: str | Path | None, progress: Progress | None
) -> list[dict[str, Any]]:
    if weights is not None:
        raise ConfigError(f"weights: expected none for {folder}, whose trained network brings its own; got {weights}")
    numbers = files.read_json(folder, files.RESULT)
    for path in pictures:  # a broken one is said before a network is loaded
        read_picture(path)
    model = read_network(folder)
    try:
        names = [str(name) for name in numbers["data"]["classes"]]
        is_cropped = numbers["configuration"]["faces"] != "off"
        _, size, _, channels = model.input_shape
        sound = model.output_shape == (None, len(names)) and type(size) is int and channels in (1, 3)
        sound = sound and _are_classes(names)
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise DataError(f"{folder}: expected a run folder as acofer train leaves it; it was altered; train anew")
    loose = FilePictures(pictures)
    rows = PixelRows(_faces(loose, size) if is_cropped else loose, np.arange(len(pictures)), size, channels)
    proba = as_probabilities(predict_outputs(model, rows, progress))
    if not np.isfinite(proba).all():
        raise DataError(f"{folder}: expected a network that gives numbers; its weights were altered; train anew")
    return _named(pictures, names, proba)


def _faces(pictures: FilePictures, size: int) -> Pictures:
    """Crop pictures to their faces, as those were that the network was trained on; one without a face stays whole."""
    names = [str(path) for path in pictures.paths]
    images = ImageSet("new", pictures, np.zeros(len(pictures), np.int16), ("unknown",), None, names, "new")
    return find_faces(images, size=size, without="keep").images.pictures


def _named(pictures: Sequence[str | Path], names: list[str], proba: NDArray[np.float64]) -> list[dict[str, Any]]:
    return [
        {
            "picture": str(path),
            "class": names[int(row.argmax())],
            "shares": {name: round(float(share), 4) for name, share in zip(names, row, strict=True)},
        }
        for path, row in zip(pictures, proba, strict=True)
    ]


def _read_recipe(folder: Path) -> _Recipe:
    """Read what prediction needs from a run folder, or say that it is damaged."""
    numbers, subset = files.read_json(folder, files.RESULT), files.read_json(folder, files.SUBSET)
    try:
        about, n_features = dict(numbers["embeddings"]), int(subset["of"])
        about["layers"] = ",".join(layer["name"] for layer in about["layers"])
        indices = np.asarray(subset["indices"], dtype=np.int64)
        names = [str(name) for name in numbers["data"]["classes"]]
        whole = {"backbone", "image_size", "pooling", "weights_digest"} <= about.keys() and _are_classes(names)
        sound = whole and indices.ndim == 1 and len(indices) > 0 and 0 <= indices.min() <= indices.max() < n_features
        weights = str(numbers["configuration"]["weights"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        sound = False
    if not sound:
        raise _altered(folder)
    return _Recipe(about, weights, names, indices, n_features)


def _are_classes(names: list[str]) -> bool:
    return len(set(names)) == len(names) >= 2


def _altered(folder: Path) -> DataError:
    return DataError(f"{folder}: expected a run folder as acofer search leaves it; it was altered; repeat the run")


def _network(recipe: _Recipe, weights: Weights, folder: Path) -> Backbone:
    about = recipe.about
    net = load_backbone(
        about["backbone"],
        about["image_size"],
        weights,
        about["pooling"],
        layers=about["layers"],
        mirror=about.get("mirror", "off"),
    )
    if len(net.feature_names) != recipe.n_features:
        raise _altered(folder)
    return net


def _read_fitting_model(path: Path, n_features: int) -> Any:
    model = read_model(path)
    if getattr(model, "n_features_in_", None) != n_features or not hasattr(model, "predict"):
        raise DataError(f"{path}: expected a classifier of {n_features} features; it is another one; repeat the run")
    return model


def _probabilities(model: Any, X: NDArray[np.float32], n_classes: int, path: Path) -> NDArray[np.float64]:
    """Return a model's class probabilities; of one whose arrays do not go together, say so."""
    try:
        proba = class_probabilities(model, X, np.arange(n_classes))
    except _OF_ALTERED_MODELS as error:
        reason = in_few_words(error)
        raise DataError(f"{path}: expected a classifier of {n_classes} classes; {reason}; repeat the run") from error
    if not np.isfinite(proba).all():
        raise DataError(f"{path}: expected a classifier that gives numbers; it was altered; repeat the run")
    return proba


def _weights(about: dict[str, Any], wanted: str | Path) -> Weights:
    """Return weights equal to those of the run, or refuse."""
    weights = obtain_weights(wanted, about["backbone"], about["image_size"])
    if weights.digest == about["weights_digest"]:
        return weights
    if about.get("stands_for") == "imagenet" and weights.kind == "imagenet":
        warnings.warn(
            "the run used a rebuilt ImageNet file whose embeddings equal those of Keras' own file within 1e-5",
            stacklevel=2,
        )
        return weights
    raise ConfigError(
        f"weights: expected those of the run (sha256 {about['weights_digest']}); got {weights.digest}; "
        "name the run's file with --weights"
    )
