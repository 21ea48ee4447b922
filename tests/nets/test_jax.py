"""The networks on the other backends of Keras, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_nets import build, faces, settle

keras = pytest.importorskip("keras")

# What the other process does with the folder it is given; argv: the folder of this file, that folder, networks.
ELSEWHERE = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import keras
import numpy as np
from small_nets import build, faces, moved, values

folder = Path(sys.argv[2])
for name in sys.argv[3:]:
    pixels = np.load(folder / f"{name}.npy")
    net = build(name)
    net.jit_compile = keras.backend.backend() == "jax"
    loaded = keras.saving.load_model(folder / f"{name}.keras", compile=False, safe_mode=True)
    net.set_weights(loaded.get_weights())
    np.save(folder / f"{name}.npy", net.predict_on_batch(pixels))
    if name in ("small-cnn", "mobilenet-skip-mha"):
        before, frozen = values(net.trainable_weights), values(net.non_trainable_weights)
        net.compile("adam", "categorical_crossentropy", jit_compile=net.jit_compile)
        net.train_on_batch(pixels, np.eye(7)[np.arange(len(pixels)) % 7])
        assert "predictions/kernel" in moved(before, net.trainable_weights)
        assert not moved(frozen, net.non_trainable_weights)
print(keras.backend.backend())
"""


FEW = ("separable-attention", "small-cnn")
KINDS = (*FEW, "mobilenet-skip-mha", "hybrid")
"""Networks in which every layer of the nine stands; the others are parts of these."""


@pytest.mark.parametrize("kinds", [FEW, pytest.param(KINDS, marks=pytest.mark.nightly)], ids=["few", "all"])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_builds_trains_and_predicts_the_same(
    backend: str, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    """The same up to a thousandth of what pictures differ by: float32 sums run in another order there."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    expected = {}
    for name in kinds:
        pixels = faces(name, n=4)
        net = settle(build(name), faces(name))
        net.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", pixels)
        expected[name] = net.predict_on_batch(pixels)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), str(tmp_path), *kinds],
        # Most of the time goes into compiling, for one picture or two; unoptimised it is half as long.
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": "--xla_backend_optimization_level=0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == backend
    for name, outputs in expected.items():
        tolerance = 1e-3 * outputs.std(axis=0).max()
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), outputs, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.nightly
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_going_on_gives_the_same_there(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    tests = str(Path(__file__).with_name("test_training.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "going_on or compiled", tests],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
