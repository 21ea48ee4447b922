"""What bank.py and ablation.py share: the data, one score for all, the colony against the clock, and the test part.

Everybody sees the training rows through the moments of five folds, and is scored by the same ridge regression with one
penalty a size. The labels of the test part stay sealed until all predictions are made. What was chosen is kept in a
folder, so that a benchmark that was stopped goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import Row

from acofer.bench.stats import holm as holm  # asked of here by bank.py and classifiers.py
from acofer.bench.stats import t_interval
from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.exchange import exchange
from acofer.errors import AcoferError, ConfigError, DataError, MissingFileError
from acofer.features.bank import Bank
from acofer.records import SubsetScore
from acofer.scoring.metrics import brier, confusion, percentile_interval, rates, resampled_means
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import SealedLabels, standard_error, stratified_folds
from acofer.scoring.ridge import RidgeScorer, fit_ridge

Indices = NDArray[np.int32]
Labels = NDArray[np.int64]

N_FOLDS, N_ANTS = 5, 20
TEST_SHARE = 0.2
DATA_SETS = "arrays:FOLDER, demo, digits, made"


@dataclass(frozen=True)
class Data:
    """Rows to choose on, and a test part.

    Attributes
    ----------
    X, X_test : ndarray of floats or Bank, shape (n, p)
    y, y_test : ndarray of int64
        Classes from 0.
    """

    name: str
    X: Any
    y: Labels
    X_test: Any
    y_test: Labels

    @property
    def n_classes(self) -> int:
        return int(self.y.max()) + 1


def data_named(name: str) -> Data:
    """Return a data set; one of `DATA_SETS`."""
    if name.startswith("arrays:"):
        return _arrays(Path(name.removeprefix("arrays:")))
    known = {"demo": _demo, "digits": _digits, "made": _made}
    if name not in known:
        raise ConfigError(f"data: expected one of {DATA_SETS}; got {name!r}")
    return known[name]()


def _arrays(folder: Path) -> Data:
    """Read X_train.npy, or X_train_0.npy and so on side by side, y_train.npy, and the same of test."""
    y, y_test = (np.load(_existing(folder / f"y_{part}.npy")).astype(np.int64) for part in ("train", "test"))
    data = Data(folder.resolve().name, _matrix(folder, "train"), y, _matrix(folder, "test"), y_test)
    shapes = [tuple(X.shape) for X in (data.X, data.X_test)]
    if [rows for rows, _ in shapes] != [len(y), len(y_test)] or shapes[0][1] != shapes[1][1]:
        raise DataError(f"{folder}: expected as many rows as labels and the same columns in both parts; got {shapes}")
    return data


def _matrix(folder: Path, part: str) -> Any:
    if (folder / f"X_{part}.npy").exists():
        return np.load(folder / f"X_{part}.npy", mmap_mode="r")
    _existing(folder / f"X_{part}_0.npy")
    paths = [folder / f"X_{part}_{i}.npy" for i in range(len(list(folder.glob(f"X_{part}_*.npy"))))]
    return Bank([np.load(_existing(path), mmap_mode="r") for path in paths])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise MissingFileError(f"expected {path}; it is not there; bank.py --help says which files make a data set")
    return path


def _digits() -> Data:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return _split("digits", X, y)


def _made() -> Data:
    from sklearn.datasets import make_classification

    X, y = make_classification(
        6_000, 2_000, n_informative=60, n_redundant=60, n_classes=7, class_sep=1.2, random_state=0
    )
    return _split("made", X, y)


def _split(name: str, X: NDArray, y: NDArray) -> Data:
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(y)), test_size=TEST_SHARE, stratify=y, random_state=0)
    X, y = X.astype(np.float16), y.astype(np.int64)
    return Data(name, X[train], y[train], X[test], y[test])


def _demo() -> Data:
    """Embed the faces that come with acofer; the ends of a 48 x 48 network, flattened."""
    from acofer.data.demo import load_demo
    from acofer.data.splits import make_split
    from acofer.features.embed import embed

    images = load_demo()
    split = make_split(images, "stratified", seed=0, test_share=TEST_SHARE)
    values, y = embed(images).values, images.labels.astype(np.int64)
    train = np.sort(np.concatenate([split.train, split.validation]))
    return Data("demo", values[train], y[train], values[split.test], y[split.test])


class Bed:
    """Training rows as everybody sees them, and one scorer a size.

    Attributes
    ----------
    data : Data
    moments : FoldMoments
    seconds : float
        It took to make the moments; in nobody's budget.
    """

    def __init__(self, data: Data, n_jobs: int) -> None:
        self.data, self.n_jobs = data, n_jobs
        start = time.perf_counter()
        folds = stratified_folds(data.y, N_FOLDS, seed=0)
        self.moments = FoldMoments.of(data.X, data.y, folds, data.n_classes)
        self.seconds = time.perf_counter() - start
        self._penalties = RidgeScorer(self.moments, n_jobs=n_jobs)

    @property
    def n_features(self) -> int:
        return self.moments.n_features

    def penalty(self, k: int) -> float:
        return self._penalties.penalty(k)

    def scorer(self, k: int) -> RidgeScorer:
        return RidgeScorer(self.moments, penalty=self.penalty(k), n_jobs=self.n_jobs)

    def conditional(self, k: int) -> ConditionalHeuristic:
        return ConditionalHeuristic.of(self.moments, self.penalty(k))

    def exchanged(self, indices: Indices, k: int, max_rounds: int = 20) -> Indices:
        return exchange(self.moments, indices, self.penalty(k), max_rounds=max_rounds, n_jobs=self.n_jobs).indices

    @property
    def fingerprint(self) -> str:
        """Return a digest of the rows and columns that the choices hang on."""
        arrays = (self.data.y, self.moments.shift, self.moments.scale)
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


@dataclass(frozen=True)
class Choice:
    """What one contender chose.

    Attributes
    ----------
    contender : str
    k : int
        Features asked for, and chosen.
    seed : int or None
        None where it draws nothing.
    indices : ndarray of int32, shape (k,)
        Sorted.
    seconds : float
        Wall seconds it took.
    evaluations : int or None
        Subsets it had cross-validated; None where it asks no scorer.
    asked : float or None
        Seconds it was offered; None where it just runs to its end.
    """

    contender: str
    k: int
    seed: int | None
    indices: Indices
    seconds: float
    evaluations: int | None = None
    asked: float | None = None


class Kept:
    """Choices in a folder, one JSON file each, or nothing kept where there is no folder.

    Raises
    ------
    ConfigError
        If the folder holds choices made on other rows.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self._folder = folder
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / "rows.txt"
        if mark.exists() and mark.read_text() != fingerprint:
            raise ConfigError(f"{folder}: holds choices made on other rows; name another folder with --keep")
        mark.write_text(fingerprint)

    def find(self, contender: str, k: int, seed: int | None, asked: float | None) -> Choice | None:
        """Return the choice, or None where there is none with as many seconds."""
        path = self._path(contender, k, seed)
        if path is None or not path.exists():
            return None
        fields = json.loads(path.read_text())
        choice = Choice(**{**fields, "indices": np.array(fields["indices"], np.int32)})
        return choice if choice.asked == asked else None

    def keep(self, choice: Choice) -> Choice:
        path = self._path(choice.contender, choice.k, choice.seed)
        if path is not None:
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            beside.write_text(json.dumps({**asdict(choice), "indices": choice.indices.tolist()}))
            beside.replace(path)
        return choice

    def _path(self, contender: str, k: int, seed: int | None) -> Path | None:
        drawn = "" if seed is None else f"-seed{seed}"
        return self._folder and self._folder / f"{contender.replace(' ', '_')}-{k}{drawn}.json"


def rounds(seconds: float, start: float) -> Iterator[int]:
    """Count rounds for as long as one more like the last ends within `seconds` of `start`; one at least."""
    number = 0
    while True:
        begun = time.perf_counter()
        yield number
        now = time.perf_counter()
        if now + (now - begun) - start > seconds:
            return
        number += 1


class Memory:
    """A scorer that scores no subset twice; larger utilities are better.

    Attributes
    ----------
    best : ndarray of int32
        The best subset so far.
    """

    def __init__(self, scorer: RidgeScorer) -> None:
        self._scorer = scorer
        self._known: dict[bytes, float] = {}
        self.best: Indices = np.empty(0, np.int32)
        self._best_utility = -np.inf

    def utilities(self, subsets: Sequence[Indices]) -> list[float]:
        fresh = {subset.tobytes(): subset for subset in subsets if subset.tobytes() not in self._known}
        for key, score in zip(fresh, self._scorer.score(list(fresh.values())), strict=True):
            self._known[key] = score.utility
            if score.utility > self._best_utility:
                self.best, self._best_utility = score.indices, score.utility
        return [self._known[subset.tobytes()] for subset in subsets]

    @property
    def evaluations(self) -> int:
        return len(self._known)


def colony_choice(
    bed: Bed,
    k: int,
    seed: int,
    seconds: float,
    *,
    name: str = "colony",
    heuristic: Callable[[], NDArray[np.float64]] | None = None,
    improves: bool = True,
    **knobs: Any,
) -> Choice:
    """Run the colony against the clock, by default with the conditional heuristic and local search.

    Parameters
    ----------
    heuristic : callable, optional
        Makes a fixed heuristic, one number a feature, within the budget.
    improves : bool
        Whether the best ant of each iteration is improved by exchanges.
    **knobs
        Of `ColonySettings`, in place of ours.
    """
    start = time.perf_counter()
    memory, improved_before = Memory(bed.scorer(k)), dict[bytes, Indices]()
    settings = ColonySettings(**{"variant": "mmas", "size": k, "n_ants": N_ANTS, **knobs})
    colony = AntColony(heuristic() if heuristic else bed.conditional(k), settings, seed, bed.n_jobs)
    for _ in rounds(seconds, start):
        subsets = colony.ask()
        utilities, improved = memory.utilities(subsets), {}
        if improves:
            ant = int(np.argmax(utilities))
            key = subsets[ant].tobytes()
            if key not in improved_before:
                improved_before[key] = bed.exchanged(subsets[ant], k)
            improved[ant] = improved_before[key]
            utilities[ant] = memory.utilities([improved[ant]])[0]
        colony.tell(utilities, improved)
    return Choice(name, k, seed, memory.best, time.perf_counter() - start, memory.evaluations, seconds)


def compile_kernels() -> None:
    """Have everything compiled that a colony calls, before a clock starts."""
    rng = np.random.default_rng(0)
    data = Data("noise", rng.normal(size=(200, 40)), np.arange(200) % 3, None, np.empty(0, np.int64))
    bed = Bed(data, n_jobs=1)
    colony_choice(bed, 8, 0, 0.0)
    colony_choice(bed, 8, 0, 0.0, heuristic=lambda: np.ones(40))


@dataclass(frozen=True)
class Judged:
    """A choice, its cross-validated score, and what it is worth on the test part.

    Attributes
    ----------
    choice : Choice
    score : SubsetScore
        Brier scores; the folds' with their sign turned.
    predicted : ndarray of int64, shape (n_test,)
    accuracy, macro_f1, brier : float
        On the test part.
    """

    choice: Choice
    score: SubsetScore
    predicted: Labels
    accuracy: float
    macro_f1: float
    brier: float


def judged(bed: Bed, choices: Sequence[Choice]) -> tuple[list[Judged], Labels]:
    """Fit every choice on all training rows and predict the test part; then open its labels, once; return them too."""
    labels = SealedLabels(bed.data.y_test)
    scores, probabilities = [], {}
    for number, choice in enumerate(choices):
        scores.append(bed.scorer(choice.k).finish(choice.indices))
        model = fit_ridge(bed.moments, choice.indices, bed.penalty(choice.k))
        probabilities[str(number)] = model.predict_proba(_columns(bed.data.X_test, choice.indices))
    y = labels.open(probabilities)
    found = []
    for choice, score, proba in zip(choices, scores, probabilities.values(), strict=True):
        predicted = proba.argmax(axis=1)
        rate = rates(confusion(y, predicted, bed.data.n_classes))
        own = Judged(choice, score, predicted, float(rate["accuracy"]), float(rate["macro F1"]), brier(y, proba))
        found.append(own)
    return found, y


def _columns(X: Any, indices: Indices) -> NDArray[np.float64]:
    return (X.take(slice(None), indices) if isinstance(X, Bank) else X[:, indices]).astype(np.float64)


def row_of(bed: Bed, own: Judged) -> Row:
    choice = own.choice
    return {
        "dataset": bed.data.name,
        "k": choice.k,
        "contender": choice.contender,
        "seed": choice.seed,
        "seconds": f"{choice.seconds:.2f}",
        "evaluations": choice.evaluations,
        "penalty": f"{bed.penalty(choice.k):.3g}",
        "cv Brier": f"{own.score.value:.5f}",
        "its s.e.": f"{own.score.standard_error:.5f}",
        "test accuracy": f"{own.accuracy:.4f}",
        "test macro F1": f"{own.macro_f1:.4f}",
        "test Brier": f"{own.brier:.5f}",
    }


def paired_seeds(ours: Sequence[Judged], theirs: Sequence[Judged]) -> list[tuple[Judged, Judged]]:
    """Pair by seed; a rival without seeds meets each of ours."""
    by_seed = {rival.choice.seed: rival for rival in theirs}
    pairs = [(own, by_seed.get(own.choice.seed, by_seed.get(None))) for own in ours]
    return [(own, rival) for own, rival in pairs if rival is not None]


def brier_difference(pairs: Sequence[tuple[Judged, Judged]]) -> tuple[float, float, float, float]:
    """Return the difference of cross-validated Brier scores, ours minus theirs, with a 95 % t-interval over pairs.

    The last number is the standard error over folds of the mean over pairs.
    """
    by_fold = np.array([rival.score.fold_utilities - own.score.fold_utilities for own, rival in pairs])
    return *t_interval(by_fold.mean(axis=1)), standard_error(by_fold.mean(axis=0))


def accuracy_difference(y: Labels, pairs: Sequence[tuple[Judged, Judged]]) -> tuple[float, float, float, float]:
    """Return by how much ours are more accurate on the test part, a 95 % interval, and a two-sided p-value.

    The mean over pairs is taken on each test row; then the rows are bootstrapped. The p-value is twice the share of
    draws on the other side of zero, the observed one counted among them (Davison and Hinkley, Bootstrap Methods and
    their Application, 1997, section 4.2).
    """
    by_row = np.mean([(own.predicted == y).astype(int) - (rival.predicted == y) for own, rival in pairs], axis=0)
    drawn = resampled_means(by_row, seed=0)
    low, high = percentile_interval(drawn)
    beyond = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
    return float(by_row.mean()), low, high, min(1.0, 2 * float(1 + beyond) / (1 + len(drawn)))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", help=f"one of {DATA_SETS} (default: demo; digits with --quick)")
    parser.add_argument("--seeds", type=int, help="seeds, from 0 (default: 5; 2 with --quick)")
    parser.add_argument("--jobs", type=int, default=-1, help="threads (default: all cores)")
    parser.add_argument("--keep", type=Path, help="folder for what was chosen; a stopped benchmark goes on from it")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds, its files named ...-quick")


def n_seeds(options: argparse.Namespace) -> int:
    return options.seeds or (2 if options.quick else 5)


def bed_of(options: argparse.Namespace) -> Bed:
    """Make the bed that the options ask for, and say what it took."""
    bed = Bed(data_named(options.data or ("digits" if options.quick else "demo")), options.jobs)
    rows, features = bed.data.X.shape
    note(f"{bed.data.name}: {rows:,} rows of {features:,} features, {len(bed.data.y_test):,} test rows")
    note(f"the moments of {N_FOLDS} folds took {bed.seconds:.1f} s, in nobody's budget")
    return bed


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def told(run: Callable[[], None]) -> None:
    """Run a benchmark; what the user can put right is one line and exit code 2."""
    try:
        run()
    except AcoferError as error:
        note(str(error))
        sys.exit(2)
