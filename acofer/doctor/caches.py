"""What is kept in the user's cache folder: embeddings, scores, landmarks of faces."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from acofer.doctor.disk import Place, is_sound_zip, place_at, sizes_of
from acofer.doctor.finding import OK, WARN, Finding, count_text, size_text

LITTLE = 1_000_000_000
"""Bytes. FER2013's inner layers (`--layers bank`) take 744 MB, its last layer 367 MB."""
NOT_EVEN_ONE = 10_000
"""Days. Pruning what was not used for so long removes what killed writers left, and nothing else."""
_MOST_NAMED = 3


def cache_findings(cache_dir: str | None = None, *, deep: bool = False) -> list[Finding]:
    """Look at the embeddings and at what is kept beside them.

    Parameters
    ----------
    cache_dir : str, optional
        As ``--cache-dir``.
    deep : bool
        Whether to read and check every byte.
    """
    from acofer.features.cache import Store
    from acofer.runs.kept import faces_folder, memo_file

    store = Store(cache_dir, shipped=False)
    place = place_at(store.folder)
    flag = "" if cache_dir is None else f" --cache-dir {shlex.quote(cache_dir)}"
    findings = [_embeddings(store, place), *_damaged(store, flag, deep=deep), *_leftovers(store, flag)]
    return [*findings, _scores(memo_file(cache_dir), deep=deep), *_faces(faces_folder(cache_dir), deep=deep)]


def _embeddings(store: Any, place: Place) -> Finding:
    entries = store.entries()
    n_bytes = sum(entry.bytes for entry in entries)
    room = "" if place.free is None else f"; {size_text(place.free)} free on its disk"
    kept = f"{count_text(len(entries), 'entry', 'entries')}, {size_text(n_bytes)}" if entries else "none yet"
    said = f"{kept}, in {place.folder}{room}"
    facts = place.to_dict() | {"entries": len(entries), "bytes": n_bytes, "keys": [entry.key for entry in entries]}
    if place.fault is not None:
        what = "written" if place.exists else "made"
        advice = "set ACOFER_CACHE_DIR or --cache-dir to a folder that can be written"
        return Finding("embeddings", WARN, f"{said}; it cannot be {what}: {place.fault}", advice, facts=facts)
    if place.free is not None and place.free < LITTLE:
        advice = "make room, e.g. acofer cache prune --older-than 90, or name a folder on another disk by --cache-dir"
        return Finding("embeddings", WARN, said, advice, facts=facts)
    return Finding("embeddings", OK, said, facts=facts)


def _damaged(store: Any, flag: str, *, deep: bool) -> list[Finding]:
    keys = sorted(entry.key for entry in store.entries())
    faults = {key: fault for key in keys if (fault := store.damage(key, everything=deep)) is not None}
    if not faults:
        return []
    more = f", and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
    told = "; ".join(f"{key[:8]}: {fault}" for key, fault in list(faults.items())[:_MOST_NAMED])
    said = f"{count_text(len(faults), 'entry', 'entries')}: {told}{more}"
    command = " ".join(["acofer cache prune", *faults]) + flag
    return [Finding("damaged", WARN, said, "remove, and what needs them computes them again:", command, facts=faults)]


def _leftovers(store: Any, flag: str) -> list[Finding]:
    folders = store.leftovers()
    if not folders:
        return []
    n_bytes = sizes_of(folders)
    said = f"{count_text(len(folders), 'folder')}, {size_text(n_bytes)}, left by processes that were killed"
    command = f"acofer cache prune --older-than {NOT_EVEN_ONE}{flag}"
    facts = {"folders": [str(folder) for folder in folders], "bytes": n_bytes}
    return [Finding("leftovers", WARN, said, "remove them, and no entry:", command, facts=facts)]


def _scores(path: Path, *, deep: bool) -> Finding:
    from acofer.scoring.memo import memo_state

    if not path.exists():
        return Finding("scores", OK, "none remembered yet", facts={"file": str(path), "scores": 0, "bytes": 0})
    state, n_bytes = memo_state(path, everything=deep), sizes_of([path])
    facts = {"file": str(path), "scores": state.scores, "bytes": n_bytes, "fault": state.fault}
    said = f"{state.scores:,} remembered, {size_text(n_bytes)}, in {path.name} there"
    if state.fault is None:
        return Finding("scores", OK, said, facts=facts)
    said = f"{path} cannot be used as it should: {state.fault}; searches go on without"
    return Finding("scores", WARN, said, state.remedy, facts=facts)


def _faces(folder: Path, *, deep: bool) -> list[Finding]:
    files = sorted(folder.glob("*.npz"))
    if not files:
        return []
    damaged = [path.name for path in files if not is_sound_zip(path, everything=deep)]
    n_bytes = sizes_of(files)
    facts = {"folder": str(folder), "files": len(files), "bytes": n_bytes, "damaged": damaged}
    said = f"landmarks, {count_text(len(files), 'file')}, {size_text(n_bytes)}, in {folder.name}/ there"
    if damaged:
        advice = "they are found again when they are needed"
        return [Finding("found faces", WARN, f"{said}; damaged: {', '.join(damaged)}", advice, facts=facts)]
    return [Finding("found faces", OK, said, facts=facts)]
