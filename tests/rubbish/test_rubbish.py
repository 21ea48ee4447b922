"""Whatever stands in a file, it is read, or refused in one line: sound files, what broke something once, changed ones.

`benchmarks/rubbish.py` goes on where this stops: the same readers and changes, a million times, led by coverage.
"""

import dataclasses
import os
import pickle
import subprocess
import time
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import samples
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutations import bomb, members_of
from readers import Reader, readers
from trial import Outcome, the_watch, tried

CORPUS = Path(__file__).parent / "corpus"
HURTS = tomllib.loads((CORPUS / "hurts.toml").read_text(encoding="utf-8"))
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
MOST_EXAMPLES = 20
"""Of readers with a small share, which are slow, fewer: all of them together take half a minute."""


def param(reader):
    absent = bool(reader.needs) and find_spec(reader.needs) is None
    return pytest.param(reader.name, marks=pytest.mark.skipif(absent, reason=f"{reader.needs} is not installed"))


KNOWN = [param(reader) for reader in readers().values()]


def name_of(path):
    return f"{path.parent.name}/{path.name}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rubbish")


def outcome_of(reader, data, folder, **limits):
    place = folder / reader.name
    place.mkdir(exist_ok=True)
    outcome = tried(reader, data, place, the_watch(), **limits)
    assert "\n" not in outcome.complaint
    assert len(outcome.complaint) < 2_100
    return outcome


@pytest.mark.parametrize("name", KNOWN)
def test_sound_files_are_read(name, folder):
    reader = readers()[name]
    complaints = [outcome_of(reader, data, folder).complaint for data in reader.samples()]
    # Pictures of floating point numbers are refused, whatever they show.
    assert [text for text in complaints if text and "floating point" not in text] == []


def test_what_broke_something_once_is_told_with_what_hurt():
    assert {name_of(path) for path in KEPT} == {f"{reader}/{name}" for reader, own in HURTS.items() for name in own}
    assert all(len(sentence) > 20 for own in HURTS.values() for sentence in own.values())
    assert set(HURTS) <= set(readers())


@pytest.mark.parametrize("path", KEPT, ids=name_of)
def test_what_broke_something_once_breaks_nothing_more(path, folder):
    reader = readers()[path.parent.name]
    if reader.needs:
        pytest.importorskip(reader.needs)
    assert outcome_of(reader, path.read_bytes(), folder).finding == "", HURTS[path.parent.name][path.name]


@pytest.mark.parametrize("name", KNOWN)
def test_changed_files_are_read_or_refused(name, folder):
    reader = readers()[name]
    sound = list(reader.samples())
    few = settings(
        max_examples=min(2 + reader.share, MOST_EXAMPLES),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # to shrink what takes seconds to read would take hours
    )

    @few
    @given(st.sampled_from(range(len(sound))), st.randoms(use_true_random=False), st.integers(1, 3))
    def check(place, chance, times):
        data = sound[place]
        for _ in range(times):
            data = reader.change(data, chance)
        assert outcome_of(reader, data, folder).finding == ""

    check()


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("content", [b"", b"\0", b"PK\x03\x04", b"\x1f\x8b", b"{}", b"\x93NUMPY", b"\xff" * 1000])
def test_other_files_are_refused(name, folder, content):
    reader = readers()[name]
    if reader.share:
        assert outcome_of(reader, content, folder).finding == ""


@pytest.mark.parametrize("name", KNOWN)
def test_a_pickle_in_place_of_any_file_stays_one(name, folder):
    reader = readers()[name]
    marker = folder / "pickle-was-run"
    content = bomb(marker)
    pickle.loads(content)
    assert marker.exists()
    marker.unlink()
    assert outcome_of(reader, content, folder).finding == ""
    assert not marker.exists()


@pytest.mark.parametrize("name", [name for name in readers() if "npz" in readers()[name].file])
def test_pickles_among_arrays_stay_pickles(name, folder):
    import numpy as np

    marker = folder / "pickle-was-run"
    reader = readers()[name]
    (sound,) = reader.samples()
    for member, _ in members_of(sound):
        arrays = {one.removesuffix(".npy"): np.zeros(3) for one, _ in members_of(sound)}
        arrays[member.removesuffix(".npy")] = np.array([bomb(marker)], object)
        assert outcome_of(reader, samples.npz_of(**arrays), folder).finding == ""
    assert not marker.exists()


# Who looks must see: each of these readers does one thing that no reader may.


def raises(_folder):
    raise ValueError("no error of acofer's")


def waits(_folder):
    time.sleep(30)


def fills_the_memory(_folder):
    return bytearray(400 << 20)


def writes_outside(folder):
    (folder / ".." / "outside").write_text("here")


def makes_a_folder_outside(folder):
    (folder.parent / "outside-folder").mkdir(exist_ok=True)


def removes_outside(folder):
    (folder.parent / "outside").unlink(missing_ok=True)


def moves_out(folder):
    (folder / "file").rename(folder.parent / "outside")


def unpacks_outside(folder):
    with zipfile.ZipFile(folder / "file.zip", "w") as archive:
        archive.writestr("x", "y")
    with zipfile.ZipFile(folder / "file.zip") as archive:
        archive.extractall(folder.parent / "outside-folder")


def starts_a_program(_folder):
    subprocess.run(["true"], check=True)


def asks_the_system(_folder):
    os.system("true")


def loads_a_pickle(_folder):
    pickle.loads(pickle.dumps(Path()))


@pytest.mark.parametrize(
    ("read", "finding"),
    [
        (raises, "ValueError at .*: no error of acofer's"),
        (waits, r"took more than 0\.2 s"),
        (fills_the_memory, "took .* MB for 4 bytes"),
        (writes_outside, "open .*outside"),
        (makes_a_folder_outside, "os.mkdir .*outside-folder"),
        (removes_outside, "os.remove .*outside"),
        (moves_out, "os.rename .*outside"),
        (unpacks_outside, "(open|os.mkdir) .*outside-folder"),
        (starts_a_program, "subprocess.Popen"),
        (asks_the_system, "os.system"),
        (loads_a_pickle, "pickle.find_class"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_no_reader_may_do_is_seen(tmp_path, read, finding):
    import re

    # Named as no reader is, since another's limit of memory is not to count.
    reader = Reader("odd", "file", read, lambda: [b"sound"], lambda data, _: data)
    place = tmp_path / "odd"
    place.mkdir()
    outcome = tried(reader, b"data", place, the_watch(), seconds=0.2 if read is waits else 20.0)
    assert re.search(finding, outcome.finding), outcome


def test_what_readers_may_do_is_not_held_against_them(tmp_path):
    def works(folder):
        (folder / "own").mkdir()
        (folder / "own" / "file").write_text("here")
        (folder / "own" / "file").rename(folder / "moved")
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - as libraries do
            nowhere.write("x")

    reader = Reader("odd", "file", works, lambda: [b"sound"], lambda data, _: data)
    place = tmp_path / "odd"
    place.mkdir()
    assert tried(reader, b"data", place, the_watch()) == Outcome(True)


def test_a_change_that_fails_is_another_change():
    for reader in readers().values():
        assert dataclasses.is_dataclass(reader)
        from random import Random

        for seed in range(5):
            assert isinstance(reader.change(b"gone astray", Random(seed)), bytes)
