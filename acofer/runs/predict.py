"""New pictures through a kept run: embedded as the run did, classified by its model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acofer.data.pictures import read_picture
from acofer.errors import ConfigError
from acofer.features.backbone import import_keras, load_backbone
from acofer.features.weights import Weights, download_imagenet, resolve_weights
from acofer.runs import folder as files
from acofer.runs.model import read_model
from acofer.scoring.estimator import class_probabilities

_READ_AT_ONCE = 64


def predict(
    run: str | Path, pictures: Sequence[str | Path], *, weights: str | Path | None = None
) -> list[dict[str, Any]]:
    """Classify pictures with the model of a run.

    Parameters
    ----------
    run : str or Path
        Run folder of a search.
    pictures : sequence of str or Path
        Picture files.
    weights : str or Path, optional
        Weights file, where the run's own is not at hand. A file with other
        bytes than the run's is refused, unless both are ImageNet's.

    Returns
    -------
    list of dict
        One a picture: ``picture`` (its path), ``class`` and ``shares`` (by class name).

    Raises
    ------
    MissingFileError, DataError
        If the run or a picture is absent or damaged.
    ConfigError
        If the weights are not the run's.
    MissingExtraError
        If Keras is not installed.
    """
    folder = Path(run)
    numbers, subset = files.read_json(folder, files.RESULT), files.read_json(folder, files.SUBSET)
    model = read_model(folder / files.MODEL)
    images = [read_picture(path) for path in pictures]  # all of them first: a broken one should not cost a net
    import_keras()
    about, options = numbers["embeddings"], numbers["configuration"]
    net = load_backbone(about["backbone"], about["image_size"], _weights(about, options, weights), about["pooling"])
    batches = [net.features(images[i : i + _READ_AT_ONCE]) for i in range(0, len(images), _READ_AT_ONCE)]
    chosen = np.concatenate(batches)[:, subset["indices"]].astype(np.float32)
    names = numbers["data"]["classes"]
    proba = class_probabilities(model, chosen, np.arange(len(names)))
    return [
        {
            "picture": str(path),
            "class": names[int(row.argmax())],
            "shares": {name: round(float(share), 4) for name, share in zip(names, row, strict=True)},
        }
        for path, row in zip(pictures, proba, strict=True)
    ]


def _weights(about: dict[str, Any], options: dict[str, Any], given: str | Path | None) -> Weights:
    """Return weights equal to those of the run, or refuse."""
    weights = resolve_weights(given or options["weights"], about["backbone"], about["image_size"])
    if weights.digest is None:
        weights = download_imagenet(about["backbone"], about["image_size"])
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
