from __future__ import annotations

import datetime
import errno
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acofer.errors import ConfigError, StoreError
from acofer.features import cache, entry
from acofer.features.cache import Store
from acofer.features.entry import DamagedEntryError, key_of

ABOUT: dict[str, Any] = {
    "pictures_digest": "p" * 64,
    "weights_digest": "w" * 64,
    "backbone": "mobilenetv2",
    "image_size": 48,
    "pooling": "flatten",
    "preprocessing": 1,
    "note": "é",
}
KEY = key_of(ABOUT)


def numbers(rows: int = 50, columns: int = 30, seed: int = 0) -> NDArray[np.float16]:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float16)


def write(store: Store, values: NDArray[np.float16], about: dict[str, Any] = ABOUT, batch: int = 16) -> str:
    with store.writer(key_of(about), len(values)) as writer:
        for first in range(0, len(values), batch):
            writer.append(values[first : first + batch])
        writer.commit(about)
    return key_of(about)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", shipped=False)


def test_key_is_the_digest_of_what_the_values_depend_on() -> None:
    assert KEY == "ac200f2fc7a6bb72b70fb4d633c45375", "a key that changes makes everybody's store useless"
    assert key_of(ABOUT | {"note": "other"}) == KEY
    assert all(key_of(ABOUT | {name: "other"}) != KEY for name in entry.KEY_FIELDS)
    further = [key_of(ABOUT | {name: "other"}) for name in entry.FURTHER_KEY_FIELDS]
    assert len({KEY, *further, key_of(ABOUT | dict.fromkeys(entry.FURTHER_KEY_FIELDS, "other"))}) == len(further) + 2


def test_joint_key_depends_on_each_and_on_their_order() -> None:
    assert entry.joint_key([KEY]) == KEY
    others = [entry.joint_key(keys) for keys in ([KEY, "a"], ["a", KEY], [KEY, "b"], [KEY, "a", "b"])]
    assert len({KEY, *others}) == 5
    assert all(entry.KEY_PATTERN.fullmatch(key) for key in others)


@pytest.mark.parametrize("block", [64, 100, entry.BLOCK])
def test_what_is_written_is_found(store: Store, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "BLOCK", block)
    values = numbers()
    write(store, values)
    found = store.find(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.values, values)
    assert isinstance(found.values, np.memmap)
    assert not found.values.flags.writeable
    assert found.about == ABOUT | {"key": KEY, "shape": list(values.shape)}
    assert store.find(key_of(ABOUT | {"pooling": "avg"})) is None
    store.verify(KEY)


def cut_values(place: Path) -> None:
    path = place / "values.npy"
    path.write_bytes(path.read_bytes()[:-1])


def flip_byte(place: Path) -> None:
    raw = bytearray((place / "values.npy").read_bytes())
    raw[-777] ^= 4
    (place / "values.npy").write_bytes(raw)


def change_header(place: Path) -> None:
    path = place / "values.npy"
    path.write_bytes(path.read_bytes().replace(b"<f2", b"<i2", 1))


def remove_values(place: Path) -> None:
    (place / "values.npy").unlink()


def remove_about(place: Path) -> None:
    (place / "about.json").unlink()


def cut_about(place: Path) -> None:
    path = place / "about.json"
    path.write_bytes(path.read_bytes()[:100])


def change_about(place: Path) -> None:
    path = place / "about.json"
    path.write_text(path.read_text().replace("w" * 64, "x" * 64))


def forget_checksums(place: Path) -> None:
    about = json.loads((place / "about.json").read_text())
    about["values"]["crc32"] = []
    (place / "about.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    "damage",
    [cut_values, flip_byte, change_header, remove_values, remove_about, cut_about, change_about, forget_checksums],
)
def test_damage_is_noticed_and_made_good(store: Store, damage: Callable[[Path], None]) -> None:
    values = numbers()
    write(store, values)
    damage(store.folder / KEY)
    with pytest.warns(UserWarning, match="damaged"):
        assert store.find(KEY) is None
    with pytest.raises(DamagedEntryError):
        store.verify(KEY)
    assert len(store.entries()) == 1, "what is damaged is listed, so that it can be pruned"
    write(store, values)
    found = store.find(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.values, values)
    assert [place.name for place in store.folder.iterdir()] == [KEY]


def test_large_entry_is_sampled_when_opened_and_checked_whole_on_demand(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "BLOCK", 100)
    monkeypatch.setattr(entry, "SAMPLED_BLOCKS", 2)
    monkeypatch.setattr(cache, "FULL_CHECK", 1000)
    write(store, numbers())
    flip_byte(store.folder / KEY)
    assert store.find(KEY) is not None, "the flipped byte is in neither the first nor the last block"
    with pytest.raises(DamagedEntryError, match="is not what was written"):
        store.verify(KEY)
    raw = bytearray((store.folder / KEY / "values.npy").read_bytes())
    raw[-1] ^= 1
    (store.folder / KEY / "values.npy").write_bytes(raw)
    with pytest.warns(UserWarning, match="block 29"):
        assert store.find(KEY) is None


def write_batches(store: Store, batches: list[int], then: Callable[[cache.Writer], None]) -> None:
    with store.writer(KEY, 50) as writer:
        for rows in batches:
            writer.append(numbers(rows))
        then(writer)


def interrupt(_: cache.Writer) -> None:
    raise KeyboardInterrupt


def test_interrupted_writer_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_batches(store, [10], interrupt)
    assert list(store.folder.iterdir()) == []


def test_missing_rows_are_never_committed(store: Store) -> None:
    with pytest.raises(ValueError, match="40 of 50 rows"):
        write_batches(store, [40], lambda writer: writer.commit(ABOUT))
    with pytest.raises(ValueError, match="after 40 rows"):
        write_batches(store, [40, 11], lambda writer: writer.commit(ABOUT))
    assert store.find(KEY) is None


def test_leftovers_of_killed_writers_are_pruned_and_living_writers_are_not(store: Store) -> None:
    killed, living = store.writer(KEY, 50), store.writer(KEY, 50)
    for writer in (killed, living):
        writer.append(numbers(10))
        writer._stream.flush()
    long_ago = time.time() - cache.STALE_SECONDS - 10
    for path in (killed._place / "values.npy", killed._place):
        os.utime(path, (long_ago, long_ago))
    assert store.entries() == []
    assert store.prune() == []
    assert [place.name for place in store.folder.iterdir()] == [living._place.name]
    for writer in (killed, living):
        writer.__exit__()


def test_second_of_two_writers_gives_way(store: Store) -> None:
    values = numbers()
    with store.writer(KEY, 50) as first, store.writer(KEY, 50) as second:
        for writer in (first, second):
            writer.append(values)
        first.commit(ABOUT | {"note": "first"})
        second.commit(ABOUT | {"note": "second"})
    found = store.find(KEY)
    assert found is not None
    assert found.about["note"] == "first"
    assert [place.name for place in store.folder.iterdir()] == [KEY]


def test_entries_that_are_written_together_are_placed_when_all_are_complete(store: Store) -> None:
    """Two processes write the same three layers; the one that comes second at a place gives way there."""
    abouts = [ABOUT | {"layer": name} for name in "abc"]
    groups = [[store.writer(key_of(about), 50) for about in abouts] for _ in range(2)]
    for note, group in zip(("first", "second"), groups, strict=True):
        for writer, about in zip(group, abouts, strict=True):
            writer.append(numbers())
            writer.complete(about | {"note": note})
    assert store.entries() == [], "nothing is placed before all are complete"
    for group, order in zip(groups, ([0, 1], [2, 1, 0]), strict=True):
        for i in order:
            group[i].place()
    groups[0][2].place()
    for writer in [writer for group in groups for writer in group]:
        writer.__exit__()
    notes = [(store.find(key_of(about)) or pytest.fail("an entry is lost")).about["note"] for about in abouts]
    assert notes == ["first", "first", "second"]
    assert sorted(place.name for place in store.folder.iterdir()) == sorted(map(key_of, abouts))


def test_an_entry_is_not_placed_before_it_is_complete(store: Store) -> None:
    with pytest.raises(ValueError, match="placed before it is complete"):
        write_batches(store, [50], lambda writer: writer.place())
    assert list(store.folder.iterdir()) == []


def write_in_process(folder: Path, barrier: Any) -> None:
    store = Store(folder, shipped=False)
    with store.writer(KEY, 50) as writer:
        writer.append(numbers())
        barrier.wait(timeout=60)
        writer.commit(ABOUT)


@pytest.mark.parametrize("damaged_before", [False, True])
def test_processes_that_write_at_once(store: Store, damaged_before: bool) -> None:
    if damaged_before:
        write(store, numbers(seed=1))
        cut_values(store.folder / KEY)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=write_in_process, args=(store.folder, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = store.find(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.values, numbers())
    assert [place.name for place in store.folder.iterdir()] == [KEY]


def test_unwritable_folder_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file, not a folder")
    with pytest.raises(StoreError, match="ACOFER_CACHE_DIR or --cache-dir") as caught:
        Store(tmp_path / "plain" / "store").writer(KEY, 1)
    assert "\n" not in str(caught.value)


class FullDisk:
    """A stream that has no room, and notices it again when it is closed."""

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        self.write(b"")


def fill_disk(writer: cache.Writer) -> None:
    writer._stream.close()
    writer._stream = FullDisk()  # type: ignore[assignment]
    writer.append(numbers(40))


def test_full_disk_leaves_nothing(store: Store) -> None:
    with pytest.raises(StoreError, match="No space left"):
        write_batches(store, [10], fill_disk)
    assert list(store.folder.iterdir()) == []


def test_store_that_is_read_only_gives_what_it_has(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, numbers())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "read only")

    for name in ("utime", "mkdir", "rename", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    found = store.find(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.values, numbers())
    with pytest.raises(StoreError, match="read only"):
        store.writer(KEY, 50)


def test_list_and_prune(store: Store) -> None:
    assert store.entries() == []
    assert store.prune(everything=True) == []
    abouts = [ABOUT | {"image_size": size} for size in (48, 64, 96)]
    keys = [write(store, numbers(), about) for about in abouts]
    for days, key in enumerate(keys):
        long_ago = time.time() - 86400 * days
        for path in (store.folder / key / "about.json", store.folder / key / "values.npy", store.folder / key):
            os.utime(path, (long_ago, long_ago))
    lines = store.entries()
    assert [line.key for line in lines] == keys, "newest use first"
    assert lines[1].about["image_size"] == 64
    assert lines[0].bytes == sum(path.stat().st_size for path in (store.folder / keys[0]).iterdir())
    now = datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=1.9) < now - lines[2].last_used < datetime.timedelta(days=2.1)
    with pytest.raises(ConfigError, match=keys[0][:8]):
        store.prune([keys[1], keys[0][:-1] + "?"])
    assert len(store.entries()) == 3, "nothing is removed where a key is wrong"
    assert store.find(keys[2]) is not None, "being used makes an entry young"
    assert [line.key for line in store.prune(older_than_days=0.5)] == [keys[1]]
    assert [line.key for line in store.prune([keys[2]])] == [keys[2]]
    assert [line.key for line in store.prune(everything=True)] == [keys[0]]
    assert store.entries() == []


def test_pruning_spares_what_is_not_an_entry(tmp_path: Path) -> None:
    """A user pointed the store at a folder of his own; pruning everything must not empty it."""
    (tmp_path / "photographs").mkdir()
    (tmp_path / ".writing-letters").mkdir()
    os.utime(tmp_path / ".writing-letters", (0, 0))
    store = Store(tmp_path, shipped=False)
    write(store, numbers())
    assert [line.key for line in store.prune(everything=True)] == [KEY]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing-letters", "photographs"]


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACOFER_CACHE_DIR", str(tmp_path))
    assert Store().folder == tmp_path
    monkeypatch.delenv("ACOFER_CACHE_DIR")
    assert Store().folder.parts[-2:] == ("acofer", "embeddings")


def test_damage_is_told_and_asking_for_it_is_no_use(store: Store) -> None:
    """`verify` opens an entry, and so it would never be old enough to be pruned."""
    values = numbers()
    write(store, values)
    place = store.folder / KEY
    for path in (place / "about.json", place / "values.npy", place):
        os.utime(path, (10.0, 10.0))
    assert store.damage(KEY) is None
    assert store.damage(KEY, everything=True) is None
    assert (place / "about.json").stat().st_mtime == 10.0

    content = bytearray((place / "values.npy").read_bytes())
    content[-3] ^= 1
    (place / "values.npy").write_bytes(content)
    assert store.damage(KEY) is None, "a look, not a check"
    assert store.damage(KEY, everything=True) == "block 0 of values.npy is not what was written"
    (place / "values.npy").write_bytes(content[:-7])
    assert "bytes" in (store.damage(KEY) or "")
    (place / "values.npy").unlink()
    assert "cannot be read" in (store.damage(KEY) or "")
    (place / "about.json").write_text("{}")
    assert "about.json" in (store.damage(KEY) or "")
