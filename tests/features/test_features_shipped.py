from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acofer.features import shipped
from acofer.features.cache import Store
from acofer.features.entry import FURTHER_KEY_FIELDS, DamagedEntryError, key_of

FIELDS: dict[str, Any] = {
    "pictures_digest": "p" * 64,
    "backbone": "mobilenetv2",
    "image_size": 48,
    "pooling": "flatten",
    "preprocessing": 1,
}
ABOUT = FIELDS | {"weights_digest": "w" * 64, "stands_for": "imagenet"}
KEY = key_of(ABOUT)


def every_kind_of_number() -> NDArray[np.float16]:
    """All float16 bit patterns that are finite, so that zeros, negative zero and the smallest numbers are there."""
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = values[np.isfinite(values)]
    return np.concatenate([finite, np.zeros(-len(finite) % 37, np.float16)]).reshape(-1, 37)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path / "shipped")
    shipped.write_shipped(every_kind_of_number(), ABOUT, tmp_path / "shipped")
    return tmp_path / "shipped"


def test_nothing_is_lost(folder: Path, tmp_path: Path) -> None:
    found = Store(tmp_path / "own").find(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.values.view(np.uint16), every_kind_of_number().view(np.uint16))
    assert found.values.flags.c_contiguous
    assert not found.values.flags.writeable
    assert found.about == ABOUT | {"key": KEY, "shape": list(found.values.shape)}


def test_stand_in_needs_all_fields(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "own")
    found = store.find_stand_in("imagenet", FIELDS)
    assert found is not None
    assert found.key == KEY
    assert store.find_stand_in("random", FIELDS) is None
    assert all(store.find_stand_in("imagenet", FIELDS | {name: "other"}) is None for name in FIELDS)
    assert all(store.find_stand_in("imagenet", FIELDS | {name: "other"}) is None for name in FURTHER_KEY_FIELDS)
    assert Store(tmp_path / "own", shipped=False).find_stand_in("imagenet", FIELDS) is None
    assert Store(tmp_path / "own", shipped=False).find(KEY) is None


def test_listed_and_never_pruned(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "own")
    assert [(line.key, line.shipped) for line in store.entries()] == [(KEY, True)]
    assert store.prune(everything=True) == []
    assert len(store.entries()) == 1


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_damage_is_fatal(folder: Path, position: float) -> None:
    path = folder / KEY / "values.npz"
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * position)] ^= 255
    path.write_bytes(raw)
    with pytest.raises(DamagedEntryError, match="install acofer again"):
        shipped.open_shipped(KEY)


def test_damaged_description_is_fatal(folder: Path) -> None:
    (folder / KEY / "about.json").write_text("{")
    with pytest.raises(DamagedEntryError, match="install acofer again"):
        shipped.open_stand_in("imagenet", FIELDS)


def test_package_without_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path / "none")
    assert shipped.shipped_places() == []
    assert shipped.open_shipped(KEY) is None
