"""Pictures in, embeddings out: from the store where they are known, else from the network."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import time
from typing import Any

import numpy as np

from acofer.errors import ConfigError, DataError, StoreError
from acofer.features import backbone as nets
from acofer.features.cache import Store, Writer
from acofer.features.entry import Entry, key_of
from acofer.features.weights import Weights
from acofer.records import Embeddings, ImageSet, Progress


def embed(
    images: ImageSet,
    *,
    backbone: str = "mobilenetv2",
    image_size: int = 48,
    pooling: str = "flatten",
    weights: str | os.PathLike[str] = "imagenet",
    seed: int = 0,
    batch_size: int = 256,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Embeddings:
    """Embed pictures with a frozen network, or take their embeddings from the store.

    A hit loads neither Keras nor its backend. With ``weights="imagenet"`` the
    entry that ships with the package is preferred, so that a run on the
    embedded pictures gives the same figures on every machine, offline.

    Parameters
    ----------
    images : ImageSet
        The pictures; labels and parts are not looked at.
    backbone : str
        ``"mobilenetv2"``, ``"efficientnetb0"`` or ``"mobilenet"``.
    image_size : int
        Side in pixels to which pictures are resized, at least 32.
    pooling : str
        ``"flatten"``, ``"avg"`` or ``"max"``.
    weights : str or path
        ``"imagenet"`` (Keras' file, downloaded once), ``"random"``, or the path of a weights file.
    seed : int
        Seed of random weights.
    batch_size : int
        Pictures at a time at up to 96 pixels a side; larger ones are taken in
        smaller batches, so that memory stays the same.
    store : Store, optional
        Default: the user's.
    progress : callable, optional
        Told ``("embedding", done, total)``, and of a download ``("downloading weights", done, total)`` in bytes.

    Returns
    -------
    Embeddings
        Values float16 ``(n, n_features)``, read only, row i of picture i.

    Raises
    ------
    ConfigError
        Where an option is wrong.
    DataError
        Where there are no pictures, the weights do not fit the network, or a feature is not finite.
    MissingFileError
        Where the weights are absent and cannot be downloaded.
    MissingExtraError
        Where they are not in the store and Keras is not installed.
    StoreError
        Where the store cannot be written.
    """
    nets.check_options(backbone, image_size, pooling)
    _check_counts(images, batch_size)
    store = store if store is not None else Store()
    fields = {
        "pictures_digest": images.digest,
        "backbone": backbone,
        "image_size": int(image_size),
        "pooling": pooling,
        "preprocessing": nets.PREPROCESSING,
    }
    entry = store.find_stand_in("imagenet", fields) if weights == "imagenet" else None
    if entry is None:
        entry = _find_or_compute(images, fields, weights, seed, batch_size, store, progress)
    return _to_record(entry)


def _check_counts(images: ImageSet, batch_size: int) -> None:
    if len(images) == 0:
        raise DataError(f"{images.name} holds no pictures to embed; check the path that it was loaded from")
    if batch_size < 1:
        raise ConfigError(f"batch size must be at least 1, but came as {batch_size}")


def _find_or_compute(
    images: ImageSet,
    fields: dict[str, Any],
    spec: str | os.PathLike[str],
    seed: int,
    batch_size: int,
    store: Store,
    progress: Progress | None,
) -> Entry:
    backbone, image_size = fields["backbone"], fields["image_size"]
    weights = nets.obtain_weights(spec, backbone, image_size, seed, progress)
    fields = fields | {"weights_digest": weights.digest, "weights": weights.label}
    key = key_of(fields)
    entry = store.find(key)
    if entry is not None:
        return entry
    # The writer comes first: an unwritable folder must not cost the time of loading a network.
    with store.writer(key, len(images)) as writer:
        writer.commit(_compute(images, fields, weights, batch_size, writer, progress))
    entry = store.find(key)
    if entry is None:
        raise StoreError(f"the embeddings just written to {store.folder} cannot be read back; check the disk")
    return entry


def _compute(
    images: ImageSet,
    fields: dict[str, Any],
    weights: Weights,
    batch_size: int,
    writer: Writer,
    progress: Progress | None,
) -> dict[str, Any]:
    """Embed all pictures into the writer; return what is to be known about them."""
    net = nets.load_backbone(fields["backbone"], fields["image_size"], weights, fields["pooling"])
    start, total = time.perf_counter(), len(images)
    step = _rows_at_once(batch_size, fields["image_size"])
    for first in range(0, total, step):
        rows = np.arange(first, min(first + step, total), dtype=np.int64)
        writer.append(net.features(images.pictures.read(rows)))
        if progress is not None:
            progress("embedding", int(rows[-1]) + 1, total)
    seconds = time.perf_counter() - start
    return fields | {
        "weights_kind": weights.kind,
        "layers": net.layers,
        "versions": net.versions,
        "acofer": importlib.metadata.version("acofer"),
        "seconds": round(seconds, 3),
        "pictures_per_second": round(total / seconds, 1),
        "pictures": images.name,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _rows_at_once(batch_size: int, image_size: int) -> int:
    """Keep the memory of a batch: that of the activations grows with the input's area."""
    return max(1, min(batch_size, batch_size * 96 * 96 // image_size**2))


def _to_record(entry: Entry) -> Embeddings:
    names = nets.name_features(entry.about["layers"], entry.about["pooling"])
    return Embeddings(entry.values, names, entry.key, entry.about)
