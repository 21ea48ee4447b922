"""What is tried out in a process of its own, where it may do its worst."""

import tempfile
import time

import pytest

from acofer.doctor.trials import try_out


def test_a_module_that_can_be_imported_has_no_fault():
    trial = try_out({"calendar": "calendar"})["calendar"]
    assert (trial.fault, trial.facts) == (None, {})
    assert trial.seconds >= 0


def test_a_function_is_called_and_tells(made_up):
    made_up("tells", "1", code="def job():\n    print('noise')\n    return {'said': 'é'}\n")
    assert try_out({"it": "tells:job"})["it"].facts == {"said": "é"}


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise ImportError('libcudart.so.12:\\n cannot open')", "ImportError: libcudart.so.12: cannot open"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise ImportError('read the manual') from OSError('disk')", "OSError: disk"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(7)", "ended its process with code 7"),
        ("import os, sys; sys.stderr.write('terminate called\\n'); sys.stderr.flush(); os.abort()",
         "was killed by signal 6 (SIGABRT); terminate called"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_and_the_rest_is_tried(made_up, code, fault):
    made_up("unfit", "1", code=code)
    trials = try_out({"before": "calendar", "unfit": "unfit", "after": "colorsys"})
    assert list(trials) == ["before", "unfit", "after"]
    assert trials["unfit"].fault.startswith(fault)
    assert "\n" not in trials["unfit"].fault
    assert trials["before"].fault is trials["after"].fault is None


def test_what_hangs_is_given_up(made_up):
    made_up("hanging", "1", code="import time; time.sleep(600)")
    start = time.monotonic()
    trials = try_out({"before": "calendar", "hanging": "hanging", "after": "colorsys"}, 3)
    assert time.monotonic() - start < 30
    assert trials["hanging"].fault == "took longer than 3 s"
    assert trials["before"].fault is trials["after"].fault is None


def test_what_packages_write_where_they_are_imported_goes_away(made_up, tmp_path, monkeypatch):
    """Keras makes its folder in the user's home when it is first imported, matplotlib and Python write, too."""
    home = tmp_path / "home"
    (home / "keras").mkdir(parents=True)
    (home / "keras" / "keras.json").write_text('{"backend": "jax"}')
    monkeypatch.setenv("KERAS_HOME", str(home / "keras"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    code = """
        import os, pathlib
        def job():
            settings = pathlib.Path(os.environ["KERAS_HOME"], "keras.json")
            read = settings.read_text()
            settings.write_text("changed")
            for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
                pathlib.Path(os.environ[name], "written").touch()
            pathlib.Path("here").touch()
            return {"settings": read}
    """
    site = made_up("writes", "1", code=code)
    before = sorted(site.rglob("*"))
    assert try_out({"it": "writes:job"})["it"].facts == {"settings": '{"backend": "jax"}'}
    assert (home / "keras" / "keras.json").read_text() == '{"backend": "jax"}'
    assert sorted(site.rglob("*")) == before, "bytecode"
    assert not any((tmp_path / "temporary").iterdir())
