"""A made bench: what ``acofer bench`` writes, with planted accuracies, so that what the report says can be checked.

Pictures are as hard for all contenders; whoever has the planted accuracy `a` is right on about the `a` easiest, with
noise of its own and of its seed. All scores come from `acofer.scoring.metrics`, none is written by hand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from acofer.bench.stats import independence
from acofer.scoring.metrics import binary_accuracy, log_loss, scorecard

CLASSES = ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"]
SHARES = np.array([491, 55, 528, 879, 594, 416, 626]) / 3589
FEATURES = 1280
SIZE = 64
BUDGET = {"evaluations": 60, "seconds": None}


@dataclass(frozen=True)
class Contender:
    """Who takes part, and how good it truly is."""

    name: str
    accuracy: float
    selector: str | None = None
    net: str | None = None
    size: int | None = SIZE
    searches: bool = False
    seconds: float = 1.0
    optimism: float = 0.0
    favourites: float = 1.0
    """How many times likelier than the others its 64 favourite features are: large is stable."""
    multiply_adds: int = 11_000_000


COLONY = Contender("colony", 0.57, "colony", searches=True, seconds=130.0, favourites=60.0, optimism=0.01)
ALL = Contender("all", 0.575, "all", size=None, seconds=0.0)
RANDOM = Contender("random-subset", 0.48, "random-subset", seconds=0.001)
GENETIC = Contender("genetic-algorithm", 0.53, "genetic-algorithm", searches=True, seconds=150.0, optimism=0.03)
ANOVA = Contender("anova-f", 0.52, "anova-f", seconds=0.2, favourites=1000.0)
PCA = Contender("pca", 0.56, "pca", seconds=0.9)
SMALL_CNN = Contender("small-cnn", 0.565, net="small-cnn", size=None, seconds=2300.0, multiply_adds=8_772_480)
MOBILENET = Contender("mobilenetv2", 0.66, net="mobilenetv2", size=None, seconds=5200.0, multiply_adds=14_000_000)
CAST = (COLONY, ALL, RANDOM, GENETIC, ANOVA, PCA, SMALL_CNN, MOBILENET)
LEAKS = {"leaky-smote-first": 0.25, "leaky-smote-test": 0.03, "validation-as-test": 0.02, "five-classes": 0.09}
"""What each protocol adds to the planted accuracy."""


def changed(cast, whom, **what):
    """Return the cast with one contender changed."""
    return tuple(replace(one, **what) if one.name == whom else one for one in cast)


def made_bench(
    cast=CAST,
    *,
    n_test=600,
    seeds=(0, 1, 2),
    settings=("demo 48x48 flattened", "demo 96x96 flattened"),
    protocols=("leaky-smote-first", "five-classes"),
    failures=True,
    copies=12,
    null_hits=0.0,
    opened=1,
    features=FEATURES,
    seed=0,
):
    """Return the content of a bench's ``result.json``.

    Parameters
    ----------
    cast : sequence of Contender
    n_test : int
        Test rows of the clean protocol.
    seeds, settings, protocols : sequence
        Every contender runs with every seed on every setting; the protocols, on the first setting, the colony and
        all features only. Networks run on the first setting, whose split is the others' too.
    failures : bool
        Whether a contender fails, one is timed out and one is skipped.
    copies : int
        Test rows that also stand in train or validation.
    null_hits : float
        What leaks into the null test: share of rows that it gets right besides chance. None: there is no null test.
    """
    rng = np.random.default_rng(seed)
    cast = [replace(one, size=one.size and min(one.size, features // 2)) for one in cast]
    labels = rng.choice(len(CLASSES), n_test, p=SHARES)
    hardness = rng.random(n_test)
    problems, rows = {}, []
    for number, name in enumerate(settings):
        key = f"clean-{number}"
        problems[key] = _problem(name, "clean", labels, CLASSES, copies, features)
        for one in cast:
            if one.net is None or number == 0:
                rows += _rows(key, one, labels, hardness, seeds, number, features, rng)
    for protocol in protocols:
        rows += _leaky(problems, protocol, settings[0], cast, n_test, seeds, features, rng)
    if null_hits is not None:
        rows.append(_null("clean-0", labels, null_hits, features, rng))
    if failures:
        rows += _absent("clean-0")
    return {
        "kind": "bench",
        "name": "made",
        "acofer": "0.1.0",
        "finished": "2026-11-21T12:00:00Z",
        "command": "acofer bench made.toml",
        "opened": opened,
        "reference": "colony",
        "problems": problems,
        "rows": rows,
    }


def _problem(setting, protocol, labels, classes, copies, features, synthetic=0):
    names = [
        f"out_relu/c{channel:04d}/r{row}c{column}"
        for row in (0, 1)
        for column in (0, 1)
        for channel in range(features // 4)
    ]
    same = protocol == "clean"
    return {
        "setting": setting,
        "protocol": protocol,
        "split": "official" if same else f"random 80/20 ({protocol})",
        "fingerprint": hashlib.sha256(f"{protocol} {labels.tolist()}".encode()).hexdigest()[:16],
        "data": {
            "name": "demo",
            "pictures": 10 * len(labels),
            "classes": list(classes),
            "digest": "ab" * 32,
            "warnings": [],
        },
        "train": 8 * len(labels),
        "validation": len(labels),
        "test": len(labels),
        "synthetic test rows": synthetic,
        "features": features,
        "feature names": names if len(names) == features else None,
        "backbone": {
            "backbone": "mobilenetv2",
            "image_size": int(setting.split()[1].split("x")[0]),
            "pooling": "flatten",
        },
        "labels": labels.tolist(),
        "copied": list(range(copies)) if same else [],
    }


def _rows(key, one, labels, hardness, seeds, stream, features, rng, extra=0.0):
    own = hardness + rng.normal(0, 0.25, len(labels))  # what is easy for one is not quite what is easy for another
    liked = rng.permutation(features)[: one.size or 1]
    return [_row(key, one, labels, own, seed, stream, liked, features, rng, extra) for seed in seeds]


def _row(key, one, labels, own, seed, stream, liked, features, rng, extra):
    n_classes = labels.max() + 1
    proba = _proba(labels, own + rng.normal(0, 0.1, len(labels)), one.accuracy + extra, n_classes, rng)
    card = scorecard(labels, proba, seed=seed) | {"binary accuracy": binary_accuracy(labels, proba, seed=seed)}
    indices = None if one.net else _chosen(one, liked, features, rng)
    row = {
        "cell": hashlib.sha256(f"{key} {one.name} {seed} {stream}".encode()).hexdigest()[:12],
        "problem": key,
        "status": "ok",
        "reason": None,
        "kind": "network" if one.net else "selector",
        "contender": one.name,
        "selector": one.selector,
        "net": one.net,
        "classifier": None if one.net else "forest",
        "size": one.size,
        "budget": BUDGET if one.searches else None,
        "seed": seed,
        "features": None if one.net else (one.size or features),
        "indices": indices,
        "parameters": 290_263 if one.net else None,
        "multiply-adds": one.multiply_adds + (one.size or 0),
        "latency, ms": 1.77 if one.net else 3.1 + (one.size or features) / 1000,
        "seconds": _seconds(one, rng),
        "peak memory, GB": 1.25,
        "evaluations": BUDGET["evaluations"] if one.searches else None,
        "asked": 75 if one.searches else None,
        "search score": None,
        "history": None,
        "scored": None,
        "about": {},
        "configuration": {"contender": one.name, "trees": 90},
        "versions": {"python": "3.11.7", "acofer": "0.1.0", "numpy": "2.4.6"},
        "machine": {"processor": "AMD EPYC", "cores": 2, "system": "Linux"},
        "null test": None,
        "predicted": proba.argmax(axis=1).tolist(),
        "test": card,
        "without copies": None,
    }
    return row | _search(one, log_loss(labels, proba), rng, card) if one.searches else row


def _proba(labels, own, accuracy, n_classes, rng):
    """Return probabilities that are right on the rows that lie easiest."""
    right = own < np.quantile(own, accuracy + rng.normal(0, 0.004))
    predicted = np.where(right, labels, (labels + rng.integers(1, n_classes, len(labels))) % n_classes)
    proba = rng.dirichlet(np.full(n_classes, 0.5), len(labels)) * 0.45
    proba[np.arange(len(labels)), predicted] += 0.55
    return proba


def _chosen(one, liked, features, rng):
    if one.selector in ("all", "pca"):
        return None
    weights = np.ones(features)
    weights[liked] = one.favourites
    return np.sort(rng.choice(features, one.size, replace=False, p=weights / weights.sum())).tolist()


def _seconds(one, rng):
    took = one.seconds * rng.uniform(0.9, 1.1)
    if one.net:
        return {"training": took, "predict": 1.9}
    return {"embedding": 29.0, "balancing": 5.0, "heuristic": 1.0, "selection": took, "fit": 4.0, "predict": 0.3}


def _search(one, on_test, rng, card):
    value = on_test - one.optimism + rng.normal(0, 0.001)
    best, history, scored = value + 0.2, [], []
    for step in range(1, BUDGET["evaluations"] + 1):
        now = value + 0.25 * rng.random()
        now = value if step == BUDGET["evaluations"] - 5 else now
        scored.append([one.size, now, bool(step % 3 == 0 and now > value)])
        if now < best:
            best = now
            history.append([step, one.seconds * step / 60, best, one.size])
    history.append([BUDGET["evaluations"], one.seconds, best, one.size])
    return {
        "search score": {"metric": "log-loss", "value": value, "standard error": 0.011},
        "history": history,
        "scored": scored,
        "test": card | {"search metric": on_test},
    }


def _leaky(problems, protocol, setting, cast, n_test, seeds, features, rng):
    n_classes = 5 if protocol == "five-classes" else len(CLASSES)
    synthetic = n_test if protocol.startswith("leaky") else 0
    labels = rng.permutation(np.resize(np.arange(n_classes), n_test + synthetic))
    problems[protocol] = _problem(setting, protocol, labels, CLASSES[:n_classes], 0, features, synthetic)
    hardness = rng.random(len(labels))
    few = [one for one in cast if one.name in ("colony", "all")]
    return [
        row for one in few for row in _rows(protocol, one, labels, hardness, seeds, 9, features, rng, LEAKS[protocol])
    ]


def _null(key, labels, extra, features, rng):
    one = Contender("colony", 0.2 + extra, "colony", size=min(SIZE, features // 2))
    shuffled = rng.permutation(labels)
    row = _row(key, one, shuffled, rng.random(len(labels)), 0, 5, np.arange(min(SIZE, features)), features, rng, 0.0)
    predicted = np.array(row["predicted"])
    return row | {"is null": True, "null test": independence(shuffled if extra else labels, predicted), "test": None}


def _absent(key):
    def absent(name, status, reason, seed):
        who = {"kind": "selector", "contender": name, "selector": name, "classifier": "forest", "size": SIZE}
        cell = f"{status[:4]}{seed:08d}"
        return {"cell": cell, "problem": key, "status": status, "reason": reason, "seed": seed, **who}

    return [
        absent("boruta", "skipped", "the package Boruta is not installed; pip install 'acofer[bench]'", 0),
        absent("rfe", "timed out", "ended after 600 s", 0),
        absent("rfe", "timed out", "ended after 600 s", 1),
        absent("select-from-model", "failed", "ConvergenceError: <did not converge & stopped>", 0),
    ]
