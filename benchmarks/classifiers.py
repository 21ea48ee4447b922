"""What other classifiers make of the features that the colony chose, and what each costs a picture.

    python benchmarks/bank.py --quick --keep FOLDER
    python benchmarks/classifiers.py --data digits --keep FOLDER --sizes 8,32,all      # minutes
    python benchmarks/classifiers.py --data arrays:FOLDER --keep FOLDER/kept           # hours; can go on when stopped

The colony's subsets of seed 0 are those that bank.py kept in --keep; random subsets are drawn as it draws them, and
meet the ridge and the forest only. Every classifier is fitted on all training rows:

    ridge       acofer's, with the penalty of its size that bank.py uses
    logistic    scikit-learn's LogisticRegression; C: see below
    svm         SVC, RBF kernel, C = 2, gamma = 1 / (2 features)
    kernel      the same kernel through 3,000 landmarks (Nystroem), then RidgeClassifier; alpha: see below
    exact       the same kernel between all training rows: kernel ridge regression on one-hot targets, alpha = .1,
                chosen with gamma on FER2013's validation part
    boosting    HistGradientBoostingClassifier, its defaults
    forest      acofer's HistForestClassifier, 90 trees, 32 bins

C and alpha are chosen on a held-out fifth of the training rows: they penalise less and less until it is predicted
worse. Columns are standardised by the training rows, but for ridge and forest, to which it is all the same. Each fit
runs in a process of its own and is stopped after --limit seconds, reading the rows and compiling included. Predictions
are kept in --keep; the test labels open once, when all are made.

"fit s" includes the choice of C or alpha, but not that of ridge's penalty; "predict s" is for the whole test part, from
standardised columns to classes. "multiply-adds" and "comparisons" are for one picture and the classifier alone, from
standardised columns on: a linear one takes features x classes; a kernel features x support vectors or landmarks, and
what it does with the similarities; trees take one comparison a node on the way, mean over test rows (forest) or
training rows (boosting). --network says what the network before it takes.

Accuracies have 95 % bootstrap intervals over test rows. "without copies" leaves out the rows whose numbers stand in
FOLDER/copies_test.npy: test pictures that are in the training part, too. Rows go to results/classifiers.csv.
results/classifiers-stats.csv holds paired differences of accuracy: the forest on chosen features minus the forest on
all, and every classifier on chosen features minus ridge on all. Which is the best on the test part is seen on the test
part, so its lead is flattered; the last p-value is adjusted by Holm for all differences together.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bed as beds
import numpy as np
from bed import Bed, Data, Indices, Kept, Labels, note
from numpy.typing import NDArray
from results import Row, append, print_table

from acofer.errors import ConfigError, DataError, MissingFileError, nearest
from acofer.features.backbone import check_options
from acofer.features.layers import chosen_layers
from acofer.forest.binning import Bins
from acofer.forest.forest import HistForestClassifier, compile_kernels
from acofer.pretrained.base import import_keras
from acofer.pretrained.weights import architecture
from acofer.scoring.estimator import EMBEDDING_BINS
from acofer.scoring.metrics import scorecard
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import SealedLabels
from acofer.scoring.ridge import fit_ridge

SIZES = "256,1024,all"
RANDOM_MEETS = ("ridge", "forest")
CS, ALPHAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), (1.0, 0.1, 0.01)
"""The most penalised first."""
SVM_C, N_LANDMARKS, N_TREES = 2.0, 3000, 90
EXACT_ALPHA, BLOCK = 0.1, 2048
MOST_STEPS = 500
"""Of logistic regression's solver; a fit that takes them all says so."""
HELD_OUT = 0.2
ROWS_AT_ONCE = 2048

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cell:
    """One classifier on one subset.

    Attributes
    ----------
    data : str
        As `bed.data_named` takes it.
    chosen_by : str
        "colony", "random" or "all".
    seed : int or None
    indices : ndarray of int32, shape (k,)
    shift, scale : ndarray of float64, shape (k,)
        Standardised columns are (x - shift) / scale.
    penalty : float
        The ridge's.
    classifier : str
    """

    data: str
    chosen_by: str
    seed: int | None
    indices: Indices
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    penalty: float
    classifier: str

    @property
    def title(self) -> str:
        drawn = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.classifier} on {len(self.indices):,} ({self.chosen_by}{drawn})"

    def path(self, folder: Path) -> Path:
        drawn = "" if self.seed is None else f"-seed{self.seed}"
        return folder / f"classifier-{self.classifier}-{self.chosen_by}-{len(self.indices)}{drawn}.json"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.indices.tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """What came of a cell.

    Attributes
    ----------
    digest : str
        The cell's.
    limit : float
        Seconds it was given.
    predicted : ndarray of int64, shape (n_test,), or None
        None where there was no end in time.
    fit, predict : float
        Seconds.
    multiply_adds, comparisons : float or None
        A picture.
    remark : str
    """

    digest: str
    limit: float
    predicted: Labels | None = None
    fit: float | None = None
    predict: float | None = None
    multiply_adds: float | None = None
    comparisons: float | None = None
    remark: str = ""


def ridge(X: Matrix, y: Labels, cell: Cell) -> Any:
    moments = FoldMoments.whole(X, y, int(y.max()) + 1, seed=0)
    return fit_ridge(moments, np.arange(X.shape[1], dtype=np.int32), cell.penalty)


def logistic(X: Matrix, y: Labels, cell: Cell) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a row that did not converge says so
        return best([LogisticRegression(C=C, max_iter=MOST_STEPS) for C in CS], X, y)


def svm(X: Matrix, y: Labels, cell: Cell) -> Any:
    from sklearn.svm import SVC

    return SVC(C=SVM_C, gamma=0.5 / X.shape[1], cache_size=2000).fit(X, y)


def kernel(X: Matrix, y: Labels, cell: Cell) -> Any:
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    landmarks = Nystroem(gamma=0.5 / X.shape[1], n_components=min(N_LANDMARKS, len(X)), random_state=0).fit(X)
    similar = landmarks.transform(X).astype(np.float64)
    return make_pipeline(landmarks, best([RidgeClassifier(alpha=alpha) for alpha in ALPHAS], similar, y))


class KernelRidgeClassifier:
    """Kernel ridge regression on centred one-hot targets between all training rows; the class of the largest wins.

    In float32 and by blocks: of 28,709 rows scikit-learn's KernelRidge takes more than 22 GB, and OpenBLAS' own
    factorisation of a matrix as large ends the process.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def fit(self, X: Matrix, y: Labels) -> KernelRidgeClassifier:
        targets = np.eye(int(y.max()) + 1, dtype=np.float32)[y]
        self._shares, self._rows = targets.mean(axis=0), X
        similar = np.empty((len(X), len(X)), np.float32)
        for block in blocks_of(len(X)):
            similar[block] = self._similar(X[block])
        similar[np.diag_indices(len(X))] += EXACT_ALPHA
        self.dual_coef = solved(similar, targets - self._shares)
        return self

    def predict(self, X: Matrix) -> Labels:
        scores = [self._similar(X[block]) @ self.dual_coef + self._shares for block in blocks_of(len(X))]
        return np.concatenate(scores).argmax(axis=1)

    def _similar(self, X: Matrix) -> Matrix:
        from sklearn.metrics.pairwise import rbf_kernel

        return rbf_kernel(X, self._rows, gamma=self.gamma)


def blocks_of(n: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK)]


def solved(matrix: Matrix, right: Matrix) -> Matrix:
    """Solve for a positive definite matrix, which is overwritten, by its Cholesky factor, block by block."""
    from scipy.linalg import solve_triangular

    blocks = blocks_of(len(matrix))
    for own in blocks:
        matrix[own, own] = np.linalg.cholesky(matrix[own, own])
        whitening = np.linalg.inv(matrix[own, own]).T
        rest = [block for block in blocks if block.start >= own.stop]
        for block in rest:
            matrix[block, own] = matrix[block, own] @ whitening
        for block in rest:
            matrix[block, own.stop : block.stop] -= matrix[block, own] @ matrix[own.stop : block.stop, own].T
    answer = right.copy()
    for own in blocks:
        known = matrix[own, : own.start] @ answer[: own.start]
        answer[own] = solve_triangular(matrix[own, own], answer[own] - known, lower=True)
    for own in reversed(blocks):
        known = matrix[own.stop :, own].T @ answer[own.stop :]
        answer[own] = solve_triangular(matrix[own, own], answer[own] - known, lower=True, trans=1)
    return answer


def exact(X: Matrix, y: Labels, cell: Cell) -> Any:
    return KernelRidgeClassifier(0.5 / X.shape[1]).fit(X, y)


def boosting(X: Matrix, y: Labels, cell: Cell) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0).fit(X, y)


def forest(X: Matrix, y: Labels, cell: Cell) -> Any:
    return HistForestClassifier(N_TREES, max_bins=EMBEDDING_BINS, n_jobs=-1, random_state=0).fit(X, y)


def best(models: Sequence[Any], X: NDArray, y: Labels) -> Any:
    """Return the model that predicts a held-out fifth of the training rows best, fitted on all of them.

    They are tried in turn, less and less penalised, until one is worse than the one before.
    """
    from sklearn.base import clone
    from sklearn.model_selection import train_test_split

    X_fit, X_held, y_fit, y_held = train_test_split(X, y, test_size=HELD_OUT, stratify=y, random_state=0)
    chosen, most = models[0], -1.0
    for model in models:
        share = clone(model).fit(X_fit, y_fit).score(X_held, y_held)
        if share < most:
            break
        chosen, most = model, share
    return chosen.fit(X, y)


Cost = dict[str, Any]


def ridge_cost(model: Any, X_test: Matrix) -> Cost:
    return {"multiply_adds": model.coef_.size, "remark": f"penalty {model.penalty:.3g}"}


def logistic_cost(model: Any, X_test: Matrix) -> Cost:
    unfinished = f", not converged in {MOST_STEPS} steps" if model.n_iter_.max() >= MOST_STEPS else ""
    return {"multiply_adds": model.coef_.size, "remark": f"C {model.C:g}{unfinished}"}


def svm_cost(model: Any, X_test: Matrix) -> Cost:
    vectors, rivals = len(model.support_), len(model.classes_) - 1
    return {"multiply_adds": vectors * (X_test.shape[1] + rivals), "remark": f"{vectors:,} support vectors"}


def kernel_cost(model: Any, X_test: Matrix) -> Cost:
    landmarks, linear = model[0].components_, model[1]
    n = len(landmarks)
    return {
        "multiply_adds": landmarks.size + n * n + linear.coef_.size,
        "remark": f"alpha {linear.alpha:g}, {n:,} landmarks",
    }


def exact_cost(model: Any, X_test: Matrix) -> Cost:
    rows, targets = model.dual_coef.shape
    return {"multiply_adds": rows * (X_test.shape[1] + targets), "remark": f"alpha {EXACT_ALPHA:g}"}


def boosting_cost(model: Any, X_test: Matrix) -> Cost:
    trees = [tree for step in model._predictors for tree in step]
    leaves = [tree.nodes[tree.nodes["is_leaf"] == 1] for tree in trees]
    steps = sum(float(np.average(own["depth"], weights=own["count"])) for own in leaves)
    return {"comparisons": round(steps), "remark": f"{len(trees):,} trees"}


def forest_cost(model: Any, X_test: Matrix) -> Cost:
    """Walk the test rows down all trees and count."""
    codes, rows, steps = Bins(model.bin_edges_).codes(X_test), np.arange(len(X_test)), 0
    for start in model.tree_starts_[:-1]:
        nodes = np.full(len(rows), start)
        while len(walking := rows[model.node_features_[nodes] >= 0]):
            here = nodes[walking]
            is_right = codes[walking, model.node_features_[here]] > model.node_thresholds_[here]
            nodes[walking] = start + model.node_children_[here] + is_right
            steps += len(walking)
    return {"comparisons": round(steps / len(rows)), "remark": f"{N_TREES} trees"}


CLASSIFIERS: dict[str, tuple[Callable[[Matrix, Labels, Cell], Any], Callable[[Any, Matrix], Cost]]] = {
    "ridge": (ridge, ridge_cost),
    "logistic": (logistic, logistic_cost),
    "svm": (svm, svm_cost),
    "kernel": (kernel, kernel_cost),
    "exact": (exact, exact_cost),
    "boosting": (boosting, boosting_cost),
    "forest": (forest, forest_cost),
}
PLAIN = ("ridge", "forest")


def work(cell: Cell, limit: float, path: Path) -> None:
    """Fit a cell's classifier, predict the test part, and keep what came of it; runs in a process of its own."""
    data = beds.data_named(cell.data)
    X, X_test, y = columns(data.X, cell), columns(data.X_test, cell), data.y
    fit, cost = CLASSIFIERS[cell.classifier]
    _compile(fit, cell)
    start = time.perf_counter()
    model = fit(X, y, cell)
    fitted = time.perf_counter()
    predicted = model.predict(X_test)
    predicting = time.perf_counter() - fitted
    keep(path, Outcome(cell.digest, limit, predicted, fitted - start, predicting, **cost(model, X_test)))


def _compile(fit: Callable[[Matrix, Labels, Cell], Any], cell: Cell) -> None:
    """Have everything compiled and loaded that a fit calls, before a clock starts."""
    noise = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    compile_kernels()
    fit(noise, np.arange(300) % 3, cell).predict(noise)


def columns(X: Any, cell: Cell) -> Matrix:
    """Return a cell's columns, standardised where its classifier wants it, reading some rows at a time."""
    is_plain = cell.classifier in PLAIN
    shift, scale = (0, 1) if is_plain else (cell.shift.astype(np.float32), cell.scale.astype(np.float32))
    out = np.empty((len(X), len(cell.indices)), np.float32)
    for first in range(0, len(X), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        out[rows] = (X[rows][:, cell.indices].astype(np.float32) - shift) / scale
    return out


def keep(path: Path, outcome: Outcome) -> Outcome:
    predicted = None if outcome.predicted is None else outcome.predicted.tolist()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps({**asdict(outcome), "predicted": predicted}))
    beside.replace(path)
    return outcome


def find(path: Path, cell: Cell, limit: float) -> Outcome | None:
    """Return what is kept of a cell, or None where it is of other columns, or might end within a longer limit."""
    if not path.exists():
        return None
    fields = json.loads(path.read_text())
    is_done = fields["predicted"] is not None
    if fields["digest"] != cell.digest or not (is_done or fields["limit"] >= limit):
        return None
    return Outcome(**{**fields, "predicted": np.array(fields["predicted"], np.int64) if is_done else None})


def outcome_of(cell: Cell, folder: Path, limit: float) -> Outcome:
    """Take what was kept, or run the cell; one that breaks is not kept."""
    path = cell.path(folder)
    outcome = find(path, cell, limit)
    if outcome is None:
        child = multiprocessing.get_context("spawn").Process(target=work, args=(cell, limit, path), daemon=True)
        child.start()
        child.join(limit)
        if child.is_alive():
            child.kill()
            child.join()
            outcome = keep(path, Outcome(cell.digest, limit, remark=f"not done in {limit:g} s"))
        elif child.exitcode:
            outcome = Outcome(cell.digest, limit, remark=f"broke off with exit code {child.exitcode}")
        else:
            outcome = find(path, cell, limit)
    assert outcome is not None  # for the type checker
    spent = outcome.remark if outcome.fit is None else f"{outcome.fit:.1f} s, {outcome.remark}"
    note(f"  {cell.title}: {spent}")
    return outcome


def cells(bed: Bed, chosen: dict[int, Indices], options: argparse.Namespace) -> Iterator[Cell]:
    """Yield a cell for every classifier on every subset, size by size; `chosen` holds the colony's, by size."""
    asked = names(options.classifiers)
    for size in options.sizes.split(","):
        subsets = subsets_of(size, bed.n_features, chosen, options.randoms)
        for chosen_by, seed, indices in subsets:
            for classifier in asked:
                if chosen_by == "random" and classifier not in RANDOM_MEETS:
                    continue
                shift, scale, penalty = bed.moments.shift, bed.moments.scale, bed.penalty(len(indices))
                yield Cell(options.data, chosen_by, seed, indices, shift[indices], scale[indices], penalty, classifier)


def subsets_of(
    size: str, n_features: int, chosen: dict[int, Indices], randoms: int
) -> list[tuple[str, int | None, Indices]]:
    if size == "all":
        return [("all", None, np.arange(n_features, dtype=np.int32))]
    k = int(size)
    drawn = [np.random.default_rng(seed).choice(n_features, k, replace=False) for seed in range(randoms)]
    random = [("random", seed, np.sort(indices).astype(np.int32)) for seed, indices in enumerate(drawn)]
    return [("colony", 0, chosen[k]), *random]


def names(text: str) -> list[str]:
    for name in text.split(","):
        if name not in CLASSIFIERS:
            raise ConfigError(f"classifiers: got {name!r}; {nearest(name, CLASSIFIERS)}")
    return text.split(",")


def colony_choices(sizes: str, folder: Path) -> dict[int, Indices]:
    """Read what the colony chose with seed 0 at each size."""
    choices = {}
    for size in sizes.split(","):
        if size == "all":
            continue
        if not size.isdecimal():
            raise ConfigError(f"sizes: expected numbers or 'all' with commas between them; got {size!r}")
        path = folder / f"colony-{size}-seed0.json"
        if not path.exists():
            raise MissingFileError(
                f"expected the colony's choice in {path}; it is not there; run bank.py with the same --data and --keep"
            )
        choices[int(size)] = np.array(json.loads(path.read_text())["indices"], np.int32)
    return choices


def copies(data: str, n_test: int) -> NDArray[np.int64] | None:
    """Return the numbers of the test rows that are copies of training rows, or None where nobody has looked."""
    path = Path(data.removeprefix("arrays:")) / "copies_test.npy"
    if not data.startswith("arrays:") or not path.exists():
        return None
    rows = np.load(path)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or (len(rows) and not 0 <= rows.min() <= rows.max() < n_test):
        raise DataError(f"{path}: expected numbers of test rows, 0 to {n_test - 1}; got {rows.dtype} {rows.shape}")
    return rows.astype(np.int64)


RATED = ("accuracy", "from", "to", "balanced accuracy", "macro F1")


def row_of(data: Data, cell: Cell, outcome: Outcome, y: Labels, copied: NDArray[np.int64] | None) -> Row:
    row: Row = {"dataset": data.name, "features": len(cell.indices), "chosen by": cell.chosen_by, "seed": cell.seed}
    row["classifier"] = cell.classifier
    rated = RATED if copied is None else (*RATED, "without copies")
    row |= dict.fromkeys(rated)
    if outcome.predicted is not None:
        card = scorecard(y, np.eye(data.n_classes)[outcome.predicted])
        low, high = card["accuracy"]["interval"]
        values = [card["accuracy"]["value"], low, high, card["balanced accuracy"]["value"], card["macro F1"]["value"]]
        if copied is not None:
            values.append(np.delete(outcome.predicted == y, copied).mean())
        row |= {name: f"{value:.4f}" for name, value in zip(rated, values, strict=True)}
    row["fit s"] = None if outcome.fit is None else f"{outcome.fit:.2f}"
    row["predict s"] = None if outcome.predict is None else f"{outcome.predict:.2f}"
    cost = {"multiply-adds": outcome.multiply_adds, "comparisons": outcome.comparisons}
    return row | cost | {"remark": outcome.remark}


Done = list[tuple[Cell, Outcome]]


def differences(y: Labels, done: Done, dataset: str) -> list[Row]:
    """Return paired differences of accuracy between the colony's features and all."""
    ended = [(cell, outcome) for cell, outcome in done if outcome.predicted is not None]
    on_all = {cell.classifier: outcome for cell, outcome in ended if cell.chosen_by == "all"}
    ours = [(cell, outcome) for cell, outcome in ended if cell.chosen_by == "colony"]
    hits = [(len(cell.indices), np.count_nonzero(outcome.predicted == y)) for cell, outcome in ours]
    most = dict(sorted(hits))  # of equal sizes the last stays, which has the most
    pairs = [(*own, rival) for own in ours for rival in rivals_of(own[0]) if rival in on_all]
    rows, p_values = [], []
    for cell, outcome, rival in pairs:
        pair: Any = (outcome, on_all[rival])  # what they predicted is all that is looked at
        difference, low, high, p = beds.accuracy_difference(y, [pair])
        is_best = np.count_nonzero(outcome.predicted == y) == most[len(cell.indices)]  # several may be
        p_values.append(p)
        rows.append(
            {
                "dataset": dataset,
                "features": len(cell.indices),
                "classifier": cell.classifier,
                "best of its size": "yes" if is_best else None,
                "minus, on all": rival,
                "accuracy": f"{difference:+.4f}",
                "from": f"{low:+.4f}",
                "to": f"{high:+.4f}",
                "p": f"{p:.4f}",
            }
        )
    adjusted = beds.holm(p_values)
    return [{**row, "p, Holm": f"{p:.4f}"} for row, p in zip(rows, adjusted, strict=True)]


def rivals_of(cell: Cell) -> tuple[str, ...]:
    return ("forest", "ridge") if cell.classifier == "forest" else ("ridge",)


def network_madds(spec: str, is_mirrored: bool) -> int:
    """Count the multiply-adds of a frozen network, cut after a layer, for one picture.

    Each number of a kernel is used once at each place of the layer's output. Normalisations are not counted, since
    they can be folded into the kernels, nor are activations and sums.

    Parameters
    ----------
    spec : str
        ``"network:input size:layer"``; of several layers, or ``"bank"``, the deepest counts.
    is_mirrored : bool
        Whether the mirror image goes through the network, too.
    """
    name, size, layers = _network(spec)
    keras = import_keras()
    build = getattr(keras.applications, architecture(name).application)
    base = build(weights=None, include_top=False, input_shape=(size, size, 3))
    cut = keras.Model(base.input, base.get_layer(chosen_layers(layers, name)[-1]).output)
    kernels = [(own.kernel, own.output.shape[1:-1]) for own in cut.layers if hasattr(own, "kernel")]
    return (1 + is_mirrored) * sum(math.prod(weights.shape) * math.prod(places) for weights, places in kernels)


def _network(spec: str) -> tuple[str, int, str]:
    parts = spec.split(":")
    if len(parts) != 3 or not parts[1].isdecimal():
        raise ConfigError(f"network: expected e.g. mobilenetv2:192:block_13_expand_relu; got {spec!r}")
    name, size, layers = parts[0], int(parts[1]), parts[2]
    check_options(name, size, "flatten", layers)
    return name, size, layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help=f"one of {beds.DATA_SETS}")
    parser.add_argument("--keep", type=Path, required=True, help="folder where bank.py kept the colony's choices")
    parser.add_argument("--sizes", default=SIZES, help="features, with commas; 'all' is one (default: %(default)s)")
    parser.add_argument("--classifiers", default=",".join(CLASSIFIERS), help="with commas (default: %(default)s)")
    parser.add_argument("--randoms", type=int, default=1, help="random subsets a size (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=900, help="seconds a fit, or it is stopped (default: 900)")
    parser.add_argument("--network", help="count its multiply-adds: mobilenetv2:192:block_13_expand_relu")
    parser.add_argument("--mirror", action="store_true", help="the mirror image goes through the network, too")
    parser.add_argument("--network-madds", type=int, help="the network's multiply-adds, where they are known")
    parser.add_argument("--name", default="classifiers", help="of the files in results/ (default: %(default)s)")
    options = parser.parse_args()
    beds.told(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    names(options.classifiers)
    madds = network_madds(options.network, options.mirror) if options.network else options.network_madds
    chosen = colony_choices(options.sizes, options.keep)
    data = beds.data_named(options.data)
    copied = copies(options.data, len(data.y_test))
    labels = SealedLabels(data.y_test)
    done = [(cell, outcome_of(cell, options.keep, options.limit)) for cell in all_cells(data, chosen, options)]
    y = labels.open({cell.title: own.predicted for cell, own in done if own.predicted is not None})
    rows = [row_of(data, cell, outcome, y, copied) for cell, outcome in done]
    print()
    print_table([{name: row[name] for name in row if name != "dataset"} for row in rows])
    if madds:
        print(f"\nthe network before it: {madds:,} multiply-adds a picture")
    print("\nrows appended to", append(options.name, rows))
    statistics = differences(y, done, data.name)
    if statistics:
        print()
        print_table([{name: row[name] for name in row if name != "dataset"} for row in statistics])
        print("\nrows appended to", append(f"{options.name}-stats", statistics))


def all_cells(data: Data, chosen: dict[int, Indices], options: argparse.Namespace) -> list[Cell]:
    """Return the cells; the moments of all features are held no longer than that takes."""
    bed = Bed(data, n_jobs=-1)
    note(f"the moments of all features took {bed.seconds:.1f} s")
    Kept(options.keep, bed.fingerprint)  # complains where the choices were made on other rows
    return list(cells(bed, chosen, options))


if __name__ == "__main__":
    main()
