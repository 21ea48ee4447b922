"""``acofer doctor`` as who has a problem meets it: what it says, its exit code, and that it changes nothing."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from acofer.doctor import examination, packages
from acofer.features.cache import Store


@pytest.fixture
def acofer_that(made_up, monkeypatch):
    """Return a maker of acofer's metadata with these requirements; to import all of acofer is left out."""
    monkeypatch.setattr(packages, "ALL_OF_ACOFER", "acofer")
    return lambda *needs: made_up("acofer", "0.9", needs=needs)


def row(out, name):
    """Return the text of a finding, its lines joined, and the line to copy below it."""
    lines = out.splitlines()
    start = next(at for at, line in enumerate(lines) if line[11:].startswith(f"{name} "))
    end = next(at for at in range(start + 1, len(lines)) if not lines[at].startswith(" " * 23))
    return " ".join(" ".join(lines[start:end]).split())


def everything_in(folder):
    return {path: path.is_file() and (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A run of the whole command in an empty home, 80 columns, a pipe: home before and after, and what it said."""
    home = tmp_path_factory.mktemp("home")
    for name in ("work", "temporary", "cache"):
        (home / name).mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ACOFER_", "KERAS_", "NUMBA_"))}
    environment = kept | {
        "HOME": str(home), "TMPDIR": str(home / "temporary"), "XDG_CACHE_HOME": str(home / "cache"), "COLUMNS": "80",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    before = everything_in(home)
    code = "import sys; from acofer.cli import main; sys.exit(main(['doctor']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=home / "work", env=environment, capture_output=True, text=True, check=False
    )
    return before, everything_in(home), done


def test_a_core_that_works_is_exit_code_0(strangers):
    _, _, done = strangers
    assert (done.returncode, done.stderr) == (0, "")
    titles = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert titles[:8] == ["acofer", "machine", "core", "extras", "networks", "data and caches", "runs", "variables"]
    assert titles[8].startswith("The core works.")
    for package in ("numpy", "scikit-learn", "numba"):
        assert f"{package} " in row(done.stdout, "packages")
    assert row(done.stdout, "imports") == "ok imports all of these and acofer can be imported"
    assert row(done.stdout, "embeddings").startswith("ok embeddings none yet, in ")


def test_a_look_writes_nothing_and_leaves_nothing(strangers):
    before, after, _ = strangers
    assert after == before


def test_lines_fit_eighty_columns_and_know_no_colours(strangers):
    _, _, done = strangers
    assert "\x1b" not in done.stdout
    words = [line.split() for line in done.stdout.splitlines() if len(line) > 80]
    # But for what is to be copied, and a word that is as long: lines of pip, addresses, paths.
    too_long = [line for line in words if not (len(line) == 1 or "pip" in line)]
    assert too_long == []


def test_a_missing_extra_is_no_failure_and_comes_with_its_line(acofer, acofer_that, workplace):
    acofer_that("tomli-w", "absent>=4.0; extra == 'tune'")
    outcome = acofer("doctor")
    assert (outcome.code, outcome.err) == (0, "")
    assert row(outcome.out, "tune").startswith("missing tune not installed: absent; it is for acofer tune -> ")
    assert outcome.out.count("-m pip install 'absent>=4.0'\n") == 1
    assert " tune" in outcome.out.partition("To look at:")[2]


def test_a_core_package_that_is_too_old_is_exit_code_2(acofer, acofer_that, made_up, workplace):
    acofer_that("aged>=1.2", "tomli-w")
    made_up("aged", "1.1", code="")
    outcome = acofer("doctor")
    assert outcome.code == 2
    assert row(outcome.out, "aged").startswith("too old aged 1.1, expected >=1.2 -> ")
    assert "The core does not work: aged." in outcome.out


def test_a_broken_import_of_the_core_is_exit_code_2(acofer, acofer_that, made_up, workplace):
    acofer_that("unfit", "tomli-w")
    made_up("unfit", "1.0", code="raise ImportError('numpy.core.multiarray failed to import')")
    outcome = acofer("doctor")
    assert outcome.code == 2
    said = row(outcome.out, "unfit")
    assert said.startswith("broken unfit 1.0, cannot be imported: ImportError: numpy.core.multiarray failed to import")
    assert said.endswith(" -m pip install --force-reinstall unfit")


def test_deep_finds_an_extra_that_only_looks_installed(acofer, acofer_that, made_up, workplace, monkeypatch):
    acofer_that("tomli-w", "unfit; extra == 'later'")
    made_up("unfit", "1.0", code="raise OSError('libfoo.so: no such file')")
    monkeypatch.setattr(packages, "_on_the_job", lambda _: packages.Trial(None, {"said": "it works"}, 1.0))
    assert row(acofer("doctor").out, "later") == "ok later unfit 1.0"
    outcome = acofer("doctor", "--deep")
    assert outcome.code == 0
    assert "broken later unfit 1.0 (cannot be imported: OSError: libfoo.so: no such file)" in row(outcome.out, "later")
    assert row(outcome.out, "search") == "ok search it works, in 1.0 s"
    assert "--deep" not in outcome.out


def test_a_damaged_entry_of_a_named_cache_is_shown(acofer, acofer_that, workplace, tmp_path):
    acofer_that("tomli-w")
    (tmp_path / "data" / ("a" * 32)).mkdir(parents=True)
    outcome = acofer("doctor", "--cache-dir", tmp_path / "data")
    assert outcome.code == 0
    assert "1 entry: aaaaaaaa: about.json cannot be read" in row(outcome.out, "damaged")
    line = next(line.strip() for line in outcome.out.splitlines() if "cache prune" in line)
    assert acofer(*shlex.split(line)[1:]).out.startswith("removed 1 entries")
    assert "1 entry:" not in acofer("doctor", "--cache-dir", tmp_path / "data").out
    assert Store(tmp_path / "data", shipped=False).entries() == []


def test_a_cache_that_cannot_be_written_is_a_warning(acofer, acofer_that, workplace, tmp_path):
    acofer_that("tomli-w")
    (tmp_path / "file").touch()
    outcome = acofer("doctor", "--cache-dir", tmp_path / "file" / "cache")
    assert outcome.code == 0
    assert "it cannot be made: Not a directory -> set ACOFER_CACHE_DIR" in row(outcome.out, "embeddings")


def test_a_variable_that_no_command_knows_is_exit_code_2(acofer, acofer_that, workplace, monkeypatch):
    acofer_that("tomli-w")
    monkeypatch.setenv("ACOFER_ANST", "40")
    outcome = acofer("doctor")
    assert outcome.code == 2
    assert "did you mean 'ACOFER_ANTS'? -> unset ACOFER_ANST" in row(outcome.out, "ACOFER_ANST")
    assert "ACOFER_ANST" in acofer("search", "--ants", "2").err, "as every command says that takes options from there"


def test_json_is_alone_on_stdout_and_says_the_same(acofer, acofer_that, workplace, monkeypatch):
    acofer_that("tomli-w>=1.0", "absent>=4.0; extra == 'tune'")
    monkeypatch.setenv("ACOFER_ANST", "40")
    outcome = acofer("doctor", "--json")
    assert (outcome.code, outcome.err) == (2, "")
    told = json.loads(outcome.out)
    assert told.keys() == {"format", "works", "deep", "sections"}
    assert (told["format"], told["works"], told["deep"]) == (1, False, False)
    findings = {finding["name"]: finding for part in told["sections"] for finding in part["findings"]}
    keys = {"name", "mark", "said", "advice", "command", "is_vital", "facts"}
    assert all(finding.keys() == keys for finding in findings.values())
    assert all(finding["mark"] in ("ok", "warn", "missing", "too old", "broken") for finding in findings.values())
    (package,) = findings["tune"]["facts"]["packages"]
    assert package == {
        "package": "absent", "version": None, "needed": ">=4.0", "mark": "missing", "fault": "not installed",
    }  # fmt: skip
    assert findings["ACOFER_ANST"]["facts"] == {"value": "40"}
    assert findings["memory"]["facts"]["total"] > 1e8


def test_a_fault_of_the_doctors_own_is_exit_code_1_and_the_rest_is_told(acofer, acofer_that, workplace, monkeypatch):
    acofer_that("tomli-w")

    def fails():
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(examination, "machine_findings", fails)
    outcome = acofer("doctor")
    assert outcome.code == 1
    assert "could not be looked at: ZeroDivisionError: oh" in row(outcome.out, "machine")
    assert "\nvariables\n" in outcome.out


def test_it_needs_none_of_what_it_looks_for(tmp_path):
    """A doctor who falls ill with the patient is of no use: here numpy and rich are not to be had."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['numpy', 'rich', 'platformdirs', 'sklearn']))\n"
        "from acofer.doctor import packages; packages.ALL_OF_ACOFER = 'acofer'\n"
        "from acofer.cli import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 2
    assert row(done.stdout, "numpy").startswith("broken numpy ")
    flat = " ".join(done.stdout.split())
    assert "broken core could not be looked at: ModuleNotFoundError: import of platformdirs" in flat
    assert row(done.stdout, "data and caches").endswith("not looked at, since numpy does not work")
    assert "\nvariables\n" in done.stdout
