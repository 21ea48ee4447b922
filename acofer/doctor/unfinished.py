"""Runs in a folder: how many ended, and how those that did not may go on."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from acofer.doctor.finding import OK, WARN, Finding, count_text

RUNS = "runs"
"""Where commands put their runs, below the working directory."""
RECENT_SECONDS = 900
"""Who wrote within so many seconds may well be at work still."""


def run_findings(folder: str | Path = RUNS) -> list[Finding]:
    """Look at the runs in a folder, not at those below them."""
    from acofer.bench.store import PLAN, ROWS
    from acofer.runs.folder import RESULT
    from acofer.runs.training_folder import CHECKPOINT, HISTORY

    places = sorted(place for place in Path(folder).glob("*/") if not place.name.startswith("."))
    ended = [place for place in places if (place / RESULT).exists()]
    left = [place for place in places if place not in ended]
    kept = [place for place in left if (place / CHECKPOINT).exists()]
    benches = [place for place in left if (place / PLAN).exists()]
    drafts = sorted(Path(folder).glob(".*-????????/"))
    said = f"{count_text(len(ended), 'finished run')} in {folder}/" if places else f"none in {Path(folder).absolute()}"
    findings = [Finding("runs", OK, said, facts={"folder": str(folder), "finished": len(ended)})]
    for place in kept:
        command = "train" if (place / HISTORY).exists() else "search"
        findings.append(_unfinished(place, CHECKPOINT, f"acofer {command} --resume {shlex.quote(str(place))}"))
    findings += [_unfinished(place, ROWS, _bench_line(place, PLAN)) for place in benches]
    return [*findings, *([_drafts(drafts)] if drafts else [])]


def _bench_line(place: Path, plan: str) -> str:
    quoted = shlex.quote(str(place))
    return f"acofer bench {quoted}/{plan} --out {quoted}"


def _unfinished(place: Path, written: str, command: str) -> Finding:
    age = _age(place / written)
    facts = {"folder": str(place), "seconds since the last writing": round(age)}
    if age < RECENT_SECONDS:
        return Finding(
            place.name, OK, f"not finished; written to {age / 60:.0f} min ago, so it may be at work", facts=facts
        )
    return Finding(
        place.name, WARN, "not finished; unless it is at work, it goes on with:", command=command, facts=facts
    )


def _drafts(drafts: list[Path]) -> Finding:
    names = ", ".join(draft.name for draft in drafts)
    said = f"{count_text(len(drafts), 'draft')} of searches or tunings that are at work, or were killed: {names}"
    advice = "remove those that nobody is at work on"
    return Finding("drafts", WARN, said, advice, facts={"folders": [str(draft) for draft in drafts]})


def _age(path: Path) -> float:
    try:
        return max(time.time() - path.stat().st_mtime, 0.0)
    except OSError:
        return 0.0
