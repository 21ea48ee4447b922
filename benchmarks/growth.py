"""How the fast forest's time grows with rows, features, trees, classes and ants; what a million pictures would take.

    python benchmarks/growth.py            # a few minutes on two cores
    python benchmarks/growth.py --quick    # a minute: shorter ranges, and a figure of another name

Each is varied alone around a forest of 30 trees on 20,000 rows of 320 features and 7 classes: normal noise, with class
centres in 16 of the features. What a search does once (finding bins, and turning values into them) and what it does
for every ant (packing bytes and growing trees from them) are timed apart, all on all cores. Ants are random subsets of
64 features, on 5,000 rows with 90 trees, scored by `ForestScorer` as a search does, and once more without racing.
SMOTE is there because it comes before.

Slopes are fitted by least squares to the logarithms of the upper half of each range, where fixed costs count little:
1 is in proportion, .5 like a square root. Theory: bins are found on a sample of at most 16,384 rows; a full tree looks
at each row once a level, n log n in all; a node looks at one block of features however many there are, until the
square root of their number exceeds a block; SMOTE compares all rows of a class with each other.

The figure is benchmarks/results/growth.svg and .png; rows are appended to benchmarks/results/growth.csv. The
projection carries the measured times on to FER2013's features by the slopes: for FER2013 itself, so that it can be
compared with what was measured on it (forest.csv), and for a million pictures, which nobody has run; memory is counted
from the sizes of the arrays in the code.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import results
from numpy.typing import NDArray
from results import Row, append, print_table

from acofer import HistForestClassifier
from acofer.features.balance import balance
from acofer.forest.binning import find_bins
from acofer.forest.forest import compile_kernels
from acofer.report.figures import BLACK, BLUE, GREEN, ORANGE
from acofer.scoring.estimator import EMBEDDING_BINS
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS

BASE = {"rows": 20_000, "features": 320, "trees": 30, "classes": 7}
RANGES: dict[str, tuple[int, ...]] = {
    "rows": (1_000, 4_000, 20_000, 100_000, 400_000),
    "features": (20, 80, 320, 1_280, 5_120),
    "trees": (10, 30, 100, 300),
    "classes": (2, 5, 10, 20, 50, 100, 200),
    "ants": (5, 10, 20, 40, 80),
    "rows of a class": (1_000, 2_000, 4_000, 8_000, 16_000),
}
STAGES = ("finding bins", "binning", "trees")
ANTS_BASE = {"rows": 5_000, "features": 256, "trees": 90, "classes": 7}
ANTS_SUBSET = 64
SMOTE_FEATURES = 512
INFORMATIVE, CENTRES = 16, 0.5
MARKS = {
    "finding bins": (BLUE, "o"), "binning": (ORANGE, "s"), "trees": (GREEN, "^"),
    "with racing": (BLUE, "v"), "without": (ORANGE, "D"), "SMOTE": (BLACK, "P"),
}  # fmt: skip
MOST_REPEATS, ENOUGH_SECONDS = 3, 0.5


@dataclass(frozen=True)
class Series:
    """Seconds against one quantity that is varied."""

    varied: str
    what: str
    values: tuple[int, ...]
    seconds: tuple[float, ...]

    def upper(self) -> tuple[NDArray, NDArray]:
        """Return the upper half of the range, three points or more."""
        first = min(len(self.values) // 2, max(0, len(self.values) - 3))
        return np.array(self.values[first:], float), np.array(self.seconds[first:])

    def line(self) -> tuple[float, float]:
        """Return slope and intercept in logarithms."""
        values, seconds = self.upper()
        slope, intercept = np.polyfit(np.log(values), np.log(seconds), 1)
        return float(slope), float(intercept)

    def at(self, value: float) -> float:
        """Return the seconds on the fitted line."""
        slope, intercept = self.line()
        return float(np.exp(intercept) * value**slope)


def made(rows: int, features: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Make noise with class centres in some of the features; classes overlap, so that trees grow deep."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((rows, features), np.float32), np.arange(rows) % classes
    X[:, :INFORMATIVE] += (CENTRES * rng.standard_normal((classes, INFORMATIVE), np.float32))[y]
    return X, y


def median_seconds(call: Callable[[], object]) -> float:
    times: list[float] = []
    while len(times) < MOST_REPEATS and sum(times) < ENOUGH_SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def forest_seconds(rows: int, features: int, trees: int, classes: int) -> tuple[float, ...]:
    """Return the seconds of each stage of a forest."""
    X, y = made(rows, features, classes)
    forest = HistForestClassifier(trees, max_bins=EMBEDDING_BINS, n_jobs=-1, random_state=0)
    bins = find_bins(X, forest.max_bins, n_jobs=-1)
    codes = bins.codes(X, n_jobs=-1)
    return (
        median_seconds(lambda: find_bins(X, forest.max_bins, n_jobs=-1)),
        median_seconds(lambda: bins.codes(X, n_jobs=-1)),
        median_seconds(lambda: forest.fit_codes(bins, codes, y, np.arange(features))),
    )


def scoring_seconds(ants: int, *, is_race: bool) -> float:
    """Return the seconds in which a scorer scores that many random subsets."""
    X, y = made(ANTS_BASE["rows"], ANTS_BASE["features"], ANTS_BASE["classes"])
    forest = HistForestClassifier(ANTS_BASE["trees"], max_bins=EMBEDDING_BINS, random_state=0)
    bins = find_bins(X, forest.max_bins, n_jobs=-1)
    codes = bins.codes(X, n_jobs=-1)
    n_train = len(y) * 4 // 5
    fold = BinnedFold(bins, codes[:n_train], y[:n_train], codes[n_train:], y[n_train:])
    rng = np.random.default_rng(0)
    every = X.shape[1]
    subsets = [np.sort(rng.choice(every, ANTS_SUBSET, replace=False)).astype(np.int32) for _ in range(ants)]

    def score() -> None:
        scorer = ForestScorer(
            forest, [fold], METRICS["log-loss"], n_classes=ANTS_BASE["classes"], n_jobs=-1, is_race=is_race
        )
        scorer.score(subsets)

    return median_seconds(score)


def smote_seconds(rows: int) -> float:
    """Return the seconds in which one class of so many rows is doubled."""
    X, _ = made(3 * rows, SMOTE_FEATURES, 2)
    y = (np.arange(3 * rows) < rows).astype(np.int64)
    return median_seconds(lambda: balance(X, y, "smote"))


def measured(ranges: dict[str, tuple[int, ...]]) -> Iterator[Series]:
    compile_kernels()
    scoring_seconds(1, is_race=True)  # starts threads, off the clock
    for varied in ("rows", "features", "trees", "classes"):
        values = ranges[varied]
        stages = zip(
            *(_noted(varied, value, forest_seconds(**BASE | {varied: value})) for value in values), strict=True
        )
        for what, seconds in zip(STAGES, stages, strict=True):
            if what == "trees" or varied in ("rows", "features"):
                yield Series(varied, what, values, seconds)
    for what, is_race in (("with racing", True), ("without", False)):
        own = [_noted(what, ants, scoring_seconds(ants, is_race=is_race)) for ants in ranges["ants"]]
        yield Series("ants", what, ranges["ants"], tuple(own))
    values = ranges["rows of a class"]
    smote_seconds(100)  # imports, off the clock
    yield Series("rows of a class", "SMOTE", values, tuple(_noted("SMOTE", n, smote_seconds(n)) for n in values))


def _noted(varied: str, value: int, seconds: Any) -> Any:
    told = ", ".join(f"{s:.3f}" for s in (seconds if isinstance(seconds, tuple) else (seconds,)))
    print(f"  {varied} {value:,}: {told} s", flush=True)
    return seconds


def report(series: Series) -> list[Row]:
    slope = series.line()[0]
    return [
        {"varied": series.varied, "what": series.what, "value": value, "seconds": f"{s:.4f}", "slope": f"{slope:.2f}"}
        for value, s in zip(series.values, series.seconds, strict=True)
    ]


def draw(all_series: list[Series], path: Path) -> None:
    """Draw a panel for each quantity that was varied: times as marks, the fitted slope as a line."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "acofer",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(10, 7), layout="constrained")
        panels = figure.subplots(2, 3, sharey=True)
        for varied, axes in zip(RANGES, panels.flat, strict=True):
            own = [series for series in all_series if series.varied == varied]
            _draw_panel(axes, varied, own)
        for axes in panels[:, 0]:
            axes.set_ylabel("seconds")
            axes.yaxis.set_major_formatter("{x:g}")
        for ending in ("svg", "png"):
            beside = path.with_name(f".{path.name}.{os.getpid()}.{ending}")
            figure.savefig(beside, dpi=150, metadata={"Date": None} if ending == "svg" else None)
            beside.replace(path.with_suffix(f".{ending}"))


def _draw_panel(axes: Any, varied: str, own: list[Series]) -> None:
    for series in own:
        colour, mark = MARKS[series.what]
        slope, upper = series.line()[0], series.upper()[0]
        axes.plot(series.values, series.seconds, mark, color=colour, label=f"{series.what}: slope {slope:.2f}")
        axes.plot(upper, [series.at(value) for value in upper], color=colour)
    axes.set(xscale="log", yscale="log", xlabel=varied)
    axes.set_xticks(own[0].values, [f"{v // 1000}k" if v % 1000 == 0 else str(v) for v in own[0].values])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))  # above, where no mark can lie


# The projection. FER2013 has 35,887 pictures; of 28,709 training rows SMOTE makes 50,505, 7,215 a class.
FER2013, TRAINING, DEVELOPING, BALANCED, OF_A_CLASS = 35_887, 28_709, 32_298, 50_505, 7_215
MEAN_CLASS = TRAINING / 7
FEATURES, SUBSET, TREES, FORESTS = 5_120, 2_560, 90, 60
MILLION = 1_000_000


def projected_seconds(all_series: list[Series], pictures: int) -> dict[str, float]:
    """Carry the times on by the slopes, as if each acted by itself."""
    lines = {(series.varied, series.what): series for series in all_series}
    rows = pictures / FER2013 * BALANCED

    def carried(what: str, **wanted: int) -> float:
        seconds = lines["rows", what].at(rows)
        for varied, value in wanted.items():
            seconds *= lines[varied, what].at(value) / lines[varied, what].at(BASE[varied])
        return seconds

    one_class = lines["rows of a class", "SMOTE"].at(pictures / FER2013 * MEAN_CLASS)
    one_forest = carried("trees", features=SUBSET, trees=TREES)
    return {
        "SMOTE, six classes": 6 * one_class * FEATURES / SMOTE_FEATURES,
        f"finding bins of {FEATURES:,} features": carried("finding bins", features=FEATURES),
        "binning": carried("binning", features=FEATURES),
        f"a forest of {TREES} trees on {SUBSET:,}": one_forest,
        f"{FORESTS} of these, none stopped early": FORESTS * one_forest,
    }


def projected_gigabytes(pictures: int) -> dict[str, float]:
    """Count the bytes of what is held, in the order in which it comes."""
    share = pictures / FER2013
    entries = share * BALANCED * (1 - np.exp(-1))  # different rows in a bootstrap sample
    # entries and scratch 8 each, a line of 64 values, a weight, a node that waits 4 x 8, two nodes of 4 + 1 + 4
    growing = entries * (8 + 8 + 64 + 1 + 32 + 18) + share * BALANCED * 8
    held = {
        "pictures, a byte a pixel": pictures * 48 * 48,
        "embeddings on disk, float16": pictures * FEATURES * 2,
        "rows to develop on, float16": share * DEVELOPING * FEATURES * 2,
        "SMOTE's matrix, float32": share * BALANCED * FEATURES * 4,
        "SMOTE's rows of one class, float32": share * OF_A_CLASS * FEATURES * 4,
        "codes, a byte a value": share * BALANCED * FEATURES,
        "two subsets packed in blocks": 2 * share * BALANCED * SUBSET,
        "a growing tree in each of two threads": 2 * growing,
        "a forest, at most": TREES * 2 * entries * 9,
    }
    (pixels, _, floats, matrix, one_class, codes, packed, trees, _) = held.values()
    held |= {
        "AT ONCE while balancing": pixels + floats + matrix + one_class,
        "AT ONCE while binning": pixels + floats + matrix + codes,
        "AT ONCE while searching": pixels + codes + packed + trees,
    }
    return {what: size / 1e9 for what, size in held.items()}


def print_projection(all_series: list[Series]) -> None:
    for unit, projected in (("seconds", partial(projected_seconds, all_series)), ("GB", projected_gigabytes)):
        fer2013, million = projected(FER2013), projected(MILLION)
        print()
        print_table(
            [{unit: what, "FER2013": f"{fer2013[what]:,.2f}", "a million": f"{million[what]:,.1f}"} for what in million]
        )
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    peaks = {what: size for what, size in projected_gigabytes(MILLION).items() if what.startswith("AT ONCE")}
    first = max(peaks, key=lambda what: peaks[what])
    print(
        f"\nWhat breaks first is memory {first.removeprefix('AT ONCE ')}: {peaks[first]:.0f} GB for a million pictures;"
        f" {machine:.0f} GB, which this machine has, are full at {machine / peaks[first] * MILLION:,.0f}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter ranges")
    is_quick = parser.parse_args().quick
    ranges = {varied: values[:-2] if is_quick else values for varied, values in RANGES.items()}
    all_series = list(measured(ranges))
    rows = [row for series in all_series for row in report(series)]
    print()
    print_table(rows)
    if not is_quick:  # short ranges are not to be carried on
        print_projection(all_series)
    print("\nrows appended to", append("growth", rows))
    figure = results.FOLDER / ("growth-quick" if is_quick else "growth")
    draw(all_series, figure)
    print(f"figure written to {figure}.svg and .png")


if __name__ == "__main__":
    main()
