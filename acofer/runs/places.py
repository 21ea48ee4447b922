"""Names of files that mean the same from anywhere."""

from __future__ import annotations

from pathlib import Path


def absolute(path: str, words: tuple[str, ...] = ()) -> str:
    """Return the whole path of what exists; a word means itself even where a file is called the same."""
    return path if path in words or not Path(path).exists() else str(Path(path).resolve())
