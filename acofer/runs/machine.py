"""What a result ran on: every figure is kept with it."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("acofer", "numpy", "scipy", "scikit-learn", "imbalanced-learn", "numba", "joblib")


def versions() -> dict[str, str]:
    """Return the versions of Python and of every package that can move a figure."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def machine() -> dict[str, Any]:
    """Return the processor, its cores and the operating system."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()}


def peak_memory() -> float:
    """Return the most memory this process has held since `reset_peak_memory`, or so far, in GB."""
    import resource

    with suppress(OSError):  # what getrusage says includes the process that began this one
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e9, 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e9, 2)


def reset_peak_memory() -> None:
    """Begin to measure anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a device, read line by line
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


class Stopwatch:
    """Wall seconds by stage, in the order in which the stages began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block and add it to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
