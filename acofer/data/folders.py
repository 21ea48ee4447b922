"""Pictures in folders: one folder a class, with or without train / validation / test above.

::

    faces/happy/001.png            faces/train/happy/001.png
    faces/sad/002.jpg              faces/test/sad/002.jpg

Everything is sorted by name, so that the same files give the same rows on any
machine. Hidden files and folders (their names begin with a dot) are ignored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acofer.data.pictures import FilePictures, picture_digest, read_picture
from acofer.errors import ConfigError, DataError, MissingFileError, nearest
from acofer.records import TEST, TRAIN, VALIDATION, ImageSet, Progress

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
PART_FOLDERS = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "publictest": VALIDATION,
    "public_test": VALIDATION,
    "test": TEST,
    "testing": TEST,
    "privatetest": TEST,
    "private_test": TEST,
}
"""What the folders above the classes may be called, in any case. The public test of FER2013 is its validation part."""
ON_BROKEN = ("error", "skip")
NOT_DATA = ("__macosx",)
NAMES_SHOWN = 10
MOST_CLASSES = 1_000
FILES_A_REPORT = 200


@dataclass
class _Findings:
    """Rows in their final order, and what has to be told about the rest."""

    paths: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    n_strangers: int = 0  # files whose extension is not a picture's
    n_outside: int = 0  # pictures that lie in no class folder
    n_deeper: int = 0  # folders inside a class folder


def read_folder(path: str | PathLike[str], *, on_broken: str = "error", progress: Progress | None = None) -> ImageSet:
    """Read labelled pictures from a folder.

    Parameters
    ----------
    path : path
        Holds one folder a class, or the folders of `PART_FOLDERS` and in each
        of them one folder a class. Pictures may have any size, grey or colour,
        and one of the `EXTENSIONS` in any case.
    on_broken : {"error", "skip"}
        Whether a picture that cannot be decoded is an error or is left out
        and named in `ImageSet.warnings`.
    progress : Progress, optional
        Called with the number of pictures decoded: each is decoded once here,
        to find broken ones and to take its digest.

    Returns
    -------
    ImageSet
        `pictures` decodes the files again whenever it is read, so that memory
        does not grow with the folder. Class names are sorted. `parts` is None
        where there are no part folders; without a validation folder it holds
        0 and 2 only.

    Raises
    ------
    MissingFileError
        Where there is no such folder.
    DataError
        Where there are no pictures, fewer than two classes or more than
        `MOST_CLASSES`, a class without pictures, one that train lacks, one
        whose name is no text, or a broken picture.
    ConfigError
        Where `on_broken` is another word.
    """
    if on_broken not in ON_BROKEN:
        raise ConfigError(f"on_broken must be 'error' or 'skip', but is {on_broken!r}; {nearest(on_broken, ON_BROKEN)}")
    root = Path(path)
    part_folders = _part_folders(root)
    class_names = _class_names(root, part_folders)
    found = _Findings()
    for part, folder in part_folders or [(TRAIN, root)]:
        _collect(found, folder, part, class_names)
    _count_outside(found, root, bool(part_folders))
    digests = _decode_all(found, root, on_broken, progress)
    labels, parts = np.array(found.labels, np.int16), np.array(found.parts, np.uint8)
    _check_classes(root, labels, parts, class_names, bool(part_folders))
    return ImageSet(
        name=root.resolve().name,
        pictures=FilePictures(found.paths, digests),
        labels=labels,
        class_names=class_names,
        parts=parts if part_folders else None,
        row_names=tuple(file.relative_to(root).as_posix() for file in found.paths),
        source=str(path),
        warnings=(*found.warnings, *_other_warnings(found, labels, parts, class_names)),
    )


def _part_folders(root: Path) -> list[tuple[int, Path]]:
    """Return the part folders, train first, or an empty list where the classes lie directly in the root."""
    folders = _subfolders(root)
    known = [(PART_FOLDERS[folder.name.lower()], folder) for folder in folders if folder.name.lower() in PART_FOLDERS]
    if not known:
        return []
    others = [folder.name for folder in folders if folder.name.lower() not in PART_FOLDERS]
    if others:
        raise DataError(
            f"{root} mixes part folders ({_listed(folder.name for _, folder in known)}) with others "
            f"({_listed(others)}); put every class folder inside a part folder"
        )
    if TRAIN not in {part for part, _ in known}:
        raise DataError(f"{root} has {_listed(folder.name for _, folder in known)} but no folder 'train'; add one")
    return sorted(known, key=lambda item: (item[0], item[1].name))


def _class_names(root: Path, part_folders: list[tuple[int, Path]]) -> tuple[str, ...]:
    """Return the sorted names of the classes; those of train decide."""
    tops = [folder for part, folder in part_folders if part == TRAIN] or [root]
    names = sorted({folder.name for top in tops for folder in _subfolders(top)})
    if len(names) < 2:
        raise DataError(
            f"{_listed(map(str, tops))} must hold one folder for each of at least two classes; "
            f"class folders found: {_listed(names) or 'none'}"
        )
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{_listed(map(str, tops))} holds {len(names):,} folders; expected at most {MOST_CLASSES:,} classes"
        )
    for name in names:
        _check_is_text(name)
    for part, folder in part_folders:
        for name in sorted({child.name for child in _subfolders(folder)} - set(names)):
            if part != TRAIN:
                raise DataError(f"the class {name!r} stands in {folder} but not in train; {nearest(name, names)}")
    return tuple(names)


def _check_is_text(name: str) -> None:
    """Refuse a class whose name no table, page or file could show: control characters, and bytes that are no text."""
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise DataError(f"the name of the class folder {name!a} must be text on one line; rename the folder")


def _collect(found: _Findings, folder: Path, part: int, class_names: tuple[str, ...]) -> None:
    """Add the pictures of one part, class by class."""
    for class_folder in _subfolders(folder):
        files = _entries(class_folder, folders=False)
        pictures = [file for file in files if file.suffix.lower() in EXTENSIONS]
        deeper = len(_subfolders(class_folder))
        if not pictures:
            hint = "its pictures must lie in it, not in folders below" if deeper else "add some or remove the folder"
            raise DataError(f"the class folder {class_folder} has no picture ({', '.join(EXTENSIONS)}); {hint}")
        found.paths += pictures
        found.labels += [class_names.index(class_folder.name)] * len(pictures)
        found.parts += [part] * len(pictures)
        found.n_strangers += len(files) - len(pictures)
        found.n_deeper += deeper


def _count_outside(found: _Findings, root: Path, has_parts: bool) -> None:
    for folder in [root, *(_subfolders(root) if has_parts else [])]:
        found.n_outside += sum(file.suffix.lower() in EXTENSIONS for file in _entries(folder, folders=False))


def _decode_all(found: _Findings, root: Path, on_broken: str, progress: Progress | None) -> NDArray[np.bytes_]:
    """Return the digests; drop broken pictures from `found`, or raise the first one's error."""
    digests, broken = [], set()
    for done, file in enumerate(found.paths, 1):
        try:
            digests.append(picture_digest(read_picture(file)))
        except (DataError, MissingFileError) as error:  # missing: a link that leads nowhere
            if on_broken == "error":
                raise DataError(
                    f"{error}; repair or remove it, or leave broken pictures out with --on-broken skip"
                ) from error
            broken.add(done - 1)
        if progress and (done % FILES_A_REPORT == 0 or done == len(found.paths)):
            progress(f"reading {root.name}", done, len(found.paths))
    if broken:
        names = [found.paths[row].relative_to(root).as_posix() for row in sorted(broken)]
        found.warnings.append(f"{len(broken):,} broken picture(s) left out: {_listed(names)}")
        whole = [row for row in range(len(found.paths)) if row not in broken]
        found.paths = [found.paths[row] for row in whole]
        found.labels = [found.labels[row] for row in whole]
        found.parts = [found.parts[row] for row in whole]
    return np.array(digests, dtype="S32")


def _check_classes(
    root: Path, labels: NDArray[np.int16], parts: NDArray[np.uint8], class_names: tuple[str, ...], has_parts: bool
) -> None:
    """Every class needs a picture to learn from, also after broken ones were left out."""
    counts = np.bincount(labels[parts == TRAIN], minlength=len(class_names))
    empty = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if empty:
        where = "in train" if has_parts else f"in {root}"
        raise DataError(f"no readable picture {where} for the class {_listed(empty)}; every class needs some")


def _other_warnings(
    found: _Findings, labels: NDArray[np.int16], parts: NDArray[np.uint8], class_names: tuple[str, ...]
) -> list[str]:
    warnings = []
    if found.n_strangers:
        warnings.append(f"{found.n_strangers:,} file(s) ignored whose extension is none of {', '.join(EXTENSIONS)}")
    if found.n_outside:
        warnings.append(f"{found.n_outside:,} picture(s) ignored that lie in no class folder")
    if found.n_deeper:
        warnings.append(f"{found.n_deeper:,} folder(s) ignored that lie inside class folders")
    for part, name in ((VALIDATION, "validation"), (TEST, "test")):
        seen = set(labels[parts == part].tolist())
        absent = [class_name for label, class_name in enumerate(class_names) if seen and label not in seen]
        if absent:
            warnings.append(f"the {name} part has no picture of {_listed(absent)}")
    return warnings


def _subfolders(folder: Path) -> list[Path]:
    return [child for child in _entries(folder, folders=True) if child.name.lower() not in NOT_DATA]


def _entries(folder: Path, *, folders: bool) -> list[Path]:
    """Return the visible folders or files of a folder, sorted by name."""
    try:
        children = [child for child in folder.iterdir() if not child.name.startswith(".")]
        wanted = [child for child in children if child.is_dir() == folders]
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no folder {str(folder)!r}; check the path") from error
    except OSError as error:
        raise DataError(f"the folder {str(folder)!r} cannot be read: {error}") from error
    return sorted(wanted, key=lambda child: child.name)


def _listed(names: Iterable[str]) -> str:
    words = list(names)
    more = len(words) - NAMES_SHOWN
    return ", ".join(words[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
