"""The real FER2013, where it is at hand. No picture of it is part of this project."""

import subprocess
import sys

import numpy as np
import pytest

from acofer.data.census import describe
from acofer.data.duplicates import contradictory_groups, exact_groups
from acofer.data.fer2013 import read_fer2013
from acofer.data.splits import make_split


@pytest.fixture(scope="module")
def table(shared_fer2013, tmp_path_factory):
    """Write the CSV as users have it (300 MB)."""
    path = tmp_path_factory.mktemp("fer2013") / "fer2013.csv"
    subprocess.run([sys.executable, str(shared_fer2013 / "to_csv.py"), str(path)], check=True)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def images(table):
    return read_fer2013(table)


@pytest.fixture(scope="module")
def arrays(shared_fer2013):
    parts = [
        np.load(shared_fer2013 / f"{name}.npz") for name in ("training_a", "training_b", "public_test", "private_test")
    ]
    keys = ("images", "labels", "usage", "pixel_source")
    return {key: np.concatenate([part[key] for part in parts]) for key in keys}


def test_every_pixel_label_and_part_arrives(images, arrays):
    assert images.warnings == ()
    np.testing.assert_array_equal(images.pictures.images, arrays["images"])
    np.testing.assert_array_equal(images.labels, arrays["labels"])
    np.testing.assert_array_equal(images.parts, arrays["usage"])


def test_the_census_finds_the_known_facts(images):
    facts = describe(images)
    assert facts["parts"] == {"train": 28_709, "validation": 3_589, "test": 3_589}
    assert [row["train"] for row in facts["classes"]] == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert facts["blank"]["n"] == 13
    across = {(item["part"], item["also_in"]): item["n"] for item in facts["exact_copies"]["across"]}
    assert across["validation", "train"] == 280
    assert across["test", "train"] == 288


def test_groups_of_copies_among_pictures_with_exact_pixels(images, arrays):
    """The known counts leave out pictures whose pixels were restored from an exact copy or from a JPEG file."""
    exact = arrays["pixel_source"] == 1
    groups = [group[exact[group]] for group in exact_groups(images.pictures.digests)]
    groups = [group for group in groups if len(group) > 1]
    assert len(groups) == 1_513
    assert sum(len(group) - 1 for group in groups) == 1_840
    assert len(contradictory_groups(groups, images.labels)) == 56


def test_the_splits_are_as_said(images):
    official, dealt = make_split(images), make_split(images, "stratified")
    assert len(official.copied_test_rows) >= 288
    assert len(dealt.copied_test_rows) == 0
    shares = np.bincount(images.labels[dealt.test]) / np.bincount(images.labels)
    np.testing.assert_allclose(shares, 0.1, atol=0.001)


def test_votes_are_paired_by_row(table, images, shared_fer2013):
    voted = read_fer2013(table, ferplus=shared_fer2013 / "ferplus_labels.csv")
    assert len(voted) == 33_712
    assert "2,175 of 35,887 rows were dropped" in voted.warnings[0]
    # Wrongly paired, voters and labels would agree by chance, in about a fifth of the rows.
    row_of = {name: row for row, name in enumerate(images.row_names)}
    before = images.labels[[row_of[name] for name in voted.row_names]]
    assert (before == voted.labels).mean() > 0.6
