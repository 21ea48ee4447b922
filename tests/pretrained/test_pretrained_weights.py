from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from acofer.errors import ConfigError, DataError, MissingFileError, StoreError
from acofer.pretrained import weights as module
from acofer.pretrained.weights import ARCHITECTURES, architecture, check_hdf5, download_imagenet, resolve_weights

h5py = pytest.importorskip("h5py")


def write_hdf5(path: Path, libver: str = "earliest") -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        file["numbers"] = np.arange(5000.0)
    return path


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that MobileNetV2's file is downloaded from."""
    folder = tmp_path / "web"
    folder.mkdir()
    net = dataclasses.replace(ARCHITECTURES["mobilenetv2"], address=folder.as_uri() + "/")
    monkeypatch.setitem(module.ARCHITECTURES, "mobilenetv2", net)
    return folder


class AskedError(Exception):
    pass


@pytest.mark.parametrize(
    ("name", "size"),
    [("mobilenetv2", 48), ("mobilenetv2", 96), ("mobilenet", 96), ("mobilenet", 128), ("efficientnetb0", 48)],
)
def test_imagenet_means_the_file_that_keras_takes(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    from keras.src.utils import file_utils

    def get_file(file_name: str, url: str, **_: object) -> str:
        raise AskedError(file_name, url)

    monkeypatch.setattr(file_utils, "get_file", get_file)
    net = architecture(name)
    build = getattr(keras.applications, net.application)
    with pytest.raises(AskedError) as asked:
        build(weights="imagenet", include_top=False, input_shape=(size, size, 3))
    assert asked.value.args == (net.imagenet_file(size), net.address + net.imagenet_file(size))


def test_scaling_is_that_of_keras() -> None:
    keras = pytest.importorskip("keras")
    modules = {"mobilenetv2": "mobilenet_v2", "mobilenet": "mobilenet", "efficientnetb0": "efficientnet"}
    pixels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    for name, net in ARCHITECTURES.items():
        expected = getattr(keras.applications, modules[name]).preprocess_input(pixels.copy())
        np.testing.assert_allclose(pixels * net.scale + net.offset, expected, atol=1e-6)


def test_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mobilenetv2'"):
        resolve_weights("random", "mobilnetv2", 48)


def test_random_weights_are_labelled() -> None:
    weights = resolve_weights("random", "mobilenet", 48, seed=3)
    assert (weights.kind, weights.digest, weights.path) == ("random", "random-seed3", None)
    assert "not trained" in weights.label
    with pytest.raises(ConfigError, match="0 or more"):
        resolve_weights("random", "mobilenet", 48, seed=-1)


def test_file_is_known_by_its_bytes_and_not_by_its_folder(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "mine.h5")
    weights = resolve_weights(path, "mobilenetv2", 48)
    assert weights.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.kind == "file"
    assert str(tmp_path) not in weights.label


def test_imagenet_without_and_with_the_file(keras_home: Path) -> None:
    absent = resolve_weights("imagenet", "mobilenetv2", 48)
    assert absent.digest is None
    assert absent.path is not None
    absent.path.parent.mkdir(parents=True)
    write_hdf5(absent.path)
    assert resolve_weights("imagenet", "mobilenetv2", 48).digest == hashlib.sha256(absent.path.read_bytes()).hexdigest()
    assert resolve_weights("imagenet", "mobilenetv2", 96).digest is None, "96 has a file of its own"


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_cut_file_is_noticed(tmp_path: Path, libver: str) -> None:
    path = write_hdf5(tmp_path / "mine.h5", libver)
    check_hdf5(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="cut short"):
        resolve_weights(path, "mobilenetv2", 48)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04" + bytes(100)])
def test_file_that_is_no_weights_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match="are not a weights file"):
        resolve_weights(path, "mobilenetv2", 48)


def test_other_wrong_weights(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"HDF5, ending in \.h5"):
        resolve_weights(tmp_path / "notes.txt", "mobilenetv2", 48)
    with pytest.raises(MissingFileError, match="is a folder"):
        resolve_weights(tmp_path, "mobilenetv2", 48)
    with pytest.raises(MissingFileError, match="no such file"):
        resolve_weights(tmp_path / "none.h5", "mobilenetv2", 48)
    with pytest.raises(MissingFileError, match="did you mean 'imagenet'"):
        resolve_weights("imagnet", "mobilenetv2", 48)


def test_download_lands_where_keras_keeps_it(keras_home: Path, address: Path) -> None:
    name = architecture("mobilenetv2").imagenet_file(48)
    write_hdf5(address / name)
    told: list[tuple[str, int, int]] = []
    weights = download_imagenet("mobilenetv2", 48, lambda *event: told.append(event))
    assert weights.path == keras_home / "models" / name
    assert weights.digest == hashlib.sha256((address / name).read_bytes()).hexdigest()
    assert [entry.name for entry in weights.path.parent.iterdir()] == [name]
    size = weights.path.stat().st_size
    assert told[-1] == ("downloading weights", size, size)


@pytest.mark.parametrize("content", [None, b"<html>please log in</html>"])
def test_failed_download_says_what_to_bring(keras_home: Path, address: Path, content: bytes | None) -> None:
    name = architecture("mobilenetv2").imagenet_file(48)
    if content is not None:
        (address / name).write_bytes(content)
    with pytest.raises(MissingFileError, match="--weights PATH") as caught:
        download_imagenet("mobilenetv2", 48)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((keras_home / "models").iterdir()) == []


def test_keras_folder_that_cannot_be_written(tmp_path: Path, address: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").write_text("a file, not a folder")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "plain"))
    with pytest.raises(StoreError, match="KERAS_HOME"):
        download_imagenet("mobilenetv2", 48)
