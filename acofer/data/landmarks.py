"""Where the face is in a picture: 68 landmarks, by dlib's detector and its ensemble of regression trees.

The detector is a linear support vector machine on histograms of oriented gradients
(Dalal and Triggs 2005, doi:10.1109/CVPR.2005.177), slid over a pyramid of the picture
(King 2015, arXiv:1502.00046). The landmarks are Kazemi and Sullivan's (2014,
doi:10.1109/CVPR.2014.241): jaw, brows, nose, eyes and mouth, no forehead.

The landmark model is not part of acofer. It comes with the package
face_recognition_models and was trained on iBUG 300-W, whose terms exclude commercial use.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acofer.errors import DataError, MissingExtraError

Picture = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""

N_LANDMARKS = 68
ENLARGED_SIDE = 144
"""Pixels that a picture's shorter side should have where faces are looked for: three times FER2013's 48.

The detector's window is 80 pixels wide, so that in smaller pictures it sees nothing. Faces found in 2,000 pictures
of FER2013 drawn at random, bilinear, without a border: none as they are, 70 % at twice the size, 74 % at three
times and 68 % at four; bicubic at three times, 76 %."""
BORDER = 1 / 6
"""A border of this share of the shorter side lets the detector find faces that fill the picture: in the same
2,000 pictures, 79 % instead of 76 % at three times the size."""

_PACKAGE, _FILE = "face_recognition_models", Path("models", "shape_predictor_68_face_landmarks.dat")


class FaceModel(Protocol):
    """Finds faces in a picture, and landmarks in a face. Pictures are uint8, ``(h, w)`` or ``(h, w, 3)``."""

    @property
    def identity(self) -> str:
        """What it is; two models that may answer differently have different ones."""
        ...

    def boxes(self, picture: Picture) -> list[Box]:
        """Return the boxes of all faces."""
        ...

    def landmarks(self, picture: Picture, box: Box) -> NDArray[np.float64]:
        """Return the landmarks of the face in a box, ``(68, 2)``: x, y, in pixels."""
        ...


class DlibModel:
    """dlib's frontal face detector and its model of 68 landmarks; loaded when first used, in 0.7 s.

    Raises
    ------
    MissingExtraError
        Where dlib or the landmark model is not installed.
    """

    def __init__(self) -> None:
        self._dlib = _import_dlib()
        # Looked up without importing the package, which asks for pkg_resources, gone from new versions of setuptools.
        spec = find_spec(_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError.of(_PACKAGE, "faces", "finding landmarks")
        self._file = Path(spec.submodule_search_locations[0]) / _FILE

    @cached_property
    def identity(self) -> str:
        """dlib's version and the landmark model's SHA-256.

        Raises
        ------
        DataError
            Where the model's file cannot be read.
        """
        try:
            with self._file.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"the landmark model cannot be read ({error}); install {_PACKAGE} again") from error
        return f"dlib {self._dlib.__version__}, landmarks {digest}"

    def boxes(self, picture: Picture) -> list[Box]:
        """Return the boxes of all faces."""
        return [(box.left(), box.top(), box.right(), box.bottom()) for box in self._detector(picture)]

    def landmarks(self, picture: Picture, box: Box) -> NDArray[np.float64]:
        """Return the landmarks of the face in a box, ``(68, 2)``: x, y, in pixels."""
        shape = self._predictor(picture, self._dlib.rectangle(*box))
        return np.array([(part.x, part.y) for part in shape.parts()], float)

    @cached_property
    def _detector(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        try:
            return self._dlib.shape_predictor(str(self._file))
        except RuntimeError as error:
            raise DataError(f"the landmark model is damaged ({error}); install {_PACKAGE} again") from error


def _import_dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingExtraError.of("dlib", "faces", "finding faces") from error
    return dlib


def locate_face(
    picture: Picture, model: FaceModel, *, enlarge: int | None = None, border: float = BORDER
) -> NDArray[np.float32] | None:
    """Find the largest face in a picture.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w) or (h, w, 3)
    model : FaceModel
    enlarge : int, optional
        How many times larger the picture is made before; default: until its shorter side has `ENLARGED_SIDE` pixels.
    border : float
        Width of a border that repeats the picture's edge, as a share of the shorter side.

    Returns
    -------
    ndarray of float32, shape (68, 2), or None
        x, y of the landmarks in pixels of the picture as it came, the centre of the first pixel being 0, 0. Some
        may lie outside. None where there is no face.
    """
    height, width = picture.shape[:2]
    factor = enlarge or -(-ENLARGED_SIDE // min(height, width))
    edge = round(border * min(height, width))
    searched = _enlarged(_bordered(picture, edge), factor)
    found = model.boxes(searched)
    if not found:
        return None
    marks = (model.landmarks(searched, max(found, key=_area)) + 0.5) / factor - 0.5 - edge
    is_inside = ((marks >= -0.5) & (marks < np.array([width, height]) - 0.5)).all(axis=1)
    return marks.astype(np.float32) if is_inside.any() else None


def _area(box: Box) -> int:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def _bordered(picture: Picture, edge: int) -> Picture:
    return np.pad(picture, [(edge, edge)] * 2 + [(0, 0)] * (picture.ndim - 2), mode="edge")


def _enlarged(picture: Picture, factor: int) -> Picture:
    from PIL import Image

    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    return np.array(image.resize((width * factor, height * factor), Image.Resampling.BICUBIC))
