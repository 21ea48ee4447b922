"""The end-to-end networks beside one another: a row for each run that was made, and one for each that could not be.

    acofer train --config configs/nets/small-cnn-48.toml --out runs/small-cnn-48      # and so on
    python benchmarks/nets.py runs/small-cnn-48 runs/mobilenetv2-48 --keep

A row comes from a run folder's result.json, and from nothing else. An architecture of which no run is named gets a row
that says what its recipe would need: weights that are not on this machine, or a GPU. How long it would take without
one is measured: some training steps of the recipe on pictures of noise, times the steps of the paper's epochs.
``--runs-only`` leaves these rows out; ``--keep`` adds the rows to results/nets.csv.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from results import Row, append, print_table

from acofer.data.pictures import ArrayPictures
from acofer.errors import AcoferError
from acofer.nets.build import build_net
from acofer.nets.device import device
from acofer.nets.pixels import PixelRows
from acofer.nets.table import NETS, Net
from acofer.nets.training import Schedule, Training
from acofer.pretrained.weights import resolve_weights

_RATES = ("accuracy", "balanced accuracy", "macro precision", "macro recall", "macro F1")
_TRAIN_ROWS = 28_709  # of FER2013's official split
_STEPS = 6


def run_row(folder: Path) -> Row:
    """Return the row of a run."""
    numbers = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    net, test, course, chosen = numbers["net"], numbers["test"], numbers["training"], numbers["configuration"]
    weights = ", ".join(kept["label"] for kept in net["weights"].values()) or "random"
    started = ", ".join(Path(start["run"]).name for start in net["started from"])
    return {
        "net": net["name"],
        "status": "run",
        "reason": None,
        "data": numbers["data"]["name"],
        "split": numbers["split"]["fingerprint"],
        "classes": chosen["classes"],
        "image size": chosen["image_size"],
        "weights": f"from {started}" if started else weights,
        "balance": chosen["balance"],
        "seed": numbers["seed"],
        "learning rate": chosen["learning_rate"],
        "epochs": course["epochs"],
        "best epoch": course["best epoch"],
        "training seconds": round(course["seconds"]),
        "device": numbers["machine"]["device"]["name"],
        "precision": chosen["precision"],
        "peak memory, GB": numbers["peak memory, GB"],
        "weights trained": net["parameters"]["trainable"],
        "weights frozen": net["parameters"]["frozen"],
        "multiply-adds": net["multiply-adds"],
        "bytes on disk": net["bytes on disk"],
        **net["timing"],
        **{rate: round(test[rate]["value"], 4) for rate in _RATES},
        "accuracy from": round(test["accuracy"]["interval"][0], 4),
        "accuracy to": round(test["accuracy"]["interval"][1], 4),
        "binary accuracy": round(test["binary accuracy"]["value"], 4),
        "accuracy without copies": round((numbers["without copies"] or test)["accuracy"]["value"], 4),
        "paper prints": net["paper prints"],
        **{name: value for name, value in numbers["machine"].items() if name not in ("system", "device")},
        **numbers["versions"],
    }


def absent_row(net: Net) -> Row:
    """Return the row of an architecture that was not run at its paper's size, and why."""
    size = net.recipe.image_size
    missing = [name for name in net.backbones if resolve_weights("imagenet", name, size).digest is None]
    reasons = [f"ImageNet weights of {name} not at hand" for name in missing]
    if device()["kind"] == "cpu":
        hours = step_seconds(net) * _TRAIN_ROWS / net.recipe.batch_size * net.recipe.epochs / 3600
        reasons.append(f"no GPU: {net.recipe.epochs} epochs would take {hours:.1f} hours here")
    return {
        "net": net.name,
        "status": "not run",
        "reason": "; ".join(reasons) or "no run was named",
        "image size": size,
        "device": device()["name"],
        "paper prints": net.printed,
    }


def step_seconds(net: Net) -> float:
    """Return the median seconds of a training step of the recipe, the first ones aside."""
    recipe, size = net.recipe, net.recipe.image_size
    schedule = Schedule(1, recipe.batch_size, 1e-3, 0, 0, 0, recipe.loss, recipe.augmentation, 0)
    pixels = np.random.default_rng(0).integers(0, 256, (recipe.batch_size * _STEPS, 48, 48), np.uint8)
    rows = PixelRows(ArrayPictures(pixels), np.arange(len(pixels)), size, net.channels)
    few = PixelRows(ArrayPictures(pixels), np.arange(2), size, net.channels)
    labels = np.arange(len(pixels)) % 7
    ends: list[float] = []
    training = Training(build_net(net.name, size, 7), schedule, rows, labels, few, labels[:2])
    training.run(lambda *_: ends.append(time.perf_counter()))
    return float(np.median(np.diff(ends)[1:]))


def main() -> int:
    """Print the rows, and keep them where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders of acofer train")
    parser.add_argument("--runs-only", action="store_true", help="no rows for networks that were not run")
    parser.add_argument("--keep", action="store_true", help="add the rows to results/nets.csv")
    args = parser.parse_args()
    try:
        rows = [run_row(folder) for folder in args.runs]
        at_full_size = {row["net"] for row in rows if row["image size"] == NETS[row["net"]].recipe.image_size}
        absent = [] if args.runs_only else [net for name, net in NETS.items() if name not in at_full_size]
        rows += [absent_row(net) for net in absent]
    except (AcoferError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    columns = ("net", "status", "image size", "epochs", "accuracy", "binary accuracy", "training seconds", "reason")
    print_table([{column: row.get(column) for column in columns} for row in rows])
    if args.keep:
        print(f"added to {append('nets', rows)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
