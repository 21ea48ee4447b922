"""The same search by threads, by processes and on a Dask cluster of this machine's processes, side by side in one run.

    python benchmarks/machines.py [--rows 4000] [--workers 2] [--repeats 3]

Every way scores the same colony's batches on made data, racing as always; scores are compared bit by bit. Repeats take
turns, so that a busy machine slows all of them alike; ratios are of the medians. What one task and one worker cost by
themselves is measured apart: a task that does nothing, and bringing the binned matrix to a worker. How many workers
can be kept busy is measured with tasks that wait, so that it needs no more cores than there are.
"""

from __future__ import annotations

import argparse
import math
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from results import append, print_table

from acofer.forest.forest import HistForestClassifier
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import ResampledFold
from acofer.workers.cluster import ClusterCrew
from acofer.workers.processes import ProcessCrew

N_FEATURES, N_CLASSES, TREES, ANTS = 1280, 7, 90, 20
WORKERS, TASKS, WAIT = (1, 2, 4, 8), 48, 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    fold = made_fold(args.rows)
    with tempfile.TemporaryDirectory() as folder, cluster_of(Path(folder), args.workers) as scheduler:
        ways = {
            "threading, 1": ("threading", 1, None),
            f"threading, {args.workers}": ("threading", args.workers, None),
            f"loky, {args.workers}": ("loky", args.workers, None),
            f"dask, {args.workers}": ("dask", args.workers, scheduler),
        }
        rows = measured(ways, fold, args.repeats)
        rows += overheads(fold, scheduler, args.workers)
    rows += kept_busy(rows[-2]["seconds"])
    common = {"training rows": args.rows, "load at the end": round(os.getloadavg()[0], 1)}
    columns = dict.fromkeys(column for row in rows for column in row)
    rows = [{**dict.fromkeys(columns), **row, **common} for row in rows]
    print_table(rows)
    append("machines", rows)


def made_fold(n: int) -> BinnedFold:
    rng = np.random.default_rng(0)
    y = np.arange(n + n // 4) % N_CLASSES
    X = rng.normal(size=(len(y), N_FEATURES)).astype(np.float32)
    X[:, :60] += 0.4 * np.eye(N_CLASSES)[y] @ rng.normal(size=(N_CLASSES, 60))
    fold = ResampledFold(X[:n], y[:n], X[n:], y[n:])
    return BinnedFold.of(fold, np.arange(N_CLASSES), 32, seed=0, n_jobs=1)


def batch_of(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    sizes = rng.integers(64, 512, ANTS)
    return [np.sort(rng.choice(N_FEATURES, k, replace=False)).astype(np.int32) for k in sizes]


def measured(ways: dict, fold: BinnedFold, repeats: int) -> list[dict]:
    scorers, first, seconds, found = {}, {}, {name: [] for name in ways}, {name: [] for name in ways}
    for name, (backend, n_jobs, scheduler) in ways.items():
        started = time.perf_counter()
        scorers[name] = ForestScorer(
            HistForestClassifier(TREES, max_bins=32, random_state=0), [fold], METRICS["log-loss"], n_classes=N_CLASSES,
            n_jobs=n_jobs, backend=backend, scheduler=scheduler,
        )  # fmt: skip
        scorers[name].score(batch_of(0)[:2])  # starts processes, loads kernels, brings the matrix
        first[name] = time.perf_counter() - started
    for repeat in range(1, repeats + 1):
        for name, scorer in scorers.items():
            started = time.perf_counter()
            found[name].append([(s.utility, s.is_estimate) for s in scorer.score(batch_of(repeat))])
            seconds[name].append(time.perf_counter() - started)
    reference = next(iter(ways))
    assert all(scores == found[reference] for scores in found.values())
    slowest = statistics.median(seconds[reference])
    return [
        {
            "what": f"{ANTS} ants, raced",
            "how": name,
            "seconds": round(statistics.median(own), 3),
            "one thread / it": round(slowest / statistics.median(own), 2),
            "start seconds": round(first[name], 2),
        }
        for name, own in seconds.items()
    ]


def overheads(fold: BinnedFold, scheduler: str, n_workers: int) -> list[dict]:
    """Measure what a task costs that does nothing, and what bringing the matrix to all workers does."""
    size = len(pickle.dumps(fold, protocol=5))
    rows = []
    for name, crew in (("loky", ProcessCrew(n_workers, None)), ("dask", ClusterCrew(scheduler, None))):
        dict(crew.run(nothing, ((i,) for i in range(20))))
        started = time.perf_counter()
        dict(crew.run(nothing, ((i,) for i in range(200))))
        spent = time.perf_counter() - started
        crew.close()
        rows.append({"what": "a task of nothing, of 200", "how": f"{name}, {n_workers}", "seconds": spent / 200})
    crew = ClusterCrew(scheduler, fold)
    started = time.perf_counter()
    dict(crew.run(nothing, ((i,) for i in range(n_workers))))
    while len(crew.ready()) < n_workers:
        time.sleep(0.01)
    spent = time.perf_counter() - started
    crew.close()
    what = f"{size / 1e6:.1f} MB brought to {n_workers} workers"
    rows.append({"what": what, "how": f"dask, {n_workers}", "seconds": spent})
    return [{**row, "seconds": round(row["seconds"], 5)} for row in rows]


def kept_busy(cost: float) -> list[dict]:
    """Measure how long clusters take for tasks that wait, beside what a task's cost makes one expect."""
    rows = []
    for n_workers in WORKERS:
        with tempfile.TemporaryDirectory() as folder, cluster_of(Path(folder), n_workers) as scheduler:
            crew = ClusterCrew(scheduler, None)
            dict(crew.run(nothing, ((i,) for i in range(2 * n_workers))))
            started = time.perf_counter()
            dict(crew.run(wait, ((WAIT,) for _ in range(TASKS))))
            spent = time.perf_counter() - started
            crew.close()
        ideal = math.ceil(TASKS / n_workers) * WAIT
        rows.append(
            {
                "what": f"{TASKS} tasks that wait {WAIT} s",
                "how": f"dask, {n_workers}",
                "seconds": round(spent, 3),
                "ideal seconds": ideal,
                "expected seconds": round(ideal + TASKS * cost, 3),
            }
        )
    return rows


def wait(_shared: object, seconds: float) -> None:
    time.sleep(seconds)


def nothing(_shared: object, task: int) -> int:
    return task


@contextmanager
def cluster_of(folder: Path, n_workers: int):
    """Start a scheduler and workers of one thread, each a process, as their own commands would."""
    file, here = folder / "scheduler.json", str(Path(__file__).resolve().parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path])}

    def start(module: str, *flags: object) -> subprocess.Popen:
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{module}", *map(str, flags)]
        log = (folder / "log").open("a")
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    own = ("--scheduler-file", file)
    processes = [start("scheduler", "--port", 0, "--no-dashboard", *own)]
    for _ in range(n_workers):
        processes.append(
            start("worker", *own, "--no-nanny", "--nthreads", 1, "--no-dashboard", "--local-directory", folder)
        )
    try:
        from distributed import Client

        while not file.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=60)
        yield str(file)
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
