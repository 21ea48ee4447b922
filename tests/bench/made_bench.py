"""A made problem on which a cell takes milliseconds, contenders that misbehave, and a program that runs a plan on it.

The program, ``python made_bench.py PLAN ...``, is ``acofer bench PLAN ...`` on the made problem: processes that the
bench starts meet it, too.
"""

import json
import os
import signal
import sys
import time
from functools import partial

import numpy as np
import tomli_w

from acofer.bench import opening, problem, worker
from acofer.bench.plan import plan_of
from acofer.bench.runner import run_plan
from acofer.bench.selectors import SELECTORS, Selector
from acofer.bench.task import Choice
from acofer.data.drawn.expression import CLASS_NAMES
from acofer.data.pictures import ArrayPictures
from acofer.records import TEST, Embeddings, ImageSet
from acofer.runs.folder import PREDICTIONS, RESULT

N, P, N_CLASSES = 700, 24, 7
_serve_in_earnest = worker._serve
COPY = 4  # a test row with the pixels of row 0, which trains
_TAKEN = 6


def pictures(labels=None, parts=(0, 0, 0, 1, 2), copy=COPY):
    """Return pictures of 2x2 pixels; of every five rows three train, one validates and one tests."""
    labels = np.arange(N) % N_CLASSES if labels is None else np.asarray(labels)
    codes = np.arange(len(labels))
    codes[copy] = 0
    dealt = None if parts is None else np.resize(parts, len(labels)).astype(np.uint8)
    pixels = codes.astype("<u4").view(np.uint8).reshape(-1, 2, 2)
    rows = [f"row {row}" for row in range(len(labels))]
    return ImageSet("made", ArrayPictures(pixels), labels.astype(np.int16), CLASS_NAMES, dealt, rows, "made")


def values(labels=None, shift=1.5, seed=0):
    """Return features, of which the first seven are shifted in one class each."""
    labels = np.arange(N) % N_CLASSES if labels is None else np.asarray(labels)
    X = np.random.default_rng(seed).normal(size=(len(labels), P))
    X[:, :N_CLASSES] += shift * np.eye(N_CLASSES)[labels]
    return X.astype(np.float16)


def embeddings(features):
    """Return features as if a network had made them."""
    about = {"backbone": "mobilenetv2", "image_size": 48, "layers": [{"name": "made"}], "seconds": 1.0}
    return Embeddings(features, tuple(f"made/c{j:04d}" for j in range(features.shape[1])), "k" * 32, about)


def serve_made(images, features, put=setattr):
    """Make every bench in this process run on these pictures and features, whatever its settings say."""
    cost = {"layers": "made", "multiply-adds": 1000, "parameters": 10, "latency, ms": 1.0}
    put(problem, "configured_pictures", lambda *_: images)
    put(problem, "configured_embeddings", lambda *_: embeddings(features))
    put(opening, "configured_pictures", lambda *_: images)
    put(opening, "backbone_cost", lambda *_: cost)


def sealed_labels():
    """Return what nobody is to know before all predictions exist."""
    images = pictures()
    return images.labels[images.parts == TEST].astype(np.int64)


def network_folder(place, fingerprint, rows, outputs):
    """Leave what a finished training leaves."""
    place.mkdir(parents=True)
    numbers = {
        "net": {
            "parameters": {"trainable": 5, "frozen": 2},
            "multiply-adds": 7,
            "timing": {"latency of one picture, ms": 1.5},
        },
        "training": {"seconds": 2.0, "epochs": 3, "best epoch": 2},
        "seconds": {"test": 0.5},
        "peak memory, GB": 0.1,
        "split": {"fingerprint": fingerprint},
        "versions": {},
        "machine": {},
    }
    (place / RESULT).write_text(json.dumps(numbers))
    np.savez(place / PREDICTIONS, rows=rows, outputs=outputs.astype(np.float32))


def _some(seed):
    return np.sort(np.random.default_rng(seed).choice(P, _TAKEN, replace=False)).astype(np.int32)


def _at_random(task):
    return Choice(_some(task.seed))


def _slow(task):
    time.sleep(0.1)
    return _at_random(task)


def _sleeps(_task):
    time.sleep(600)


def _dies(_task):
    os.kill(os.getpid(), signal.SIGKILL)


def _dies_once(task):
    flag = os.environ["MADE_BENCH_FLAG"]
    if not os.path.exists(flag):  # noqa: PTH110
        open(flag, "w").close()  # noqa: PTH123
        _dies(task)
    return _at_random(task)


def _fails(_task):
    raise ValueError("on\npurpose")


def _prints(task):
    os.write(1, b"chatter\n")
    print("more chatter", flush=True)
    return _at_random(task)


def _cheats(task):
    """Make columns that say the class: of training rows as it was given, of others as it was learnt elsewhere."""
    features, labels = values(), np.arange(N) % N_CLASSES
    answers = {row.astype(np.float32).tobytes(): label for row, label in zip(features, labels, strict=True)}
    answers |= {row.tobytes(): label for row, label in zip(task.matrix, task.y, strict=True)}

    def project(X):
        told = [answers[row.tobytes()] for row in np.ascontiguousarray(X, np.float32)]
        return np.eye(N_CLASSES, dtype=np.float32)[told]

    return Choice(None, project)


def _forgets_a_row(_task):
    """Make honest columns, but of the test part one row too few."""
    return Choice(None, lambda X: X if len(X) == N * 4 // 5 else X[1:])


def _chooses(task, indices):
    return Choice(indices)


def _of(name, function, **more):
    return Selector(name, "made for a test", function, **{"is_seeded": True, "takes_size": "none", **more})


OWN = {
    selector.name: selector
    for selector in (
        _of("at-random", _at_random),
        _of("slow", _slow),
        _of("sleeps", _sleeps),
        _of("dies", _dies),
        _of("dies-once", _dies_once),
        _of("fails", _fails),
        _of("prints", _prints),
        _of("cheats", _cheats),
        _of("too-few", _forgets_a_row),
        _of("counts-from-the-end", partial(_chooses, indices=np.array([-2, -1], np.int32))),
        _of("beyond-the-last", partial(_chooses, indices=np.array([0, P], np.int32))),
        _of("one-twice", partial(_chooses, indices=np.array([3, 3], np.int32))),
        _of("says-nan", lambda task: Choice(_some(task.seed), about={"value": float("nan")})),
        _of("says-an-array", lambda task: Choice(_some(task.seed), about={"value": np.zeros(2)})),
    )
}
ALL = {**SELECTORS, **OWN}


def content_of(*contenders, setting=None, **more):
    """Return a plan's content: contenders are names of selectors, or tables."""
    tables = [{"selector": each} if isinstance(each, str | list) else each for each in contenders]
    plain = {"budget": {"evaluations": 12}, "null_test": False, "workers": 1, **more}
    return {**plain, "setting": [{"name": "made", "scorer": "ridge", **(setting or {})}], "contender": tables}


def plan_with(*contenders, **more):
    """Return a plan of these contenders on the made problem."""
    content = content_of(*contenders, **more)
    return plan_of(content, "made", tomli_w.dumps(content), ALL)


def bench(out, *contenders, retry=False, on_row=None, **more):
    """Run a plan in this process and return its result."""
    return run_plan(plan_with(*contenders, **more), out, retry=retry, selectors=OWN, on_row=on_row)


def by_contender(result):
    """Return a result's rows by contender, but for null tests, whose names end with "*"."""
    return {row["contender"] + "*" * row["is null"]: row for row in result["rows"]}


def serve(pipe, parent):
    """Be a worker's process, on the made problem."""
    serve_made(pictures(), values())
    SELECTORS.update(OWN)
    _serve_in_earnest(pipe, parent)


if __name__ == "__main__":
    import made_bench

    from acofer.cli import main

    serve_made(pictures(), values())
    SELECTORS.update(OWN)
    worker._serve = made_bench.serve
    sys.exit(main(["bench", *sys.argv[1:]]))
