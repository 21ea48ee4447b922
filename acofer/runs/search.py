"""The main job, whole: from pictures to a chosen subset, its test and its run folder."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.search import SearchPath, SearchTrace, settle
from acofer.colony.size import size_grid
from acofer.config.common import seconds_of
from acofer.config.search import SearchConfig
from acofer.data.load import NAMED
from acofer.errors import ConfigError, DataError
from acofer.features.bank import Bank
from acofer.pretrained.weights import KEYWORDS
from acofer.records import Embeddings, ImageSet, Progress, Split, SubsetScore, silence
from acofer.runs import folder as files
from acofer.runs.checkpoint import CHECKPOINT, damaged
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
from acofer.runs.room import Shape, check_room
from acofer.runs.search_folder import SearchFolder
from acofer.runs.verdict import ALL, COLONY, FORWARD, TOP, Trial, null_subsets, run_trial
from acofer.stopping import Stop
from acofer.workers.crew import DASK, check_cluster

MAY_CHANGE = {
    *("workers", "backend", "scheduler", "cache_dir", "memo", "time_budget"),
    *("data", "ferplus", "weights"),
}
"""Options that a search may be gone on with: they move no figure, or say where something lies that has a digest."""
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


def run_search(
    config: SearchConfig,
    *,
    progress: Progress | None = None,
    draw: Draw | None = None,
    stop: Stop | None = None,
) -> RunResult:
    """Search for a subset of features, test it once, and leave a run folder.

    Parameters
    ----------
    config : SearchConfig
    progress : callable, optional
        Told ``(stage, done, total)``.
    draw : callable, optional
        Called as ``draw(numbers, path)`` to write figures into the folder `path`.
    stop : Stop, optional
        Heeded while subsets are searched for: asked to, the search ends with the best so far.

    Returns
    -------
    RunResult

    Raises
    ------
    AcoferError
        For anything wrong with the options, the data, the weights or the folders. Before the first checkpoint, which is
        made after two seconds of searching, nothing is left behind; after it, what `resume_search` needs.
    KeyboardInterrupt
        Where it was interrupted at once; the message says how to go on.
    """
    check_protocol(config)  # what can be known before hours are spent is said before
    check_cluster(config.backend, config.scheduler)
    config = placed(config.settled())
    check_classifiers(config)
    folder = SearchFolder(config.out, config.name or _short_name(config.data), _as_kept(config))
    return _Run(config, folder, progress or silence, stop).whole(draw)


def resume_search(
    place: str | Path,
    *,
    changes: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    draw: Draw | None = None,
    stop: Stop | None = None,
) -> RunResult:
    """Go on with a search that was killed; what comes of it is what would have come of it; as `run_search`.

    Parameters
    ----------
    place : path
        Its run folder.
    changes : mapping, optional
        Options that move no figure, e.g. the number of workers; see `MAY_CHANGE`. Others may only repeat what is.

    Raises
    ------
    AcoferError
        Where there is nothing to go on with, an option is another than it was, the data or the weights are others by
        now, or another process is at it.
    """
    folder = SearchFolder.unfinished(place)
    try:
        config, kept = _changed(folder, dict(changes or {})), folder.checkpoint()
        check_cluster(config.backend, config.scheduler)
        _check_same("the configuration", _outcome_of(config), kept.get("configuration"), folder)
        run = _Run(config, folder, progress or silence, stop, kept)
    except BaseException:
        folder.discard()
        raise
    return run.whole(draw)


def _changed(folder: SearchFolder, changes: dict[str, Any]) -> SearchConfig:
    """Return the configuration that the search began with, but for what may be another now."""
    began = folder.config()
    if changes.get("backend", DASK) != DASK:
        changes.setdefault("scheduler", None)  # a search that began on a cluster goes on without
    given = SearchConfig(**(vars(began) | changes)).settled()
    for name in changes.keys() - MAY_CHANGE:
        before, now = getattr(began, name), getattr(given, name)
        if now != before:
            raise ConfigError(
                f"resume: {folder.place} was begun with {name} = {before}; got {now}; leave it out, or begin anew "
                f"with: acofer search --config {folder.place / files.CONFIG}"
            )
    return placed(dataclasses.replace(began, **{name: getattr(given, name) for name in changes.keys() & MAY_CHANGE}))


def _outcome_of(config: SearchConfig) -> dict[str, Any]:
    """Return the options that decide what a search comes to."""
    return {k: v for k, v in dataclasses.asdict(config).items() if k not in MAY_CHANGE | {"out", "name"}}


def _check_same(what: str, now: Any, before: Any, folder: SearchFolder) -> None:
    """Raise DataError that names a difference to when the search began."""
    if now == before:
        return
    if isinstance(now, dict) and isinstance(before, dict):
        name = next(name for name in (*now, *before) if now.get(name) != before.get(name))
        what, now, before = f"{what} ({name})", now.get(name), before.get(name)
    raise DataError(
        f"resume: {folder.place} was begun on other ground: {what} was {before!s:.60} and is {now!s:.60}; bring back "
        f"what was, or begin anew with: acofer search --config {folder.place / files.CONFIG}"
    )


class _Run:
    """One run, from its configuration to its folder."""

    def __init__(
        self,
        config: SearchConfig,
        folder: SearchFolder,
        progress: Progress,
        stop: Stop | None,
        kept: dict[str, Any] | None = None,
    ) -> None:
        budget = None if config.time_budget is None else seconds_of(config.time_budget)
        self._config, self._folder, self._progress = config, folder, progress
        self._stop = stop or Stop()
        self._stop.limit(budget)
        self._kept = kept
        self._watch = Stopwatch()
        try:
            self._sessions = 1 if kept is None else 1 + int(kept["sessions"])
            self._spent = 0.0 if kept is None else float(kept["seconds"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder.place / CHECKPOINT, error) from None

    def whole(self, draw: Draw | None) -> RunResult:
        """Do all of it; where that fails, leave what can be gone on with."""
        try:
            return self._whole(draw)
        except BaseException as error:
            self._folder.discard()
            if self._folder.has_checkpoint and isinstance(error, KeyboardInterrupt):
                how = f"go on with: acofer search --resume {self._folder.place}"
                raise type(error)(how) from error
            raise

    def _whole(self, draw: Draw | None) -> RunResult:
        config, watch, progress = self._config, self._watch, self._progress
        images, split, embeddings = _pictures(config, watch, progress)
        ground = {
            "pictures and split": split.fingerprint,
            "embeddings": embeddings.key,
            "features": embeddings.values.shape[1],
        }
        if self._kept is not None:
            _check_same("the data", ground, self._kept.get("ground"), self._folder)
        _check_sizes(config, embeddings.values.shape[1])
        check_room(config, _shape_of(images, split, embeddings))
        with _stage(watch, progress, "laying out"):
            material = material_of(config, embeddings.values, images.labels, split)
        with _stage(watch, progress, "compiling"):
            compile_for(config)
        with _stage(watch, progress, "heuristic"):
            fixed = heuristic_of(config, material, images.n_classes)
        # Moments tell themselves how far they are.
        with watch.stage("moments") if config.scorer == "ridge" else _stage(watch, progress, "balancing"):
            judge = judge_of(config, material, images.n_classes, _memo_path(config), progress, self._stop.check)
        heuristic = judge.heuristic if fixed is None else fixed
        assert heuristic is not None  # noqa: S101 - for the type checker
        # The judge keeps what it needs of these rows.
        material = dataclasses.replace(material, X=np.empty((0, embeddings.values.shape[1]), np.float16))
        trace, chosen = self._searched(judge, heuristic, ground)
        tallies = tallies_of(judge.scorer)
        on = Circumstances(config, images, split, embeddings, material, judge.n_training_rows, tallies, self._sessions)
        with watch.stage("test"):
            fit = judge.final({chosen.size, material.X.shape[1]})
            del judge  # the folds' moments or bytes: all features at once need the room
            trial = _test(config, fit, chosen, heuristic, material, images.n_classes, progress)
        numbers = run_numbers(on, trace, chosen, trial)
        with _stage(watch, progress, "writing"), self._folder.writing():
            _write(self._folder, config, embeddings, trace, chosen, trial, material)
            if draw is not None:
                self._folder.draw(draw, numbers)
        numbers["seconds"] = {stage: round(seconds, 3) for stage, seconds in watch.seconds.items()}
        with self._folder.writing():
            self._folder.write_json(files.RESULT, numbers)
            place = self._folder.finish()
        return RunResult(place, numbers, chosen, trace)

    def _searched(self, judge: Judge, heuristic: Heuristic, ground: dict[str, Any]) -> tuple[SearchTrace, SubsetScore]:
        config, began, spent = self._config, time.monotonic(), self._spent
        search = SearchPath(
            _colonies(config, heuristic),
            judge.scorer,
            config.iterations,
            improve=judge.improve,
            on_ant=lambda done, total, _: self._progress("search", done, total),
            stop=self._stop,
            evaluations=config.evaluations,
            keep=lambda state: self._folder.keep(
                lambda: {
                    "configuration": _outcome_of(config),
                    "ground": ground,
                    "sessions": self._sessions,
                    "seconds": spent + time.monotonic() - began,
                    "search": state(),
                }
            ),
        )
        self._watch.seconds["search"] = spent
        with self._watch.stage("search"):
            if self._kept is not None:
                self._restore(search, ground["features"])
            with self._stop.heeded(spent):
                trace = search.run()
            return trace, settle(trace, judge.scorer, config.pick)

    def _restore(self, search: SearchPath, n_features: int) -> None:
        assert self._kept is not None  # noqa: S101 - for the type checker
        try:
            search.restore(self._kept["search"], n_features)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise damaged(self._folder.place / CHECKPOINT, error) from None


def _check_sizes(config: SearchConfig, n_features: int) -> None:
    """Say that a size does not fit, or that no subset can be as small as `pick` wants, before hours are spent."""
    smallest = int(size_grid(config.size, n_features).min())
    if config.pick.isdecimal() and int(config.pick) < smallest:
        raise ConfigError(
            f"pick: expected at least {smallest}, the smallest subset that --size {config.size} allows; "
            f"got {config.pick}; pick more, or set another --size"
        )


def _shape_of(images: ImageSet, split: Split, embeddings: Embeddings) -> Shape:
    counts = np.bincount(images.labels[split.train].astype(np.int64))
    is_bank = isinstance(embeddings.values, Bank)
    return Shape(counts, len(split.validation), len(split.test), embeddings.values.shape[1], is_bank)


def _pictures(config: SearchConfig, watch: Stopwatch, progress: Progress) -> tuple[ImageSet, Split, Embeddings]:
    with _stage(watch, progress, "reading"):
        everything = configured_pictures(config, progress)
        images = configured_classes(config, everything)
    with watch.stage("splitting"):
        split = configured_split(config, images)
    with watch.stage("embedding"):
        embeddings = embeddings_of(images, configured_embeddings(config, everything, progress))
    return images, split, embeddings


def _colonies(config: SearchConfig, heuristic: Heuristic) -> list[AntColony]:
    """Return a colony for each size of a path, or the one that learns the size."""
    settings = _settings(config)
    sizes = size_grid(config.size, _n_features(heuristic), per_octave=1) if config.path == "on" else [config.size]
    return [
        AntColony(heuristic, dataclasses.replace(settings, size=_as_size(size)), config.seed, config.n_jobs)
        for size in sizes
    ]


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
    folder.write_text(files.CONFIG, _as_kept(config))
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


def _as_kept(config: SearchConfig) -> str:
    return dataclasses.replace(config, out=None).to_toml()


def placed(config: Kind) -> Kind:
    """Name files and folders so that the run can be repeated, and its model used, from anywhere."""
    return dataclasses.replace(
        config,
        data=absolute(config.data, NAMED),
        ferplus=config.ferplus and absolute(config.ferplus),
        weights=absolute(config.weights, KEYWORDS),
        cache_dir=config.cache_dir and str(Path(config.cache_dir).expanduser().resolve()),
    )
