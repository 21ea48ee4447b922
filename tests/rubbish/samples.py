"""Sound files of every kind that acofer reads, small, made by acofer's own code wherever it writes such files."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from mutations import zip_of
from PIL import Image
from report.made import CAST, made_bench

from acofer.config.options import Options
from acofer.config.search import SearchConfig
from acofer.data.pictures import ArrayPictures
from acofer.features.cache import Store
from acofer.features.entry import key_of
from acofer.nets.training import Course, EpochRow
from acofer.records import Embeddings, ImageSet, SubsetScore
from acofer.runs import search, search_folder
from acofer.runs.model import write_model
from acofer.runs.search_folder import SearchFolder
from acofer.runs.training_folder import TrainingFolder
from acofer.scoring.memo import ScoreMemo

ROOT = Path(__file__).resolve().parents[2]
N, P, CLASSES = 60, 12, ("happy", "sad", "calm")
SUBSET = np.array([1, 4, 7], np.int32)
WEIGHTS, JOURNAL = "small.h5", "study.journal"


def fer2013_csv() -> bytes:
    """Return FER2013 with one picture a class in Training, and one in each of the other parts."""
    usages = ["Training"] * 7 + ["PublicTest", "PrivateTest"]
    rows = [f"{i % 7},{' '.join(['7'] * 2303 + [str(i)])},{usage}" for i, usage in enumerate(usages)]
    return "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()


def ferplus_csv() -> bytes:
    """Return votes that fit `fer2013_csv`."""
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    usages = ["Training"] * 8 + ["PrivateTest"]
    rows = [
        f"{usage},fer{i:07}.png,{','.join('9' if i == j else '0' for j in range(10))}" for i, usage in enumerate(usages)
    ]
    return "\n".join([head, *rows, ""]).encode()


def ferplus_data_csv() -> bytes:
    """Return the rows of FER2013 that `ferplus_csv` votes on."""
    return fer2013_csv().replace(b"PublicTest", b"Training")


def fer2013_gz() -> bytes:
    return gzip.compress(fer2013_csv(), 1)


def fer2013_zip() -> bytes:
    return zip_of([("fer2013/README", b"from elsewhere"), ("fer2013/fer2013.csv", fer2013_csv())])


@cache
def pictures() -> dict[str, bytes]:
    """Return a small picture in every format that folders may hold, in its colour modes, and some animations."""
    chance = np.random.default_rng(0)
    rgb = Image.fromarray(chance.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    rgba, grey = rgb.convert("RGBA"), rgb.convert("L")
    rgba.putalpha(Image.fromarray(chance.integers(0, 256, (9, 12), dtype=np.uint8)))
    wide = Image.fromarray(chance.integers(0, 65_536, (9, 12)).astype(np.uint16))
    palette, floats = rgb.convert("P"), Image.fromarray(chance.random((9, 12), dtype=np.float32))
    turned = Image.Exif()
    turned[0x0112] = 6
    films: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)], "duration": 40}
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        **{f"{image.mode}.png": (image, {}) for image in (rgb, rgba, grey, palette, wide, grey.convert("1"))},
        "transparent.png": (palette, {"transparency": 3}),
        "film.png": (rgb, films),
        "grey.jpg": (grey, {}),
        "rgb.jpg": (rgb, {"exif": turned, "progressive": True}),
        "cmyk.jpeg": (rgb.convert("CMYK"), {}),
        "film.gif": (palette, films | {"append_images": [palette.rotate(90)], "loop": 0}),
        "lossy.webp": (rgb, {}),
        "lossless.webp": (rgba, {"lossless": True}),
        "film.webp": (rgb, films),
        **{f"{kind}.tif": (rgb, {"compression": kind}) for kind in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")},
        "pages.tiff": (grey, films | {"append_images": [grey]}),
        "floats.tiff": (floats, {}),
        "wide.tiff": (wide, {}),
        "rgb.bmp": (rgb, {}),
        "palette.bmp": (palette, {}),
        "grey.pgm": (grey, {}),
        "rgb.ppm": (rgb, {}),
    }
    return {name: _saved(name, image, options) for name, (image, options) in made.items()}


def _saved(name: str, image: Image.Image, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    kinds = {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM"}
    ending = name.rpartition(".")[2]
    image.save(buffer, kinds.get(ending, ending.upper()), **options)
    return buffer.getvalue()


def folder_tree() -> bytes:
    """Return as JSON what a folder of labelled pictures holds: files by their content, links, pipes."""
    png = pictures()["RGB.png"]

    def file(name: str, content: bytes = png) -> dict[str, str]:
        return {"name": name, "kind": "file", "content": base64.b64encode(content).decode()}

    entries = [
        file(f"{part}/{name}/{i}.png") for part in ("train", "test") for name in ("happy", "sad") for i in (0, 1)
    ]
    entries += [file("train/happy/notes.txt", b"no picture"), file("train/sad/film.gif", pictures()["film.gif"])]
    entries += [
        {"name": "train/sad/again.png", "kind": "link", "to": "0.png"},
        {"name": "test/sad/more", "kind": "folder"},
    ]
    return json.dumps(entries).encode()


def options_toml(kind: type[Options]) -> list[bytes]:
    """Return a command's whole configuration, and one in few lines."""
    few = {"search": b"[data]\ndata = 'demo'\n[colony]\nants = 3\n", "train": b"[net]\nnet = 'small-cnn'\n"}
    return [kind().to_toml().encode(), few.get(kind.command, b"[colony]\nants = 3\n")]


def plans() -> list[bytes]:
    whole = """\
name = "made"
seeds = [0, 1]
reference = "colony"
timeout = 600
null_test = true
budget = { evaluations = 60 }

[[setting]]
name = "last layer"
data = "demo"
image_size = [48, 96]
split_seeds = [0]

[[contender]]
selector = ["colony", "random-search"]
size = [64, 256]
classifier = ["forest", "LogisticRegression"]
protocol = ["clean", "leaky-smote-first"]
settings = ["last layer"]

[[contender]]
name = "ten ants"
selector = "colony"
size = 64
set = { ants = 10 }

[[contender]]
net = "small-cnn"
set = { epochs = 2 }
"""
    return [whole.encode(), (ROOT / "configs" / "bench-quick.toml").read_bytes()]


ABOUT = {
    **{"pictures_digest": "0" * 64, "weights_digest": "1" * 64, "backbone": "mobilenetv2", "image_size": 48},
    **{"pooling": "flatten", "preprocessing": 1, "layers": [{"name": "out_relu", "shape": [1, 1, 5]}], "seconds": 1.0},
}
KEY = key_of(ABOUT)


@cache
def cache_entry() -> dict[str, bytes]:
    """Return the files of an entry of the store of embeddings."""
    with tempfile.TemporaryDirectory() as folder:
        with Store(folder, shipped=False).writer(KEY, 8) as writer:
            writer.append(np.arange(40, dtype=np.float16).reshape(8, 5))
            writer.commit(ABOUT)
        return {path.name: path.read_bytes() for path in (Path(folder) / KEY).iterdir()}


def npz_of(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def landmarks_npz() -> bytes:
    return npz_of(landmarks=np.full((4, 68, 2), np.nan, np.float32), seconds=1.5)


CHECKPOINTED = {"weights": [(3, 2), (2,)], "best": [(3, 2), (2,)], "optimizer": [(), (3, 2), (2,)]}
"""Shapes of the variables of a made network."""


@cache
def checkpoint_npz() -> bytes:
    rows = [EpochRow(1, 1e-3, 1.5, 0.4, 0.8, 1.4, 0.5, 0.8, 2.0), EpochRow(2, 1e-3, 1.2, 0.5, 0.9, 1.3, 0.6, 0.9, 2.0)]
    course = Course(1e-3, rows, best_epoch=2, best_loss=1.3)
    state = {
        f"{name}/{i:05d}": np.full(shape, i, np.float32)
        for name, shapes in CHECKPOINTED.items()
        for i, shape in enumerate(shapes)
    }
    state["course"] = np.frombuffer(course.to_json().encode(), np.uint8)
    state["split"] = np.frombuffer(b"0123456789abcdef", np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        kept = TrainingFolder(Path(folder))
        kept.keep(state, rows)
        return (kept.place / "checkpoint.npz").read_bytes()


def memo_scores() -> list[SubsetScore]:
    return [SubsetScore(SUBSET + i, -1.0, 1.0, np.array([-1.0, -1.1]), 0.05, 0.1, trees=10) for i in range(3)]


@cache
def memo_sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memo.sqlite"
        with ScoreMemo(path, "context") as memo:
            for score in memo_scores():
                memo.put(score, 10)
        return path.read_bytes()


@cache
def models() -> dict[str, bytes]:
    """Return a model of each kind that a search may keep, fitted on as many columns as `SUBSET` names."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    from acofer.forest.forest import HistForestClassifier
    from acofer.scoring.moments import FoldMoments
    from acofer.scoring.protocol import stratified_folds
    from acofer.scoring.ridge import fit_ridge

    labels = np.arange(N) % 3
    X = (np.random.default_rng(0).normal(size=(N, len(SUBSET))) + labels[:, None]).astype(np.float32)
    kinds = [
        RandomForestClassifier(2, max_depth=3),
        GradientBoostingClassifier(n_estimators=1),
        SVC(),
        LogisticRegression(),
    ]
    kinds += [MLPClassifier((3,), max_iter=5), HistForestClassifier(2, max_depth=3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five iterations are not enough, and need not be
        fitted = [kind.set_params(random_state=0).fit(X, labels) for kind in kinds]
    fitted.append(fit_ridge(FoldMoments.of(X, labels, stratified_folds(labels, 2, 0), 3), np.arange(len(SUBSET)), 1e-2))
    return {type(model).__name__: _kept_model(model) for model in fitted}


def _kept_model(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model.skops", model)
        return (Path(folder) / "model.skops").read_bytes()


def weights_h5() -> list[bytes]:
    """Return the beginnings of HDF5 files of two versions, as long as they say they are."""
    signature = b"\x89HDF\r\n\x1a\n"
    old = signature + bytes((0, 0, 0, 0, 0, 8, 8, 0)) + struct.pack("<HHI4Q", 4, 16, 0, 0, 2**64 - 1, 256, 2**64 - 1)
    new = signature + bytes((2, 8, 8, 0)) + struct.pack("<4QI", 0, 2**64 - 1, 256, 48, 0)
    return [content.ljust(256, b"\0") for content in (old, new)]


@cache
def network_keras() -> bytes:
    """Return a small network as ``acofer train`` leaves it; Keras writes it."""
    from acofer.nets.build import build_net

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        build_net("small-cnn", 32, 3, parameters={"filters": [2], "units": 3}).save(path)
        return path.read_bytes()


def _pictures() -> ImageSet:
    pixels = np.arange(N).astype("<u4").view(np.uint8).reshape(-1, 2, 2)
    parts = np.resize([0, 0, 0, 1, 2], N).astype(np.uint8)
    rows = [f"row {row}" for row in range(N)]
    return ImageSet("made", ArrayPictures(pixels), (np.arange(N) % 3).astype(np.int16), CLASSES, parts, rows, "made")


def _embeddings(digest: str) -> Embeddings:
    values = np.random.default_rng(0).normal(size=(N, P))
    values[:, :3] += 2 * np.eye(3)[np.arange(N) % 3]
    layers = [{"name": "out_relu", "shape": [1, 1, P]}]
    about = {
        **{"backbone": "mobilenetv2", "image_size": 48, "pooling": "flatten", "layers": layers, "preprocessing": 1},
        **{"weights": "file", "weights_digest": digest, "pictures_per_second": 1.0, "seconds": 1.0},
    }
    names = tuple(f"out_relu/c{j:04d}/r0c0" for j in range(P))
    return Embeddings(values.astype(np.float16), names, "k" * 32, about)


@cache
def search_run() -> dict[str, bytes]:
    """Return the files that a search leaves, on made features; and the weights that they are said to come from."""
    import hashlib

    weights = weights_h5()[0]
    embeddings = _embeddings(hashlib.sha256(weights).hexdigest())
    with tempfile.TemporaryDirectory() as folder:
        config = SearchConfig(
            ants=3, iterations=1, size=4, heuristic="f", scorer="LogisticRegression", balance="none", null_draws=1,
            workers=1, memo="off", out=str(Path(folder) / "run"), weights=str(Path(folder) / WEIGHTS),
        )  # fmt: skip
        with (
            mock.patch.object(search, "configured_pictures", return_value=_pictures()),
            mock.patch.object(search, "configured_embeddings", return_value=embeddings),
        ):
            done = search.run_search(config)
        files = {path.name: path.read_bytes() for path in done.folder.iterdir() if path.is_file()}
    return files | {WEIGHTS: weights}


RESUMED: dict[str, dict[str, Any]] = {
    "ridge": {"scorer": "ridge", "heuristic": "auto", "penalty": 0.01},
    "forest": {"trees": 8, "heuristic": "f"},
    "screened": {"screen": "ridge", "trees": 8, "heuristic": "auto"},
}
"""Searches by what they score with; each keeps a state of its own kind in its checkpoint."""


@cache
def unfinished_search(kind: str) -> dict[str, bytes]:
    """Return what a search leaves that is killed after its second iteration, as paths within a folder."""
    with tempfile.TemporaryDirectory() as folder, serving_made_search():
        config = SearchConfig(
            ants=3, iterations=3, size="2:4", balance="none", null_draws=1, workers=1, memo="off",
            out=str(Path(folder) / "run"), **RESUMED[kind],
        )  # fmt: skip
        with _dying_after(2), suppress(_Killed):
            search.run_search(config)
        place = Path(folder) / "run"
        return {f"run/{path.name}": path.read_bytes() for path in place.iterdir() if not path.name.startswith(".")}


class _Killed(BaseException):
    """What a kill looks like from inside."""


@contextmanager
def _dying_after(n_checkpoints: int) -> Iterator[None]:
    keep, left = SearchFolder.keep, [n_checkpoints]

    def dying(self: SearchFolder, state: Any) -> None:
        keep(self, state)
        left[0] -= 1
        if not left[0]:
            self._held.close()  # as the system lets go of a dead process' locks
            raise _Killed

    with (
        mock.patch.object(search_folder, "EVERY", 0.0),
        mock.patch.object(search_folder, "_SHARE", 1e9),
        mock.patch.object(SearchFolder, "keep", dying),
        mock.patch.object(SearchFolder, "discard"),
    ):
        yield


@contextmanager
def serving_made_search() -> Iterator[None]:
    """Let searches run on made pictures and features."""
    embeddings = _embeddings("0" * 64)
    with (
        mock.patch.object(search, "configured_pictures", return_value=_pictures()),
        mock.patch.object(search, "configured_embeddings", return_value=embeddings),
    ):
        yield


def tuned(folder: Path) -> Any:
    """Tune two knobs by a few trials that a journal in a folder keeps; those that are there are not made again."""
    from acofer.config.tune import TuneConfig
    from acofer.tune import run

    config = TuneConfig(
        scorer="ridge", size=4, evaluations=8, ants=4, heuristic="uniform", local_search="off", space="alpha,q0",
        outer_folds=2, trials=2, workers=1, storage=str(folder / JOURNAL), out=str(folder / "out"),
    )  # fmt: skip
    with (
        mock.patch.object(run, "configured_pictures", return_value=_pictures()),
        mock.patch.object(run, "configured_embeddings", return_value=_embeddings("0" * 64)),
    ):
        return run.run_tune(config)


@cache
def journal() -> bytes:
    """Return what a study keeps."""
    with tempfile.TemporaryDirectory() as folder:
        tuned(Path(folder))
        return (Path(folder) / JOURNAL).read_bytes()


@cache
def cache_folder() -> dict[str, bytes]:
    """Return what the user's cache folder holds: an entry, remembered scores, landmarks."""
    own = {f"{KEY}/{name}": content for name, content in cache_entry().items()}
    return own | {"scores.sqlite": memo_sqlite(), "faces/kept.npz": landmarks_npz()}


def keras_settings() -> bytes:
    """Return Keras' settings as Keras writes them."""
    usual = {"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}
    return json.dumps(usual, indent=4).encode()


def lock_holder() -> bytes:
    """Return what a process that holds a lock says of itself."""
    return json.dumps({"process": 4711, "host": "here", "since": "2026-01-01 12:00"}).encode()


@cache
def training_run() -> dict[str, bytes]:
    """Return the result of a training that comes with the project, and outputs as it might have kept them."""
    result = (ROOT / "reports" / "fer2013-nets" / "small-cnn-48" / "result.json").read_bytes()
    outputs = np.random.default_rng(0).dirichlet(np.ones(7), 3589).astype(np.float32)
    return {"result.json": result, "predictions.npz": npz_of(rows=np.arange(3589), outputs=outputs)}


@cache
def bench_result() -> bytes:
    cast = [one for one in CAST if one.name in ("colony", "all", "small-cnn")]
    few = made_bench(
        cast, n_test=30, seeds=(0, 1), settings=("demo 48x48 flattened",), protocols=("five-classes",), features=32
    )
    return json.dumps(few).encode()


def made_plan() -> Any:
    """Return a plan of three cells on the made problem of the bench's tests, and its contenders."""
    from bench.made_bench import OWN, plan_with

    return SimpleNamespace(plan=plan_with("at-random", {"selector": "anova-f", "size": 4}, seeds=[0]), selectors=OWN)


@cache
def bench_run() -> dict[str, bytes]:
    """Return the files that a bench leaves, by their paths within its folder."""
    from acofer.bench.runner import run_plan

    own = made_plan()
    with tempfile.TemporaryDirectory() as folder, serving_made_bench():
        place = Path(folder) / "bench"
        run_plan(own.plan, place, selectors=own.selectors)
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def serving_made_bench() -> Any:
    """Return a context in which benches run on made pictures and features."""
    from contextlib import ExitStack

    from bench import made_bench as made

    stack = ExitStack()

    def put(module: Any, name: str, value: Any) -> None:
        stack.enter_context(mock.patch.object(module, name, value))

    made.serve_made(made.pictures(), made.values(), put)
    return stack
