"""Small data sets that several tests of this folder need."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from acofer.data.pictures import ArrayPictures
from acofer.records import ImageSet

SHARED_FER2013 = pathlib.Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "fer2013"


@pytest.fixture
def image_set():
    """Return a maker of image sets: `codes` says which rows hold the same picture."""

    def make(labels, codes=None, parts=None, class_names=None):
        labels = np.asarray(labels, np.int16)
        codes = np.arange(len(labels)) if codes is None else np.asarray(codes)
        # 2x2 pixels hold any code up to 2**32.
        pixels = codes.astype("<u4").view(np.uint8).reshape(-1, 2, 2)
        names = class_names or tuple(f"class {label}" for label in range(int(labels.max()) + 1))
        parts = None if parts is None else np.asarray(parts, np.uint8)
        rows = [f"row {row}" for row in range(len(labels))]
        return ImageSet("made", ArrayPictures(pixels), labels, names, parts, rows, "made")

    return make


@pytest.fixture
def fer_row():
    """Return a maker of rows of `fer2013.csv`."""

    def make(label=0, usage="Training", value=7, n_pixels=2304):
        return f"{label},{' '.join([str(value)] * n_pixels)},{usage}"

    return make


@pytest.fixture
def fer_csv(tmp_path, fer_row):
    """Return a writer of CSV files with one Training row a class, then the given rows, then the given end."""

    def write(*rows, end="\n", header="emotion,pixels,Usage", name="fer2013.csv"):
        path = tmp_path / name
        lines = [header, *(fer_row(label, value=label) for label in range(7)), *rows]
        path.write_bytes(("\n".join(lines) + end).encode())
        return path

    return write


@pytest.fixture(scope="session")
def shared_fer2013():
    if not SHARED_FER2013.is_dir():
        pytest.skip("FER2013 may not be handed on; the folder shared/data/fer2013 beside the checkout is absent")
    return SHARED_FER2013
