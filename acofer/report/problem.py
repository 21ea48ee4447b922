"""What contenders were measured on, as result files say it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.config.search import PROTOCOLS
from acofer.errors import DataError
from acofer.report.entry import Entry

IntArray = NDArray[np.int64]
CLEAN = "clean"
KNOWN_PROTOCOLS = (*PROTOCOLS, "five-classes")
_MOST_CLASSES = 1000
_MOST_FEATURES = 10_000_000


@dataclass(frozen=True, eq=False)
class Problem:
    """What contenders were measured on; compared by identity.

    Attributes
    ----------
    key, name, protocol, split : str
    fingerprint : str or None
        Of the split; None where it has none, as leaky ones of a single search.
    data, digest : str
        Name and identity of the pictures.
    pictures : int or None
    classes : list of str
    train, validation, test, synthetic : int
        Rows; `synthetic` of the test rows were made up.
    features : int or None
        None for networks, which see pixels.
    feature_names : list of str or None
    backbone : str
        What made the features, as one text.
    labels : ndarray of int64, shape (test,), or None
        True classes; None where a run did not keep them.
    copied : ndarray of int64 or None
        Positions of test rows that also stand in train or validation.
    n_copies : int or None
        How many there are; None where nobody counted.
    """

    key: str
    name: str
    protocol: str
    split: str
    fingerprint: str | None
    data: str
    digest: str
    pictures: int | None
    classes: list[str]
    train: int
    validation: int
    test: int
    synthetic: int
    features: int | None
    feature_names: list[str] | None
    backbone: str
    labels: IntArray | None
    copied: IntArray | None
    n_copies: int | None

    @classmethod
    def read(cls, key: str, entry: Entry) -> Problem:
        """Check and convert what a result file says of a problem."""
        data, test, features = entry.inner("data"), entry.whole("test", 1), entry.maybe_whole("features", 1)
        if features is not None and features > _MOST_FEATURES:
            raise DataError(f"{entry.where}: expected at most {_MOST_FEATURES:,} features; got {features:,}")
        classes = data.texts("classes")
        if not 2 <= len(classes) <= _MOST_CLASSES:
            raise DataError(f"{entry.where}: expected 2 to {_MOST_CLASSES} classes; got {len(classes)}")
        names = entry.texts("feature names") if entry.has("feature names") else None
        if names is not None and len(names) != features:
            raise DataError(f"{entry.where}: expected {features} feature names; got {len(names)}")
        labels = entry.wholes("labels", len(classes), (test,)) if entry.has("labels") else None
        copied = np.unique(entry.wholes("copied", test)) if entry.has("copied") else None
        return cls(
            key=key,
            name=entry.text("setting"),
            protocol=entry.word("protocol", KNOWN_PROTOCOLS),
            split=entry.text("split"),
            fingerprint=entry.maybe_text("fingerprint"),
            data=data.text("name"),
            digest=data.text("digest"),
            pictures=data.maybe_whole("pictures"),
            classes=classes,
            train=entry.whole("train"),
            validation=entry.whole("validation"),
            test=test,
            synthetic=entry.maybe_whole("synthetic test rows") or 0,
            features=features,
            feature_names=names,
            backbone=_backbone(entry.plain("backbone")),
            labels=labels,
            copied=copied,
            n_copies=entry.maybe_whole("copies") if copied is None else len(copied),
        )

    @classmethod
    def bare(cls, key: str, entry: Entry) -> Problem:
        """Return what can be said of a problem that nobody solved: its name and protocol."""
        name, protocol = entry.text("setting"), entry.word("protocol", KNOWN_PROTOCOLS)
        nothing: tuple[Any, ...] = ("", None, "", "", None, [], 0, 0, 0, 0, None, None, "", None, None, None)
        return cls(key, name, protocol, *nothing)

    @property
    def is_clean(self) -> bool:
        return self.protocol == CLEAN

    @property
    def test_part(self) -> tuple[Any, ...] | None:
        """What problems share whose predictions can be compared row by row; None where nobody can tell."""
        return None if self.fingerprint is None else (self.fingerprint, self.test, tuple(self.classes))

    def identity(self) -> tuple[Any, ...]:
        """What two problems share where they are one: without a fingerprint none is another's."""
        split = self.fingerprint or object()
        return (self.protocol, split, self.features, self.backbone if self.features else "")


def _backbone(about: dict[str, Any]) -> str:
    """Say as one text what decides the features; when and how fast they were made does not."""
    names = ("backbone", "image_size", "layers", "pooling", "mirror", "weights_digest", "preprocessing")
    return json.dumps({name: about[name] for name in names if name in about}, sort_keys=True)
