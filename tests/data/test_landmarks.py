import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from acofer.data import landmarks
from acofer.data.demo import load_demo
from acofer.data.landmarks import DlibModel, locate_face
from acofer.errors import DataError, MissingExtraError

LEFT_EYE, RIGHT_EYE, MOUTH = slice(36, 42), slice(42, 48), slice(48, 68)


class Spot:
    """Takes what is bright for a face, and its centre of gravity for all landmarks; remembers what it has seen."""

    identity = "spot"

    def boxes(self, picture):
        self.seen = picture
        rows, columns = np.nonzero(self._grey(picture) > 100)
        return [(columns.min(), rows.min(), columns.max(), rows.max())] if len(rows) else []

    def landmarks(self, picture, box):
        weights = self._grey(picture)
        rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
        centre = [(columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum()]
        return np.tile(centre, (68, 1))

    @staticmethod
    def _grey(picture):
        return picture.reshape(*picture.shape[:2], -1)[..., 0].astype(float)


@pytest.fixture(scope="module")
def dlib_model():
    pytest.importorskip("dlib")
    return DlibModel()


def drawn_face():
    """A grey face of 200 x 200 pixels, eyes at (78, 85) and (122, 85), mouth at (100, 146)."""
    image = Image.new("L", (200, 200), 120)
    draw = ImageDraw.Draw(image)
    draw.ellipse((45, 25, 155, 180), fill=205)
    for x in (78, 122):
        draw.ellipse((x - 13, 78, x + 13, 92), fill=240)
        draw.ellipse((x - 6, 78, x + 6, 91), fill=40)
        draw.line((x - 16, 70, x, 64, x + 16, 70), fill=70, width=5)
    draw.line((97, 90, 92, 120, 108, 122), fill=140, width=4)
    draw.ellipse((76, 138, 124, 154), fill=110)
    draw.line((76, 146, 124, 146), fill=50, width=3)
    return np.asarray(image)


@pytest.mark.parametrize(("enlarge", "border"), [(1, 0.0), (1, 0.3), (3, 0.0), (4, 0.2)])
@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_landmarks_are_told_in_pixels_of_the_picture_as_it_came(enlarge, border, colours):
    picture = np.zeros((30, 40, *colours), np.uint8)
    picture[11:14, 21:26] = 255  # around (23, 12)
    found = locate_face(picture, Spot(), enlarge=enlarge, border=border)
    assert found.shape == (68, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.tile([23, 12], (68, 1)), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "seen"), [((48, 48), (192, 192)), ((100, 130), (268, 328)), ((144, 200), (192, 248))], ids=str
)
def test_small_pictures_are_enlarged_and_get_a_border(shape, seen):
    model = Spot()
    assert locate_face(np.zeros(shape, np.uint8), model) is None
    assert model.seen.shape == seen


def test_the_border_repeats_the_edge():
    model = Spot()
    picture = np.arange(36, dtype=np.uint8).reshape(6, 6)
    locate_face(picture, model, enlarge=1, border=1 / 3)
    np.testing.assert_array_equal(model.seen[:3, :3], picture[0, 0])
    np.testing.assert_array_equal(model.seen[2:-2, 2:-2], picture)


def test_the_largest_face_counts():
    class Three(Spot):
        def boxes(self, picture):
            return [(0, 0, 5, 5), (2, 2, 20, 9), (1, 1, 8, 8)]

        def landmarks(self, picture, box):
            return np.tile(box[:2], (68, 1))

    np.testing.assert_array_equal(locate_face(np.zeros((30, 30), np.uint8), Three(), enlarge=1, border=0)[0], [2, 2])


@pytest.mark.parametrize(("x", "is_face"), [(-1.0, False), (-0.4, True), (9.4, True), (9.6, False)])
def test_a_face_without_a_landmark_in_the_picture_is_none(x, is_face):
    class Beside(Spot):
        def boxes(self, picture):
            return [(0, 0, 5, 5)]

        def landmarks(self, picture, box):
            return np.tile([x, 3.0], (68, 1))

    assert (locate_face(np.zeros((10, 10), np.uint8), Beside(), enlarge=1, border=0) is not None) == is_face


@pytest.mark.parametrize("side", [200, 48])
def test_dlib_finds_eyes_and_mouth_where_they_are_drawn(dlib_model, side):
    picture = np.asarray(Image.fromarray(drawn_face()).resize((side, side), Image.Resampling.BILINEAR))
    marks = locate_face(picture, dlib_model) * 200 / side
    for part, place in ((LEFT_EYE, (78, 85)), (RIGHT_EYE, (122, 85)), (MOUTH, (100, 146))):
        np.testing.assert_allclose(marks[part].mean(axis=0), place, atol=8)


def test_dlib_finds_no_face_in_noise_nor_in_pictures_of_any_shape(dlib_model):
    random = np.random.default_rng(0)
    for shape in ((48, 48), (48, 48, 3), (1, 1), (2, 90), (160, 20)):
        assert locate_face(random.integers(0, 256, shape, dtype=np.uint8), dlib_model) is None


def test_nearly_all_embedded_faces_are_found_and_none_without_enlarging(dlib_model):
    pictures = load_demo().pictures.images[:100]
    assert sum(locate_face(picture, dlib_model) is not None for picture in pictures) >= 97
    assert not any(dlib_model.boxes(picture) for picture in pictures)


def test_border_and_enlargement_pay_on_fer2013(dlib_model, shared_fer2013):
    pictures = np.load(shared_fer2013 / "public_test.npz")["images"][:200]

    def n_found(**options):
        return sum(locate_face(picture, dlib_model, **options) is not None for picture in pictures)

    assert n_found() > n_found(border=0) > n_found(border=0, enlarge=1) == 0


def test_the_model_says_what_it_is(dlib_model):
    import dlib

    # dlib's own file of 2015, as the package hands it on.
    digest = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
    assert dlib_model.identity == f"dlib {dlib.__version__}, landmarks {digest}"


def test_the_models_package_is_not_imported(dlib_model):
    """It asks for pkg_resources, which a Python of today need not have."""
    dlib_model.boxes(drawn_face())
    assert "face_recognition_models" not in sys.modules


def test_what_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match=r"finding faces needs dlib, .* 'acofer\[faces\]'"):
        DlibModel()
    monkeypatch.setitem(sys.modules, "dlib", object())
    monkeypatch.setattr(landmarks, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs face_recognition_models, .* 'acofer\[faces\]'"):
        DlibModel()


def test_a_damaged_landmark_model_is_told(dlib_model, monkeypatch, tmp_path):
    pytest.importorskip("dlib")
    model = DlibModel()
    model._file = tmp_path / "model.dat"
    with pytest.raises(DataError, match=r"cannot be read .* install face_recognition_models again"):
        _ = model.identity
    model._file.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"is damaged .* install face_recognition_models again"):
        model.landmarks(drawn_face(), (0, 0, 9, 9))
