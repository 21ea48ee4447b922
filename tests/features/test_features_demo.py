"""The embeddings that ship with the package, and the command that makes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acofer.data.demo import load_demo
from acofer.features import backbone, fill_demo, shipped
from acofer.features.cache import Store
from acofer.features.embed import embed
from acofer.pretrained.weights import resolve_weights
from acofer.records import ImageSet

BUDGET = 16e6


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(backbone, "load_backbone", refuse)


@pytest.mark.usefixtures("unreachable")
def test_embedded_pictures_are_a_hit_without_any_file(tmp_path: Path) -> None:
    start = time.perf_counter()
    made = embed(load_demo(), store=Store(tmp_path / "none"))
    assert time.perf_counter() - start < 5, "it takes .3 s; the rest is room for a busy machine"
    assert made.values.shape == (3500, 5120)
    assert made.about["stands_for"] == "imagenet"
    assert made.key == shipped.shipped_places()[0].name == "c391c3477e0c5d09b960a69ed73f5718"
    assert (made.feature_names[0], made.feature_names[-1]) == ("out_relu/c0000/r0c0", "out_relu/c1279/r1c1")
    assert made.about["layers"] == [{"name": "out_relu", "shape": [2, 2, 1280], "rows": 2, "columns": 2}]
    assert made.about["preprocessing"] == backbone.PREPROCESSING
    assert not (tmp_path / "none").exists()


def test_pictures_and_embeddings_keep_to_the_budget() -> None:
    embedded = shipped.SHIPPED_FOLDER.parent
    assert sum(path.stat().st_size for path in embedded.rglob("*") if path.is_file()) <= BUDGET
    assert len(shipped.shipped_places()) == 1


def test_sample_is_what_the_network_gives(shared_weights: Path) -> None:
    pytest.importorskip("keras")
    images = load_demo()
    rows = np.sort(np.random.default_rng(0).choice(len(images), 32, replace=False))
    weights = resolve_weights(shared_weights, "mobilenetv2", 48)
    kept = embed(images)
    assert kept.about["weights_digest"] == weights.digest
    net = backbone.load_backbone("mobilenetv2", 48, weights)
    assert net.feature_names == kept.feature_names
    made = net.features(images.pictures.read(rows)).astype(np.float32)
    # One rounding of float16, and what other orders of the same sums may add before it.
    np.testing.assert_allclose(made, kept.values[rows].astype(np.float32), rtol=2**-10, atol=5e-4)


def test_making_them_leaves_one_entry(make_images: Callable[..., ImageSet], weights_file: Path, tmp_path: Path) -> None:
    images = make_images(n=2)
    (tmp_path / ("a" * 32)).mkdir()
    place = fill_demo.fill(images, weights_file, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [place.name]
    about = shipped.read_about(place, place.name)
    assert (about["stands_for"], about["pictures_digest"]) == ("imagenet", images.digest)
    assert str(weights_file.parent) not in str(about)


def test_command_without_its_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert fill_demo.main(["--weights", str(tmp_path / "none.h5"), "--out", str(tmp_path / "out")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
