"""How long a network takes to predict, on this machine."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

BATCH = 32
_SECONDS = 1.0
_FEWEST = 5


def timing(model: Any) -> dict[str, float]:
    """Return the latency of one picture, in milliseconds, and pictures a second in batches of `BATCH`.

    Medians over calls of about a second each, compilation and a first call outside. The pixels are noise: how long a
    network takes does not depend on what it sees.

    Parameters
    ----------
    model : keras.Model
    """
    one, many = _seconds(model, 1), _seconds(model, BATCH)
    return {"latency of one picture, ms": round(1000 * one, 2), "pictures a second": round(BATCH / many, 1)}


def _seconds(model: Any, n: int) -> float:
    """Return the median time of a call with `n` pictures."""
    pixels = np.random.default_rng(0).uniform(0, 255, (n, *model.input_shape[1:])).astype(np.float32)
    model.predict_on_batch(pixels)
    taken: list[float] = []
    while len(taken) < _FEWEST or sum(taken) < _SECONDS:
        started = time.perf_counter()
        model.predict_on_batch(pixels)  # NumPy's arrays, so that it waits for the device
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
