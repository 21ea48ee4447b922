"""Nothing that acofer reads can run code, or be unpacked to where it wants: who could do that is called nowhere.

What readers do with such files is tried in `tests/rubbish`; that a page does nothing in `tests/report/test_page.py`.
"""

import ast
import tomllib
from pathlib import Path

import pytest

import acofer

PACKAGE = Path(acofer.__file__).parent
ROOT = PACKAGE.parent
MODULES = {
    *("pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "dbm", "tarfile", "yaml", "imp", "runpy"),
    *("xml.sax", "xml.dom", "lxml"),
}
"""Whose readers run what they read, or write where it says."""
CALLS = {
    *("eval", "exec", "compile", "__import__", "joblib.load", "torch.load", "np.load", "numpy.load", "pd.read_pickle"),
    *("pickle.load", "pickle.loads", "os.system", "os.popen", "shutil.unpack_archive"),
}
METHODS = {
    "extractall",
    "extract",
    "unpack_archive",
    "enable_load_extension",
    "from_yaml",
    "enable_unsafe_deserialization",
}
DEMANDED = {"load_model": {"safe_mode": True, "compile": False}}
"""Whoever calls these says so."""
NEVER = {"allow_pickle": True, "safe_mode": False, "shell": True}


def complaints(source):
    """Say what in a module could run, or unpack, what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if is_of(alias.name, MODULES)]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if is_of(node.module or "", MODULES) else []
            found += [f"{node.module}.{a.name}" for a in node.names if f"{node.module}.{a.name}" in CALLS]
        elif isinstance(node, ast.Call):
            found += of_call(node)
    return found


def is_of(name, modules):
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def of_call(node):
    name, found = ast.unparse(node.func), []
    last = name.rpartition(".")[2]
    given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    if name in CALLS or last in METHODS:
        found.append(name)
    found += [f"{name}({word}={value})" for word, value in NEVER.items() if word in given and given[word] is value]
    demanded = DEMANDED.get(last, {})
    return found + [
        f"{name} without {word}={value}" for word, value in demanded.items() if given.get(word) is not value
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_can_run_or_unpack_what_it_reads(path):
    assert complaints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import xml.sax.handler",
        "from joblib import load",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.lib.format.read_array(file, allow_pickle=True)",
        "import torch\ntorch.load(path)",
        "eval(text)",
        "def f(x):\n    return [exec(y) for y in x]",
        "archive.extractall(folder)",
        "archive.extract(member, folder)",
        "keras.saving.load_model(path)",
        "keras.saving.load_model(path, compile=False, safe_mode=False)",
        "load_model(path, safe_mode=True)",
        "subprocess.run(words, shell=True)",
    ],
)
def test_one_that_could_would_be_found(source):
    assert complaints(source)


def test_what_is_called_is_not_held_against_those_that_are_safe():
    safe = "keras.saving.load_model(path, compile=False, safe_mode=True)\narchive.read(name)\nimport picklejar"
    assert complaints(safe) == []


def test_a_model_may_name_few_types():
    """A list that has grown by a function, or by a type of another library, has to be looked at anew."""
    from acofer.runs.model import _TRUSTED

    homes = {name.rpartition(".")[0].partition(".")[0] for name in _TRUSTED}
    assert homes <= {"acofer", "sklearn", "numpy"}, _TRUSTED


def test_rules_of_security_are_on_for_the_package():
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert "S" in rules["select"]
    assert not [rule for rule in rules["ignore"] if rule.startswith("S") and rule[1:].isdigit()]
    off = {place for place, ignored in rules["per-file-ignores"].items() if any(one.startswith("S") for one in ignored)}
    assert off == {"tests/*", "benchmarks/*"}


def test_dependencies_are_bounded_from_below():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    assert [line for line in lines if ">=" not in line and not line.startswith("acofer[")] == []
