import numpy as np
import pytest
from PIL import Image

from acofer.data.contact_sheet import contact_sheet, write_contact_sheet
from acofer.data.pictures import ArrayPictures
from acofer.errors import ConfigError, StoreError
from acofer.records import ImageSet


@pytest.fixture
def images():
    """Return a class of ten pictures of shade 100 and one of two red ones of another size."""

    class Mixed:
        digests = np.zeros(12, "S32")

        def __len__(self):
            return 12

        def read(self, rows):
            grey, red = np.full((20, 10), 100, np.uint8), np.full((8, 8, 3), (255, 0, 0), np.uint8)
            return [grey if row < 10 else red for row in rows]

    labels = np.repeat([0, 1], [10, 2]).astype(np.int16)
    return ImageSet("x", Mixed(), labels, ("Happy", "Surprised at length"), None, [""] * 12, "x")


def has(sheet, colour):
    return int((np.asarray(sheet) == colour).all(axis=2).sum())


def test_each_class_has_a_row_with_its_pictures(images):
    sheet = contact_sheet(images, per_class=4, cell=40)
    assert sheet.mode == "RGB"
    left = sheet.width - 4 * 44 - 4
    top, bottom = sheet.crop((left, 0, sheet.width, 44)), sheet.crop((left, 48, sheet.width, sheet.height))
    assert has(top, (100, 100, 100)) == 4 * 40 * 20, "four pictures, proportions kept"
    assert has(bottom, (255, 0, 0)) == 2 * 40 * 40, "a class with two pictures shows two"
    assert has(top, (255, 0, 0)) == 0


def test_names_stand_beside_the_pictures_and_not_under_them(images):
    sheet = contact_sheet(images, per_class=1, cell=40)
    left = sheet.width - 40 - 3 * 4
    assert np.asarray(sheet.crop((0, 0, left, sheet.height))).min() < 60, "there is dark text"
    assert np.asarray(sheet.crop((left, 0, left + 4, sheet.height))).min() > 200, "and a white margin after it"


def test_the_seed_decides_which():
    pixels = np.arange(200, dtype=np.uint8)[:, None, None] + np.zeros((1, 8, 8), np.uint8)
    images = ImageSet("x", ArrayPictures(pixels), np.zeros(200, np.int16), ("a",), None, [""] * 200, "x")
    one, same, other = (np.asarray(contact_sheet(images, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("name", ["a.png", "deep/er/a.JPG"])
def test_it_is_written_whole(images, tmp_path, name):
    path = write_contact_sheet(tmp_path / name, images)
    with Image.open(path) as sheet:
        assert sheet.size == contact_sheet(images).size
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing else is left behind"


def test_what_cannot_be_written_is_told(images, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        write_contact_sheet(tmp_path / "file" / "a.png", images)
    (tmp_path / "a.png").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_contact_sheet(tmp_path / "a.png", images)
    assert len(list(tmp_path.iterdir())) == 2


def test_options_are_checked(images, tmp_path):
    with pytest.raises(ConfigError, match="must end in"):
        write_contact_sheet(tmp_path / "a.doc", images)
    with pytest.raises(ConfigError, match=r"per_class .* at least 1"):
        contact_sheet(images, per_class=0)
    with pytest.raises(ConfigError, match=r"cell .* at least 8"):
        contact_sheet(images, cell=3)
