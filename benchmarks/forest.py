"""The fast forest beside other people's: seconds, accuracy and log-loss.

    pip install -r benchmarks/requirements.txt
    python benchmarks/forest.py            # about 25 minutes on two cores, which should have nothing else to do
    python benchmarks/forest.py --quick    # about two minutes: ten trees, two sizes, two seeds, smaller tables
    python benchmarks/forest.py --only tabular

One forest of 90 trees on FER2013's embeddings with SMOTE (see fer2013.py), on random columns of them; then tables that
come with scikit-learn or are made by it. Each fit is a process of its own, under a limit of time and of memory,
with all cores and C-ordered float32: one that fails or does not end is a row with its reason and stops nothing else.
Seconds are those of ``fit`` and of ``predict_proba`` on the test part, binning included; imports, reading and a first
fit of a few rows, which compiles kernels and starts threads, are not. The fast forest is measured again beside
each rival, so that a machine that slows down slows both.

LightGBM and XGBoost grow one tree a class and a round, draw rows without replacement, and build histograms of all
features for a node's few. They get 32 bins as well, shallow trees, and fewer of them the more features there are;
"times ours" compares seconds a tree, and so counts their binning a little too high. Where they are asked for trees
grown full, they get ten times the seconds of ours.

Whether accuracy and log-loss are those of scikit-learn is judged by its own spread: over as many seeds, does the mean
of ours lie between its worst and its best? Rows are appended to benchmarks/results/forest.csv.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from fer2013 import Parts, add_options, parts_of
from numpy.typing import NDArray
from results import Row, append, print_table
from sklearn.datasets import load_digits, make_classification, make_hastie_10_2
from sklearn.model_selection import train_test_split

from acofer.scoring.metrics import log_loss

SIZES, JUDGED = (128, 512, 2560, 5120), 2560
"""Features; at the judged size, accuracy and log-loss are measured over all seeds."""
TREES = 90
FLOOR_ROWS = 2000
"""Above so many training rows the fast forest must never be the slower one."""
SHOWN = ("problem", "training rows", "features", "contender", "trees", "grown", "seeds", "seconds", "times ours",
         "accuracy", "accuracy s.d.", "log-loss", "log-loss s.d.", "peak GB", "status")  # fmt: skip
MOST_REPEATS, ENOUGH_SECONDS = 5, 1.0
PATIENCE = 10
STARTING_SECONDS = 180.0
"""For imports, reading and the first fit; numba compiles for a minute where its cache is empty."""


@dataclass(frozen=True)
class Problem:
    """A training and a test part, written to a folder for the processes to read."""

    name: str
    folder: Path
    n_rows: int
    n_features: int
    n_classes: int

    @classmethod
    def written(cls, name: str, folder: Path, X: NDArray, y: NDArray, X_test: NDArray, y_test: NDArray) -> Problem:
        for part, array in {"X": X, "y": y, "X_test": X_test, "y_test": y_test}.items():
            np.save(folder / f"{part}.npy", array)
        return cls(name, folder, len(X), X.shape[1], len(np.unique(y)))

    def read(self) -> list[NDArray]:
        return [np.load(self.folder / f"{part}.npy") for part in ("X", "y", "X_test", "y_test")]


# Each contender: features, trees and a seed -> a classifier.


def hist_forest(n_features: int, trees: int, seed: int) -> Any:
    """Make the forest with the bins it has in a search, 32, where the columns are embeddings; else with its default."""
    if n_features >= min(SIZES):
        return hist_forest_32(n_features, trees, seed)
    return import_module("acofer").HistForestClassifier(trees, n_jobs=-1, random_state=seed)


def hist_forest_32(n_features: int, trees: int, seed: int) -> Any:
    return import_module("acofer").HistForestClassifier(trees, max_bins=32, n_jobs=-1, random_state=seed)


def sklearn_forest(n_features: int, trees: int, seed: int) -> Any:
    return import_module("sklearn.ensemble").RandomForestClassifier(trees, n_jobs=-1, random_state=seed)


def intelex_forest(n_features: int, trees: int, seed: int) -> Any:
    """Make the class that ``patch_sklearn`` puts in scikit-learn's place."""
    return import_module("sklearnex.ensemble").RandomForestClassifier(trees, n_jobs=-1, random_state=seed)


def lightgbm_forest(n_features: int, trees: int, seed: int, leaves: int = 255) -> Any:
    return import_module("lightgbm").LGBMClassifier(
        boosting_type="rf", n_estimators=trees, num_leaves=leaves, min_child_samples=1, min_child_weight=0, max_bin=32,
        bagging_freq=1, bagging_fraction=1 - np.exp(-1), feature_fraction_bynode=n_features**-0.5, verbosity=-1,
        n_jobs=-1, random_state=seed,
    )  # fmt: skip


def xgboost_forest(n_features: int, trees: int, seed: int, depth: int = 8) -> Any:
    return import_module("xgboost").XGBRFClassifier(
        n_estimators=trees, max_depth=depth, min_child_weight=0, reg_lambda=0, tree_method="hist", max_bin=32,
        subsample=1 - np.exp(-1), colsample_bynode=n_features**-0.5, n_jobs=-1, random_state=seed,
    )  # fmt: skip


def lightgbm_full(n_features: int, trees: int, seed: int) -> Any:
    return lightgbm_forest(n_features, trees, seed, leaves=131072)  # its largest number


def xgboost_full(n_features: int, trees: int, seed: int) -> Any:
    return xgboost_forest(n_features, trees, seed, depth=0)


@dataclass(frozen=True)
class Contender:
    name: str
    distribution: str
    make: Callable[[int, int, int], Any]
    grown: str = "full"
    mark: str = "classes_"
    """Attribute of a fitted model that shows that the package has done the work itself."""


OURS = Contender("acofer", "acofer", hist_forest)
OURS_32 = Contender("acofer, 32 bins", "acofer", hist_forest_32)
SKLEARN = Contender("scikit-learn", "scikit-learn", sklearn_forest)
INTELEX = Contender("scikit-learn-intelex", "scikit-learn-intelex", intelex_forest, mark="_onedal_estimator")
SHALLOW = (
    Contender("LightGBM", "lightgbm", lightgbm_forest, "to 255 leaves"),
    Contender("XGBoost", "xgboost", xgboost_forest, "to depth 8"),
)
TOO_LARGE = (Contender("LightGBM", "lightgbm", lightgbm_full), Contender("XGBoost", "xgboost", xgboost_full))


@dataclass(frozen=True)
class Job:
    contender: Contender
    problem: Problem
    trees: int
    seed: int
    seconds: float
    gigabytes: float

    def model(self, trees: int) -> Any:
        return self.contender.make(self.problem.n_features, trees, self.seed)


@dataclass
class Outcome:
    """What came of a job; no numbers but a reason where it did not end."""

    job: Job
    status: str = "done"
    seconds: float | None = None
    accuracy: float | None = None
    log_loss: float | None = None
    peak_gigabytes: float | None = None


def run(job: Job) -> Outcome:
    """Do one job in a process of its own and wait for it as long as it may take."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=_work, args=(job, theirs))
    process.start()
    theirs.close()
    outcome = Outcome(job)
    try:
        _listen(ours, outcome)
    except EOFError:
        process.join()
        outcome.status = f"crashed with exit code {process.exitcode} under a limit of {job.gigabytes:g} GB"
    process.kill()
    process.join()
    print(f"  {job.contender.name}, {job.trees} trees, seed {job.seed}: {_told(outcome)}", flush=True)
    return outcome


def _listen(process: Any, outcome: Outcome) -> None:
    for stage, limit in (("starting", STARTING_SECONDS), ("fitting", outcome.job.seconds)):
        if not process.poll(limit):
            outcome.status = f"stopped after {limit:.0f} s of {stage}"
            return
        said = process.recv()
        if isinstance(said, str):
            outcome.status = said
            return
    outcome.seconds, outcome.accuracy, outcome.log_loss, outcome.peak_gigabytes = said


def _told(outcome: Outcome) -> str:
    return outcome.status if outcome.seconds is None else f"{outcome.seconds:.2f} s, accuracy {outcome.accuracy:.4f}"


def _work(job: Job, parent: Any) -> None:
    """Get ready and say so by an empty tuple; then send what was measured, or say what went wrong."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (int(job.gigabytes * 1e9),) * 2)
    try:
        X, y, X_test, y_test = job.problem.read()
        few = np.concatenate([np.flatnonzero(y == label)[:20] for label in np.unique(y)])
        job.model(2).fit(X[few], y[few]).predict_proba(X_test[:20])
        parent.send(())
        parent.send(_measured(job, X, y, X_test, y_test))
    except MemoryError:
        parent.send(f"out of memory under a limit of {job.gigabytes:g} GB")
    except Exception as error:  # whatever a peer does becomes its row
        parent.send(f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")


def _measured(job: Job, X: NDArray, y: NDArray, X_test: NDArray, y_test: NDArray) -> tuple[float, ...]:
    times: list[float] = []
    while len(times) < MOST_REPEATS and sum(times) < ENOUGH_SECONDS:
        start = time.perf_counter()
        model = job.model(job.trees).fit(X, y)
        proba = model.predict_proba(X_test)
        times.append(time.perf_counter() - start)
    if not hasattr(model, job.contender.mark):
        raise RuntimeError(f"{job.contender.name} has left the work to scikit-learn")
    accuracy = float((proba.argmax(axis=1) == y_test).mean())
    return statistics.median(times), accuracy, log_loss(y_test, proba.astype(np.float64)), _peak_gigabytes()


def _peak_gigabytes() -> float:
    """Return the largest resident memory of this process; ``ru_maxrss`` would start from that of its parent."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("VmHWM:"))


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sizes: tuple[int, ...]
    seeds: int
    trees: int
    seconds: float
    gigabytes: float
    is_quick: bool

    def job(self, contender: Contender, problem: Problem, seed: int = 0, **other: Any) -> Job:
        limits = {"trees": self.trees, "seconds": self.seconds, "gigabytes": self.gigabytes} | other
        return Job(contender, problem, seed=seed, **limits)


def on_fer2013(plan: Plan, parts: Parts) -> list[Outcome]:
    outcomes = []
    for size in plan.sizes:
        with tempfile.TemporaryDirectory() as folder:
            columns = np.sort(np.random.default_rng(0).choice(parts.X_train.shape[1], size, replace=False))
            X, X_test = (np.take(part, columns, axis=1) for part in (parts.X_train, parts.X_test))  # in C order
            problem = Problem.written("FER2013", Path(folder), X, parts.y_train, X_test, parts.y_test)
            print(f"FER2013, {size:,} features", flush=True)
            outcomes += _beside(plan, problem)
    return outcomes


def _beside(plan: Plan, problem: Problem) -> list[Outcome]:
    """Measure ours, then a rival, and again, for every rival."""
    is_judged = problem.n_features == JUDGED
    rivals = [plan.job(SKLEARN, problem, seed) for seed in range(plan.seeds if is_judged else 1)]
    rivals.append(plan.job(INTELEX, problem))
    shallow = max(1, min(plan.trees, plan.trees * 256 // problem.n_features))
    rivals += [plan.job(contender, problem, trees=shallow) for contender in SHALLOW]
    outcomes = []
    for i, rival in enumerate(rivals):
        outcomes += [run(plan.job(OURS, problem, i % plan.seeds)), run(rival)]
    if is_judged and not plan.is_quick:
        patience = PATIENCE * _seconds(outcomes, OURS)
        outcomes += [run(plan.job(contender, problem, seconds=patience)) for contender in TOO_LARGE]
    return outcomes


def _seconds(outcomes: list[Outcome], contender: Contender) -> float:
    """Return the median seconds; not a number where there are none."""
    return statistics.median(
        [o.seconds for o in outcomes if o.job.contender is contender and o.seconds is not None] or [float("nan")]
    )


def tables(is_quick: bool) -> Iterator[tuple[str, NDArray, NDArray]]:
    """Yield few rows; rows just above the floor; many rows; and two classes. A quarter of them will be for testing."""
    n_many = 10_000 if is_quick else 100_000
    made = make_classification(n_many, 30, n_informative=15, n_classes=5, random_state=0)
    yield "digits", *load_digits(return_X_y=True)
    yield "made, just above the floor", made[0][:2700], made[1][:2700]
    yield "made, many rows", *made
    yield "Hastie's two classes", *make_hastie_10_2(12_000, random_state=0)


def on_tables(plan: Plan) -> list[Outcome]:
    outcomes = []
    for name, X, y in tables(plan.is_quick):
        y = np.unique(y, return_inverse=True)[1]
        X, X_test, y, y_test = train_test_split(X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=0)
        with tempfile.TemporaryDirectory() as folder:
            problem = Problem.written(name, Path(folder), X, y, X_test, y_test)
            print(f"{name}: {problem.n_rows:,} x {problem.n_features}", flush=True)
            outcomes += [
                run(plan.job(contender, problem, seed))
                for seed in range(plan.seeds)
                for contender in (OURS, SKLEARN, OURS_32)
            ]
    return outcomes


def _grouped(outcomes: list[Outcome], key: Callable[[Outcome], Any]) -> list[list[Outcome]]:
    groups: dict[Any, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return list(groups.values())


def by_problem(outcomes: list[Outcome]) -> list[list[Outcome]]:
    return _grouped(outcomes, lambda outcome: outcome.job.problem)


def report(outcomes: list[Outcome]) -> list[Row]:
    """Return a row for each contender on each problem."""
    rows = []
    for of_problem in by_problem(outcomes):
        ours = _seconds(of_problem, OURS) / of_problem[0].job.trees
        rows += [_row(own, ours) for own in _grouped(of_problem, lambda outcome: outcome.job.contender)]
    return rows


def _row(own: list[Outcome], ours: float) -> Row:
    job, done = own[0].job, [outcome for outcome in own if outcome.seconds is not None]
    seconds = _seconds(own, job.contender)
    return {
        "problem": job.problem.name,
        "training rows": job.problem.n_rows,
        "features": job.problem.n_features,
        "classes": job.problem.n_classes,
        "contender": job.contender.name,
        "version": _version(job.contender),
        "trees": job.trees,
        "grown": job.contender.grown,
        "seeds": len({outcome.job.seed for outcome in done}),
        "seconds": f"{seconds:.3f}" if done else None,
        "times ours": f"{seconds / job.trees / ours:.2f}" if done else None,
        "accuracy": _mean(_by_seed(done, "accuracy")),
        "accuracy s.d.": _deviation(_by_seed(done, "accuracy")),
        "log-loss": _mean(_by_seed(done, "log_loss")),
        "log-loss s.d.": _deviation(_by_seed(done, "log_loss")),
        "peak GB": f"{max(outcome.peak_gigabytes or 0 for outcome in done):.1f}" if done else None,
        "status": "; ".join(dict.fromkeys(outcome.status for outcome in own)),
    }


def _version(contender: Contender) -> str | None:
    try:
        return metadata.version(contender.distribution)
    except metadata.PackageNotFoundError:
        return None


def _by_seed(outcomes: list[Outcome], metric: str) -> list[float]:
    """Return the metric of each seed; one that was run twice gives the same number twice."""
    return list({o.job.seed: getattr(o, metric) for o in outcomes if o.seconds is not None}.values())


def _mean(values: list[float]) -> str | None:
    return f"{statistics.mean(values):.4f}" if values else None


def _deviation(values: list[float]) -> str | None:
    return f"{statistics.stdev(values):.4f}" if len(values) > 1 else None


def verdicts(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield what is to be read off: speed on FER2013, accuracy and log-loss where there are seeds, and the floor."""
    slower = []
    for of_problem in by_problem(outcomes):
        problem = of_problem[0].job.problem
        title = f"{problem.name}, {problem.n_rows:,} x {problem.n_features:,}"
        ratio = _seconds(of_problem, SKLEARN) / _seconds(of_problem, OURS)
        yield f"{title}: {ratio:.1f} times as fast as scikit-learn"
        if problem.n_rows > FLOOR_ROWS and not ratio >= 1:
            slower.append(title)
        for metric, sign in (("accuracy", 1), ("log_loss", -1)):
            ours, theirs = (
                _by_seed([o for o in of_problem if o.job.contender is contender], metric)
                for contender in (OURS, SKLEARN)
            )
            if len(theirs) > 1 and ours:
                yield f"    {metric.replace('_', '-')} {_compared(ours, theirs, sign)}"
    yield (
        f"Never slower than scikit-learn above {FLOOR_ROWS:,} training rows: "
        + (f"does NOT hold: {'; '.join(slower)}" if slower else "holds")
    )


def _compared(ours: list[float], theirs: list[float], sign: int) -> str:
    mean, worst, best = statistics.mean(ours), *sorted(theirs, key=lambda value: sign * value)[:: len(theirs) - 1]
    place = "better than" if sign * mean > sign * best else "within" if sign * mean >= sign * worst else "WORSE than"
    return (
        f"{mean:.4f} (mean of {len(ours)} seeds) is {place} scikit-learn's spread over {len(theirs)}: {worst:.4f} to"
        f" {best:.4f}, mean {statistics.mean(theirs):.4f}"
    )


def read_plan(options: argparse.Namespace) -> Plan:
    sizes = options.sizes or ((128, 512) if options.quick else SIZES)
    seeds = (2 if options.quick else 5) if options.seeds is None else options.seeds
    return Plan(
        tuple(sizes),
        seeds,
        10 if options.quick else TREES,
        options.limit,
        options.memory,
        options.quick,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=("tabular", "fer2013"), help="measure only these")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="features of FER2013, 1 to 5120")
    parser.add_argument("--seeds", type=int, metavar="N", help="default 5")
    parser.add_argument("--quick", action="store_true", help="fewer trees, sizes, seeds and rows")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that a fit may take (default 300)")
    parser.add_argument("--memory", type=float, default=12.0, help="gigabytes that a process may address (default 12)")
    add_options(parser)
    options = parser.parse_args()
    plan = read_plan(options)
    if plan.seeds < 1 or not all(1 <= size <= SIZES[-1] for size in plan.sizes):
        parser.error(f"expected at least 1 seed and sizes from 1 to {SIZES[-1]}; got {plan.seeds} and {plan.sizes}")
    outcomes = [] if options.only == "tabular" else on_fer2013(plan, parts_of(options))
    outcomes += [] if options.only == "fer2013" else on_tables(plan)
    rows = report(outcomes)
    print()
    print_table([{column: row[column] for column in SHOWN} for row in rows])
    print("\n" + "\n".join(verdicts(outcomes)))
    print("rows appended to", append("forest", rows))


if __name__ == "__main__":
    main()
