"""Pictures in, embeddings out: from the store where they are known, else from the network."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from acofer.errors import ConfigError, DataError, StoreError
from acofer.features import backbone as nets
from acofer.features.bank import Bank
from acofer.features.cache import Store, Writer
from acofer.features.entry import Entry, joint_key, key_of
from acofer.features.layers import chosen_layers, chosen_pooling, describe_layer, name_features
from acofer.pretrained.base import obtain_weights
from acofer.pretrained.weights import Weights, architecture
from acofer.records import Embeddings, ImageSet, Progress

Fields = dict[str, Any]
"""Fields of an entry's key, less the digest of the weights until it is known."""


def embed(
    images: ImageSet,
    *,
    backbone: str = "mobilenetv2",
    image_size: int = 48,
    layers: str = "last",
    pooling: str = "auto",
    mirror: str = "off",
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

    Each layer is an entry of its own in the store. The layers that are not
    there are computed together, in one pass over the pictures.

    Parameters
    ----------
    images : ImageSet
        The pictures; labels and parts are not looked at.
    backbone : str
        ``"mobilenetv2"``, ``"efficientnetb0"`` or ``"mobilenet"``.
    image_size : int
        Side in pixels to which pictures are resized, at least 32.
    layers : str
        ``"last"``; ``"bank"``, three layers of the network's middle (`layers.BANKS`); ``"all"``, every activated
        expansion and the last; or names with commas between them.
    pooling : str
        ``"flatten"``, ``"avg"``, ``"max"``, ``"grid:N"`` or ``"maxgrid:N"`` (see `acofer.features.layers`), or
        ``"auto"``: ``"flatten"`` for ``layers="last"``, else ``"grid:3"``.
    mirror : str
        ``"off"``, or ``"average"``: each map is the mean, before pooling, of the picture's and of its mirror
        image's, turned back; a frozen network says not quite the same of both.
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
        Values float16 ``(n, n_features)``, read only, row i of picture i: an ndarray of one layer, a
        `acofer.features.bank.Bank` of several.

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
    pooling = chosen_pooling(pooling, layers)
    nets.check_options(backbone, image_size, pooling, layers, mirror)
    _check_counts(images, batch_size)
    store = store if store is not None else Store()
    common = {
        "pictures_digest": images.digest,
        "backbone": backbone,
        "image_size": int(image_size),
        "pooling": pooling,
        "preprocessing": nets.PREPROCESSING,
    }
    fields = [common | _further_fields(backbone, layer, mirror) for layer in chosen_layers(layers, backbone)]
    entries = _find_stand_ins(store, fields) if weights == "imagenet" else None
    if entries is None:
        entries = _find_or_compute(images, fields, weights, seed, batch_size, store, progress)
    return _to_record(entries)


def _further_fields(backbone: str, layer: str, mirror: str) -> Fields:
    """Return what a key holds only where it is not as ever (`entry.FURTHER_KEY_FIELDS`)."""
    other_layer = {} if layer == architecture(backbone).layer else {"layer": layer}
    return other_layer | ({} if mirror == "off" else {"mirror": mirror})


def _find_stand_ins(store: Store, fields: Sequence[Fields]) -> list[Entry] | None:
    """Open the shipped entries of all layers; None where one is absent: all must be of the same weights."""
    found = []
    for each in fields:
        entry = store.find_stand_in("imagenet", each)
        if entry is None:
            return None
        found.append(entry)
    return found


def _check_counts(images: ImageSet, batch_size: int) -> None:
    if len(images) == 0:
        raise DataError(f"{images.name} holds no pictures to embed; check the path that it was loaded from")
    if batch_size < 1:
        raise ConfigError(f"batch size must be at least 1, but came as {batch_size}")


def _find_or_compute(
    images: ImageSet,
    fields: Sequence[Fields],
    spec: str | os.PathLike[str],
    seed: int,
    batch_size: int,
    store: Store,
    progress: Progress | None,
) -> list[Entry]:
    backbone, image_size = fields[0]["backbone"], fields[0]["image_size"]
    weights = obtain_weights(spec, backbone, image_size, seed, progress)
    wanted = [each | {"weights_digest": weights.digest, "weights": weights.label} for each in fields]
    found = _found(store, wanted)
    if None in found.values():
        with store.alone(f"{images.digest[:16]}-{backbone}-{image_size}", _telling(progress)):
            found = _found(store, wanted)  # by whoever was at it before
            missing = [each for each in wanted if found[key_of(each)] is None]
            if missing:
                _write(images, missing, weights, batch_size, store, progress)
                found |= _found(store, missing)
    entries = [entry for entry in found.values() if entry is not None]
    if len(entries) < len(wanted):
        raise StoreError(f"the embeddings just written to {store.folder} cannot be read back; check the disk")
    return entries


def _found(store: Store, wanted: Sequence[Fields]) -> dict[str, Entry | None]:
    return {key_of(each): store.find(key_of(each)) for each in wanted}


def _telling(progress: Progress | None) -> Callable[[str], None]:
    """Return what tells who is waited for: the same pictures are embedded once."""

    def tell(who: str) -> None:
        if progress is not None:
            progress(f"waiting for {who}", 0, 1)

    return tell


def _write(
    images: ImageSet,
    missing: Sequence[Fields],
    weights: Weights,
    batch_size: int,
    store: Store,
    progress: Progress | None,
) -> None:
    """Compute the layers that are missing in one pass, and place their entries when all of them are whole."""
    with contextlib.ExitStack() as stack:
        # The writers come first: an unwritable folder must not cost the time of loading a network.
        writers = [stack.enter_context(store.writer(key_of(each), len(images))) for each in missing]
        abouts = _compute(images, missing, weights, batch_size, writers, progress)
        for writer, about in zip(writers, abouts, strict=True):
            writer.complete(about)
        for writer in writers:
            writer.place()


def _compute(
    images: ImageSet,
    missing: Sequence[Fields],
    weights: Weights,
    batch_size: int,
    writers: Sequence[Writer],
    progress: Progress | None,
) -> list[Fields]:
    """Embed all pictures into the writers, one a layer; return what is to be known about each."""
    first_fields = missing[0]
    backbone, image_size, pooling = (first_fields[name] for name in ("backbone", "image_size", "pooling"))
    names = [each.get("layer", architecture(backbone).layer) for each in missing]
    mirror = first_fields.get("mirror", "off")
    net = nets.load_backbone(backbone, image_size, weights, pooling, layers=",".join(names), mirror=mirror)
    ends = np.cumsum([math.prod(layer["shape"]) for layer in net.layers])[:-1]
    start, total = time.perf_counter(), len(images)
    step = _rows_at_once(batch_size, image_size)
    for first in range(0, total, step):
        rows = np.arange(first, min(first + step, total), dtype=np.int64)
        values = np.split(net.features(images.pictures.read(rows)), ends, axis=1)
        for writer, own in zip(writers, values, strict=True):
            writer.append(own)
        if progress is not None:
            progress("embedding", int(rows[-1]) + 1, total)
    seconds = time.perf_counter() - start
    common = {
        "weights_kind": weights.kind,
        "versions": net.versions,
        "acofer": importlib.metadata.version("acofer"),
        "seconds": round(seconds, 3),
        "pictures_per_second": round(total / seconds, 1),
        "pictures": images.name,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    } | ({"computed_together": names} if len(names) > 1 else {})
    return [each | common | {"layers": [layer]} for each, layer in zip(missing, net.layers, strict=True)]


def _rows_at_once(batch_size: int, image_size: int) -> int:
    """Keep the memory of a batch: that of the activations grows with the input's area."""
    return max(1, min(batch_size, batch_size * 96 * 96 // image_size**2))


def _to_record(entries: Sequence[Entry]) -> Embeddings:
    pooling = entries[0].about["pooling"]
    layers = [_described(layer, pooling) for entry in entries for layer in entry.about["layers"]]
    names, key = name_features(layers, pooling), joint_key([entry.key for entry in entries])
    if len(entries) == 1:
        return Embeddings(entries[0].values, names, key, entries[0].about | {"layers": layers})
    bank = Bank([entry.values for entry in entries])
    return Embeddings(bank, names, key, _about_together(entries) | {"key": key, "layers": layers})


def _described(layer: dict[str, Any], pooling: str) -> dict[str, Any]:
    """Return what is known of a layer; entries of version 0.1 hold its shape before pooling and nothing else."""
    return layer if "rows" in layer else describe_layer(layer["name"], layer["shape"], pooling)


def _about_together(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what is to be known of several layers: what they have in common, and the time of all passes."""
    abouts = [entry.about for entry in entries]
    single = {"layer", "computed_together"}
    if not all("stands_for" in about for about in abouts):
        single.add("stands_for")
    passes = {(about["created"], about["seconds"]) for about in abouts}
    seconds, n_rows = sum(seconds for _, seconds in passes), len(entries[0].values)
    return {name: value for name, value in abouts[0].items() if name not in single} | {
        "shape": [n_rows, sum(entry.values.shape[1] for entry in entries)],
        "seconds": round(seconds, 3),
        "pictures_per_second": round(n_rows / seconds, 1),
    }
