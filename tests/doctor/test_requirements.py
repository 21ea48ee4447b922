import pytest
from packaging.requirements import Requirement as Theirs
from packaging.version import Version

from acofer.doctor.requirements import core_of, declared, extras_of, parse_requirement


@pytest.mark.parametrize(
    ("line", "name", "bounds", "extra", "wanted"),
    [
        ("numpy>=1.26", "numpy", ((">=", "1.26"),), None, ()),
        ("ruff<0.18,>=0.17.5; extra == 'dev'", "ruff", (("<", "0.18"), (">=", "0.17.5")), "dev", ()),
        ('Face_Recognition.Models >= 0.3 ; extra == "faces"', "face-recognition-models", ((">=", "0.3"),), "faces", ()),
        ("scipy (>=1.12)", "scipy", ((">=", "1.12"),), None, ()),
        ("tensorflow[and-cuda]~=2.18; python_version < '4' and extra == 'gpu'", "tensorflow", (("~=", "2.18"),), "gpu",
         ("and-cuda",)),
        ("acofer[nets,tune]; extra == 'all'", "acofer", (), "all", ("nets", "tune")),
        ("joblib", "joblib", (), None, ()),
    ],
)  # fmt: skip
def test_a_line_of_metadata_is_read(line, name, bounds, extra, wanted):
    read = parse_requirement(line)
    assert (read.name, read.bounds, read.extra, read.wanted_extras) == (name, bounds, extra, wanted)


def test_what_is_no_requirement_is_refused():
    with pytest.raises(ValueError, match="expected a requirement"):
        parse_requirement(">= 3")


VERSIONS = (
    *("2.18", "2.18.0", "2.17.9", "2.18.0rc1", "2.18.1+cpu", "3.6.0.dev1", "4.0a1", "10.0"),
    *("1.4", "1.4.0", "1.10", "0.17.6", "0.18", "2!0.1"),
)


@pytest.mark.parametrize("bounds", [">=2.18", ">=3.6,<4", "<0.18,>=0.17.5", "==1.4", "!=1.4", ">1.9", ">=1!1.0"])
@pytest.mark.parametrize("version", VERSIONS)
def test_versions_are_compared_as_pip_compares_them(version, bounds):
    theirs = Theirs(f"x{bounds}").specifier
    assert parse_requirement(f"x{bounds}").allows(version) == theirs.contains(Version(version).public, prereleases=True)


def test_too_old_is_below_and_not_above():
    ruff = parse_requirement("ruff<0.18,>=0.17.5")
    assert ruff.is_too_old("0.17.4")
    assert not ruff.is_too_old("0.19")
    assert not ruff.allows("0.19")


def test_extras_name_each_package_once_and_those_that_gather_are_left_out():
    lines = ["numpy", "a; extra == 'one'", "b; extra == 'two'", "c; extra == 'two'", "acofer[one]; extra == 'gathered'"]
    lines += [f"{name}; extra == 'all'" for name in "abc"] + [f"{name}; extra == 'dev'" for name in "abcde"]
    requirements = [parse_requirement(line) for line in lines]
    assert [each.name for each in core_of(requirements)] == ["numpy"]
    found = {extra: [each.name for each in own] for extra, own in extras_of(requirements).items()}
    assert found == {"one": ["a"], "two": ["b", "c"], "dev": ["d", "e"]}


def test_acofers_own_metadata_are_understood():
    """A requirement under another condition than its extra would be taken to be needed everywhere."""
    from importlib import metadata

    lines = metadata.requires("acofer")
    for line, read in zip(lines, declared(), strict=True):
        theirs = Theirs(line)
        assert read.text.partition("[")[0].partition(">")[0].partition("<")[0] == theirs.name.lower().replace("_", "-")
        assert str(theirs.marker or "") in ("", f'extra == "{read.extra}"')
    assert {"nets", "tune", "bench", "faces", "dev"} <= extras_of(declared()).keys()
    assert "all" not in extras_of(declared())
