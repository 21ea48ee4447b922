"""The embedded data set `demo`: 3,500 drawn faces, seven expressions, an official split.

It is for quick trials without a download and for tests; it says nothing about
photographs of people. Draw it again, as it ships, with::

    python -m acofer.data.demo

Each picture has its own random stream, of (seed, index): drawing more pictures
leaves the first ones as they are, and so does drawing them in another order.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acofer.archives import read_arrays
from acofer.data.drawn.canvas import SIZE, Canvas
from acofer.data.drawn.expression import CLASS_NAMES, act
from acofer.data.drawn.face import draw_face
from acofer.data.drawn.person import meet
from acofer.data.drawn.scene import (
    backdrop,
    draw_glasses,
    draw_hair_before,
    draw_hair_behind,
    draw_occluder,
    expose,
    shade,
    visit,
)
from acofer.errors import AcoferError, ConfigError, DataError, MissingFileError
from acofer.reading import UnreadableError
from acofer.records import TEST, TRAIN, VALIDATION, ImageSet, Progress
from acofer.writing import written_beside

EMBEDDED = Path(__file__).parent / "embedded" / "demo.npz"
"""The pictures in the package."""

N_PICTURES = 3500
FER2013_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)
"""Training rows of FER2013 in each class (Goodfellow et al., 2013, doi:10.1007/978-3-642-42051-1_16)."""

WRONG_LABELS = 0.08
"""Share of pictures that show another expression than their label says; FER2013's labels are not clean either
(Barsoum et al., 2016, doi:10.1145/2993148.2993165, had ten people label each picture anew)."""

WEAKEST, STRONGEST, BETA = 0.2, 1.2, (2.4, 1.0)
"""Intensity of an expression: a beta variate stretched to this range. Tuned, with the spreads in `drawn.person` and
`drawn.scene`, until a forest of 90 trees on MobileNetV2's features was right about six times in ten."""

_UNPACKED = 1 << 26
"""Bytes that the file may unpack to; they are 8 million."""
_PART_PATTERN = np.array([TRAIN, VALIDATION, TRAIN, TEST, TRAIN], np.uint8)
_GOLDEN_RATIO = 0.6180339887498949


def load_demo() -> ImageSet:
    """Load the embedded data set as it ships.

    Returns
    -------
    ImageSet
        3,500 grey pictures of 48 x 48, labels 0 to 6 in FER2013's order, parts
        of 2,100 / 700 / 700 rows.

    Raises
    ------
    MissingFileError, DataError
        Where the package's file is missing or damaged.
    """
    from acofer.data.pictures import ArrayPictures

    images, labels, parts = _read(EMBEDDED)
    names = tuple(f"demo {row}" for row in range(len(labels)))
    return ImageSet("demo", ArrayPictures(images), labels, CLASS_NAMES, parts, names, "demo")


def draw_faces(
    n: int, seed: int = 0, *, first: int = 0, progress: Progress | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Draw faces; about 6 ms each.

    Parameters
    ----------
    n : int
        How many.
    seed : int, default 0
        Another seed gives other people; the embedded data set has seed 0.
    first : int, default 0
        Index of the first picture: ``draw_faces(10, first=90)`` are the last
        ten of ``draw_faces(100)``.
    progress : callable, optional
        Called after each picture.

    Returns
    -------
    images : ndarray of uint8, shape (n, 48, 48)
        Grey levels.
    labels : ndarray of int16, shape (n,)
        Index into `CLASS_NAMES`; wrong for a share of `WRONG_LABELS`.

    Raises
    ------
    ConfigError
        Where a number is not a whole one or is too small.
    """
    for name, value, least in (("n", n, 1), ("seed", seed, 0), ("first", first, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, but is {value!r}")
    labels = draw_labels(first + n, seed)[first:]
    images = np.empty((n, SIZE, SIZE), np.uint8)
    for row, label in enumerate(labels):
        rng = np.random.default_rng((seed, first + row))
        expression = CLASS_NAMES[shown_class(int(label), rng)]
        intensity = WEAKEST + (STRONGEST - WEAKEST) * rng.beta(*BETA)
        images[row] = draw_picture(expression, intensity, rng)
        if progress is not None:
            progress("drawing faces", row + 1, n)
    return images, labels


def draw_labels(n: int, seed: int = 0) -> NDArray[np.int16]:
    """Return the labels of the first `n` pictures, ``(n,)`` int16, with FER2013's shares.

    Multiples of the golden ratio, modulo 1, fill the unit interval evenly from
    the start (a Kronecker sequence; Niederreiter, *Random Number Generation and
    Quasi-Monte Carlo Methods*, 1992, ch. 3), so every class keeps its share to
    within a few pictures however many are drawn.
    """
    start = np.random.default_rng((seed, 0x1ABE1)).random()
    edges = np.cumsum(FER2013_COUNTS)[:-1] / np.sum(FER2013_COUNTS)
    points = (start + _GOLDEN_RATIO * np.arange(n)) % 1.0
    return np.searchsorted(edges, points, side="right").astype(np.int16)


def shown_class(label: int, rng: np.random.Generator) -> int:
    """Return the class that is drawn for `label`: with the chance `WRONG_LABELS` one of the other six."""
    other = (label + int(rng.integers(1, len(CLASS_NAMES)))) % len(CLASS_NAMES)
    return other if rng.random() < WRONG_LABELS else label


def draw_picture(expression: str, intensity: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw `expression` at `intensity` (0 to about 1), all else from `rng`; return ``(48, 48)`` uint8."""
    action = act(expression, intensity, rng)
    person, scene = meet(rng), visit(rng)
    canvas = Canvas(scene.pose, backdrop(scene))
    draw_hair_behind(canvas, person)
    draw_face(canvas, person, action)
    draw_hair_before(canvas, person)
    canvas.settle(shade(scene))
    draw_glasses(canvas, person)
    draw_occluder(canvas, scene, person)
    return expose(canvas, scene, rng)


def official_parts(labels: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Deal the rows of each class in turn to train, validation and test, 3 : 1 : 1; ``(n,)`` uint8.

    Pictures of one class are independent draws, so dealing them in order is as
    good as at random, and every class has its share in every part.
    """
    parts = np.empty(len(labels), np.uint8)
    parts[np.argsort(labels, kind="stable")] = np.resize(_PART_PATTERN, len(labels))
    return parts


def write_demo(path: Path, n: int = N_PICTURES, seed: int = 0, progress: Progress | None = None) -> None:
    """Draw the data set and write it to `path` (compressed, keys ``images``, ``labels``, ``parts``).

    Raises
    ------
    StoreError
        Where `path` cannot be written.
    """
    images, labels = draw_faces(n, seed, progress=progress)
    with written_beside(path, "the data set") as beside, beside.open("wb") as file:
        np.savez_compressed(file, images=images, labels=labels, parts=official_parts(labels))


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int16], NDArray[np.uint8]]:
    try:
        arrays = read_arrays(path, unpacked=_UNPACKED)
        return arrays["images"], arrays["labels"], arrays["parts"]
    except FileNotFoundError as error:
        raise MissingFileError(f"the embedded data set is not at {path}; install acofer again") from error
    except (OSError, UnreadableError, KeyError) as error:
        raise DataError(f"the embedded data set at {path} is damaged ({error}); install acofer again") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m acofer.data.demo",
        description="Draw the embedded data set of faces and write it as one .npz file.",
        epilog="Without options this writes the file that ships with the package again; its embeddings must then be "
        "made anew: python -m acofer.features.fill_demo --weights FILE",
    )
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="the file to write (default: the package's own)")
    parser.add_argument("-n", type=int, default=N_PICTURES, help="how many pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other people (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        write_demo(options.out, options.n, options.seed)
    except AcoferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {options.n} pictures, {options.out.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
