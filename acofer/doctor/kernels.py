"""Compiled kernels: where numba keeps them, by the rules of `numba.core.caching`, and how many are there.

numba takes the first place that can be written: ``NUMBA_CACHE_DIR``, ``__pycache__`` beside the code, the user's
cache folder. Where there is none, it refuses to define functions that are to be kept, and acofer's are.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from acofer.doctor.disk import place_at, sizes_of
from acofer.doctor.finding import BROKEN, OK, WARN, Finding, count_text, size_text
from acofer.doctor.surroundings import CODE

_INDEX = f"*.py{sys.version_info.major}{sys.version_info.minor}{getattr(sys, 'abiflags', '')}.nbi"
VARIABLE = "NUMBA_CACHE_DIR"


def kernel_findings(code: Path = CODE) -> list[Finding]:
    """Look for the place of compiled kernels, and count them."""
    rooms = [code, *sorted(place for place in code.iterdir() if (place / "__init__.py").exists())]
    faults = {}
    for named, folders in _candidates(rooms):
        writable = [place_at(folder) for folder in folders]
        faults[named] = next((place.fault for place in writable if place.fault is not None), None)
        if faults[named] is None:
            return [_place_found(named, folders, faults)]
    told = "; ".join(f"{named}: {fault}" for named, fault in faults.items())
    return [
        Finding(
            "kernels", BROKEN, f"numba finds no folder to keep what it compiles, and refuses ({told})",
            f"set {VARIABLE} to a folder that can be written", is_vital=True, facts={"folder": None, "faults": faults},
        )
    ]  # fmt: skip


def _candidates(rooms: list[Path]) -> list[tuple[str, list[Path]]]:
    """Return a name and the folders, one a room, of each place, in the order in which numba tries them."""
    import platformdirs

    beside = (str(rooms[0] / "*" / "__pycache__"), [room / "__pycache__" for room in rooms])
    elsewhere = [os.environ.get(VARIABLE), platformdirs.user_cache_dir("numba", appauthor=False)]
    named, users = (
        [(place, [Path(place) / _folder_of(room) for room in rooms])] if place else [] for place in elsewhere
    )
    return [*named, beside, *users]


def _folder_of(room: Path) -> str:
    """Return the name of a room's folder where numba keeps many packages'."""
    return f"{room.name}_{hashlib.sha1(str(room.absolute()).encode(), usedforsecurity=False).hexdigest()}"


def _place_found(named: str, folders: list[Path], faults: dict[str, str | None]) -> Finding:
    indices = [path for folder in folders for path in folder.glob(_INDEX)]
    n_bytes = sizes_of([path for folder in folders for path in folder.glob("*.nb[ic]")])
    facts = {"folder": named, "kernels": len(indices), "bytes": n_bytes, "faults": faults}
    kept = f"{count_text(len(indices), 'kernel')} compiled, {size_text(n_bytes)}" if indices else "none compiled yet"
    said = f"{kept}, in {named}"
    if os.environ.get(VARIABLE) and named != os.environ[VARIABLE]:
        said += f", since {VARIABLE} cannot be written: {faults[os.environ[VARIABLE]]}"
        return Finding("kernels", WARN, said, f"set {VARIABLE} to a folder that can be written", facts=facts)
    later = "" if indices else "; the first search compiles what it needs, for some seconds"
    return Finding("kernels", OK, said + later, facts=facts)
