"""What the colony buys over simpler selectors, size by size, on a bank of a frozen network's inner layers.

    pip install -r benchmarks/requirements.txt
    python benchmarks/bank.py --quick                                    # digits, half a minute
    python benchmarks/bank.py --data arrays:FOLDER --keep FOLDER/kept    # an hour; can go on when stopped

FOLDER holds X_train.npy (float; or X_train_0.npy, X_train_1.npy, ... side by side, float16), y_train.npy (classes
from 0), and the same of test. They are memory-mapped; one matrix of products, float32, is held for each of five folds
and one for all, and L1 and RFE take three times as much again for a while.

All see training rows only and are scored by the same ridge regression: Brier score over five folds, one penalty a size,
chosen on a random subset. Everybody's subset is then fitted on all training rows, predicts the test part, and the
labels there open once.

    colony                    MAX-MIN, conditional heuristic, each iteration's best ant improved by exchanges; seconds
    random search             random subsets, the best kept; as many seconds as the colony took with that seed
    genetic algorithm         DEAP, subsets of fixed size; as many seconds as the colony took with that seed
    random subset             one draw a seed
    greedy forward            least squares, each pick what adds most to those before; no candidate list
    greedy + exchange         the same, then exchanges until none pays
    ANOVA F, mutual information, forest importance    the first k of acofer's own rankings (the last two: 3,000 rows)
    L1                        the first k to enter the lasso paths of the class indicators
    RFE                       scikit-learn's, with its ridge classifier, a quarter of the features a step

Those without seeds run once, to their end, and say their seconds; a ranking that serves all sizes says the whole at
each. Compiling is off the clock.

Differences are paired, colony minus rival. Of the cross-validated Brier score: mean over seeds with a 95 % t-interval
over seeds (how far a search can be relied on, on these rows), and beside it the standard error over folds (how far
these rows can be). Of test accuracy: mean over seeds with a 95 % bootstrap interval over test rows, and a p-value
adjusted by Holm for all rivals at that size. Rows go to results/bank.csv, differences to results/bank-stats.csv, the
figure to results/bank.svg and .png.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bed as beds
import numpy as np
import results
from bed import Bed, Choice, Indices, Judged, Kept, Memory, note, rounds
from numpy.typing import NDArray
from results import Row, append, print_table

from acofer.bench.genetic import evolution
from acofer.bench.subsets import drawn
from acofer.colony.heuristic import heuristic_information
from acofer.errors import ConfigError, MissingExtraError
from acofer.report.figures import BLACK, BLUE, GREEN, GREY, ORANGE

SIZES, SECONDS = (32, 64, 128, 256, 512, 1024), (4.0, 6.0, 10.0, 20.0, 30.0, 45.0)
QUICK_SIZES, QUICK_SECONDS = (8, 16, 32), (1.0, 1.0, 1.0)
BATCH = 20
"""Random subsets scored together: as many as there are ants."""
POPULATION, TOURNAMENT, CROSSOVER, MUTATION, MUTATED = 40, 3, 0.8, 0.5, 2
"""Of the genetic algorithm: subsets, rivals in a tournament, chances of crossing two and of changing one, and features
that a change exchanges."""
RFE_STEP = 0.25
SMALLEST_SHARE = 1e-4
"""Share of its largest penalty down to which a lasso path is followed at most."""
STANDARDISED_AT_ONCE = 2048


def random_subset(bed: Bed, k: int, seed: int, seconds: float) -> Choice:
    rng = np.random.default_rng(seed)
    return Choice("random subset", k, seed, drawn(rng, bed.n_features, k), 0.0)


def random_search(bed: Bed, k: int, seed: int, seconds: float) -> Choice:
    start, rng, memory = time.perf_counter(), np.random.default_rng(seed), Memory(bed.scorer(k))
    for _ in rounds(seconds, start):
        memory.utilities([drawn(rng, bed.n_features, k) for _ in range(BATCH)])
    return Choice("random search", k, seed, memory.best, time.perf_counter() - start, memory.evaluations)


def genetic_algorithm(bed: Bed, k: int, seed: int, seconds: float) -> Choice:
    start, memory = time.perf_counter(), Memory(bed.scorer(k))
    generations = evolution(
        memory.utilities,
        bed.n_features,
        k,
        seed,
        population=POPULATION,
        tournament=TOURNAMENT,
        crossover=CROSSOVER,
        mutation=MUTATION,
        mutated=MUTATED,
    )
    for _ in rounds(seconds, start):
        next(generations)
    return Choice("genetic algorithm", k, seed, memory.best, time.perf_counter() - start, memory.evaluations)


AGAINST_THE_CLOCK: dict[str, Callable[[Bed, int, int, float], Choice]] = {
    "random search": random_search,
    "genetic algorithm": genetic_algorithm,
    "random subset": random_subset,
}


# Those that run once take all sizes, and return a choice for each.


def greedy_forward(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    """Pick by `construct_conditional` with no chance and no pheromone, every feature a candidate: forward selection."""
    choices = []
    for k in sizes:
        start = time.perf_counter()
        everyone, state = np.ones(bed.n_features), np.zeros(1, np.uint64)
        picks = bed.conditional(k).construct(everyone, 1.0, 1.0, k, bed.n_features, state)
        choices.append(Choice("greedy forward", k, None, _sorted(picks), time.perf_counter() - start))
    return choices


def greedy_exchange(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    choices = []
    for choice in greedy_forward(bed, sizes):
        start = time.perf_counter()
        improved = bed.exchanged(choice.indices, choice.k, max_rounds=1000)
        seconds = choice.seconds + time.perf_counter() - start
        choices.append(Choice("greedy + exchange", choice.k, None, improved, seconds))
    return choices


def anova_f(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    return _by_heuristic("ANOVA F", "f", bed, sizes)


def mutual_information(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    return _by_heuristic("mutual information", "mi", bed, sizes)


def forest_importance(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    return _by_heuristic("forest importance", "importance", bed, sizes)


def _by_heuristic(name: str, kind: str, bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    start = time.perf_counter()
    eta = heuristic_information(kind, bed.data.X, bed.data.y, seed=0, n_jobs=bed.n_jobs)
    return _tops(name, eta, sizes, time.perf_counter() - start)


def lasso(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    """Rank features by the largest penalty at which one enters, as a share of its class's largest.

    Paths are followed until enough features have entered above one and the same share in all classes.
    """
    start, moments, every = time.perf_counter(), bed.moments, np.arange(bed.n_features)
    gram = moments.training(None, every)
    gram /= moments.training_weight(None)
    cross = moments.training_cross(None, every) / moments.training_weight(None)
    share, entered = 1.0, np.zeros(bed.n_features)
    while (entered > 0).sum() < max(sizes) and share > SMALLEST_SHARE:
        share /= 2
        paths = [_entries(gram, own, share, 2 * max(sizes)) for own in cross.T]
        entered = np.max(paths, axis=0)
    return _tops("L1", entered, sizes, time.perf_counter() - start)


def _entries(gram: NDArray, cross: NDArray, share: float, most_steps: int) -> NDArray:
    """Return each feature's first penalty over the first of all; 0 where it does not enter above `share`."""
    from sklearn.linear_model import lars_path_gram

    largest = float(np.abs(cross).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where two features are copies, one of them is left out
        alphas, _, path = lars_path_gram(
            cross, gram, n_samples=1, method="lasso", alpha_min=share * largest, max_iter=most_steps
        )
    has_entered = path != 0
    first = np.maximum(has_entered.argmax(axis=1) - 1, 0)  # it is still zero where it enters
    return np.where(has_entered.any(axis=1), alphas[first] / largest, 0.0)


def recursive_elimination(bed: Bed, sizes: Sequence[int]) -> list[Choice]:
    """Eliminate down to the largest size, from there to the next, and so on."""
    from sklearn.feature_selection import RFE
    from sklearn.linear_model import RidgeClassifier

    start, choices = time.perf_counter(), []
    X, left = _standardised(bed), np.arange(bed.n_features)
    for k in sorted(sizes, reverse=True):
        ridge = RidgeClassifier(alpha=bed.penalty(k) * bed.moments.training_weight(None))
        selector = RFE(ridge, n_features_to_select=k, step=RFE_STEP).fit(X, bed.data.y)
        X, left = np.ascontiguousarray(X[:, selector.support_]), left[selector.support_]
        choices.append(Choice("RFE", k, None, _sorted(left), time.perf_counter() - start))
    return choices


def _standardised(bed: Bed) -> NDArray[np.float32]:
    n, moments = bed.data.X.shape[0], bed.moments
    X = np.empty(bed.data.X.shape, np.float32)
    for first in range(0, n, STANDARDISED_AT_ONCE):
        rows = np.arange(first, min(first + STANDARDISED_AT_ONCE, n))
        X[rows] = (bed.data.X[rows] - moments.shift.astype(np.float32)) / moments.scale.astype(np.float32)
    return X


def _tops(name: str, measure: NDArray, sizes: Sequence[int], seconds: float) -> list[Choice]:
    order = np.argsort(-measure, kind="stable")
    return [Choice(name, k, None, _sorted(order[:k]), seconds) for k in sizes]


def _sorted(indices: NDArray) -> Indices:
    return np.sort(indices).astype(np.int32)


ONCE: dict[str, Callable[[Bed, Sequence[int]], list[Choice]]] = {
    "greedy forward": greedy_forward,
    "greedy + exchange": greedy_exchange,
    "ANOVA F": anova_f,
    "mutual information": mutual_information,
    "forest importance": forest_importance,
    "L1": lasso,
    "RFE": recursive_elimination,
}
FILTERS = ("ANOVA F", "mutual information", "forest importance")


def chosen(bed: Bed, kept: Kept, seconds: dict[int, float], seeds: int) -> list[Choice]:
    """Let everyone choose, or take what was kept."""
    choices = []
    for name, choose in ONCE.items():
        found = [kept.find(name, k, None, None) for k in seconds]
        if None in found:
            found = [kept.keep(choice) for choice in choose(bed, tuple(seconds))]
        choices += [_noted(choice) for choice in found if choice is not None]
    for k, asked in seconds.items():
        for seed in range(seeds):
            colony = kept.find("colony", k, seed, asked) or kept.keep(beds.colony_choice(bed, k, seed, asked))
            choices.append(_noted(colony))
            choices += [_noted(_rival(bed, kept, colony, name)) for name in AGAINST_THE_CLOCK]
    return choices


def _rival(bed: Bed, kept: Kept, colony: Choice, name: str) -> Choice:
    """Let a rival have as many seconds as it was offered and the colony took."""
    assert colony.seed is not None  # for the type checker
    assert colony.asked is not None
    offered = max(colony.asked, colony.seconds)
    found = kept.find(name, colony.k, colony.seed, offered)
    if found is None:
        drawn = AGAINST_THE_CLOCK[name](bed, colony.k, colony.seed, offered)
        found = kept.keep(Choice(**{**vars(drawn), "asked": offered}))
    return found


def _noted(choice: Choice) -> Choice:
    seed = "" if choice.seed is None else f", seed {choice.seed}"
    scored = "" if choice.evaluations is None else f", {choice.evaluations:,} subsets scored"
    note(f"  {choice.k:5,} {choice.contender}{seed}: {choice.seconds:.1f} s{scored}")
    return choice


Groups = dict[tuple[int, str], list[Judged]]


def grouped(all_judged: Sequence[Judged]) -> Groups:
    groups: Groups = {}
    for own in all_judged:
        groups.setdefault((own.choice.k, own.choice.contender), []).append(own)
    return groups


def compared(groups: Groups, k: int, y: beds.Labels, dataset: str) -> list[Row]:
    """Return a row a rival at one size, colony minus rival."""
    rivals = {name: own for (size, name), own in groups.items() if size == k and name != "colony"}
    pairs = {name: beds.paired_seeds(groups[k, "colony"], own) for name, own in rivals.items()}
    accuracy = {name: beds.accuracy_difference(y, own) for name, own in pairs.items()}
    adjusted = beds.holm([p for *_, p in accuracy.values()])
    rows = []
    for (name, (difference, low, high, p)), p_holm in zip(accuracy.items(), adjusted, strict=True):
        mean, brier_low, brier_high, error = beds.brier_difference(pairs[name])
        rows.append(
            {
                "dataset": dataset,
                "k": k,
                "colony minus": name,
                "seeds": len(pairs[name]),
                "cv Brier": f"{mean:+.5f}",
                "from": None if len(pairs[name]) == 1 else f"{brier_low:+.5f}",
                "to": None if len(pairs[name]) == 1 else f"{brier_high:+.5f}",
                "s.e. over folds": f"{error:.5f}",
                "test accuracy": f"{difference:+.4f}",
                "accuracy from": f"{low:+.4f}",
                "accuracy to": f"{high:+.4f}",
                "p": f"{p:.4f}",
                "p, Holm": f"{p_holm:.4f}",
            }
        )
    return rows


def summary(groups: Groups, k: int) -> list[Row]:
    """Return a line a contender at one size: means over its seeds, best score first."""
    lines = []
    for (size, name), own in groups.items():
        if size == k:
            evaluations = [one.choice.evaluations for one in own if one.choice.evaluations is not None]
            lines.append(
                {
                    "contender": name,
                    "seeds": len(own),
                    "seconds": f"{np.mean([one.choice.seconds for one in own]):.1f}",
                    "evaluations": f"{np.mean(evaluations):,.0f}" if evaluations else None,
                    "cv Brier": f"{_mean(own, 'cv Brier'):.5f}",
                    "test accuracy": f"{_mean(own, 'accuracy'):.4f}",
                    "test macro F1": f"{_mean(own, 'macro F1'):.4f}",
                    "test Brier": f"{_mean(own, 'test Brier'):.5f}",
                }
            )
    return sorted(lines, key=lambda line: str(line["cv Brier"]))


MEASURES: dict[str, Callable[[Judged], float]] = {
    "accuracy": lambda one: one.accuracy,
    "macro F1": lambda one: one.macro_f1,
    "test Brier": lambda one: one.brier,
    "cv Brier": lambda one: one.score.value,
}


def _mean(own: Sequence[Judged], measure: str) -> float:
    return float(np.mean([MEASURES[measure](one) for one in own]))


PURPLE, SKY, AMBER = "#CC79A7", "#56B4E9", "#E69F00"  # Okabe and Ito's, beside those of acofer.report.figures
LINES = {
    "colony": (BLUE, "o"),
    "greedy + exchange": (SKY, "s"),
    "greedy forward": (GREEN, "^"),
    "L1": (ORANGE, "D"),
    "RFE": (PURPLE, "v"),
    "best filter": (AMBER, "P"),
    "genetic algorithm": (BLACK, "X"),
    "random search": (BLACK, "."),
    "random subset": (GREY, "."),
}
PANELS = {"accuracy": "accuracy on the test part", "cv Brier": "cross-validated Brier score, lower: better"}


def draw(groups: Groups, path: Path) -> None:
    """Draw accuracy and cross-validated Brier score against size; of the filters, the one with the best mean score."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "acofer",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    sizes = sorted({k for k, _ in groups})
    best = min(FILTERS, key=lambda name: np.mean([_mean(groups[k, name], "cv Brier") for k in sizes]))
    with mpl.rc_context(style):
        figure = Figure(figsize=(7, 4.8), layout="constrained")
        for axes, measure in zip(figure.subplots(1, 2), PANELS, strict=True):
            for name, (colour, mark) in LINES.items():
                _draw_line(axes, groups, sizes, best if name == "best filter" else name, measure, colour, mark)
            axes.set(xscale="log", xlabel="features chosen")
            axes.set_title(PANELS[measure], fontsize=10)
            axes.set_xticks(sizes, [f"{k:,}" for k in sizes])
            axes.minorticks_off()
            axes.grid(alpha=0.25)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        for ending in ("svg", "png"):
            beside = path.with_name(f".{path.name}.{os.getpid()}.{ending}")
            figure.savefig(beside, dpi=150, metadata={"Date": None} if ending == "svg" else None)
            beside.replace(path.with_suffix(f".{ending}"))


def _draw_line(
    axes: Any, groups: Groups, sizes: Sequence[int], name: str, measure: str, colour: str, mark: str
) -> None:
    """Draw one contender; the colony stands out and shows its range over seeds."""
    is_ours = name == "colony"
    label = f"best filter: {name}" if name in FILTERS else f"{name}, mean and range" if is_ours else name
    means = [_mean(groups[k, name], measure) for k in sizes]
    style = {"linestyle": ":"} if name == "random search" else {}
    width, zorder = (2.2, 3) if is_ours else (1.1, 2)
    axes.plot(
        sizes, means, marker=mark, color=colour, label=label, linewidth=width, markersize=5, zorder=zorder, **style
    )
    if is_ours:
        values = [[MEASURES[measure](one) for one in groups[k, name]] for k in sizes]
        axes.fill_between(sizes, np.min(values, axis=1), np.max(values, axis=1), color=colour, alpha=0.2, linewidth=0)


def budgets(sizes: Sequence[int], seconds: Sequence[float], n_features: int) -> dict[int, float]:
    """Return the seconds of each size; sizes above half of the features are left out."""
    if len(sizes) != len(seconds):
        raise ConfigError(f"seconds: expected one for each of {len(sizes)} sizes; got {len(seconds)}")
    budget = {k: s for k, s in zip(sizes, seconds, strict=True) if k <= n_features // 2}
    if not budget:
        raise ConfigError(f"sizes: expected one of at most half of {n_features} features; got {min(sizes)} and more")
    return budget


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beds.add_options(parser)
    parser.add_argument("--sizes", help="features to choose, with commas (default: 32,64,128,256,512,1024)")
    parser.add_argument("--seconds", help="the colony's, one for each size (default: 4,6,10,20,30,45)")
    parser.add_argument("--name", help="of the files in results/ (default: bank)")
    options = parser.parse_args()
    beds.told(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    if find_spec("deap") is None:
        raise MissingExtraError("the genetic algorithm needs DEAP; pip install -r benchmarks/requirements.txt")
    sizes = _numbers(options.sizes, int, QUICK_SIZES if options.quick else SIZES)
    seconds = _numbers(options.seconds, float, QUICK_SECONDS if options.quick else SECONDS)
    bed = beds.bed_of(options)
    budget = budgets(sizes, seconds, bed.n_features)
    beds.compile_kernels()
    kept = Kept(options.keep, bed.fingerprint)
    all_judged, y = beds.judged(bed, chosen(bed, kept, budget, beds.n_seeds(options)))
    groups = grouped(all_judged)
    statistics = {k: compared(groups, k, y, bed.data.name) for k in budget}
    for k in budget:
        print(f"\n{bed.data.name}, {k:,} of {bed.n_features:,} features, penalty {bed.penalty(k):.3g}")
        print_table(summary(groups, k))
        print()
        print_table([{name: row[name] for name in row if name not in ("dataset", "k")} for row in statistics[k]])
    name = options.name or ("bank-quick" if options.quick else "bank")
    print("\nrows appended to", append(name, [beds.row_of(bed, own) for own in all_judged]))
    print("and to", append(f"{name}-stats", [row for rows in statistics.values() for row in rows]))
    draw(groups, results.FOLDER / name)
    print(f"figure written to {results.FOLDER / name}.svg and .png")


def _numbers(text: str | None, kind: Callable[[str], Any], default: Sequence[Any]) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in text.split(",")) if text else tuple(default)
    except ValueError:
        raise ConfigError(f"expected numbers with commas between them; got {text!r}") from None


if __name__ == "__main__":
    main()
