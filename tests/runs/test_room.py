"""Whether there is room for a search is said before it begins, and never of one that would have had it."""

import tracemalloc

import numpy as np
import pytest

from acofer.config.search import SearchConfig
from acofer.errors import ConfigError
from acofer.runs import room, search
from acofer.runs.memory import Memory
from acofer.runs.room import Shape, check_room, needed_bytes
from acofer.runs.search import run_search

FER2013 = Shape(np.array([3995, 436, 4097, 7215, 4830, 3171, 4965]), 3589, 3589, 5120)


def settled(**options):
    return SearchConfig(**options).settled()


def test_what_fer2013_takes_was_measured():
    """2.85 GB at the worst moment with a forest, 3.79 GB by ridge on 10,368 features of a bank."""
    assert 1.2e9 < needed_bytes(settled(), FER2013) < 2.85e9
    bank = Shape(FER2013.counts, 3589, 3589, 10_368, is_bank=True)
    assert 2.5e9 < needed_bytes(settled(scorer="ridge"), bank) < 3.79e9


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"balance": "none"},
        {"balance": "nearmiss-smote"},
        {"scorer": "sklearn"},
        {"scorer": "ridge", "penalty": 0.01},
        {"scorer": "ridge", "penalty": 0.01, "balance": "smote"},
        {"screen": "ridge"},
    ],
    ids=str,
)
def test_it_is_a_good_part_of_what_is_taken_and_never_more(wide, config, monkeypatch, options):
    said = []
    monkeypatch.setattr(search, "check_room", lambda *of: said.append(needed_bytes(*of)))
    options = {"ants": 2, "iterations": 1, "trees": 3, "heuristic": "auto", **options}
    run_search(config("first", **options))  # for what is imported and compiled
    tracemalloc.start()
    try:
        run_search(config(**options))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.4 * peak < said[0] < peak


def test_too_little_is_said_before_anything_is_laid_out(planted, config, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "memory_of", lambda: Memory(None, 10_000, None))
    monkeypatch.setattr(search, "material_of", None)  # would fail if it were reached
    with pytest.raises(
        ConfigError, match=r"^memory: expected 0\.0 GB free, which balance smote and scorer forest need"
    ) as e:
        run_search(config())
    assert "180 training rows of 30 features" in str(e.value)
    assert "--balance none needs 0.0 GB" in str(e.value)
    assert list(tmp_path.iterdir()) == []


def test_enough_and_unknown_are_no_obstacle():
    check_room(settled(), FER2013, free=needed_bytes(settled(), FER2013))
    with pytest.raises(ConfigError, match="fewer features"):
        check_room(settled(balance="none"), FER2013, free=1)


def test_where_nobody_knows_what_is_free_a_search_begins(monkeypatch):
    monkeypatch.setattr(room, "memory_of", lambda: Memory(None, None, None))
    check_room(settled(), FER2013)
