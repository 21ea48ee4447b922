"""What a network runs on: the device of Keras' backend, and what that shares with others."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from acofer.pretrained.base import import_keras


def device() -> dict[str, str]:
    """Return the backend of Keras, the ``kind`` of its device (``"cpu"`` or ``"gpu"``) and the device's name."""
    backend = str(import_keras().backend.backend())
    names = {"torch": _torch_gpus, "jax": _jax_gpus, "tensorflow": _tensorflow_gpus}[backend](sys.modules[backend])
    return {"backend": backend, "kind": "gpu" if names else "cpu", "name": names[0] if names else "cpu"}


@contextlib.contextmanager
def shared_generators_kept() -> Iterator[Callable[[int], None]]:
    """Yield what seeds the generators that a backend shares with everybody; in the end they are as they were.

    Keras hands seeds to its backends, but torch's own dropout takes none and draws from a generator of that kind.
    """
    torch = sys.modules["torch"] if import_keras().backend.backend() == "torch" else None
    if torch is None:
        yield lambda _: None
        return
    with torch.random.fork_rng():
        yield torch.manual_seed


def _torch_gpus(torch: Any) -> list[str]:
    return [torch.cuda.get_device_name(0)] if torch.cuda.is_available() else []


def _jax_gpus(jax: Any) -> list[str]:
    return [str(d.device_kind) for d in jax.devices() if d.platform != "cpu"]


def _tensorflow_gpus(_: Any) -> list[str]:
    return [str(name) for name in import_keras().distribution.list_devices("gpu")]
