from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from acofer.data.demo import load_demo
from acofer.data.faces import crop_box, find_faces, square
from acofer.data.pictures import ArrayPictures, picture_digest
from acofer.errors import ConfigError, DataError
from acofer.records import ImageSet

EXACT = {"enlarge": 1, "border": 0.0, "margin": 0.0, "size": 8}


class Bright:
    """Takes the rectangle of pixels of at least 200 for the face, its corners for landmarks; counts its searches."""

    def __init__(self, identity="bright"):
        self.identity = identity
        self.searches = 0

    def boxes(self, picture):
        self.searches += 1
        rows, columns = np.nonzero(picture.reshape(*picture.shape[:2], -1)[..., 0] >= 200)
        return [(columns.min(), rows.min(), columns.max(), rows.max())] if len(rows) else []

    def landmarks(self, picture, box):
        left, top, right, bottom = box
        return np.resize([(left, top), (right, top), (right, bottom), (left, bottom)], (68, 2))


class Listed:
    """Pictures of several shapes."""

    def __init__(self, pictures):
        self.pictures = pictures
        self.digests = np.array([picture_digest(picture) for picture in pictures], "S32")

    def __len__(self):
        return len(self.pictures)

    def read(self, rows):
        return [self.pictures[row] for row in rows]


def picture(left, top, width, height, shape=(20, 24)):
    """A dark picture with a bright rectangle; no two pixels of a row or column are alike."""
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) % 100
    pixels[top : top + height, left : left + width] += 150
    pixels[top, left] = pixels[top + height - 1, left + width - 1] = 250
    return pixels.astype(np.uint8)


def dark(shape=(20, 24)):
    return np.full(shape, 7, np.uint8)


def image_set(pictures, labels=None):
    n = len(pictures)
    labels = np.arange(n) % 2 if labels is None else labels
    names = [f"row {row}" for row in range(n)]
    return ImageSet(
        "x", Listed(pictures), np.array(labels, np.int16), ("a", "b"), np.arange(n, dtype=np.uint8) % 3, names, "x.csv"
    )


@pytest.fixture
def images():
    """Five pictures; the second and the last have no face."""
    return image_set([picture(2, 3, 8, 8), dark(), picture(0, 0, 10, 9), picture(9, 9, 8, 11), dark((9, 9))])


def only(found):
    (one,) = found.images.pictures.read(np.array([0]))
    return one


def test_a_crop_holds_the_landmarks_pixel_by_pixel():
    original = picture(2, 3, 8, 8)
    found = find_faces(image_set([original]), model=Bright(), **EXACT)
    np.testing.assert_array_equal(only(found), original[3:11, 2:10])
    np.testing.assert_array_equal(found.boxes, [[2, 3, 10, 11]])
    np.testing.assert_array_equal(found.landmarks[0, :3], [[2, 3], [9, 3], [9, 10]])


def test_crops_are_padded_to_squares_and_never_stretched():
    wide, tall = picture(2, 3, 8, 5), picture(2, 3, 5, 8)
    edge, black = (
        find_faces(image_set([wide, tall]), model=Bright(), padding=padding, **EXACT).images.pictures.images
        for padding in ("edge", "black")
    )
    crop = wide[3:8, 2:10]
    np.testing.assert_array_equal(edge[0], np.vstack([crop[:1], crop, crop[-1:], crop[-1:]]))
    np.testing.assert_array_equal(black[0], np.vstack([np.zeros((1, 8)), crop, np.zeros((2, 8))]))
    crop = tall[3:11, 2:7]
    np.testing.assert_array_equal(edge[1], np.hstack([crop[:, :1], crop, crop[:, -1:], crop[:, -1:]]))


def test_the_margin_is_a_share_of_the_larger_side_and_ends_with_the_picture():
    original = picture(1, 6, 8, 4)
    found = find_faces(image_set([original]), model=Bright(), **EXACT | {"margin": 0.25})
    np.testing.assert_array_equal(found.boxes, [[0, 4, 11, 12]])  # two pixels a side, but one on the left


def test_squares_have_the_size_that_was_asked_for():
    original = picture(2, 3, 8, 8)
    found = find_faces(image_set([original]), model=Bright(), **EXACT | {"size": 16})
    expected = Image.fromarray(original[3:11, 2:10]).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(only(found), np.asarray(expected))


def test_grey_stays_grey_and_colour_colour():
    grey = picture(2, 3, 8, 6)
    colour = np.stack([grey, grey // 2, grey // 3], axis=2)
    squares = find_faces(image_set([grey, colour]), model=Bright(), **EXACT).images.pictures.images
    assert [each.shape for each in squares] == [(8, 8), (8, 8, 3)]
    np.testing.assert_array_equal(squares[1][1:7, :, 2], colour[3:9, 2:10, 2])


def test_pictures_without_a_face_are_dropped_with_all_that_belongs_to_them(images):
    found = find_faces(images, model=Bright(), **EXACT)
    np.testing.assert_array_equal(found.rows, [0, 2, 3])
    np.testing.assert_array_equal(found.images.labels, images.labels[[0, 2, 3]])
    np.testing.assert_array_equal(found.images.parts, images.parts[[0, 2, 3]])
    assert list(found.images.row_names) == ["row 0", "row 2", "row 3"]
    assert found.images.name == "x-faces"
    assert found.images.warnings == ("no face was found in 2 of 5 pictures (a 1, b 1); they were left out",)
    assert images.warnings == ()


def test_the_missed_pictures_can_be_looked_at(images):
    found = find_faces(images, model=Bright(), **EXACT)
    np.testing.assert_array_equal(found.missed_rows, [1, 4])
    assert list(found.missed.row_names) == ["row 1", "row 4"]
    np.testing.assert_array_equal(found.missed.labels, images.labels[[1, 4]])
    assert [each.shape for each in found.missed.pictures.read(np.array([0, 1]))] == [(20, 24), (9, 9)]


def test_pictures_without_a_face_can_stay_whole(images):
    found = find_faces(images, model=Bright(), without="keep", padding="black", **EXACT | {"size": 24})
    np.testing.assert_array_equal(found.rows, range(5))
    np.testing.assert_array_equal(found.boxes[[1, 4]], [[0, 0, 24, 20], [0, 0, 9, 9]])
    assert np.isnan(found.landmarks[[1, 4]]).all()
    whole = found.images.pictures.images[1]
    np.testing.assert_array_equal(whole, np.pad(dark(), ((2, 2), (0, 0))))
    assert found.images.warnings[0].endswith("they stay whole")
    assert len(found.missed) == 2


def test_the_crops_have_digests_of_their_own(images):
    found = find_faces(images, model=Bright(), **EXACT)
    squares = found.images.pictures.images
    np.testing.assert_array_equal(found.images.pictures.digests, [picture_digest(each) for each in squares])
    other = find_faces(images, model=Bright(), **EXACT | {"margin": 0.2})
    assert len({images.digest, found.images.digest, other.images.digest}) == 3


def test_sets_without_an_official_split_have_none_after(images):
    assert find_faces(replace(images, parts=None), model=Bright(), **EXACT).images.parts is None


def test_without_any_face_there_is_nothing_to_drop_to():
    nothing = image_set([dark(), dark()])
    with pytest.raises(DataError, match="in any of the 2 pictures of x; enlarge them more, or keep them whole"):
        find_faces(nothing, model=Bright())
    assert len(find_faces(nothing, model=Bright(), without="keep").images) == 2


def test_progress_is_told(images):
    told = []
    find_faces(images, model=Bright(), progress=lambda *each: told.append(each))
    assert told == [("faces", done, 5) for done in range(1, 6)]


def test_landmarks_are_kept_and_serve_other_crops(images, tmp_path):
    model, place = Bright(), tmp_path / "deep" / "faces"
    first = find_faces(images, model=model, folder=place, **EXACT)
    assert model.searches == 5
    again = find_faces(images, model=model, folder=place, **EXACT)
    find_faces(images, model=model, folder=place, **EXACT | {"margin": 0.3, "size": 9}, without="keep")
    assert model.searches == 5
    assert again.images.digest == first.images.digest
    assert again.seconds == first.seconds
    np.testing.assert_array_equal(again.landmarks, first.landmarks)
    assert len(list(place.iterdir())) == 1, "and nothing else is left behind"


@pytest.mark.parametrize("what", ["enlarge", "border", "model", "pictures"])
def test_whatever_changes_the_landmarks_is_searched_anew(images, tmp_path, what):
    find_faces(images, model=Bright(), folder=tmp_path, **EXACT)
    model = Bright("another" if what == "model" else "bright")
    changed = {"enlarge": {"enlarge": 2}, "border": {"border": 0.5}}.get(what, {})
    if what == "pictures":
        images = replace(images, pictures=Listed([*images.pictures.pictures[:4], picture(0, 0, 9, 9)]))
    find_faces(images, model=model, folder=tmp_path, **EXACT | changed)
    assert model.searches == 5
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "bytes", "empty", "shape", "pickle"])
def test_damaged_landmarks_are_found_again(images, tmp_path, damage):
    first = find_faces(images, model=Bright(), folder=tmp_path, **EXACT)
    (place,) = tmp_path.iterdir()
    whole = place.read_bytes()
    if damage in ("shape", "pickle"):
        wrong = np.zeros((4, 68, 2), np.float32) if damage == "shape" else np.array([{}] * 5, object)
        np.savez(place, landmarks=wrong, seconds=1.0)
    else:
        half = len(whole) // 2
        altered = whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :]
        place.write_bytes({"cut": whole[:half], "bytes": altered, "empty": b""}[damage])
    model = Bright()
    with pytest.warns(UserWarning, match="are damaged .* and are found again"):
        again = find_faces(images, model=model, folder=tmp_path, **EXACT)
    assert model.searches == 5
    assert again.images.digest == first.images.digest
    find_faces(images, model=model, folder=tmp_path, **EXACT)
    assert model.searches == 5, "they were written anew"


def test_what_was_found_is_not_lost_where_it_cannot_be_kept(images, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.warns(UserWarning, match="they are not kept$") as told:
        found = find_faces(images, model=Bright(), folder=tmp_path / "file" / "faces", **EXACT)
    (warning,) = told
    assert "cannot be written to" in str(warning.message)
    assert len(found.images) == 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"without": "dropp"}, "without: expected one of drop, keep .*did you mean 'drop'"),
        ({"padding": "white"}, "padding: expected one of edge, black"),
        ({"size": 7}, "size: expected at least 8 whole pixels; got 7"),
        ({"size": 48.0}, "size: expected at least 8 whole pixels; got 48.0"),
        ({"enlarge": 0}, "enlarge: expected a whole number of 1 to 16; got 0"),
        ({"enlarge": 2.0}, "enlarge: .* got 2.0"),
        ({"margin": -0.1}, "margin: expected a share of 0 to 1; got -0.1"),
        ({"margin": float("nan")}, "margin: .* got nan"),
        ({"border": 1.5}, "border: .* got 1.5"),
    ],
    ids=str,
)
def test_options_are_checked(images, options, match):
    with pytest.raises(ConfigError, match=match):
        find_faces(images, model=Bright(), **options)


@given(
    st.lists(st.tuples(st.floats(-30, 60), st.floats(-30, 60)), min_size=1, max_size=68),
    st.integers(1, 50),
    st.integers(1, 50),
    st.floats(0, 1),
)
def test_a_crop_lies_in_the_picture_and_holds_every_landmark_that_does(points, height, width, margin):
    inside = (0, 0)  # `locate_face` promises that one is
    marks = np.resize([inside, *points], (68, 2)).astype(np.float32)
    left, top, right, bottom = crop_box(marks, (height, width), margin)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    in_picture = marks[((marks >= 0) & (marks <= (width - 1, height - 1))).all(axis=1)]
    assert (in_picture >= (left, top)).all()
    assert (in_picture <= (right - 1, bottom - 1)).all()


def test_a_square_of_a_whole_square_picture_is_the_picture():
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(square(pixels, np.array([0, 0, 8, 8]), 8, "edge"), pixels)


def test_dlib_finds_the_embedded_faces_and_nothing_in_noise():
    pytest.importorskip("dlib")
    faces = load_demo().pictures.images[:6]
    noise = np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    images = replace(image_set([dark()] * 8), pictures=ArrayPictures(np.concatenate([faces, noise])))
    found = find_faces(images)
    np.testing.assert_array_equal(found.rows, range(6))
    np.testing.assert_array_equal(found.missed_rows, [6, 7])
    assert all(each.shape == (48, 48) for each in found.images.pictures.images)
    assert (found.boxes[:, 2:] - found.boxes[:, :2] >= 20).all(), "a face fills most of its picture"
