"""The main job, whole: from pictures to a chosen subset, its test and its run folder."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.construct import construct
from acofer.colony.heuristic import heuristic_information
from acofer.colony.search import AntRow, SearchTrace, search_subsets
from acofer.colony.size import size_grid
from acofer.config import SearchConfig
from acofer.data.load import load_faces
from acofer.data.splits import make_split
from acofer.features.cache import Store
from acofer.features.embed import embed
from acofer.records import Embeddings, ImageSet, Progress, Split, SubsetScore
from acofer.runs import folder as files
from acofer.runs.folder import RunFolder
from acofer.runs.machine import Stopwatch, machine, versions
from acofer.runs.material import Material, material_of, search_folds, training_matrix
from acofer.runs.model import write_model
from acofer.runs.verdict import COLONY, Trial, null_subsets, run_trial, search_score_numbers, verdict_sentence
from acofer.scoring.estimator import EstimatorScorer, classifier_named
from acofer.scoring.metrics import METRICS, scorecard

Training = tuple[NDArray[np.float32], NDArray[np.int64]]
Draw = Callable[[dict[str, Any], Path], None]


@dataclass(frozen=True)
class RunResult:
    """What came of a search.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder.
    numbers : dict
        The content of ``result.json``: everything that is printed or drawn.
    chosen : SubsetScore
        The chosen subset and its search score.
    trace : SearchTrace
    """

    folder: Path
    numbers: dict[str, Any]
    chosen: SubsetScore
    trace: SearchTrace


def run_search(config: SearchConfig, *, progress: Progress | None = None, draw: Draw | None = None) -> RunResult:
    """Search for a subset of features, test it once, and leave a run folder.

    Parameters
    ----------
    config : SearchConfig
    progress : callable, optional
        Told ``(stage, done, total)``.
    draw : callable, optional
        Called as ``draw(numbers, path)`` to write figures into the folder `path`.

    Returns
    -------
    RunResult

    Raises
    ------
    AcoferError
        For anything wrong with the options, the data, the weights or the folders; nothing is left behind.
    """
    estimator = classifier_named(config.scorer, trees=config.trees, seed=config.seed, params=config.scorer_params)
    folder = RunFolder(config.out, config.name or _short_name(config.data))
    try:
        return _run(config, estimator, folder, progress or _silence, draw)
    except BaseException:
        folder.discard()
        raise


def _run(config: SearchConfig, estimator: Any, folder: RunFolder, progress: Progress, draw: Draw | None) -> RunResult:
    watch = Stopwatch()
    images, split, embeddings = _pictures(config, watch, progress)
    size_grid(config.size, embeddings.values.shape[1])  # a size that does not fit is said before hours are spent
    with _stage(watch, progress, "balancing"):
        material = material_of(config, embeddings.values, images.labels, split)
        training = training_matrix(material, config.seed)
    with _stage(watch, progress, "heuristic"):
        X, y = material.X[material.train], material.y[material.train]
        eta = heuristic_information(config.heuristic, X, y, seed=config.seed)
        del X
    trace = _search(config, estimator, material, training, eta, images.n_classes, watch, progress)
    chosen = trace.archive.pick(config.pick)
    with watch.stage("test"):
        trial = _test(config, estimator, chosen, eta, material, training, images.n_classes, progress)
    numbers = {
        **_circumstances(config, images, split, embeddings, material, len(training[1])),
        **_outcome(config, trace, chosen, trial, material, split, images.n_classes),
        "verdict": verdict_sentence(trial.numbers, embeddings.values.shape[1], config.protocol),
    }
    with _stage(watch, progress, "writing"):
        _write(folder, config, embeddings, trace, chosen, trial.model)
        if draw is not None:
            draw(numbers, folder.path(files.FIGURES))
    numbers["seconds"] = {stage: round(seconds, 3) for stage, seconds in watch.seconds.items()}
    folder.write_json(files.RESULT, numbers)
    return RunResult(folder.finish(), numbers, chosen, trace)


def _pictures(config: SearchConfig, watch: Stopwatch, progress: Progress) -> tuple[ImageSet, Split, Embeddings]:
    with _stage(watch, progress, "reading"):
        images = load_faces(config.data, ferplus=config.ferplus, on_broken=config.on_broken, progress=progress)
    with watch.stage("splitting"):
        kind = config.split
        if kind == "auto":
            kind = "stratified" if images.parts is None else "official"
        split = make_split(images, kind, seed=config.seed)
    with watch.stage("embedding"):
        embeddings = embed(
            images,
            backbone=config.backbone,
            image_size=config.image_size,
            pooling=config.pooling,
            weights=config.weights,
            store=Store(config.cache_dir),
            progress=progress,
        )
    return images, split, embeddings


def _search(
    config: SearchConfig,
    estimator: Any,
    material: Material,
    training: Training,
    eta: NDArray[np.float64],
    n_classes: int,
    watch: Stopwatch,
    progress: Progress,
) -> SearchTrace:
    with _stage(watch, progress, "balancing"):
        folds = search_folds(config, material, training)
    with _stage(watch, progress, "compiling"):
        construct(np.ones(2), 1, 0.5, np.zeros(1, np.uint64))
    scorer = EstimatorScorer(
        estimator,
        folds,
        METRICS[config.metric],
        classes=np.arange(n_classes),
        n_jobs=config.workers or -1,
        backend=config.backend,
        seed=config.seed,
    )
    with watch.stage("search"):
        colony = AntColony(eta, _settings(config), config.seed)
        return search_subsets(
            colony, scorer, config.iterations, on_ant=lambda done, total, _: progress("search", done, total)
        )


def _test(
    config: SearchConfig,
    estimator: Any,
    chosen: SubsetScore,
    eta: NDArray[np.float64],
    material: Material,
    training: Training,
    n_classes: int,
    progress: Progress,
) -> Trial:
    return run_trial(
        _parallel(estimator, config.workers or -1),
        {COLONY: chosen.indices, **null_subsets(chosen.indices, eta, config.null_draws, config.seed)},
        training,
        material.X_test,
        material.sealed,
        n_classes,
        seed=config.seed,
        on_fit=lambda done, total: progress("test", done, total),
    )


def _silence(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@contextmanager
def _stage(watch: Stopwatch, progress: Progress, name: str) -> Iterator[None]:
    """Time a stage that cannot say how far it is, and tell that it began and ended."""
    progress(name, 0, 1)
    with watch.stage(name):
        yield
    progress(name, 1, 1)


def _short_name(data: str) -> str:
    return Path(data).name.split(".")[0] or "run"


def _settings(config: SearchConfig) -> ColonySettings:
    return ColonySettings(
        n_ants=config.ants,
        alpha=config.alpha,
        beta=config.beta,
        rho=config.rho,
        q0=config.q0,
        variant=config.variant,  # type: ignore[arg-type]
        size=config.size,
    )


def _parallel(estimator: Any, workers: int) -> Any:
    """Let one fit use all workers; a forest is the same for any number of them."""
    from sklearn.base import clone

    takes_jobs = "n_jobs" in estimator.get_params()
    return clone(estimator).set_params(n_jobs=workers) if takes_jobs else estimator


def _circumstances(
    config: SearchConfig,
    images: ImageSet,
    split: Split,
    embeddings: Embeddings,
    material: Material,
    n_training_rows: int,
) -> dict[str, Any]:
    return {
        "acofer": versions()["acofer"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "protocol": config.protocol,
        "seed": config.seed,
        "configuration": dataclasses.asdict(config),
        "data": {
            "name": images.name,
            "source": images.source,
            "pictures": len(images),
            "classes": list(images.class_names),
            "digest": images.digest,
            "warnings": list(images.warnings),
        },
        "split": {
            "name": split.name if config.protocol == "clean" else f"random 80/20 ({config.protocol})",
            "fingerprint": split.fingerprint if config.protocol == "clean" else None,
            "train": len(material.train),
            "validation": len(material.validation),
            "test": len(material.sealed),
            "training rows after balancing": n_training_rows,
            "synthetic test rows": material.n_synthetic_test_rows,
            "test rows also in training": len(split.copied_test_rows) if config.protocol == "clean" else None,
        },
        "embeddings": {"key": embeddings.key, "features": embeddings.values.shape[1], **embeddings.about},
        "versions": versions(),
        "machine": machine(),
    }


def _outcome(
    config: SearchConfig,
    trace: SearchTrace,
    chosen: SubsetScore,
    trial: Trial,
    material: Material,
    split: Split,
    n_classes: int,
) -> dict[str, Any]:
    metric = METRICS[config.metric]
    on_test = _test_value(trial.numbers["contenders"][COLONY], config.metric)
    return {
        "search": _search_numbers(config, trace, chosen),
        **trial.numbers,
        "search score": search_score_numbers(metric, chosen.value, on_test),
        "without copies": _without_copies(trial, material, split, n_classes, config.seed),
    }


def _search_numbers(config: SearchConfig, trace: SearchTrace, chosen: SubsetScore) -> dict[str, Any]:
    archive = trace.archive
    return {
        "metric": config.metric,
        "scored on": f"{config.folds} folds of the training part" if config.folds else "the validation part",
        "ants": len(trace.rows),
        "subsets scored": len(archive),
        "seconds scoring": sum(score.seconds for score in archive),
        "pick": config.pick,
        "chosen": _score_numbers(chosen),
        "best": _score_numbers(archive.best),
        "front": [_score_numbers(score) for score in archive.front()],
        "scored": [_score_numbers(row.score) | {"iteration": row.iteration} for row in trace.rows],
    }


def _score_numbers(score: SubsetScore) -> dict[str, Any]:
    error = score.standard_error
    return {
        "features": score.size,
        "value": score.value,
        "standard error": error if np.isfinite(error) else None,
    }


def _test_value(card: dict[str, Any], metric: str) -> float:
    named = {"balanced-accuracy": "balanced accuracy", "macro-f1": "macro F1"}
    return float(card[named.get(metric, metric)]["value"])


def _without_copies(trial: Trial, material: Material, split: Split, n_classes: int, seed: int) -> dict[str, Any] | None:
    """Return the colony's rates on the test rows that have no copy in train or validation."""
    if material.test_rows is None or not len(split.copied_test_rows):
        return None
    single = ~np.isin(material.test_rows, split.copied_test_rows)
    proba = np.eye(n_classes)[trial.predicted[COLONY][single]]
    card = scorecard(trial.labels[single], proba, seed=seed)
    return {name: card[name] for name in ("rows", "accuracy", "balanced accuracy", "macro F1")}


def _write(
    folder: RunFolder, config: SearchConfig, embeddings: Embeddings, trace: SearchTrace, chosen: SubsetScore, model: Any
) -> None:
    kept = dataclasses.replace(
        config, out=None, data=_absolute(config.data), weights=_absolute(config.weights),
        ferplus=config.ferplus and _absolute(config.ferplus),
    )  # fmt: skip
    folder.write_text(files.CONFIG, kept.to_toml())
    folder.write_text(files.TRACE, "".join(json.dumps(_trace_line(row)) + "\n" for row in trace.rows))
    folder.write_json(files.SUBSET, _subset(chosen, embeddings))
    folder.write_json(
        files.FRONT, [{**_score_numbers(s), "indices": s.indices.tolist()} for s in trace.archive.front()]
    )
    write_model(folder.path(files.MODEL), model)


def _absolute(path: str) -> str:
    """Name a file or folder so that the run can be repeated from anywhere; leave words such as 'demo' alone."""
    return str(Path(path).resolve()) if Path(path).exists() else path


def _trace_line(row: AntRow) -> dict[str, Any]:
    score = row.score
    return {
        "iteration": row.iteration,
        "ant": row.ant,
        **_score_numbers(score),
        "folds": [float(value) for value in score.fold_utilities],
        "repeat": row.is_repeat,
        "best utility": row.best_utility,
        "seconds": round(score.seconds, 4),
        "indices": score.indices.tolist(),
    }


def _subset(chosen: SubsetScore, embeddings: Embeddings) -> dict[str, Any]:
    return {
        "features": chosen.size,
        "of": embeddings.values.shape[1],
        "indices": chosen.indices.tolist(),
        "names": [embeddings.feature_names[j] for j in chosen.indices],
        "embeddings": embeddings.key,
    }
