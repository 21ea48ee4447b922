"""Keras' settings and backend, and the ImageNet weights of the networks that embed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from acofer.doctor.disk import sizes_of
from acofer.doctor.finding import MISSING, OK, WARN, Finding, one_line, pip_line, size_text
from acofer.errors import AcoferError, shown
from acofer.pretrained.weights import (
    ARCHITECTURES,
    KERAS_SETTINGS,
    Architecture,
    check_hdf5,
    keras_home,
    keras_models_folder,
)
from acofer.reading import UnreadableError, read_json

USUAL = {"backend": "tensorflow", "image_data_format": "channels_last", "floatx": "float32"}
"""What Keras does where nothing is set. acofer's features are defined by the last two."""
BACKENDS = ("tensorflow", "jax", "torch")
_WITH_DEVICE = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}


def backend() -> str:
    """Return the backend that Keras will take: ``KERAS_BACKEND``, else its settings', else TensorFlow."""
    return os.environ.get("KERAS_BACKEND") or str(_settings()[0]["backend"])


def spared_packages() -> tuple[str, ...]:
    """Return the packages that need not be there, since Keras has another backend than the one that the extra names."""
    name = backend()
    return ("tensorflow",) if name != "tensorflow" and name in BACKENDS and find_spec(name) else ()


def _settings() -> tuple[dict[str, Any], str | None]:
    """Return Keras' settings, and why its file cannot be read."""
    path = keras_home() / KERAS_SETTINGS
    try:
        read = read_json(path)
        given = {**USUAL, **read}
        return {name: value if isinstance(value := given[name], str) else shown(value) for name in USUAL}, None
    except FileNotFoundError:
        return dict(USUAL), None
    except UnreadableError as error:
        return dict(USUAL), str(error)
    except (OSError, TypeError) as error:
        return dict(USUAL), one_line(error)


def network_findings() -> list[Finding]:
    """Look at Keras' settings and at the weights of each network."""
    keras = [_keras()] if find_spec("keras") else []
    return [*keras, *weights_findings(keras_models_folder())]


def _keras() -> Finding:
    (settings, fault), name, path = _settings(), backend(), keras_home() / KERAS_SETTINGS
    where = f"settings in {path}" if path.exists() else "no settings file"
    chosen = " by KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else ""
    said = f"backend {name}{chosen}, {where}"
    facts = {"backend": name, "file": str(path), "settings": settings, "fault": fault}
    if fault is not None:
        return Finding("keras", WARN, f"{path} cannot be read: {fault}", "mend or remove it", facts=facts)
    for key in ("image_data_format", "floatx"):
        if settings[key] != USUAL[key]:
            return Finding(
                "keras", WARN, f"{path} sets {key} to {settings[key]!r}; acofer's features need {USUAL[key]!r}",
                "change it there; acofer refuses to embed or train until then", facts=facts,
            )  # fmt: skip
    if name not in BACKENDS:
        return Finding(
            "keras",
            WARN,
            f"{said}; acofer knows {', '.join(BACKENDS)}",
            "set KERAS_BACKEND to one of them",
            facts=facts,
        )
    if not find_spec(name):
        advice = "install it, or set KERAS_BACKEND to another that is installed:"
        return Finding("keras", WARN, f"{said}; {name} is not installed", advice, pip_line(name), facts=facts)
    return Finding("keras", OK, said, facts=facts)


def weights_findings(folder: Path) -> list[Finding]:
    """Look for the ImageNet weights of each network in Keras' folder: whole, cut short, or to be brought."""
    findings, absent = [], []
    for net in ARCHITECTURES.values():
        there = {rows: folder / name for rows, name in net.imagenet_files.items() if (folder / name).is_file()}
        findings += [_weights_there(net, folder, there)] if there else []
        absent += [net] if 224 not in there else []
    return [*findings, *([_weights_to_bring(absent, folder)] if absent else [])]


def _weights_there(net: Architecture, folder: Path, there: Mapping[int, Path]) -> Finding:
    facts = {"folder": str(folder), "files": {rows: path.name for rows, path in there.items()}}
    for path in there.values():
        try:
            check_hdf5(path)
        except AcoferError as error:
            advice = "remove it, and it is downloaded again when it is needed"
            return Finding(net.name, WARN, str(error), advice, f"rm {shlex.quote(str(path))}", facts=facts)
    sides = f"of {', '.join(map(str, there))} pixels a side, " if net.trained_rows else ""
    n_bytes = size_text(sizes_of(list(there.values())))
    return Finding(net.name, OK, f"ImageNet weights {sides}at hand, {n_bytes}, in {folder}", facts=facts)


def _weights_to_bring(nets: Sequence[Architecture], folder: Path) -> Finding:
    addresses = {net.name: net.address + net.imagenet_files[224] for net in nets}
    said = f"of ImageNet not at hand in {folder}: {', '.join(addresses)}"
    advice = "they are downloaded when first needed; offline, put the file there, or name it by --weights:"
    facts = {"folder": str(folder), "addresses": addresses}
    return Finding("weights", MISSING, said, advice, "\n".join(addresses.values()), facts=facts)


def device_findings(extras: Sequence[Finding], devices: Sequence[str]) -> list[Finding]:
    """Compare the device on which a network ran, where the extra ``nets`` was tried, with those that can be seen."""
    ran_on = [finding.facts["device"] for finding in extras if "device" in finding.facts]
    if not ran_on or not devices or ran_on[0]["kind"] != "cpu":
        return []
    name = ran_on[0]["backend"]
    said = f"{', '.join(devices)} can be seen, but networks on {name} run on the processor"
    command = pip_line(_WITH_DEVICE[name]) if devices[0] != "AMD" and name in _WITH_DEVICE else None
    advice = f"install {name} for it{', e.g.' if command else ''}"
    return [Finding("device", WARN, said, advice, command, facts={"devices": list(devices), "ran on": ran_on[0]})]
