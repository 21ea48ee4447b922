from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acofer.data.pictures import ArrayPictures
from acofer.errors import ConfigError, DataError, MissingExtraError, MissingFileError, StoreError
from acofer.features import backbone, shipped, weights
from acofer.features.cache import Store
from acofer.features.embed import embed
from acofer.records import Embeddings, ImageSet

pytest.importorskip("keras")
Maker = Callable[..., ImageSet]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def small(make_images: Maker, store: Store) -> Embeddings:
    """Seven pictures embedded once, in batches of three."""
    return embed(make_images(), image_size=32, weights="random", batch_size=3, store=store)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a network was loaded")


def test_embeddings_say_where_they_come_from(make_images: Maker, small: Embeddings) -> None:
    assert small.values.shape == (7, 1280)
    assert small.values.dtype == np.float16
    assert not small.values.flags.writeable
    assert small.feature_names[17] == "out_relu/c0017/r0c0"
    about = small.about
    assert about["pictures_digest"] == make_images().digest
    assert (about["backbone"], about["image_size"], about["pooling"]) == ("mobilenetv2", 32, "flatten")
    assert (about["weights_digest"], about["preprocessing"]) == ("random-seed0", backbone.PREPROCESSING)
    assert "not trained" in about["weights"]
    assert about["pictures_per_second"] == pytest.approx(7 / about["seconds"], rel=0.2)
    assert {"keras", "acofer", "created", "layers"} <= about.keys() | about["versions"].keys()


def test_rows_are_those_of_the_pictures(make_images: Maker, small: Embeddings) -> None:
    """Batches neither mix nor lose rows."""
    net = backbone.load_backbone("mobilenetv2", 32, weights.resolve_weights("random", "mobilenetv2", 32))
    images = make_images()
    one_by_one = [net.features(images.pictures.read(np.array([row])))[0] for row in range(7)]
    np.testing.assert_allclose(small.values, one_by_one, rtol=2e-3, atol=1e-4)
    assert len(np.unique(small.values, axis=0)) == 7


def test_hit_loads_no_network(
    make_images: Maker, small: Embeddings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "load_backbone", refuse)
    again = embed(make_images(), image_size=32, weights="random", batch_size=7, store=store)
    np.testing.assert_array_equal(again.values, small.values)
    assert (again.key, again.about, again.feature_names) == (small.key, small.about, small.feature_names)


def test_hit_needs_no_tensorflow(small: Embeddings, store: Store) -> None:
    code = f"""
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None   # not installed
import numpy as np
from acofer.data.pictures import ArrayPictures
from acofer.features.cache import Store
from acofer.features.embed import embed
from acofer.records import ImageSet
pixels = np.random.default_rng(0).integers(0, 256, (7, 32, 32), dtype=np.uint8)
images = ImageSet("small", ArrayPictures(pixels), np.zeros(7, np.int16), ("one",), None, range(7), "memory")
print(embed(images, image_size=32, weights="random", store=Store({str(store.folder)!r})).key)
loaded = {{name for name, module in sys.modules.items() if module is not None}}
heavy = loaded & {{"keras", "tensorflow", "sklearn", "imblearn", "PIL", "matplotlib"}}
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == small.key


def test_every_choice_has_a_key_of_its_own(
    make_images: Maker, small: Embeddings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A choice that did not reach the key would hand out the embeddings of another one."""
    monkeypatch.setattr(backbone, "load_backbone", refuse)
    embed(make_images(), image_size=32, weights="random", store=store)
    others = [
        (make_images(seed=1), {}),
        (make_images(n=6), {}),
        (make_images(), {"image_size": 33}),
        (make_images(), {"pooling": "avg"}),
        (make_images(), {"seed": 1}),
        (make_images(), {"backbone": "mobilenet"}),
    ]
    for images, choice in others:
        with pytest.raises(AssertionError, match="a network was loaded"):
            embed(images, **({"image_size": 32, "weights": "random", "store": store} | choice))
    assert [line.key for line in store.entries() if not line.shipped] == [small.key], "a failure leaves nothing"


def test_labels_do_not_matter(
    make_images: Maker, small: Embeddings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "load_backbone", refuse)
    other = dataclasses.replace(make_images(), labels=np.ones(7, np.int16), class_names=("a", "b"), name="other")
    assert embed(other, image_size=32, weights="random", store=store).key == small.key


def test_damaged_entry_is_computed_again_and_said(make_images: Maker, tmp_path: Path) -> None:
    store, images = Store(tmp_path), make_images(n=2)
    first = embed(images, image_size=32, pooling="max", weights="random", store=store)
    expected = np.array(first.values)
    path = tmp_path / first.key / "values.npy"
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 255
    path.write_bytes(raw)
    events: list[tuple[str, int, int]] = []
    with pytest.warns(UserWarning, match="damaged"):
        again = embed(
            images, image_size=32, pooling="max", weights="random", store=store, progress=lambda *e: events.append(e)
        )
    np.testing.assert_array_equal(again.values, expected)
    assert events == [("embedding", 2, 2)]


def test_weights_file_is_part_of_the_key(make_images: Maker, weights_file: Path, tmp_path: Path) -> None:
    made = embed(make_images(n=2), image_size=32, pooling="avg", weights=weights_file, store=Store(tmp_path))
    assert made.about["weights_digest"] == weights.resolve_weights(weights_file, "mobilenetv2", 32).digest
    assert str(weights_file.parent) not in str(made.about)


def test_imagenet_takes_the_shipped_entry_first(
    make_images: Maker, small: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path / "shipped")
    monkeypatch.setattr(backbone, "load_backbone", refuse)
    shipped.write_shipped(small.values, small.about | {"stands_for": "imagenet"}, tmp_path / "shipped")
    made = embed(make_images(), image_size=32, weights="imagenet", store=Store(tmp_path / "none"))
    np.testing.assert_array_equal(made.values, small.values)
    assert made.about["weights_digest"] == "random-seed0", "the digest is that of the weights really used"
    assert not (tmp_path / "none").exists()


@pytest.fixture
def out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    net = dataclasses.replace(weights.ARCHITECTURES["mobilenetv2"], address=(tmp_path / "none").as_uri() + "/")
    monkeypatch.setitem(weights.ARCHITECTURES, "mobilenetv2", net)


@pytest.mark.usefixtures("out_of_reach")
def test_imagenet_out_of_reach(make_images: Maker, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"224_no_top\.h5 .* --weights PATH"):
        embed(make_images(), store=Store(tmp_path / "store"))


@pytest.mark.usefixtures("out_of_reach")
def test_nothing_is_downloaded_for_a_keras_that_is_absent(
    make_images: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match="embedding pictures needs TensorFlow"):
        embed(make_images(), store=Store(tmp_path / "store"))


def test_unwritable_store_is_noticed_before_the_work(
    make_images: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "load_backbone", refuse)
    (tmp_path / "plain").write_text("a file, not a folder")
    with pytest.raises(StoreError, match="--cache-dir"):
        embed(make_images(), weights="random", store=Store(tmp_path / "plain"))


def test_bad_input(make_images: Maker, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(DataError, match="no pictures"):
        embed(
            dataclasses.replace(
                make_images(), pictures=ArrayPictures(np.empty((0, 8, 8), np.uint8)), labels=np.empty(0, np.int16)
            ),
            store=store,
        )
    with pytest.raises(ConfigError, match="batch size"):
        embed(make_images(), batch_size=0, store=store)
    with pytest.raises(ConfigError, match="did you mean 'mobilenet"):
        embed(make_images(), backbone="mobilenetv3", store=store)
    with pytest.raises(ConfigError, match="from 32 up"):
        embed(make_images(), image_size=16, store=store)
