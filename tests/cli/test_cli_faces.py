"""``acofer data faces``, on a few embedded faces and on noise."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from acofer.data.demo import load_demo


@pytest.fixture
def faces(folder_of):
    """A folder: three embedded faces and one picture of noise are sad, two pictures of noise happy."""
    folder = folder_of(happy=2, sad=1)
    for row, picture in enumerate(load_demo().pictures.images[:3]):
        Image.fromarray(picture).save(folder / "sad" / f"face{row}.png")
    return folder


@pytest.fixture
def needs_dlib():
    pytest.importorskip("dlib")


@pytest.mark.usefixtures("needs_dlib")
def test_it_counts_by_class_and_shows_who_has_no_face(acofer, workplace, faces):
    outcome = acofer("data", "faces", faces)
    assert outcome.code == 0
    assert "faces: a face in 3 of 6 pictures" in outcome.out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in outcome.out.splitlines() if "│" in line]
    assert rows == [["happy", "2", "2", "100.0%"], ["sad", "4", "1", "25.0%"], ["all", "6", "3", "50.0%"]]
    assert "pictures without a face: without-face-faces.png" in outcome.out
    assert "faces 6/6" in outcome.err
    assert [path.name for path in workplace.iterdir()] == ["without-face-faces.png"]


@pytest.mark.usefixtures("needs_dlib")
def test_json_holds_the_same_numbers(acofer, workplace, faces):
    outcome = acofer("data", "faces", faces, "--json", "--quiet", "--sheet", "others.png", "--crops", "crops.png")
    facts = json.loads(outcome.out)
    assert facts.pop("seconds") > 0
    assert facts == {
        "name": "faces",
        "warnings": [],
        "n_pictures": 6,
        "n_faces": 3,
        "classes": [{"name": "happy", "n": 2, "without_face": 2}, {"name": "sad", "n": 4, "without_face": 1}],
        "sheet": "others.png",
        "crops": "crops.png",
    }
    assert outcome.err == ""
    assert {path.name for path in workplace.iterdir()} == {"others.png", "crops.png"}


@pytest.mark.usefixtures("needs_dlib")
def test_crops_can_be_looked_at_before_computing_with_them(acofer, workplace, faces):
    for without, n_cells in (("drop", 3), ("keep", 6)):
        acofer("data", "faces", faces, "--no-sheet", "--crops", "crops.png", "--size", "64", "--without", without)
        with Image.open("crops.png") as sheet:
            paper = (np.asarray(sheet)[:, -12 * 68 - 4 :] == 255).all(axis=2)
        assert (~paper).sum() == pytest.approx(n_cells * 64 * 64, rel=0.02), "cells of 64 pixels, as many as there are"


@pytest.mark.usefixtures("needs_dlib")
def test_landmarks_are_kept_in_the_cache_folder(acofer, workplace, faces, tmp_path):
    first, again = (
        json.loads(acofer("data", "faces", faces, "--json", "--no-sheet", "--cache-dir", tmp_path / "kept").out)
        for _ in range(2)
    )
    assert again == first, "the seconds, too"
    assert [path.suffix for path in (tmp_path / "kept" / "faces").iterdir()] == [".npz"]
    assert list(workplace.iterdir()) == []


@pytest.mark.usefixtures("needs_dlib")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--size", "4"], "size: expected at least 8"),
        (["--without", "kep"], "did you mean 'keep'?"),
        (["--margin", "2"], "margin: expected a share of 0 to 1"),
        (["--enlarge", "0"], "enlarge: expected a whole number"),
        (["--enlarge", "x"], "--enlarge"),
        (["--crops", "crops.doc", "--no-sheet"], "must end in"),
        (["--sheets"], "did you mean '--sheet'?"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_in_one_line(complains, faces, arguments, expected):
    assert expected in complains("data", "faces", faces, *arguments)


@pytest.mark.usefixtures("needs_dlib")
def test_pictures_without_any_face_are_told(complains, folder_of):
    assert "no face was found in any of the 3 pictures" in complains("data", "faces", folder_of(a=2, b=1))


def test_without_dlib_the_extra_is_named(complains, folder_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    assert "pip install 'acofer[faces]'" in complains("data", "faces", folder_of(a=2, b=1))
