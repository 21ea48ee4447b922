from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from acofer.data.pictures import ArrayPictures
from acofer.errors import ConfigError, DataError, MissingExtraError, MissingFileError, StoreError
from acofer.features import backbone, entry, shipped
from acofer.features.bank import Bank
from acofer.features.cache import Store, Writer
from acofer.features.embed import embed
from acofer.pretrained import weights
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
        (make_images(), {"layers": "block_13_expand_relu"}),
        (make_images(), {"layers": "out_relu"}),
        (make_images(), {"pooling": "grid:2"}),
        (make_images(), {"pooling": "maxgrid:2"}),
        (make_images(), {"mirror": "average"}),
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


LAYERS = ["block_6_expand_relu", "block_10_expand_relu", "block_13_expand_relu"]
BANK = {"image_size": 32, "weights": "random", "layers": "bank"}


@pytest.fixture(scope="module")
def bank(make_images: Maker, store: Store) -> Embeddings:
    return embed(make_images(), batch_size=3, store=store, **BANK)


def test_a_bank_is_its_layers_side_by_side(make_images: Maker, bank: Embeddings, store: Store) -> None:
    assert isinstance(bank.values, Bank)
    assert bank.values.shape == (7, 9 * 192 + 4 * 384 + 4 * 576) == (7, len(set(bank.feature_names)))
    alone = [embed(make_images(), store=store, **BANK | {"layers": name}) for name in LAYERS]
    assert all(isinstance(one.values, np.memmap) for one in alone)
    np.testing.assert_array_equal(bank.values[:], np.concatenate([one.values for one in alone], axis=1))
    assert bank.feature_names == tuple(name for one in alone for name in one.feature_names)
    net = backbone.load_backbone(
        "mobilenetv2", 32, weights.resolve_weights("random", "mobilenetv2", 32), "grid:3", layers="bank"
    )
    assert net.feature_names == bank.feature_names
    made = net.features(make_images().pictures.read(np.arange(7)))
    np.testing.assert_allclose(bank.values[:], made, rtol=2e-3, atol=1e-3)


def test_a_bank_says_where_it_comes_from(bank: Embeddings, make_images: Maker, store: Store) -> None:
    about = bank.about
    assert (about["pooling"], about["shape"], about["key"]) == ("grid:3", [7, 5568], bank.key)
    assert about["layers"] == [
        {"name": "block_6_expand_relu", "shape": [3, 3, 192], "rows": 4, "columns": 4},
        {"name": "block_10_expand_relu", "shape": [2, 2, 384], "rows": 2, "columns": 2},
        {"name": "block_13_expand_relu", "shape": [2, 2, 576], "rows": 2, "columns": 2},
    ]
    assert not {"layer", "mirror", "computed_together", "stands_for"} & about.keys()
    alone = embed(make_images(), store=store, **BANK | {"layers": LAYERS[1]})
    assert about["seconds"] == alone.about["seconds"], "one pass, counted once"
    assert alone.about["computed_together"] == LAYERS
    assert about.keys() - alone.about.keys() == set()
    assert bank.key not in {alone.key, entry.key_of(about)}


def test_layers_that_are_there_are_not_computed_again(
    make_images: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, images, loaded = Store(tmp_path), make_images(n=2), []
    load = backbone.load_backbone
    monkeypatch.setattr(
        backbone, "load_backbone", lambda *a, **k: loaded.append(k["layers"]) or load(*a, **k)  # type: ignore[func-returns-value]
    )  # fmt: skip
    embed(images, store=store, **BANK | {"layers": LAYERS[1]})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("values.npy")}
    events: list[tuple[str, int, int]] = []
    first = embed(images, store=store, progress=lambda *event: events.append(event), **BANK)
    assert loaded == [LAYERS[1], f"{LAYERS[0]},{LAYERS[2]}"]
    assert events == [("embedding", 2, 2)], "one pass for all that is missing"
    again = embed(images, store=store, **BANK)
    assert len(loaded) == 2
    assert (again.key, again.feature_names) == (first.key, first.feature_names)
    assert len(list(tmp_path.iterdir())) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    passes = {embed(images, store=store, **BANK | {"layers": name}).about["seconds"] for name in LAYERS}
    assert again.about["seconds"] == pytest.approx(sum(passes), abs=2e-3)


def test_one_damaged_layer_is_computed_again(make_images: Maker, tmp_path: Path) -> None:
    store, images = Store(tmp_path), make_images(n=2)
    first = embed(images, store=store, **BANK)
    expected = first.values[:]
    damaged = embed(images, store=store, **BANK | {"layers": LAYERS[2]}).key
    path = tmp_path / damaged / "values.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.warns(UserWarning, match=f"embeddings {damaged[:8]} .* damaged"):
        again = embed(images, store=store, **BANK)
    np.testing.assert_allclose(again.values[:], expected, rtol=2e-3, atol=1e-4)
    assert again.key == first.key


def test_a_failure_leaves_no_layer(make_images: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three entries finds the disk full when it is completed: none of them is placed."""
    complete, done = Writer.complete, []

    def fill_up(self: Writer, about: dict[str, object]) -> None:
        done.append(self)
        if len(done) == 2:
            raise StoreError("no room")
        complete(self, about)

    monkeypatch.setattr(Writer, "complete", fill_up)
    with pytest.raises(StoreError, match="no room"):
        embed(make_images(n=2), store=Store(tmp_path), **BANK)
    assert list(tmp_path.iterdir()) == []


def test_the_last_layer_has_the_keys_that_it_always_had(make_images: Maker, tmp_path: Path) -> None:
    """Computed before there were layers to choose from: a key that changes makes everybody's store useless."""
    keys = {
        "flatten": "66fda767f3fa0d91d414b178dbb9b6db",
        "avg": "fa07a8c31d1d895a20e9a32a98f11a23",
        "max": "604c7cf2782fab2317ca438a83605afa",
    }
    fields = {
        "pictures_digest": make_images().digest,
        "weights_digest": "random-seed0",
        "backbone": "mobilenetv2",
        "image_size": 32,
        "preprocessing": 1,
    }
    for pooling, key in keys.items():
        assert entry.key_of(fields | {"pooling": pooling}) == key
        made = embed(make_images(), image_size=32, weights="random", pooling=pooling, store=Store(tmp_path))
        named = embed(
            make_images(), image_size=32, weights="random", pooling=pooling, layers="out_relu", store=Store(tmp_path)
        )
        assert made.key == named.key == key
    assert len(list(tmp_path.iterdir())) == 3


def test_entries_of_version_0_1_are_read(make_images: Maker, small: Embeddings, store: Store, tmp_path: Path) -> None:
    """They held a layer's shape before pooling and nothing else."""
    about = small.about | {"pooling": "max", "layers": [{"name": "out_relu", "shape": [2, 3, 1280]}]}
    with Store(tmp_path).writer(entry.key_of(about), 7) as writer:
        writer.append(np.asarray(small.values))
        writer.commit(about)
    made = embed(make_images(), image_size=32, weights="random", pooling="max", store=Store(tmp_path))
    assert made.about["layers"] == [{"name": "out_relu", "shape": [1, 1, 1280], "rows": 2, "columns": 3}]
    assert made.feature_names[17] == "out_relu/c0017"


def test_shipped_embeddings_are_of_the_last_layer_as_it_is(
    make_images: Maker, small: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand for no other layer and no mirrored pictures, nor for a part of several layers."""
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path / "shipped")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    shipped.write_shipped(small.values, small.about | {"stands_for": "imagenet"}, tmp_path / "shipped")
    monkeypatch.setattr("acofer.features.embed.obtain_weights", refuse)
    flat = {"image_size": 32, "pooling": "flatten", "store": Store(tmp_path / "none")}
    assert embed(make_images(), **flat).key == small.key
    for other in ({"layers": LAYERS[0]}, {"mirror": "average"}, {"layers": f"{LAYERS[0]},out_relu"}):
        with pytest.raises(AssertionError, match="a network was loaded"):
            embed(make_images(), **flat | other)


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
    for layers in ("last", "bank"):
        with pytest.raises(StoreError, match="--cache-dir"):
            embed(make_images(), weights="random", layers=layers, store=Store(tmp_path / "plain"))


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
    with pytest.raises(ConfigError, match="did you mean 'bank'"):
        embed(make_images(), layers="banks", store=store)
    with pytest.raises(ConfigError, match="pooling 'grid:0' is unknown"):
        embed(make_images(), pooling="grid:0", store=store)
    with pytest.raises(ConfigError, match="mirror must be one of"):
        embed(make_images(), mirror="yes", store=store)
    with pytest.raises(ConfigError, match="from 32 up"):
        embed(make_images(), image_size=16, store=store)


def test_the_same_pictures_are_embedded_once(
    make_images: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two searches that begin together would otherwise both work for minutes, on half of the machine each."""
    load, loaded, told, waits = backbone.load_backbone, [], [], threading.Event()
    others: list[Future[Embeddings]] = []

    def tell(stage: str, *_: object) -> None:
        told.append(stage)
        if stage.startswith("waiting for another acofer (process "):
            waits.set()

    def once() -> Embeddings:
        return embed(make_images(), image_size=32, weights="random", store=Store(tmp_path), progress=tell)

    def loading(*args: object, **kwargs: object) -> object:
        """Begin the other while this one embeds, and give it a minute to find that out."""
        loaded.append(args)
        if len(loaded) == 1:
            others.append(pool.submit(once))
            waits.wait(60)
        return load(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(backbone, "load_backbone", loading)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(once).result()
        other = others[0].result()
    assert waits.is_set(), told
    assert len(loaded) == 1
    np.testing.assert_array_equal(one.values, other.values)
    assert [path.name for path in tmp_path.iterdir()] == [one.key]
