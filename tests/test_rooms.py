"""The order of the rooms: each knows the rooms before it, never those after it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import acofer

PACKAGE = Path(acofer.__file__).parent
ORDER = [
    "errors",
    "records",
    "writing",
    "reading",
    "archives",
    "locks",
    "stopping",
    "workers",
    "config",
    "streams",
    "forest",
    "data",
    "pretrained",
    "features",
    "nets",
    "scoring",
    "colony",
    "runs",
    "bench",
    "tune",
    "report",
    "doctor",
    "cli",
    "__main__",
]
HEAVY = {
    "numba": {
        "streams.py",
        *(f"colony/{name}.py" for name in ("construct", "conditional", "exchange")),
        "scoring/moments.py",
        *(f"forest/{name}.py" for name in ("lanes", "grow", "vote", "binning")),
    },
    "tensorflow": set(),
    "keras": {"pretrained/base.py"},
    "imblearn": {"features/balance.py"},
    "matplotlib": {"report/figures.py"},
    "dlib": {"data/landmarks.py"},
    "optuna": {"tune/study.py"},
    "deap": {"bench/genetic.py"},
    "pymoo": {"bench/swarm.py"},
    "boruta": {"bench/wrappers.py"},
    "jinja2": {"report/page.py"},
    "dask": {"workers/cluster.py"},
    "distributed": {"workers/cluster.py"},
}
# Makes the entry that ships; run by hand, imported by nobody.
SCRIPTS = {"features/fill_demo.py"}


def modules():
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


def imports(path):
    """Yield (module, is at the top of the file) for every import in a file, also those inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {node for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            at_the_top = node not in inner and node not in typing_only
            yield node.module, at_the_top
            if node.module.count(".") < 2:
                yield from ((f"{node.module}.{alias.name}", at_the_top) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node not in inner and node not in typing_only) for alias in node.names)


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_knows_only_the_rooms_before_it(path):
    own = room_of(path)
    if str(path.relative_to(PACKAGE)) in SCRIPTS:
        return
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] == "acofer" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{own} imports {module}"
    if own == "features":  # pictures come as records: embeddings do not know where from
        assert not any(m.startswith("acofer.data") for m, _ in imports(path))


def test_every_room_is_in_the_order():
    assert {room_of(path) for path in modules()} == set(ORDER)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_guests_stay_with_their_hosts_and_wait_at_the_door(path):
    name = str(path.relative_to(PACKAGE))
    for module, at_the_top in imports(path):
        guest = module.split(".")[0]
        if guest in HEAVY:
            assert name in HEAVY[guest], f"{name} imports {guest}"
            assert guest == "numba" or not at_the_top, f"{name} imports {guest} before it is needed"


def test_imports_run_in_no_circle():
    edges = {}
    for path in modules():
        own = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        edges[own] = {module for module, at_the_top in imports(path) if at_the_top and module != own}

    def walk(module, trail):
        assert module not in trail, f"circle: {' -> '.join([*trail, module])}"
        for other in edges.get(module, ()):
            walk(other, [*trail, module])

    for module in edges:
        walk(module, [])


def test_importing_acofer_is_light():
    code = "import acofer, sys; print([m for m in ('numpy', 'sklearn', 'numba', 'keras') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_public_face_can_be_loaded():
    for name in acofer.__all__:
        assert getattr(acofer, name) is not None
    assert acofer.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = acofer.nothing
