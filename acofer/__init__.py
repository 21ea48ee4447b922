"""acofer: ant colony selection of a frozen image network's features, compared honestly with end-to-end training.

The public face, loaded on first use:

* `AntColonySelector` - a scikit-learn feature selector
* `HistForestClassifier` - a Random Forest on binned features, the fast scorer
* `load_faces`, `embed`, `run_search` - the main job, step by step or whole
* `SearchConfig` - its options
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acofer.colony.selector import AntColonySelector
    from acofer.config.search import SearchConfig
    from acofer.data.load import load_faces
    from acofer.features.embed import embed
    from acofer.forest.forest import HistForestClassifier
    from acofer.runs.search import run_search

__all__ = ["AntColonySelector", "HistForestClassifier", "SearchConfig", "embed", "load_faces", "run_search"]

_HOMES = {
    "AntColonySelector": "acofer.colony.selector",
    "HistForestClassifier": "acofer.forest.forest",
    "SearchConfig": "acofer.config.search",
    "embed": "acofer.features.embed",
    "load_faces": "acofer.data.load",
    "run_search": "acofer.runs.search",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("acofer")
    if name not in _HOMES:
        raise AttributeError(f"module 'acofer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
