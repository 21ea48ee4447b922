"""Small data sets with embeddings of their own, so that a whole search takes about a second."""

from __future__ import annotations

import numpy as np
import pytest

from acofer.config.search import SearchConfig
from acofer.data.pictures import ArrayPictures
from acofer.features.bank import Bank
from acofer.records import Embeddings, ImageSet
from acofer.runs import search

FER2013_COUNTS = (4953, 547, 5121, 8989, 6077, 4002, 6198)
N_PLANTED = 4


def images_of(labels, codes=None, names=None, parts=None):
    """Return pictures of 2x2 pixels, one a code: rows of equal code are copies."""
    codes = np.arange(len(labels)) if codes is None else np.asarray(codes)
    pixels = codes.astype("<u4").view(np.uint8).reshape(-1, 2, 2)
    names = names or tuple(f"class {label}" for label in range(int(max(labels)) + 1))
    rows = [f"row {row}" for row in range(len(labels))]
    return ImageSet("made", ArrayPictures(pixels), np.asarray(labels, np.int16), names, parts, rows, "made")


def embeddings_of(values):
    about = {
        "backbone": "mobilenetv2",
        "image_size": 48,
        "pooling": "avg",
        "weights": "made up",
        "weights_digest": "0" * 64,
        "pictures_per_second": 1.0,
        "seconds": 1.0,
    }
    names = tuple(f"made/c{j:04d}" for j in range(values.shape[1]))
    kept = values if isinstance(values, Bank) else values.astype(np.float16)
    return Embeddings(kept, names, "k" * 32, about)


@pytest.fixture
def serve(monkeypatch):
    """Return a function that makes every search run on these pictures and features, whatever its options say."""

    def on(images, values):
        monkeypatch.setattr(search, "configured_pictures", lambda *_, **__: images)
        monkeypatch.setattr(search, "configured_embeddings", lambda *_, **__: embeddings_of(values))

    return on


@pytest.fixture
def planted(serve):
    """Three classes that four features of thirty tell apart; a test row is a copy of a training row."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [150, 90, 60])
    values = rng.normal(size=(300, 30))
    values[:, :N_PLANTED] += 1.5 * np.eye(3)[labels] @ rng.normal(size=(3, N_PLANTED))
    parts = np.resize([0, 0, 0, 1, 2], 300).astype(np.uint8)
    codes = np.arange(300)
    codes[4] = codes[0]  # row 4 is a test row, row 0 a training row
    serve(images_of(labels, codes, parts=parts), values)


@pytest.fixture
def noise(serve):
    """4,000 rows of Gaussian noise with FER2013's shares of classes: there is nothing to be learnt."""
    shares = np.array(FER2013_COUNTS) / sum(FER2013_COUNTS)
    labels = np.repeat(range(7), np.round(4000 * shares).astype(int))
    serve(images_of(labels), np.random.default_rng(7).normal(size=(len(labels), 40)))


@pytest.fixture
def wide(serve):
    """2,700 rows of noise, 1,800 of which train, in three classes of 1,200, 900 and 600; 1,500 features."""
    labels = np.random.default_rng(3).permutation(np.repeat([0, 1, 2], [1200, 900, 600]))
    parts = np.resize([0, 0, 0, 0, 1, 2], len(labels)).astype(np.uint8)
    serve(images_of(labels, parts=parts), np.random.default_rng(7).normal(size=(len(labels), 1500)))


class WatchedBank(Bank):
    """A bank that remembers how much was read at once."""

    def __init__(self, parts):
        super().__init__(parts)
        self.read = []

    def rows(self, rows):
        found = super().rows(rows)
        self.read.append(found.shape)
        return found

    def take(self, rows, columns):
        found = super().take(rows, columns)
        self.read.append(found.shape)
        return found


@pytest.fixture
def bank(serve):
    """A bank of three layers, 600 features and 3,600 rows, of which 2,400 train; four features say everything."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1, 2], 1200)
    values = rng.normal(size=(3600, 600)).astype(np.float16)
    values[:, :N_PLANTED] += (1.5 * np.eye(3)[labels] @ rng.normal(size=(3, N_PLANTED))).astype(np.float16)
    bank = WatchedBank([values[:, :200], values[:, 200:500], values[:, 500:]])
    serve(images_of(labels, parts=np.resize([0, 0, 0, 0, 0, 0, 1, 2, 2], 3600).astype(np.uint8)), bank)
    return bank


@pytest.fixture
def config(tmp_path):
    """Return a maker of small configurations; `out` is a name below the test's folder."""

    def make(out="run", **options):
        small = {"ants": 4, "iterations": 2, "trees": 8, "size": "4:12", "null_draws": 2, "workers": 1, "memo": "off"}
        return SearchConfig(**{**small, "heuristic": "f", "out": str(tmp_path / out), **options})

    return make
