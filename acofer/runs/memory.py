"""Memory: what the machine has, what a container may take of it, and what is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_NO_LIMIT = 1 << 60
"""Control groups of the first version write a number of this size where there is none."""
_GROUPS = "sys/fs/cgroup"


@dataclass(frozen=True)
class Memory:
    """In bytes; None where it cannot be told, or there is no limit."""

    total: int | None
    free: int | None
    limit: int | None

    def to_dict(self) -> dict[str, int | None]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Group:
    """Names of a control group's files, by version."""

    folder: str
    limit: str
    used: str
    reclaimable: str


_BY_CONTROLLER = {
    "": _Group(_GROUPS, "memory.max", "memory.current", "inactive_file"),
    "memory": _Group(f"{_GROUPS}/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def memory_of(root: Path = Path("/")) -> Memory:
    """Return the memory of the machine whose root this is."""
    known = _fields(root / "proc/meminfo")
    total, free = known.get("MemTotal"), known.get("MemAvailable")
    if total is None:
        return Memory(_total_by_sysconf(), None, None)
    limits = [(limit, left) for limit, left in _limits(root) if limit < total]
    free = min([left for _, left in limits] + [free if free is not None else total])
    return Memory(total, max(free, 0), min((limit for limit, _ in limits), default=None))


def _total_by_sysconf() -> int | None:
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the limit of each control group that this process is in, from within outwards, and what is left of it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            if name in _BY_CONTROLLER:
                yield from _limits_of(_BY_CONTROLLER[name], root, Path(path.lstrip("/")))


def _limits_of(files: _Group, root: Path, path: Path) -> Iterator[tuple[int, int]]:
    for within in (path, *path.parents) if path.parts else (path,):
        folder = root / files.folder / within
        limit, used = _text(folder / files.limit).strip(), _text(folder / files.used).strip()
        if limit.isdigit() and used.isdigit() and int(limit) < _NO_LIMIT:
            # Pages of files that were read are given back when memory is asked for.
            reclaimable = _fields(folder / "memory.stat").get(files.reclaimable, 0)
            yield int(limit), int(limit) - int(used) + reclaimable


def _fields(path: Path) -> dict[str, int]:
    """Read lines of names and numbers, in bytes."""
    parts = [line.replace(":", " ").split() for line in _text(path).splitlines()]
    return {part[0]: int(part[1]) * (1024 if part[2:] == ["kB"] else 1) for part in parts if len(part) > 1}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
