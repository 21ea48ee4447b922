"""The main job, whole: from pictures to a chosen subset, its test and its run folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.search import SearchTrace, search_path, settle
from acofer.colony.size import size_grid
from acofer.config.search import SearchConfig
from acofer.data.load import NAMED
from acofer.errors import ConfigError
from acofer.pretrained.weights import KEYWORDS
from acofer.records import Embeddings, ImageSet, Progress, Split, SubsetScore, silence
from acofer.runs import folder as files
from acofer.runs.folder import Draw, RunFolder
from acofer.runs.guidance import Heuristic, alone, compile_for, heuristic_of
from acofer.runs.judge import Fit, Judge, check_classifiers, judge_of
from acofer.runs.kept import memo_file
from acofer.runs.machine import Stopwatch
from acofer.runs.material import Material, check_protocol, material_of
from acofer.runs.model import write_model
from acofer.runs.pictures import (
    configured_classes,
    configured_embeddings,
    configured_pictures,
    configured_split,
    embeddings_of,
)
from acofer.runs.places import absolute
from acofer.runs.record import Circumstances, run_numbers, score_numbers, subset_names, tallies_of, trace_line
from acofer.runs.verdict import ALL, COLONY, FORWARD, TOP, Trial, null_subsets, run_trial

Kind = TypeVar("Kind", bound=SearchConfig)


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
    check_protocol(config)  # what can be known before hours are spent is said before
    config = placed(config.settled())
    check_classifiers(config)
    folder = RunFolder(config.out, config.name or _short_name(config.data))
    try:
        return _run(config, folder, progress or silence, draw)
    except BaseException:
        folder.discard()
        raise


def _run(config: SearchConfig, folder: RunFolder, progress: Progress, draw: Draw | None) -> RunResult:
    watch = Stopwatch()
    images, split, embeddings = _pictures(config, watch, progress)
    _check_sizes(config, embeddings.values.shape[1])
    with _stage(watch, progress, "laying out"):
        material = material_of(config, embeddings.values, images.labels, split)
    with _stage(watch, progress, "compiling"):
        compile_for(config)
    with _stage(watch, progress, "heuristic"):
        fixed = heuristic_of(config, material, images.n_classes)
    # Moments tell themselves how far they are.
    with watch.stage("moments") if config.scorer == "ridge" else _stage(watch, progress, "balancing"):
        judge = judge_of(config, material, images.n_classes, _memo_path(config), progress)
    heuristic = judge.heuristic if fixed is None else fixed
    assert heuristic is not None  # noqa: S101 - for the type checker
    # The judge keeps what it needs of these rows.
    material = dataclasses.replace(material, X=np.empty((0, embeddings.values.shape[1]), np.float16))
    trace, chosen = _search(config, judge, heuristic, watch, progress)
    tallies = tallies_of(judge.scorer)
    on = Circumstances(config, images, split, embeddings, material, judge.n_training_rows, tallies)
    with watch.stage("test"):
        fit = judge.final({chosen.size, material.X.shape[1]})
        del judge  # the folds' moments or bytes: all features at once need the room
        trial = _test(config, fit, chosen, heuristic, material, images.n_classes, progress)
    numbers = run_numbers(on, trace, chosen, trial)
    with _stage(watch, progress, "writing"), folder.writing():
        _write(folder, config, embeddings, trace, chosen, trial, material)
        if draw is not None:
            folder.draw(draw, numbers)
    numbers["seconds"] = {stage: round(seconds, 3) for stage, seconds in watch.seconds.items()}
    with folder.writing():
        folder.write_json(files.RESULT, numbers)
        place = folder.finish()
    return RunResult(place, numbers, chosen, trace)


def _check_sizes(config: SearchConfig, n_features: int) -> None:
    """Say that a size does not fit, or that no subset can be as small as `pick` wants, before hours are spent."""
    smallest = int(size_grid(config.size, n_features).min())
    if config.pick.isdecimal() and int(config.pick) < smallest:
        raise ConfigError(
            f"pick: expected at least {smallest}, the smallest subset that --size {config.size} allows; "
            f"got {config.pick}; pick more, or set another --size"
        )


def _pictures(config: SearchConfig, watch: Stopwatch, progress: Progress) -> tuple[ImageSet, Split, Embeddings]:
    with _stage(watch, progress, "reading"):
        everything = configured_pictures(config, progress)
        images = configured_classes(config, everything)
    with watch.stage("splitting"):
        split = configured_split(config, images)
    with watch.stage("embedding"):
        embeddings = embeddings_of(images, configured_embeddings(config, everything, progress))
    return images, split, embeddings


def _search(
    config: SearchConfig, judge: Judge, heuristic: Heuristic, watch: Stopwatch, progress: Progress
) -> tuple[SearchTrace, SubsetScore]:
    settings = _settings(config)
    sizes = size_grid(config.size, _n_features(heuristic), per_octave=1) if config.path == "on" else [config.size]
    with watch.stage("search"):
        colonies = [
            AntColony(heuristic, dataclasses.replace(settings, size=_as_size(size)), config.seed, config.n_jobs)
            for size in sizes
        ]
        trace = search_path(
            colonies,
            judge.scorer,
            config.iterations,
            improve=judge.improve,
            on_ant=lambda done, total, _: progress("search", done, total),
        )
        return trace, settle(trace, judge.scorer, config.pick)


def _as_size(size: Any) -> int | float | str:
    return int(size) if isinstance(size, np.integer) else size


def _n_features(heuristic: Heuristic) -> int:
    return heuristic.n_features if isinstance(heuristic, ConditionalHeuristic) else len(heuristic)


def _test(
    config: SearchConfig,
    fit: Fit,
    chosen: SubsetScore,
    heuristic: Heuristic,
    material: Material,
    n_classes: int,
    progress: Progress,
) -> Trial:
    by_heuristic = {FORWARD if isinstance(heuristic, ConditionalHeuristic) else TOP: alone(heuristic, chosen.size)}
    nulls = null_subsets(chosen.indices, by_heuristic, material.X_test.shape[1], config.null_draws, config.seed)
    if config.all_features == "off":
        del nulls[ALL]
    return run_trial(
        fit,
        {COLONY: chosen.indices, **nulls},
        material.X_test,
        material.sealed,
        n_classes,
        seed=config.seed,
        on_fit=lambda done, total: progress("test", done, total),
    )


def _memo_path(config: SearchConfig) -> Path | None:
    return memo_file(config.cache_dir) if config.memo == "on" else None


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
        n_candidates=config.candidates,
        patience=config.patience,
    )


def _write(
    folder: RunFolder,
    config: SearchConfig,
    embeddings: Embeddings,
    trace: SearchTrace,
    chosen: SubsetScore,
    trial: Trial,
    material: Material,
) -> None:
    folder.write_text(files.CONFIG, dataclasses.replace(config, out=None).to_toml())
    folder.write_text(files.TRACE, "".join(json.dumps(trace_line(row)) + "\n" for row in trace.rows))
    folder.write_json(files.SUBSET, subset_names(chosen, embeddings))
    folder.write_json(files.FRONT, [{**score_numbers(s), "indices": s.indices.tolist()} for s in trace.archive.front()])
    write_model(folder.path(files.MODEL), trial.model)
    np.savez(
        folder.path(files.PREDICTIONS),
        rows=np.arange(len(trial.labels)) if material.test_rows is None else material.test_rows,
        labels=trial.labels,
        names=np.array(list(trial.outputs)),
        outputs=np.stack(list(trial.outputs.values())).astype(np.float32),
    )


def placed(config: Kind) -> Kind:
    """Name files and folders so that the run can be repeated, and its model used, from anywhere."""
    return dataclasses.replace(
        config,
        data=absolute(config.data, NAMED),
        ferplus=config.ferplus and absolute(config.ferplus),
        weights=absolute(config.weights, KEYWORDS),
        cache_dir=config.cache_dir and str(Path(config.cache_dir).expanduser().resolve()),
    )
