"""One door to every data set: the embedded one, a folder, or FER2013's file."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from acofer.errors import ConfigError, DataError, MissingFileError, nearest
from acofer.records import ImageSet, Progress

NAMED = ("demo",)
CSV_ENDINGS = (".csv", ".csv.gz", ".zip")


def load_faces(
    source: str | PathLike[str] = "demo",
    *,
    ferplus: str | PathLike[str] | None = None,
    on_broken: str = "error",
    progress: Progress | None = None,
) -> ImageSet:
    """Load labelled face pictures.

    Parameters
    ----------
    source : str or path
        ``"demo"``, the embedded data set of drawn faces (a folder of that
        name is ``"./demo"``); a folder, read by `read_folder`; or a file that
        ends in .csv, .csv.gz or .zip, read by `read_fer2013`.
    ferplus : path, optional
        The votes of FER+, for FER2013 only.
    on_broken : {"error", "skip"}
        What to do with a picture in a folder that cannot be decoded.
    progress : Progress, optional
        Called as ``progress(stage, done, total)``.

    Returns
    -------
    ImageSet

    Raises
    ------
    MissingFileError
        Where `source` is neither a known name nor an existing path.
    DataError
        Where the data is not as it should be, or the file is of another kind.
    ConfigError
        Where `ferplus` is given for anything but FER2013.
    """
    name = fspath(source)
    path = Path(name)
    is_table = name not in NAMED and not path.is_dir() and name.lower().endswith(CSV_ENDINGS)
    if ferplus is not None and not is_table:
        raise ConfigError(f"FER+ votes label FER2013 only, but the data is {name!r}; leave them out")
    if name == "demo":
        from acofer.data.demo import load_demo

        return load_demo()
    if path.is_dir():
        from acofer.data.folders import read_folder

        return read_folder(path, on_broken=on_broken, progress=progress)
    if is_table:
        from acofer.data.fer2013 import read_fer2013

        return read_fer2013(path, ferplus=ferplus, progress=progress)
    raise _unknown(name, path)


def _unknown(name: str, path: Path) -> DataError | MissingFileError:
    if path.exists():
        return DataError(
            f"the data {name!r} is a file of an unknown kind; expected 'demo', a folder of class folders, "
            f"or FER2013 as {', '.join(CSV_ENDINGS)}"
        )
    hint = nearest(name, NAMED)
    return MissingFileError(
        f"there is no data {name!r}; expected 'demo', a folder, or FER2013 as a .csv, .csv.gz or .zip file; {hint}"
    )
