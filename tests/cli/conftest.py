"""The command line as a user meets it: an exit code, and what stands on stdout and stderr."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from acofer.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def acofer(capsys):
    """Return a function that runs a command line in this process."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working directory."""
    place = tmp_path / "workplace"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def complains(acofer, workplace):
    """Return a function that expects one line of complaint, exit code 2, and an untouched working directory."""

    def run(*arguments):
        before = sorted(path.name for path in workplace.rglob("*"))
        outcome = acofer(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        complaints = [line for line in outcome.err.splitlines() if line.startswith("acofer: error: ")]
        assert len(complaints) == 1, outcome.err
        assert outcome.err.endswith(complaints[0] + "\n")
        assert "Traceback" not in outcome.err
        assert sorted(path.name for path in workplace.rglob("*")) == before
        return complaints[0]

    return run


@pytest.fixture
def fer_csv(tmp_path):
    """Return a writer of FER2013 files with two rows a class and part, then the given lines."""

    def write(*lines, end="\n"):
        pixels = np.random.default_rng(0).integers(0, 256, (42, 2304))
        usages = ("Training", "PublicTest", "PrivateTest")
        rows = [f"{i % 7},{' '.join(map(str, row))},{usages[i // 7 % 3]}" for i, row in enumerate(pixels)]
        path = tmp_path / "fer2013.csv"
        path.write_text("\n".join(["emotion,pixels,Usage", *rows, *lines]) + end)
        return path

    return write


@pytest.fixture
def folder_of(tmp_path):
    """Return a maker of class folders, given how many pictures each class has."""

    def make(**counts):
        for name, count in counts.items():
            (tmp_path / "faces" / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng([i, *name.encode()]).integers(0, 256, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "faces" / name / f"{i}.png")
        return tmp_path / "faces"

    return make
