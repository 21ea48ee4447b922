"""What runs keep for one another beside the embeddings, in the user's cache folder."""

from __future__ import annotations

from pathlib import Path

from acofer.features.cache import Store


def faces_folder(cache_dir: str | None = None) -> Path:
    """Return the folder in which landmarks of faces are kept."""
    return Store(cache_dir).folder / "faces"


def memo_file(cache_dir: str | None = None) -> Path:
    """Return the file in which scores are remembered."""
    return Store(cache_dir).folder / "scores.sqlite"
