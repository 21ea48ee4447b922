import json

import numpy as np
import pytest

from acofer.data.census import describe, is_blank
from acofer.data.pictures import ArrayPictures
from acofer.records import ImageSet


def test_counts_parts_classes_and_copies(image_set):
    images = image_set(
        [0, 0, 1, 0, 1, 1], codes=[1, 2, 3, 1, 3, 1], parts=[0, 0, 0, 1, 1, 2], class_names=("happy", "sad")
    )
    facts = describe(images)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["parts"] == {"train": 3, "validation": 2, "test": 1}
    assert facts["classes"] == [
        {"name": "happy", "n": 3, "train": 2, "validation": 1, "test": 0},
        {"name": "sad", "n": 3, "train": 1, "validation": 1, "test": 1},
    ]
    assert facts["sizes"] == [{"height": 2, "width": 2, "channels": 1, "n": 6}]
    copies = facts["exact_copies"]
    assert (copies["groups"], copies["extra"], copies["contradictory_groups"]) == (2, 3, 1)
    assert [item["n"] for item in copies["across"]] == [2, 1, 1]
    assert facts["near_copies"] is None


def test_without_official_parts_there_is_one_count(image_set):
    facts = describe(image_set([0, 1, 1]))
    assert facts["parts"] == {"all": 3}
    assert facts["classes"][1] == {"name": "class 1", "n": 2}
    assert facts["exact_copies"]["across"] == []


def test_blank_pictures_are_named():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 6, 5, 3), dtype=np.uint8)
    pixels[280] = (10, 200, 90)
    images = ImageSet(
        "x", ArrayPictures(pixels), np.zeros(300, np.int16), ("a",), None, [f"row {i}" for i in range(300)], "x"
    )
    facts = describe(images)
    assert facts["blank"] == {"n": 1, "rows": ["row 280"]}
    assert facts["sizes"] == [{"height": 6, "width": 5, "channels": 3, "n": 300}]


@pytest.mark.parametrize(
    ("values", "blank"), [((9, 9), True), ((127, 131), True), ((127, 132), False), ((0, 255), False)]
)
def test_compression_noise_is_blank_too(values, blank):
    assert is_blank(np.array([values], np.uint8)) is blank


def test_near_copies_leave_out_groups_of_exact_copies():
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(0, 200, (3, 8, 9), dtype=np.uint8)
    pixels = np.stack([a, a, b, b + 20, c])
    images = ImageSet("x", ArrayPictures(pixels), np.zeros(5, np.int16), ("a",), None, list("vwxyz"), "x")
    facts = describe(images, near=True)
    assert facts["exact_copies"]["groups"] == 1
    assert facts["near_copies"]["groups"] == 1
    assert facts["near_copies"]["extra"] == 1
