"""Imports and little jobs, tried in a process of their own, with a time limit, in an empty folder that goes away.

Packages write where they are imported: Keras its settings, matplotlib its folder, numba what it compiles, Python
its bytecode. All of that goes to the empty folder, so that who is examined is not changed by it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acofer.pretrained.weights import KERAS_SETTINGS, keras_home

IMPORT_SECONDS = 60.0
JOB_SECONDS = 180.0
"""Seconds after which nobody waits any longer: a first import may read a gigabyte from a slow disk."""


@dataclass(frozen=True)
class Trial:
    """What came of one.

    Attributes
    ----------
    fault : str or None
        Why it failed, in one line.
    facts : dict
        What a job tells.
    seconds : float or None
        None where it did not end.
    """

    fault: str | None
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None


def try_out(targets: Mapping[str, str], seconds: float = IMPORT_SECONDS) -> dict[str, Trial]:
    """Try targets, one after the other, in one process; after one that kills or hangs it, the rest in another.

    Parameters
    ----------
    targets : mapping of str to str
        ``module`` or ``module:function`` by label.
    seconds : float
        How long a process may take.
    """
    trials: dict[str, Trial] = {}
    while len(trials) < len(targets):
        left = {label: target for label, target in targets.items() if label not in trials}
        trials |= _in_one_process(left, seconds)
    return trials


def _in_one_process(targets: Mapping[str, str], seconds: float) -> dict[str, Trial]:
    """Return at least one outcome: that of the first target, be it that the process did not even begin with it."""
    with tempfile.TemporaryDirectory(prefix="acofer-doctor-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "acofer.doctor.worker", json.dumps(list(targets.items()))]
        try:
            done = subprocess.run(  # noqa: S603 - this Python, with our own words
                command, cwd=folder, env=_environment(Path(folder)), capture_output=True, timeout=seconds, check=False
            )
            end, told, complaints = _how_it_ended(done.returncode), done.stdout, done.stderr
        except subprocess.TimeoutExpired as error:
            end, told, complaints = f"took longer than {seconds:g} s", error.stdout or b"", b""
    trials, at = {}, next(iter(targets))
    for line in told.decode().splitlines():
        content = json.loads(line)
        at = content.get("begun", at)
        if "ended" in content:
            trials[at] = Trial(content["fault"], content["facts"], content["seconds"])
    if at not in trials:
        trials[at] = Trial("; ".join([end, *_last_line(complaints)]))
    return trials


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended its process with code {code}"
    return f"was killed by signal {-code} ({signal.Signals(-code).name})"


def _last_line(complaints: bytes) -> list[str]:
    return [line.strip()[:160] for line in complaints.decode(errors="replace").splitlines() if line.strip()][-1:]


def _environment(folder: Path) -> dict[str, str]:
    """Return the user's environment, less where packages would write."""
    keras = folder / "keras"
    keras.mkdir()
    if (keras_home() / KERAS_SETTINGS).is_file():
        shutil.copy(keras_home() / KERAS_SETTINGS, keras)
    return os.environ | {
        # What is found here is found there, in the same order.
        "PYTHONPATH": os.pathsep.join(str(Path(place).absolute()) for place in sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "KERAS_HOME": str(keras),
        "MPLCONFIGDIR": str(folder),
        "NUMBA_CACHE_DIR": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
