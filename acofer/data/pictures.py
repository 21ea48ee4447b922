"""Pictures in memory and pictures in files, behind one face: `acofer.records.Pictures`.

Whatever its source, a picture is uint8: ``(height, width)`` where it is grey,
``(height, width, 3)`` where it is in colour (RGB).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acofer.errors import DataError, MissingFileError
from acofer.reading import in_few_words, open_plain

if TYPE_CHECKING:
    from PIL.Image import Image

ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Pillow knows more: for some it runs other programs (Ghostscript for EPS), and the fewer decoders strangers can choose
from, the better."""
WIDE_GREY_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


class ArrayPictures:
    """Pictures of one size that lie in an array.

    Parameters
    ----------
    images : array_like of uint8, shape (n, height, width) or (n, height, width, 3)
        Kept as a read-only view; a memory-mapped array stays on disk.

    Raises
    ------
    DataError
        Where the array has another shape or dtype.
    """

    def __init__(self, images: ArrayLike) -> None:
        view = np.asarray(images).view()
        is_grey, is_colour = view.ndim == 3, view.ndim == 4 and view.shape[-1] == 3
        if view.dtype != np.uint8 or not (is_grey or is_colour) or 0 in view.shape[1:]:
            raise DataError(
                "pictures must be a uint8 array of shape (n, height, width) or (n, height, width, 3), "
                f"but came as {view.dtype} of shape {view.shape}; convert them to 0..255 first"
            )
        view.flags.writeable = False
        self.images: NDArray[np.uint8] = view

    def __len__(self) -> int:
        return len(self.images)

    def read(self, rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Return read-only views of the pictures of these rows, in this order."""
        return [self.images[row] for row in rows]

    @cached_property
    def digests(self) -> NDArray[np.bytes_]:
        """Digest of each picture, ``(n,)`` of ``S32``; computed once, when first asked for."""
        return np.array([picture_digest(image) for image in self.images], dtype="S32")


class FilePictures:
    """Pictures in files, decoded each time they are asked for.

    Parameters
    ----------
    paths : sequence of path
        One file a picture.
    digests : ndarray of S32, shape (n,), optional
        The pictures' digests where the caller knows them (the folder reader
        decodes every file once anyway). Otherwise all files are decoded when
        the digests are first asked for.

    Raises
    ------
    DataError
        Where the number of digests differs from the number of paths.
    """

    def __init__(self, paths: Sequence[str | Path], digests: ArrayLike | None = None) -> None:
        self.paths = tuple(Path(path) for path in paths)
        if digests is not None:
            given = np.asarray(digests, dtype="S32")
            if given.shape != (len(self.paths),):
                raise DataError(
                    f"one digest a picture is needed: {len(self.paths)} paths came with digests of shape {given.shape}"
                )
            self.digests = given

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Decode the pictures of these rows, in this order.

        Raises
        ------
        DataError, MissingFileError
            As `read_picture`; the message names the file.
        """
        return [read_picture(self.paths[row]) for row in rows]

    @cached_property
    def digests(self) -> NDArray[np.bytes_]:
        """Digest of each picture, ``(n,)`` of ``S32``."""
        return np.array([picture_digest(read_picture(path)) for path in self.paths], dtype="S32")


def picture_digest(image: NDArray[np.uint8]) -> bytes:
    """Return the BLAKE2b digest (128 bits, 32 hexadecimal characters) of a picture's shape and pixels.

    The shape is part of it: a 4x9 and a 6x6 picture of the same bytes differ.
    """
    digest = hashlib.blake2b("x".join(map(str, image.shape)).encode() + b":", digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest().encode()


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """Decode one picture file.

    Grey stays grey. Palettes become RGB, or grey where all their used colours
    are grey; transparency is laid on white; CMYK and other colour spaces
    become RGB; 16-bit grey is scaled to 8 bits. The EXIF orientation is
    applied. Of an animation the first frame counts.

    Parameters
    ----------
    path : path
        A file in one of the `FORMATS`, whatever its name.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)

    Raises
    ------
    MissingFileError
        Where there is no such file.
    DataError
        Where the file is not a picture or no plain file, is cut or damaged, has more pixels
        than Pillow's decompression-bomb limit (``PIL.Image.MAX_IMAGE_PIXELS``),
        or a pixel type without a known range (32-bit).
    """
    from PIL import Image, ImageOps

    try:
        with open_plain(path) as file, Image.open(file, formats=FORMATS) as image:
            _check_size(image, Image.MAX_IMAGE_PIXELS)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_uint8(image)
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no picture {str(path)!r}; check the path") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged bytes
        raise DataError(f"the picture {str(path)!r} cannot be read: {_in_one_line(error)}") from error


def _check_size(image: Image, limit: int | None) -> None:
    # Pillow only warns up to twice its limit; a face picture has no business being there.
    if limit is not None and image.width * image.height > limit:
        raise ValueError(f"it has {image.width}x{image.height} pixels, more than the limit of {limit}; make it smaller")


def _to_uint8(image: Image) -> NDArray[np.uint8]:
    if image.mode in WIDE_GREY_MODES:
        return _narrow(np.asarray(image))
    if image.mode == "F":
        raise ValueError("its pixels are floating point numbers of unknown range; convert it to 8 bits")
    if image.mode == "1":
        return np.array(image.convert("L"))
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        return _grey_if_grey(_on_white(image), was_grey=image.mode in ("L", "LA", "La"), was_palette="P" in image.mode)
    if image.mode == "L":
        return np.array(image)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return _grey_if_grey(np.array(rgb), was_grey=False, was_palette=image.mode == "P")


def _narrow(pixels: NDArray) -> NDArray[np.uint8]:
    """Scale 16-bit grey to 8 bits: 65,535 / 257 = 255."""
    if pixels.min() < 0 or pixels.max() > 65_535:
        raise ValueError("its grey values lie outside 0..65535; convert it to 8 bits")
    return (pixels.astype(np.int64) // 257).astype(np.uint8)


def _on_white(image: Image) -> NDArray[np.uint8]:
    """Lay a picture on white: what lies under transparent pixels is arbitrary and would become a feature."""
    from PIL import Image as PillowImage

    rgba = image.convert("RGBA")
    page = PillowImage.new("RGBA", rgba.size, (255, 255, 255, 255))
    return np.array(PillowImage.alpha_composite(page, rgba).convert("RGB"))


def _grey_if_grey(rgb: NDArray[np.uint8], *, was_grey: bool, was_palette: bool) -> NDArray[np.uint8]:
    """Drop the copies of the channel where the file holds grey; RGB files stay RGB, whatever they show."""
    first = rgb[..., :1]
    if was_grey or (was_palette and bool((rgb == first).all())):
        return np.ascontiguousarray(rgb[..., 0])
    return rgb


def _in_one_line(error: Exception) -> str:
    text = in_few_words(error)
    return "it is not a picture in a known format" if "cannot identify image file" in text else text
