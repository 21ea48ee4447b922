"""acofer itself, its Python, and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

import acofer
from acofer.doctor.finding import BROKEN, OK, WARN, Finding, count_text, pip_line, size_text
from acofer.doctor.requirements import SELF
from acofer.runs.machine import machine
from acofer.runs.memory import memory_of

CODE = Path(acofer.__file__).parent
LITTLE = 1_500_000_000
"""Bytes. Training the smallest network on FER2013 at 48 x 48 held 1.1 GB (reports/fer2013-nets)."""


def acofer_findings() -> list[Finding]:
    """Say which acofer runs, and in which Python."""
    return [_acofer(), _python()]


def _acofer() -> Finding:
    # Where this is no checkout, nobody knows where it came from.
    command = pip_line("-e", str(CODE.parent)) if (CODE.parent / "pyproject.toml").exists() else None
    try:
        distribution = metadata.distribution(SELF)
    except metadata.PackageNotFoundError:
        facts = {"version": None, "code": str(CODE), "installed": None, "is editable": False}
        said, advice = f"runs from {CODE}, but is not installed", "install it, as its README says"
        return Finding("acofer", BROKEN, said, advice, command, is_vital=True, facts=facts)
    version, home, is_editable = distribution.version, *_home_of(distribution)
    facts = {"version": version, "code": str(CODE), "installed": str(home), "is editable": is_editable}
    if home.resolve() != CODE.resolve():
        said = f"runs from {CODE}, while {version} is installed in {home}"
        advice = "what is told here of versions is of the installed one; install the one you mean"
        return Finding("acofer", WARN, said, advice, command, facts=facts)
    editable = ", editable" if is_editable else ""
    return Finding("acofer", OK, f"{version} in {CODE}{editable}", facts=facts)


def _home_of(distribution: metadata.Distribution) -> tuple[Path, bool]:
    """Return where the installed package's code should be, and whether it is a checkout."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return Path(unquote(urlsplit(origin["url"]).path)) / SELF, True
    return Path(str(distribution.locate_file(SELF))), False


def is_worked_on() -> bool:
    """Whether acofer is installed so that it can be edited."""
    try:
        return _home_of(metadata.distribution(SELF))[1]
    except metadata.PackageNotFoundError:
        return False


def _python() -> Finding:
    version, kind = platform.python_version(), platform.python_implementation()
    is_own = sys.prefix != sys.base_prefix
    facts = {"version": version, "implementation": kind, "executable": sys.executable, "virtual environment": is_own}
    return Finding("python", OK, f"{version} ({kind}), {sys.executable}", facts=facts)


def machine_findings(root: Path = Path("/")) -> list[Finding]:
    """Say what the machine has: system, processor, memory, graphics."""
    about = machine()
    system = Finding("system", OK, str(about["system"]), facts={"system": about["system"]})
    return [system, _processor(about["processor"], about["cores"]), _memory(root), _graphics(root)]


def _processor(name: str, cores: int | None) -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    shared = f", of which this process may use {usable}" if usable != cores else ""
    said = f"{name}, {count_text(cores or 1, 'core')}{shared}"
    return Finding("processor", OK, said, facts={"processor": name, "cores": cores, "usable cores": usable})


def _memory(root: Path) -> Finding:
    memory = memory_of(root)
    if memory.total is None:
        return Finding("memory", OK, "cannot be told here", facts=memory.to_dict())
    limit = f", limited to {size_text(memory.limit)} for this process" if memory.limit is not None else ""
    free = "" if memory.free is None else f", {size_text(memory.free)} free"
    said = f"{size_text(memory.total)}{limit}{free}"
    if memory.free is not None and memory.free < LITTLE:
        advice = "close what needs memory; fewer features need less: --pooling avg, a smaller --image-size"
        return Finding("memory", WARN, said, advice, facts=memory.to_dict())
    return Finding("memory", OK, said, facts=memory.to_dict())


def _graphics(root: Path) -> Finding:
    names = graphics(root)
    said = ", ".join(names) or "no NVIDIA or AMD device seen"
    return Finding("graphics", OK, said, facts={"devices": names})


def graphics(root: Path = Path("/")) -> list[str]:
    """Return the graphics devices that can be seen without their drivers' libraries (Linux)."""
    about = [path.read_text(errors="replace") for path in root.glob("proc/driver/nvidia/gpus/*/information")]
    lines = [line.partition(":")[2].strip() for text in about for line in text.splitlines() if line.startswith("Model")]
    if lines:
        return lines
    nvidia = ["NVIDIA"] * len(list(root.glob("dev/nvidia[0-9]*")))
    return nvidia or ["AMD"] * (root / "dev/kfd").exists()
