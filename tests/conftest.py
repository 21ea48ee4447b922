from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # for reference.py


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test reads or fills the user's cache, nor is moved by the user's environment."""
    import os

    for name in list(os.environ):
        if name.startswith("ACOFER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ACOFER_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of MobileNetV2, drawn at random."""
    keras = pytest.importorskip("keras")
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3)).save_weights(path)
    return path


@pytest.fixture
def shared_weights() -> Path:
    """The ImageNet weights that lie beside the checkout on some machines; they are not part of the project."""
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    path = Path(__file__).resolve().parents[2] / "shared" / "weights" / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the checkout")
    return path
