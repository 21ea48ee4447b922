"""Damaged files as a user meets them: whole commands, one line, exit code 2; the doctor names them and goes on."""

import json
from pathlib import Path

import pytest

from acofer.config.search import SearchConfig
from acofer.features.cache import Store

RUBBISH = {
    "empty": b"",
    "zip": b"PK\x03\x04",
    "noise": bytes(range(256)) * 9,
    "nested": b"[" * 10_000,
    "number": b"9" * 5_000,
}


@pytest.fixture(params=RUBBISH.values(), ids=RUBBISH.keys())
def rubbish(request):
    return request.param


def unfinished(place, **files):
    place.mkdir()
    (place / "config.toml").write_text(SearchConfig(data="demo").to_toml())
    for name, content in {"checkpoint.npz": b"", **files}.items():
        (place / name).write_bytes(content)


def test_a_search_does_not_go_on_from_a_damaged_checkpoint(complains, workplace, rubbish):
    unfinished(workplace / "run", **{"checkpoint.npz": rubbish})
    said = complains("search", "--resume", "run", "--quiet")
    assert "run/checkpoint.npz: expected a checkpoint; it is damaged" in said


def test_a_search_does_not_go_on_from_a_damaged_configuration(complains, workplace, rubbish):
    unfinished(workplace / "run", **{"config.toml": rubbish})
    said = complains("search", "--resume", "run", "--quiet")
    assert "config.toml" in said or "checkpoint.npz" in said  # an empty configuration is one


@pytest.mark.parametrize("name", ["result.json", "subset.json"])
def test_nothing_is_predicted_by_a_damaged_run(complains, workplace, rubbish, name):
    (workplace / "run").mkdir()
    for each in ("result.json", "subset.json"):
        (workplace / "run" / each).write_text("{}")
    (workplace / "run" / name).write_bytes(rubbish)
    assert "run" in complains("predict", "run", "face.png")


def test_no_page_is_made_of_a_damaged_run(complains, workplace, rubbish):
    (workplace / "run").mkdir()
    (workplace / "run" / "result.json").write_bytes(rubbish)
    assert "result.json" in complains("report", "run", "--quiet")


def test_no_bench_follows_a_damaged_plan(complains, workplace, rubbish):
    (workplace / "plan.toml").write_bytes(rubbish)
    assert "plan" in complains("bench", "plan.toml", "--quiet")


def test_pictures_are_not_read_from_what_is_no_csv(complains, workplace, rubbish):
    (workplace / "faces.csv").write_bytes(rubbish)
    assert "faces.csv" in complains("data", "info", "faces.csv", "--no-sheet", "--quiet")


def test_the_doctor_looks_at_damaged_caches(acofer, workplace, monkeypatch):
    """Whatever lies there, it is a finding of the caches', not a fault of acofer's."""
    folder = Path(Store(None).folder)
    key = "0" * 32
    for name in (f"{key}/about.json", f"{key}/values.npy", "scores.sqlite", "faces/kept.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(RUBBISH["nested"])
    home = workplace / "keras"
    home.mkdir()
    (home / "keras.json").write_bytes(RUBBISH["nested"])
    monkeypatch.setenv("KERAS_HOME", str(home))
    outcome = acofer("doctor", "--json")
    sections = json.loads(outcome.out)["sections"]
    found = {one["name"]: one for part in sections for one in part["findings"]}
    assert not [part["title"] for part in sections if part["is_own_fault"]]
    assert {found[name]["mark"] for name in ("damaged", "scores", "found faces", "keras")} == {"warn"}
    assert outcome.code in (0, 2)  # as the rest of this machine is
