"""Which weights a network gets, and their digest, found without loading Keras.

``"imagenet"`` means the file that Keras itself would take, from Keras' own
folder (``$KERAS_HOME/models`` or ``~/.keras/models``). For MobileNet and
MobileNetV2 Keras keeps one file for each input size it was trained at and
takes the one of 224 for every other size: at 48 the file of 224, at 96 the
file of 96. The digest of the file is part of every key, so a change of size
never mixes the weights of two files unseen.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from acofer.errors import ConfigError, DataError, MissingFileError, StoreError, nearest

if TYPE_CHECKING:  # records bring numpy, without which the doctor, too, asks where weights lie
    from acofer.records import Progress

KEYWORDS = ("imagenet", "random")
KERAS_SETTINGS = "keras.json"
SUFFIXES = (".h5", ".hdf5")
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Where the superblock keeps the address of the file's end, by version, for
# addresses of 8 bytes (HDF5 File Format Specification 3.0, II.A).
HDF5_END_ADDRESS = {0: 40, 1: 44, 2: 28, 3: 28}


@dataclass(frozen=True)
class Architecture:
    """A network of `keras.applications`, and what acofer must know about it before Keras is loaded.

    Attributes
    ----------
    name : str
        Its name in acofer.
    application : str
        Its name in `keras.applications`.
    layer : str
        The layer whose output is taken: the last one without the classifier.
    scale, offset : float
        ``pixel * scale + offset`` is what Keras' ``preprocess_input`` does.
    file_name : str
        Keras' weights file without classifier; ``{rows}`` is the input size.
    trained_rows : tuple of int
        The input sizes that have a file of their own; 224 stands for all others.
    address : str
        The folder on the web that Keras downloads the file from.
    minimum_size : int
        The smallest input, in pixels a side.
    """

    name: str
    application: str
    layer: str
    scale: float
    offset: float
    file_name: str
    trained_rows: tuple[int, ...]
    address: str
    minimum_size: int = 32

    @property
    def imagenet_files(self) -> dict[int, str]:
        """Keras' ImageNet files by the input size that they were trained at; the first, of 224, serves all others."""
        return {rows: self.imagenet_file(rows) for rows in (224, *sorted(set(self.trained_rows) - {224}))}

    def imagenet_file(self, image_size: int) -> str:
        """Return the name of Keras' ImageNet file for this input size (the rule of `keras.applications`)."""
        return self.file_name.format(rows=image_size if image_size in self.trained_rows else 224)


# From keras/src/applications/{mobilenet_v2,mobilenet,efficientnet,imagenet_utils}.py of Keras 3.15.
ARCHITECTURES = {
    "mobilenetv2": Architecture(
        "mobilenetv2",
        "MobileNetV2",
        "out_relu",
        1 / 127.5,
        -1.0,
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{rows}_no_top.h5",
        (96, 128, 160, 192, 224),
        "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/",
    ),
    "efficientnetb0": Architecture(
        "efficientnetb0",
        "EfficientNetB0",
        "top_activation",
        1.0,
        0.0,
        "efficientnetb0_notop.h5",
        (),
        "https://storage.googleapis.com/keras-applications/",
    ),
    "mobilenet": Architecture(
        "mobilenet",
        "MobileNet",
        "conv_pw_13_relu",
        1 / 127.5,
        -1.0,
        "mobilenet_1_0_{rows}_tf_no_top.h5",
        (128, 160, 192, 224),
        "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/",
    ),
}


def architecture(name: str) -> Architecture:
    """Return the architecture of this name.

    Raises
    ------
    ConfigError
        Where the name is unknown; it names the nearest one.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ConfigError(f"backbone {name!r} is unknown; {nearest(str(name), ARCHITECTURES)}")
    return ARCHITECTURES[name]


@dataclass(frozen=True)
class Weights:
    """The weights of a network.

    Attributes
    ----------
    kind : str
        ``"imagenet"``, ``"random"`` or ``"file"``.
    path : Path or None
        The file; None where the weights are random.
    digest : str or None
        SHA-256 of the file, or ``"random-seed<seed>"``. None where the
        ImageNet file is still to be downloaded.
    label : str
        What tables call them; it holds the file's name, never its folder.
    seed : int
        Seed of random weights.
    """

    kind: Literal["imagenet", "random", "file"]
    path: Path | None
    digest: str | None
    label: str
    seed: int = 0


def resolve_weights(spec: str | os.PathLike[str], backbone: str, image_size: int, seed: int = 0) -> Weights:
    """Find out which weights are meant, without loading Keras and without downloading.

    Parameters
    ----------
    spec : str or path
        ``"imagenet"``, ``"random"``, or the path of a Keras weights file.
    backbone : str
        Name of the network, see `ARCHITECTURES`.
    image_size : int
        Input size in pixels a side; chooses the ImageNet file.
    seed : int
        Seed of random weights.

    Returns
    -------
    Weights
        With digest None where the ImageNet file has not been downloaded yet.

    Raises
    ------
    ConfigError
        Where the backbone is unknown, or the seed is negative.
    MissingFileError
        Where the file does not exist.
    DataError
        Where the file is not a whole HDF5 weights file.
    """
    net = architecture(backbone)
    if spec == "random":
        if seed < 0:
            raise ConfigError(f"the seed of random weights must be 0 or more, but came as {seed}")
        return Weights("random", None, f"random-seed{seed}", f"random (seed {seed}, not trained)", seed)
    if spec == "imagenet":
        path = keras_models_folder() / net.imagenet_file(image_size)
        digest = _digest_of_file(path) if path.is_file() else None
        return Weights("imagenet", path, digest, f"imagenet ({path.name})")
    path = Path(spec).expanduser()
    _check_exists(path)
    return Weights("file", path, _digest_of_file(path), f"file ({path.name})")


def keras_models_folder() -> Path:
    """Return the folder in which Keras keeps downloaded weights."""
    return keras_home() / "models"


def keras_home() -> Path:
    """Return Keras' own folder, in which its settings lie, too (`KERAS_SETTINGS`)."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def download_imagenet(backbone: str, image_size: int, progress: Progress | None = None) -> Weights:
    """Download the ImageNet file to where Keras keeps it, once.

    Keras' own download writes straight to the final name and prints. This one
    arrives beside and is renamed when whole, so that a cut line or a second
    process never leaves half a file; Keras finds and uses the same file.

    Raises
    ------
    MissingFileError
        Where the download fails; it says which file to bring, and how.
    StoreError
        Where Keras' folder cannot be written.
    """
    net = architecture(backbone)
    path = keras_models_folder() / net.imagenet_file(image_size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            arriving = Path(folder) / path.name
            _download(net.address + path.name, arriving, path, progress)
            arriving.replace(path)
    except MissingFileError:
        raise
    except OSError as error:
        raise StoreError(
            f"the ImageNet weights cannot be kept in {path.parent} ({error.strerror or error}); "
            "set KERAS_HOME to a folder that can be written, or name a weights file with --weights PATH"
        ) from error
    return resolve_weights("imagenet", backbone, image_size)


def _download(url: str, arriving: Path, place: Path, progress: Progress | None) -> None:
    """Bring `url` to the file `arriving` and check that it is whole."""
    try:
        # The address is a constant of the table above.
        with urllib.request.urlopen(url, timeout=30) as source, arriving.open("wb") as target:  # noqa: S310
            _copy(source, target, int(source.headers.get("Content-Length") or 0), progress)
        check_hdf5(arriving)
    except (OSError, DataError) as error:
        if isinstance(error, OSError) and error.filename == str(arriving):
            raise
        reason = getattr(error, "reason", None) or error
        raise MissingFileError(
            f"the ImageNet weights {place.name} are not in {place.parent} and cannot be downloaded from {url} "
            f"({reason}); bring the file and name it with --weights PATH, or put it there"
        ) from error


def _copy(source: BinaryIO, target: BinaryIO, total: int, progress: Progress | None) -> None:
    done = 0
    while block := source.read(1 << 20):
        target.write(block)
        done += len(block)
        if progress is not None:
            progress("downloading weights", done, max(total, done))


def _check_exists(path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        raise MissingFileError(f"weights {str(path)!r} is a folder; name the Keras weights file (.h5) inside it")
    bare_word = path.name == str(path) and not path.suffix
    hint = nearest(str(path), KEYWORDS) if bare_word else "check the path"
    raise MissingFileError(
        f"weights {str(path)!r}: there is no such file; expected a Keras weights file, 'imagenet' or 'random' ({hint})"
    )


def _digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a weights file, which must be a whole HDF5 file."""
    check_hdf5(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_hdf5(path: Path) -> None:
    """Check that a file is HDF5, as Keras writes it, and is not cut short.

    Raises
    ------
    DataError
        Where it is not.
    StoreError
        Where it cannot be read.
    """
    expected = "expected a Keras weights file (HDF5, ending in .h5 or .hdf5)"
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"weights {str(path)!r} do not look like a weights file: {expected}")
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise StoreError(
            f"the weights {str(path)!r} cannot be read ({error.strerror}); check its permissions"
        ) from error
    if not head.startswith(HDF5_SIGNATURE):
        raise DataError(f"weights {str(path)!r} are not a weights file: {expected}; bring another file")
    place = HDF5_END_ADDRESS.get(head[8]) if len(head) == 64 else None
    if place is None or size < struct.unpack_from("<Q", head, place)[0]:
        raise DataError(f"the weights file {str(path)!r} is cut short at {size:,} bytes; delete it and bring it again")
