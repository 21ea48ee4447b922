"""Everything that acofer reads: how a file gets to where it is read, who reads it, and how strangers change it.

A reader is a function of the content of one file and of a folder; what else must stand in the folder is put there
first, sound. It lets through whatever is raised: `acofer.errors.AcoferError` is an answer, all else is a finding.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

import mutations as changes
import numpy as np
import samples

from acofer import locks
from acofer.bench.plan import read_plan
from acofer.bench.runner import run_plan
from acofer.cli import doctor
from acofer.config.options import Options
from acofer.config.search import SearchConfig
from acofer.config.sources import join_sources
from acofer.config.train import TrainConfig
from acofer.config.tune import TuneConfig
from acofer.data import faces
from acofer.data.census import describe
from acofer.data.load import load_faces
from acofer.data.pictures import read_picture
from acofer.doctor.caches import cache_findings
from acofer.doctor.finding import Finding, Section
from acofer.doctor.networks import network_findings
from acofer.features.cache import Store
from acofer.nets.training import Training
from acofer.pretrained.weights import resolve_weights
from acofer.report.gathered import rows_of
from acofer.report.numbers import page_numbers
from acofer.report.page import write_page
from acofer.runs import predict
from acofer.runs.search import resume_search
from acofer.runs.training_folder import TrainingFolder
from acofer.scoring.memo import ScoreMemo

Read = Callable[[Path], object]
Files = dict[str, bytes]


@dataclass(frozen=True)
class Reader:
    """One kind of file, and who reads it.

    Attributes
    ----------
    name : str
    file : str
        Where in the folder the file stands.
    read : callable
        Called with the folder.
    samples : callable
        Returns sound contents.
    change : callable
        Changes a content.
    beside : callable
        Returns what else stands in the folder.
    share : int
        Its part of a long run, as `SHARES` has it.
    is_fresh : bool
        Whether every input needs an empty folder: who reads it writes there, too.
    unfold : callable, optional
        Makes of the content, in the folder, what is read.
    needs : str
        A module without which it cannot be run.
    """

    name: str
    file: str
    read: Read
    samples: Callable[[], Sequence[bytes]]
    change: changes.Change
    beside: Callable[[], Files] = dict
    share: int = 0
    is_fresh: bool = False
    unfold: Callable[[bytes, Path], None] | None = None
    needs: str = ""

    def __call__(self, data: bytes, folder: Path) -> None:
        """Write the file, and read it as acofer does."""
        self.lay_out(data, folder)
        self.read(folder)

    def lay_out(self, data: bytes, folder: Path) -> None:
        """Write the file, and what else must stand in the folder."""
        if self.is_fresh:
            shutil.rmtree(folder, ignore_errors=True)
        for name, content in self.beside().items():
            place = folder / name
            if name != self.file and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        (folder / self.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_bytes(data)
        if self.unfold is not None:
            self.unfold(data, folder)


def _pictures_of(folder: Path) -> None:
    """Read a folder of pictures that JSON describes, as every command does, and all its pictures once more."""
    root = folder / "faces"
    for on_broken in ("skip", "error"):
        images = load_faces(root, on_broken=on_broken)
        describe(images)


def grow(data: bytes, folder: Path) -> None:
    """Make the files, folders, links and pipes that a list describes; whatever cannot be made is left out."""
    root, entries = folder / "faces", None
    with suppress(ValueError, RecursionError):
        entries = json.loads(data)
    for entry in entries if isinstance(entries, list) else []:
        try:
            place = root / entry["name"]
            if not place.resolve().is_relative_to(root.resolve()) or os.path.lexists(place):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            match entry["kind"]:
                case "file":
                    place.write_bytes(base64.b64decode(entry["content"]))
                case "link":
                    place.symlink_to(entry["to"])
                case "pipe":
                    os.mkfifo(place)
                case "folder":
                    place.mkdir()
        except (KeyError, TypeError, ValueError, OSError, RuntimeError):  # RuntimeError: a link to itself
            continue


def changed_tree(content: bytes, chance: Random) -> bytes:
    """Change what a folder holds: names, kinds and contents."""
    if chance.random() < 0.2:
        return changes.changed_json(content, chance)
    entries = json.loads(content)
    entry = chance.choice(entries)
    picture = chance.choice(list(samples.pictures().values()))
    changed = base64.b64encode(changes.changed_picture(picture, chance)).decode()
    top = entry["name"].partition("/")[0]
    odd = chance.choice(
        (
            {**entry, "kind": "file", "content": changed},
            {**entry, "kind": "file", "content": changed, "name": entry["name"] + chance.choice(changes.TEXTS)},
            {**entry, "name": f"{top}/{chance.choice(changes.TEXTS)}/{chance.choice(changes.TEXTS)}.png"},
            {**entry, "name": f"{chance.choice(changes.TEXTS)}/{entry['name']}"},
            {"name": f"{top}/happy/odd.png", "kind": "pipe"},
            {"name": f"{top}/happy/odd.png", "kind": "folder"},
            {"name": f"{top}/odd", "kind": "link", "to": chance.choice((".", "..", "odd", "/", "happy", "x" * 300))},
            {
                "name": f"{top}/happy/odd.png",
                "kind": "link",
                "to": chance.choice(("odd.png", "/dev/zero", "/dev/null", "/dev/stdin", "/etc", "gone", "x" * 5000)),
            },
        )
    )
    entries = [*entries, odd] if chance.random() < 0.5 else [odd if one is entry else one for one in entries]
    return json.dumps(entries).encode()


def _options(kind: type[Options], folder: Path) -> None:
    """Read a command's options, and see that they can be written and read again."""
    config = join_sources(kind, {}, folder / "options.toml")
    (folder / "again.toml").write_text(config.to_toml(), encoding="utf-8")
    again = join_sources(kind, {}, folder / "again.toml")
    if repr(again) != repr(config):
        raise AssertionError(f"the configuration that was written is not the one that is read: {again}, {config}")


def _cache_entry(folder: Path) -> None:
    store = Store(folder, shipped=False)
    store.entries()
    found = store.find(samples.KEY)
    if found is not None:
        np.asarray(found.values, np.float32).sum()
    store.verify(samples.KEY)


class _Variable:
    """As much of a Keras variable as a checkpoint meets; it takes no value of another shape or kind."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, "float32"

    def assign(self, value: np.ndarray) -> None:
        if value.shape != self.shape or value.dtype != np.float32 or not np.isfinite(value).all():
            raise AssertionError(f"{value.dtype} {value.shape} is assigned to float32 {self.shape}")


def made_training() -> Training:
    """Return a training whose network is made of variables and nothing else."""
    training = object.__new__(Training)
    lists = {name: [_Variable(shape) for shape in shapes] for name, shapes in samples.CHECKPOINTED.items()}
    training.model = SimpleNamespace(name="made")
    training._kept = lists["weights"]
    training._trainer = SimpleNamespace(optimizer=SimpleNamespace(built=True, variables=lists["optimizer"]))
    return training


def _checkpoint(folder: Path) -> None:
    """Go on from a checkpoint, as far as the first epoch."""
    state = TrainingFolder(folder).checkpoint()
    state.pop("split", None)
    training = made_training()
    training.restore(state)
    course = training.course
    course.is_over(SimpleNamespace(epochs=10, patience=3))  # type: ignore[arg-type]
    row = dataclasses.replace(course.rows[-1], validation_loss=0.1) if course.rows else None
    if row is not None:
        course.note(row, SimpleNamespace(plateau=1, lowest_rate=1e-5))  # type: ignore[arg-type]
    json.dumps(dataclasses.asdict(course), allow_nan=False)


def _resume(folder: Path) -> None:
    """Go on with a search that was killed, to its end."""
    with samples.serving_made_search():
        done = resume_search(folder / "run")
    json.dumps(done.numbers, allow_nan=False)


def _tune(folder: Path) -> None:
    """Go on with a study whose trials are all there."""
    json.dumps(samples.tuned(folder).numbers, allow_nan=False)


def _doctor(looks: Callable[[Path], list[Finding]], folder: Path) -> None:
    """Look as the doctor does, and say what it says."""
    section = Section("looked at", tuple(looks(folder)))
    doctor._told(section, 80).encode()
    json.dumps(section.to_dict())


def _look_at_caches(folder: Path) -> list[Finding]:
    return [*cache_findings(str(folder)), *cache_findings(str(folder), deep=True)]


def _look_at_keras(folder: Path) -> list[Finding]:
    with mock.patch.dict(os.environ, {"KERAS_HOME": str(folder)}):
        return network_findings()


def _memo(folder: Path) -> None:
    with ScoreMemo(folder / "memo.sqlite", "context") as memo:
        for score in samples.memo_scores():
            memo.get(score.indices, 10)
            memo.put(score, 10)


def _holder(folder: Path) -> None:
    """Say who holds a lock."""
    who = locks._who(folder / "holder.json")
    if not who.isprintable():
        raise AssertionError(f"{who!r} would steer the terminal")


class _Net:
    """A network that gives every picture the same features."""

    feature_names = range(samples.P)

    @staticmethod
    def features(images: Sequence[Any]) -> np.ndarray:
        return np.ones((len(images), samples.P), np.float16)


def _predict(folder: Path) -> None:
    """Classify a picture by a search's run; the network is a stand-in, all else is read as it is."""
    (folder / "face.png").write_bytes(samples.pictures()["RGB.png"])
    with (
        mock.patch.object(predict, "load_backbone", _checked_backbone),
        mock.patch.object(predict, "import_keras", return_value=None),
    ):
        found = predict.predict(folder, [folder / "face.png"], weights=folder / samples.WEIGHTS)
    json.dumps(found, allow_nan=False)


def _checked_backbone(name: Any, image_size: Any, weights: Any, pooling: Any, *, layers: Any, mirror: Any) -> _Net:
    from acofer.features.backbone import check_options

    check_options(name, image_size, pooling, layers, mirror)
    return _Net()


def _numbers(folder: Path) -> None:
    json.dumps(page_numbers([rows_of(folder)], now=0), allow_nan=False)


def _page(folder: Path) -> None:
    write_page(page_numbers([rows_of(folder)], now=0), folder / "page.html")


def _bench(folder: Path) -> None:
    """Go on with a bench whose cells all have their rows."""
    own = samples.made_plan()
    with samples.serving_made_bench():
        run_plan(own.plan, folder / "bench", selectors=own.selectors)


def _network(folder: Path) -> None:
    from acofer.runs.network import read_network

    read_network(folder).count_params()


def _one(function: Callable[[], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [function()]


def _all(function: Callable[[], Files]) -> Callable[[], list[bytes]]:
    return lambda: list(function().values())


def _file(function: Callable[[], Files], name: str) -> Callable[[], list[bytes]]:
    return lambda: [function()[name]]


@cache
def _bench_result() -> Files:
    return {"result.json": samples.bench_result()}


@cache
def _bench_files() -> Files:
    return {f"bench/{name}": content for name, content in samples.bench_run().items()}


def _readers() -> list[Reader]:
    return [*_of_data(), *_of_options(), *_of_stores(), *_of_models(), *_of_reports(), *_of_benches()]


def _of_data() -> list[Reader]:
    csv = changes.changed_lines
    in_zip = changes.changed_zip(lambda name, data, chance: csv(data, chance) if name.endswith("csv") else data)
    votes = {"fer2013.csv": samples.ferplus_data_csv()}

    def faces_of(name: str, ferplus: str | None = None) -> Read:
        return lambda folder: load_faces(folder / name, ferplus=ferplus and folder / ferplus)

    kinds = (
        ("fer2013-csv", "fer2013.csv", samples.fer2013_csv, csv),
        ("fer2013-gz", "fer2013.csv.gz", samples.fer2013_gz, changes.changed_gzip(csv)),
        ("fer2013-zip", "fer2013.zip", samples.fer2013_zip, in_zip),
    )
    voted = faces_of("fer2013.csv", "votes.csv")
    return [
        *(Reader(name, file, faces_of(file), _one(sample), change) for name, file, sample, change in kinds),
        Reader("ferplus", "votes.csv", voted, _one(samples.ferplus_csv), csv, lambda: votes),
        Reader("picture", "face", lambda f: read_picture(f / "face"), _all(samples.pictures), changes.changed_picture),
        Reader(
            "picture-folder",
            "tree.json",
            _pictures_of,
            _one(samples.folder_tree),
            changed_tree,
            unfold=grow,
            is_fresh=True,
        ),
    ]


def _of_options() -> list[Reader]:
    toml = changes.changed_toml

    def of(kind: type[Options]) -> Reader:
        read, sound = partial(_options, kind), partial(samples.options_toml, kind)
        return Reader(f"options-{kind.command}", "options.toml", read, sound, toml)

    plan = Reader("plan", "plan.toml", lambda f: read_plan(f / "plan.toml"), samples.plans, toml)
    return [*map(of, (SearchConfig, TrainConfig, TuneConfig)), plan]


def _of_stores() -> list[Reader]:
    entry, npz = samples.cache_entry, changes.changed_npz
    own = {f"{samples.KEY}/{name}": content for name, content in entry().items()}

    def of_cache(name: str, change: changes.Change) -> Reader:
        reader, file = f"cache-{name.split('.')[0]}", f"{samples.KEY}/{name}"
        return Reader(reader, file, _cache_entry, _file(entry, name), change, lambda: own)

    def of_doctor(name: str, file: str, change: changes.Change) -> Reader:
        look, kept = partial(_doctor, _look_at_caches), samples.cache_folder
        return Reader(f"doctor-{name}", file, look, _file(kept, file), change, kept)

    return [
        *(_of_unfinished(kind) for kind in samples.RESUMED),
        Reader(
            "resume-config",
            "run/config.toml",
            _resume,
            _file(partial(samples.unfinished_search, "ridge"), "run/config.toml"),
            changes.changed_toml,
            partial(samples.unfinished_search, "ridge"),
            is_fresh=True,
        ),
        Reader(
            "tune-journal",
            samples.JOURNAL,
            _tune,
            _one(samples.journal),
            changes.changed_json_lines,
            is_fresh=True,
            needs="optuna",
        ),
        of_doctor("about", f"{samples.KEY}/about.json", changes.changed_json),
        of_doctor("values", f"{samples.KEY}/values.npy", changes.changed_npy),
        of_doctor("scores", "scores.sqlite", changes.changed_database),
        of_doctor("faces", "faces/kept.npz", npz),
        Reader(
            "doctor-keras",
            "keras.json",
            partial(_doctor, _look_at_keras),
            _one(samples.keras_settings),
            changes.changed_json,
        ),
        Reader("lock-holder", "holder.json", _holder, _one(samples.lock_holder), changes.changed_json),
        of_cache("about.json", changes.changed_json),
        of_cache("values.npy", changes.changed_npy),
        Reader("landmarks", "kept.npz", lambda f: faces._read(f / "kept.npz", 4), _one(samples.landmarks_npz), npz),
        Reader("checkpoint", "checkpoint.npz", _checkpoint, _one(samples.checkpoint_npz), changes.changed_checkpoint),
        Reader("memo", "memo.sqlite", _memo, _one(samples.memo_sqlite), changes.changed_database),
    ]


def _of_unfinished(kind: str) -> Reader:
    own = partial(samples.unfinished_search, kind)
    return Reader(
        f"resume-{kind}",
        "run/checkpoint.npz",
        _resume,
        _file(own, "run/checkpoint.npz"),
        changes.changed_checkpoint,
        own,
        share=1,
        is_fresh=True,
    )


def _of_models() -> list[Reader]:
    run, networks = samples.search_run, _one(samples.network_keras)

    def weights(folder: Path) -> object:
        return resolve_weights(folder / "small.h5", "mobilenetv2", 48)

    return [
        Reader("model", "model.skops", _predict, _all(samples.models), changes.changed_skops, _run_of_three),
        Reader("weights", "small.h5", weights, samples.weights_h5, changes.changed_hdf5),
        Reader("network", "model.keras", _network, networks, changes.changed_keras, needs="keras"),
        *(
            Reader(f"predict-{name}", f"{name}.json", _predict, _file(run, f"{name}.json"), changes.changed_json, run)
            for name in ("result", "subset")
        ),
    ]


def _of_reports() -> list[Reader]:
    def of(run: str, files: Callable[[], Files], name: str) -> Reader:
        change = changes.changed_npz if name.endswith("npz") else changes.changed_json
        reader = f"report-{run}-{name.split('.')[0]}"
        return Reader(reader, name, _numbers, _file(files, name), change, files)

    return [
        of("search", samples.search_run, "result.json"),
        of("search", samples.search_run, "subset.json"),
        of("search", samples.search_run, "predictions.npz"),
        of("training", samples.training_run, "result.json"),
        of("training", samples.training_run, "predictions.npz"),
        of("bench", _bench_result, "result.json"),
        Reader("report-page", "result.json", _page, _one(samples.bench_result), changes.changed_json),
    ]


def _of_benches() -> list[Reader]:
    cell = samples.made_plan().plan.cells[0]

    def of(name: str, file: str, change: changes.Change) -> Reader:
        sound = _file(_bench_files, file)
        return Reader(f"bench-{name}", file, _bench, sound, change, _bench_files, is_fresh=True)

    return [
        of("rows", "bench/rows.jsonl", changes.changed_json_lines),
        of("predictions", f"bench/predictions/{cell.key}.npz", changes.changed_npz),
        of("problem", f"bench/problems/{cell.problem}.json", changes.changed_json),
    ]


def _run_of_three() -> Files:
    """Return a search's run whose subset has as many features as the models were fitted on."""
    files = dict(samples.search_run())
    subset = json.loads(files["subset.json"])
    subset["indices"] = samples.SUBSET.tolist()
    files["subset.json"] = json.dumps(subset).encode()
    return files


SHARES = {
    **{"fer2013-csv": 80, "fer2013-gz": 80, "fer2013-zip": 60, "ferplus": 80, "picture": 15, "picture-folder": 8},
    **{"options-search": 60, "options-train": 60, "options-tune": 60, "plan": 5},
    **{"resume-ridge": 4, "resume-forest": 4, "resume-screened": 4, "resume-config": 5, "tune-journal": 2},
    **{"doctor-about": 25, "doctor-values": 25, "doctor-scores": 12, "doctor-faces": 25, "doctor-keras": 50},
    **{"lock-holder": 80, "cache-about": 50, "cache-values": 60, "landmarks": 60, "checkpoint": 30, "memo": 12},
    **{"model": 12, "weights": 60, "network": 8, "predict-result": 15, "predict-subset": 25},
    **{"report-search-result": 12, "report-search-subset": 20, "report-search-predictions": 20},
    **{"report-training-result": 15, "report-training-predictions": 8, "report-bench-result": 5, "report-page": 0},
    **{"bench-rows": 2, "bench-predictions": 2, "bench-problem": 2},
}
"""About a thousandth of a long run each; who reads quickly is given more."""


@cache
def readers() -> dict[str, Reader]:
    """Return all readers by name."""
    return {
        reader.name: dataclasses.replace(reader, change=changes.steadily(reader.change), share=SHARES[reader.name])
        for reader in _readers()
    }
