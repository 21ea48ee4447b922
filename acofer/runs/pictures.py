"""Pictures and their embeddings, as a configuration asks for them."""

from __future__ import annotations

import dataclasses

from acofer.config.common import PictureOptions, listed
from acofer.config.search import SearchConfig
from acofer.config.train import TrainConfig
from acofer.data.classes import SomePictures, only_classes
from acofer.data.load import load_faces
from acofer.data.splits import make_split
from acofer.features.bank import part_of
from acofer.features.cache import Store
from acofer.features.embed import embed
from acofer.records import Embeddings, ImageSet, Progress, Split


def configured_pictures(config: PictureOptions, progress: Progress | None = None) -> ImageSet:
    """Load the pictures that `config` names, of all classes."""
    return load_faces(config.data, ferplus=config.ferplus, on_broken=config.on_broken, progress=progress)


def configured_classes(config: PictureOptions, images: ImageSet) -> ImageSet:
    """Return the pictures of the classes that `config` asks for, all where it names none."""
    return images if config.classes is None else only_classes(images, listed(config.classes))


def configured_split(config: SearchConfig | TrainConfig, images: ImageSet) -> Split:
    """Split `images` as `config` asks: where it leaves that open, officially if the source has parts."""
    kind = config.split
    if kind == "auto":
        kind = "stratified" if images.parts is None else "official"
    return make_split(images, kind, seed=config.seed if config.split_seed is None else config.split_seed)


def configured_embeddings(config: SearchConfig, images: ImageSet, progress: Progress | None = None) -> Embeddings:
    """Embed `images`, of all classes, with the network that `config` names, or take the embeddings from its cache."""
    return embed(
        images,
        backbone=config.backbone,
        image_size=config.image_size,
        layers=config.layers,
        pooling=config.pooling,
        mirror=config.mirror,
        weights=config.weights,
        store=Store(config.cache_dir),
        progress=progress,
    )


def embeddings_of(images: ImageSet, everything: Embeddings) -> Embeddings:
    """Return those of `images`, which are `everything` that was embedded, or some classes of it."""
    if not isinstance(images.pictures, SomePictures):
        return everything
    return dataclasses.replace(everything, values=part_of(everything.values, images.pictures.rows))
