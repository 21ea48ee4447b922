"""What no contender gets past: rows that cross between parts, rows that are not real, answers to another question.

Each raises `LeakageError`, which ends a cell with the status "caught". The labels of the test part are guarded by
`acofer.scoring.protocol.SealedLabels`; what `null_test` finds is acted on when they are open.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import LeakageError
from acofer.records import Split
from acofer.runs.material import Material
from acofer.scoring.metrics import confusion
from acofer.scoring.protocol import RowArray, check_disjoint

FALSE_ALARM = 0.001
"""On shuffled labels an honest contender is better than chance by as much as that with this probability."""
_MOST_RENAMINGS = 5040  # of seven classes


def check_parts(split: Split) -> None:
    """Refuse a split two parts of which share a row, or which does not test."""
    check_disjoint(train=split.train, validation=split.validation, test=split.test)
    if not len(split.test):
        raise LeakageError("the split has no test rows; make one that has")


def check_copies(split: Split) -> None:
    """Refuse copies across parts where the split was to have none; an official one states how many it has."""
    if split.name.startswith("stratified") and len(split.copied_test_rows):
        raise LeakageError(
            f"{len(split.copied_test_rows)} test rows also stand in train or validation; keep copies on one side"
        )


def check_real(material: Material, values: Any, split: Split, protocol: str) -> None:
    """Refuse rows that are not the pictures' own where the protocol is a clean one.

    Whoever resamples before the split hands on rows that no picture has, or as many as no part has.

    Parameters
    ----------
    material : Material
        What contenders meet.
    values : ndarray or Bank, shape (n, p)
        Embeddings of all pictures.
    split : Split
    protocol : str
    """
    if protocol not in ("clean", "five-classes"):
        return
    developing = np.concatenate([split.train, split.validation])
    for part, rows, kept in (("training", developing, material.X), ("test", split.test, material.X_test)):
        if len(kept) != len(rows) or not _are_rows(kept, values, rows):
            raise LeakageError(
                f"expected the {len(rows):,} {part} rows of the split, as they are; got {len(kept):,} rows, of which "
                "not all are real; resample inside the training rows only"
            )
    if material.n_synthetic_test_rows or material.test_rows is None:
        raise LeakageError("the test part holds synthetic rows; test on real ones")


def _are_rows(kept: Any, values: Any, rows: RowArray) -> bool:
    """Whether rows are those of the embeddings; some hundred of them, spread evenly, are looked at."""
    some = np.unique(np.linspace(0, len(rows) - 1, 256).astype(np.int64))
    return bool(np.array_equal(np.asarray(kept[some], np.float32), np.asarray(values[rows[some]], np.float32)))


def check_outputs(outputs: NDArray[Any], rows: RowArray, asked: RowArray, n_classes: int) -> None:
    """Refuse predictions that are of other rows, of other classes, or no numbers.

    Parameters
    ----------
    outputs : ndarray, shape (n, n_classes)
    rows : ndarray of int64, shape (n,)
        Which rows they are said to be of.
    asked : ndarray of int64, shape (n,)
        The test rows.
    n_classes : int
    """
    if not np.array_equal(rows, asked):
        raise LeakageError(
            f"expected predictions of the {len(asked):,} test rows, in their order; got some of {len(rows):,} rows, "
            "not the same ones; predict the split's own test part"
        )
    if outputs.shape != (len(asked), n_classes):
        raise LeakageError(f"expected outputs of shape {(len(asked), n_classes)}; got {outputs.shape}")
    if not np.isfinite(outputs).all():
        raise LeakageError("expected finite outputs for every test row; got some that are not")


def check_same_split(expected: str, fingerprint: str, where: str) -> None:
    """Refuse a row that was measured on another split, or other pictures, than those beside it."""
    if fingerprint != expected:
        raise LeakageError(
            f"{where}: expected the split {expected}; got {fingerprint}: the pictures, their labels or the parts have "
            "changed; begin again in a new folder"
        )


def null_test(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, seed: int = 0) -> dict[str, Any]:
    """Test whether who learnt from shuffled labels knows the true ones.

    Rows of a class look alike, so that who has learnt nothing still says the same of many of them, and now and then
    it is the right word: to count every row as a coin of its own, as `acofer.bench.stats.independence` does, raises
    20 to 70 times as many alarms as it says (2 % instead of 0.1 % on the embedded faces, 7 % on FER2013, ridge on 64
    features). But without labels nobody knows which class has which name: the recall, mean over classes, is compared
    with that under every renaming of the predicted classes (a permutation test; Fisher, The Design of Experiments,
    1935). Fewer than seven classes have too few names for an alarm.

    Parameters
    ----------
    labels, predicted : ndarray of int64, shape (n,)
        True classes and predicted ones.
    n_classes : int
    seed : int
        Of more than seven classes as many renamings as seven have are drawn.

    Returns
    -------
    dict
        ``hits``; ``expected``, hits if rows had nothing to do with each other; and ``p``, the share of renamings with
        as much recall, the true names counted among them.
    """
    counts = confusion(labels, predicted, n_classes)
    true, guessed = counts.sum(axis=1), counts.sum(axis=0)
    recalls = counts / np.maximum(true, 1)[:, None]
    named = recalls[np.arange(n_classes), _renamings(n_classes, seed)].sum(axis=1)
    return {
        "hits": int(np.trace(counts)),
        "expected": float(true @ guessed / len(labels)),
        "p": float(np.mean(named >= named[0] - 1e-9)),  # sums of the same numbers in another order
    }


def can_alarm(n_classes: int) -> bool:
    """Whether so many classes have names enough for `null_test` to fail: where it cannot, it says nothing."""
    return math.factorial(n_classes) * FALSE_ALARM > 1


def _renamings(n_classes: int, seed: int) -> NDArray[np.int64]:
    """Return permutations of the classes, the true names first."""
    if math.factorial(n_classes) <= _MOST_RENAMINGS:
        return np.array(list(itertools.permutations(range(n_classes))))
    names = np.tile(np.arange(n_classes), (_MOST_RENAMINGS, 1))
    names[1:] = np.random.default_rng(seed).permuted(names[1:], axis=1)
    return names
