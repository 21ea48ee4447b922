from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # for reference.py
# A shell ignores it for what runs in its background, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--nightly", action="store_true", help="run the tests that take too long for every change, too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--nightly"):
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(pytest.mark.skip(reason="takes long; --nightly or make stress runs it"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test reads or fills the user's cache, nor is moved by the user's environment."""
    for name in list(os.environ):
        if name.startswith("ACOFER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ACOFER_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def tried(request):
    """Return what writes down how often a promise was tried, and what was lost, for `benchmarks/stress.py`."""
    place = os.environ.get("STRESS_FILE")

    def note(promise, *, times, lost=0, **further):
        if place:
            row = {"promise": promise, "test": request.node.nodeid, "times": times, "lost": lost, **further}
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    return note


@pytest.fixture(scope="session")
def n_kills() -> int:
    """How often a test kills what it looks at: a few times, unless `benchmarks/stress.py` asks for more."""
    return int(os.environ.get("STRESS_KILLS", "0"))


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of MobileNetV2, drawn at random."""
    keras = pytest.importorskip("keras")
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3)).save_weights(path)
    return path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory):
    """A Dask cluster of two workers, each a process of its own, that no test may kill."""
    pytest.importorskip("distributed")
    from cluster import Cluster

    made = Cluster(tmp_path_factory.mktemp("cluster"), 2)
    yield made
    made.close()


@pytest.fixture
def mortal(tmp_path):
    """Two workers that may be killed."""
    pytest.importorskip("distributed")
    from cluster import Cluster

    (tmp_path / "mortal").mkdir()
    made = Cluster(tmp_path / "mortal", 2)
    yield made
    made.close()


@pytest.fixture
def shared_weights() -> Path:
    """The ImageNet weights that lie beside the checkout on some machines; they are not part of the project."""
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    path = Path(__file__).resolve().parents[2] / "shared" / "weights" / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the checkout")
    return path


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a maker of installed packages: metadata, and a module where there is code for one.

    They lie where Python, and processes that it begins for the doctor, look first.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def make(name, version, *, needs=(), code=None, extras=()):
        about = site / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        lines = [f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {line}" for line in needs] + [f"Provides-Extra: {extra}" for extra in extras]
        (about / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]) + "\n")
        if code is not None:
            (site / name.replace("-", "_")).mkdir()
            (site / name.replace("-", "_") / "__init__.py").write_text(textwrap.dedent(code))
        return site

    return make
