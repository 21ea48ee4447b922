"""Packages that are missing, too old or broken, and what is said of them."""

import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from acofer.doctor import jobs, packages
from acofer.doctor.finding import pip_line
from acofer.doctor.packages import core_findings, extras_findings, looked_up, module_of
from acofer.doctor.requirements import extras_of, parse_requirement
from acofer.doctor.trials import Trial


@pytest.fixture(autouse=True)
def _light_acofer(monkeypatch):
    monkeypatch.setattr(packages, "ALL_OF_ACOFER", "acofer")


def wanted(*lines):
    return [parse_requirement(line) for line in lines]


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_a_package_is_looked_up_without_being_imported(made_up):
    made_up("sound", "2.0", code="raise AssertionError")
    made_up("gone", "2.0")
    states = {
        line: looked_up(parse_requirement(line)) for line in ("sound>=2", "sound>=2.1", "sound<2", "gone", "absent>=1")
    }
    assert [state.mark for state in states.values()] == ["ok", "too old", "warn", "broken", "missing"]
    assert states["sound>=2.1"].text == "sound 2.0 (expected >=2.1)"
    assert states["gone"].text == "gone 2.0 (its files are gone)"
    assert states["absent>=1"].text == "absent (not installed)"


def test_a_package_without_a_version_is_broken(made_up):
    site = made_up("cut", "1.0", code="")
    (site / "cut-1.0.dist-info" / "METADATA").write_text("")
    assert looked_up(parse_requirement("cut")).mark == "broken"


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("scikit-learn", "sklearn"),
        ("pillow", "PIL"),
        ("imbalanced-learn", "imblearn"),
        ("numpy", "numpy"),
        ("tomli-w", "tomli_w"),
    ],
)
def test_the_module_of_a_package_is_found(package, module):
    assert module_of(package) == module


def test_a_core_that_works_is_two_lines():
    findings = by_name(core_findings(wanted("tomli-w>=1.0", "platformdirs>=4.2")))
    assert list(findings) == ["packages", "imports"]
    assert findings["packages"].said.startswith("tomli-w ")
    assert not any(finding.stops_the_core for finding in findings.values())


def test_a_missing_and_a_too_old_package_stop_the_core_and_come_with_their_line(made_up):
    made_up("aged", "0.9", code="")
    findings = by_name(core_findings(wanted("aged>=1.0", "absent>=2.1,<3", "tomli-w")))
    assert (findings["aged"].mark, findings["absent"].mark) == ("too old", "missing")
    assert findings["aged"].said == "0.9, expected >=1.0"
    assert findings["aged"].command.endswith(" -m pip install 'aged>=1.0'")
    assert shlex.split(findings["absent"].command)[-1] == "absent>=2.1,<3"
    assert findings["aged"].stops_the_core
    assert findings["absent"].stops_the_core
    assert findings["packages"].said.startswith("tomli-w ")


def test_a_broken_import_says_why_and_others_wait_for_it(made_up):
    """numpy's broken, scipy's and scikit-learn's imports fail as well; one line that mends is better than three."""
    made_up("base", "1.0", code="raise ImportError('no version of GLIBC') from OSError('GLIBC_2.99 not found')")
    made_up("above", "1.0", needs=["base"], code="import base")
    made_up("on-top", "1.0", needs=["above>=1", "base; extra == 'unasked'"], code="import above")
    findings = by_name(core_findings(wanted("on-top", "above", "base")))
    assert findings["base"].said == "1.0, cannot be imported: OSError: GLIBC_2.99 not found"
    assert findings["base"].command.endswith("-m pip install --force-reinstall base")
    assert findings["above"].said == "1.0, cannot be imported without base"
    assert findings["on-top"].said == "1.0, cannot be imported without above"
    assert findings["above"].command is findings["on-top"].command is None
    assert all(findings[name].stops_the_core for name in ("base", "above", "on-top"))


def test_what_is_needed_is_imported_before_those_who_need_it(made_up):
    """numpy fails for its own reason once; at a second try it complains of being tried twice."""
    made_up("above", "1.0", needs=["base"], code="import base")
    code = "import sys; sys.tries = getattr(sys, 'tries', 0) + 1; raise ImportError(f'try {sys.tries}')"
    made_up("base", "1.0", code=code)
    assert by_name(core_findings(wanted("above", "base")))["base"].said.endswith("ImportError: try 1")


def test_an_acofer_that_cannot_be_imported_stops_the_core(made_up, monkeypatch):
    made_up("rooms", "1.0", code="raise RuntimeError('cannot cache function')")
    monkeypatch.setattr(packages, "ALL_OF_ACOFER", "rooms")
    found = by_name(core_findings(wanted("tomli-w")))["imports"]
    assert found.said == "acofer cannot be imported: RuntimeError: cannot cache function"
    assert found.stops_the_core


def test_a_search_that_fails_stops_the_core(monkeypatch):
    faults = {"core": "RuntimeError: a small search chose a wrong feature"}
    tried = lambda targets, *_: {name: Trial(faults.get(name), {}, 0.1) for name in targets}  # noqa: E731
    monkeypatch.setattr(packages, "try_out", tried)
    found = by_name(core_findings(wanted("tomli-w"), deep=True))["search"]
    assert found.said.endswith("a small search chose a wrong feature")
    assert found.stops_the_core


def test_extras_are_looked_up_not_imported(made_up):
    made_up("sound", "2.0", code="raise AssertionError")
    made_up("aged", "0.9", code="")
    extras = {
        "good": wanted("sound>=1"),
        "bench": wanted("absent>=1.4", "aged>=1"),
        "faces": wanted("absent", "absent-too>=0.3"),
        "old": wanted("aged>=1", "sound"),
    }
    good, some, none, old = extras_findings(extras)
    assert (good.mark, good.said, good.command) == ("ok", "sound 2.0", None)
    assert some.mark == "missing"
    assert some.said.startswith("absent (not installed), aged 0.9 (expected >=1); it is for the genetic algorithm")
    assert some.command == pip_line("absent>=1.4", "aged>=1")
    assert none.said == "not installed: absent, absent-too; it is for finding faces and cropping to them"
    assert none.command == pip_line("absent", "absent-too>=0.3")
    assert (old.mark, old.command) == ("too old", pip_line("aged>=1"))
    assert not any(finding.stops_the_core for finding in (good, some, none, old))


def test_deep_uses_an_extra_and_says_why_it_cannot(made_up):
    made_up("sound", "2.0", code="")
    made_up("unfit", "1.0", code="raise OSError('libGL.so.1: cannot open shared object file')")
    good, bad, partly = extras_findings(
        {"own": wanted("sound"), "others": wanted("unfit>=1", "sound"), "no": wanted("absent", "unfit")}, deep=True
    )
    assert good.said == "sound 2.0; all can be imported"
    assert bad.mark == "broken"
    assert bad.said == "unfit 1.0 (cannot be imported: OSError: libGL.so.1: cannot open shared object file), sound 2.0"
    assert bad.command == pip_line("--force-reinstall", "unfit>=1")
    assert partly.mark == "missing"


def test_deep_tells_what_a_job_fails_of(made_up):
    """The extra's own door says "not installed" of whatever cannot be imported; the cause is what helps."""
    made_up("optuna", "9.0", code="raise ImportError('cannot import name Trial')")
    (found,) = extras_findings({"tune": wanted("optuna>=4")}, deep=True)
    assert found.mark == "broken"
    assert found.said == "optuna 9.0; it does not work: ImportError: cannot import name Trial"
    assert found.command == pip_line("--force-reinstall", "optuna>=4")


def test_a_backend_that_is_not_taken_is_not_needed(made_up):
    made_up("keras", "3.9", code="")
    (found,) = extras_findings({"nets": wanted("absent>=2.18", "keras>=3.6")}, spared=["absent"])
    assert (found.mark, found.said) == ("ok", "absent (not installed, nor needed), keras 3.9")


def test_the_line_for_pip_names_the_python_that_runs_acofer(monkeypatch, tmp_path):
    line = shlex.split(pip_line("keras>=3.6"))
    assert line[1:] == ["-m", "pip", "install", "keras>=3.6"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shlex.split(pip_line("keras"))[0] == sys.executable
    (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert pip_line("keras") == "python -m pip install keras"


def test_what_is_said_of_extras_is_said_of_such_that_there_are():
    pyproject = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    optional = pyproject["project"]["optional-dependencies"].items()
    there = extras_of(parse_requirement(f"{line}; extra == '{extra}'") for extra, lines in optional for line in lines)
    assert packages.PURPOSES.keys() == there.keys()
    assert set(packages.WITH_JOBS) < there.keys()
    assert all(callable(getattr(jobs, name)) for name in ("core", *packages.WITH_JOBS))
