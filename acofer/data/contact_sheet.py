"""A contact sheet: some pictures of every class on one page, to look before computing."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, nearest
from acofer.records import ImageSet
from acofer.writing import written_beside

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

SHEET_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
GAP = 4  # pixels between cells
FONT_SIZE = 14  # pixels; smaller is hard to read
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)


def contact_sheet(images: ImageSet, per_class: int = 12, seed: int = 0, cell: int = 48) -> Image:
    """Draw a row of pictures for each class, with its name and number of pictures.

    Parameters
    ----------
    images : ImageSet
        The data set; only the pictures shown are read.
    per_class : int
        Pictures a row; a class with fewer shows all of them.
    seed : int
        Decides which are drawn.
    cell : int
        Width and height of a cell in pixels; pictures keep their proportions.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    ConfigError
        Where `per_class` or `cell` is too small, or `seed` negative.
    """
    from PIL import Image, ImageDraw, ImageFont

    _check(per_class, seed, cell)
    font = ImageFont.load_default(FONT_SIZE)
    counts = np.bincount(images.labels, minlength=images.n_classes).tolist()
    notes = [f"{count:,}" for count in counts]
    margin = 2 * GAP + _widest(font, [*images.class_names, *notes])
    height = max(cell, 2 * FONT_SIZE + 6) + GAP
    size = (margin + per_class * (cell + GAP) + GAP, images.n_classes * height + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for label, (name, note) in enumerate(zip(images.class_names, notes, strict=True)):
        top = GAP + label * height
        draw.text((GAP, top), name, INK, font)
        draw.text((GAP, top + FONT_SIZE + 3), note, FAINT, font)
        for at, pixels in enumerate(images.pictures.read(_chosen(images, label, per_class, seed))):
            _paste(sheet, pixels, (margin + at * (cell + GAP), top), cell)
    return sheet


def write_contact_sheet(
    path: str | PathLike[str], images: ImageSet, per_class: int = 12, seed: int = 0, cell: int = 48
) -> Path:
    """Write a contact sheet as .png, .jpg or .webp; arguments as for `contact_sheet`.

    The file is written beside its place and renamed, so that it is whole or not there.

    Returns
    -------
    Path
        Where it lies.

    Raises
    ------
    ConfigError
        Where the ending of `path` is another, or an argument is wrong.
    StoreError
        Where the file cannot be written.
    """
    place = Path(path)
    kind = SHEET_FORMATS.get(place.suffix.lower())
    if kind is None:
        raise ConfigError(
            f"a contact sheet must end in {', '.join(SHEET_FORMATS)}, but came as {place.name!r}; "
            f"{nearest(place.suffix, SHEET_FORMATS)}"
        )
    sheet = contact_sheet(images, per_class, seed, cell)
    with written_beside(place, "the contact sheet") as beside:
        sheet.save(beside, format=kind)
    return place


def _check(per_class: int, seed: int, cell: int) -> None:
    for name, value, least in (("per_class", per_class, 1), ("seed", seed, 0), ("cell", cell, 8)):
        if value < least:
            raise ConfigError(f"{name} of a contact sheet must be at least {least}, but is {value}")


def _chosen(images: ImageSet, label: int, per_class: int, seed: int) -> NDArray[np.int64]:
    """Draw rows of one class; a stream for each, so that classes do not depend on one another."""
    rows = np.flatnonzero(images.labels == label)
    return np.sort(np.random.default_rng([seed, label]).permutation(rows)[:per_class])


def _widest(font: FreeTypeFont | ImageFont, texts: list[str]) -> int:
    return int(max(font.getlength(text) for text in texts)) + 1


def _paste(sheet: Image, pixels: NDArray[np.uint8], corner: tuple[int, int], cell: int) -> None:
    from PIL import Image, ImageOps

    small = ImageOps.contain(Image.fromarray(pixels), (cell, cell))
    left, top = corner[0] + (cell - small.width) // 2, corner[1] + (cell - small.height) // 2
    sheet.paste(small.convert("RGB"), (left, top))
