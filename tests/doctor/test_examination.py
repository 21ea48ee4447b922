"""The whole of it: what goes wrong with one part stops no other."""

import json

import pytest

from acofer.doctor import examination, packages, surroundings
from acofer.doctor.examination import examine, section
from acofer.doctor.finding import Finding, Section, works
from acofer.errors import StoreError

TITLES = ["acofer", "machine", "core", "extras", "networks", "data and caches", "runs", "variables"]


@pytest.fixture(autouse=True)
def _light_acofer(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "ALL_OF_ACOFER", "acofer")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def acofer_that(made_up):
    """Return a maker of acofer's metadata with these requirements."""
    return lambda *needs: made_up("acofer", "0.9", needs=needs, extras=("nets", "tune"))


def looked(**how):
    return {part.title: {finding.name: finding for finding in part.findings} for part in examine(**how)}


def test_everything_is_looked_at_in_order_and_is_plain_data(acofer_that):
    acofer_that("tomli-w>=1.0", "absent>=2; extra == 'tune'")
    sections = list(examine())
    assert [each.title for each in sections] == TITLES
    assert works(sections)
    assert json.loads(json.dumps([each.to_dict() for each in sections]))
    assert not any(each.is_own_fault for each in sections)


def test_what_cannot_be_looked_at_is_a_finding_and_the_next_look_follows():
    def fails(error):
        def look():
            raise error

        return look

    sound = [Finding("sound", "ok", "")]
    part = section("runs", fails(StoreError("no room")), lambda: sound)
    assert [(each.name, each.mark, each.said) for each in part.findings] == [
        ("runs", "broken", "could not be looked at: StoreError: no room"),
        ("sound", "ok", ""),
    ]
    assert not part.is_own_fault
    assert works([part])
    assert section("runs", fails(TypeError("x"))).is_own_fault
    assert not works([section("core", fails(OSError("no temporary folder")))]), "it may work, but nobody knows"


def test_a_broken_numpy_is_not_let_into_this_process(acofer_that, made_up):
    """Some broken builds do not raise, they kill."""
    acofer_that("numpy>=1.26")
    made_up("numpy", "9.0", code="import os; os.abort()")
    found = looked()
    assert found["core"]["numpy"].stops_the_core
    assert "SIGABRT" in found["core"]["numpy"].said
    for title in ("data and caches", "runs"):
        assert [each.said for each in found[title].values()] == ["not looked at, since numpy does not work"]


def test_an_acofer_that_is_not_installed_stops_the_core(monkeypatch):
    from importlib import metadata

    def absent(*_):
        raise metadata.PackageNotFoundError("acofer")

    monkeypatch.setattr(surroundings.metadata, "distribution", absent)
    monkeypatch.setattr(examination, "declared", absent)
    sections = list(examine())
    assert not works(sections)
    (own, _) = sections[0].findings
    assert own.said.endswith("but is not installed")
    assert "pip install" in own.command
    assert not any(each.is_own_fault for each in sections)


def test_an_acofer_that_is_not_the_installed_one_is_a_warning(acofer_that):
    acofer_that("tomli-w")
    own = looked()["acofer"]["acofer"]
    assert own.mark == "warn"
    assert own.said.startswith(f"runs from {surroundings.CODE}, while 0.9 is installed in ")


def test_a_checkout_that_can_be_edited_is_the_installed_one(acofer_that):
    site = acofer_that("tomli-w", "absent; extra == 'dev'")
    assert "dev" not in looked()["extras"], "who only uses acofer wants no tools"
    origin = {"url": surroundings.CODE.parent.as_uri(), "dir_info": {"editable": True}}
    (site / "acofer-0.9.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    found = looked()
    assert (found["acofer"]["acofer"].mark, found["extras"]["dev"].mark) == ("ok", "missing")
    assert found["acofer"]["acofer"].said == f"0.9 in {surroundings.CODE}, editable"


def test_a_section_is_what_it_says():
    vital = Finding("a", "missing", "", is_vital=True)
    assert not works([Section("core", (vital,))])
    assert works([Section("core", (Finding("a", "warn", "", is_vital=True), Finding("b", "broken", "")))])
