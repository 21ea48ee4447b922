import numpy as np
import pytest
from PIL import Image

from acofer.data.folders import read_folder
from acofer.errors import ConfigError, DataError, MissingFileError


def put(path, shade=0, size=(5, 4), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade, 0, 0)).save(path)


@pytest.fixture
def flat(tmp_path):
    for shade, name in enumerate(["sad/b.png", "sad/a.JPG", "happy/2.pgm", "happy/10.bmp"]):
        put(tmp_path / "faces" / name, shade * 50)
    return tmp_path / "faces"


@pytest.fixture
def parted(tmp_path):
    for shade, name in enumerate(["Train/x/1.png", "Train/y/1.png", "test/x/1.png", "test/y/1.png", "train/y/0.png"]):
        put(tmp_path / "faces" / name, shade)
    return tmp_path / "faces"


def test_classes_and_rows_are_sorted(flat):
    images = read_folder(flat)
    assert images.name == "faces"
    assert images.class_names == ("happy", "sad")
    assert list(images.row_names) == ["happy/10.bmp", "happy/2.pgm", "sad/a.JPG", "sad/b.png"]
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert images.parts is None
    assert images.warnings == ()
    assert [int(image[0, 0]) for image in images.pictures.read(np.array([0, 3]))] == [150, 0]


def test_digests_are_those_of_the_pixels(flat):
    pictures = read_folder(flat).pictures
    given = pictures.digests
    del pictures.digests  # now they are computed from the files
    np.testing.assert_array_equal(pictures.digests, given)


def test_sizes_and_colours_may_differ(flat):
    put(flat / "sad" / "c.webp", 200, (30, 20), "RGB")
    shapes = {image.shape for image in read_folder(flat).pictures.read(np.arange(5))}
    assert shapes == {(4, 5), (20, 30, 3)}


def test_part_folders_give_parts(parted):
    images = read_folder(parted)
    assert images.class_names == ("x", "y")
    assert images.parts.tolist() == [0, 0, 0, 2, 2]
    assert images.row_names[-1] == "test/y/1.png"


@pytest.mark.parametrize("alias", ["val", "VALID", "validation", "PublicTest", "public_test"])
def test_validation_has_several_names(parted, alias):
    put(parted / alias / "x" / "1.png")
    put(parted / alias / "y" / "1.png")
    assert read_folder(parted).parts.tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_what_is_not_data_is_counted_or_hidden(flat):
    for name in ("sad/notes.txt", "sad/b.mp4", "sad/.hidden.png", ".git/x.png", "__MACOSX/happy.png"):
        (flat / name).parent.mkdir(exist_ok=True)
        (flat / name).write_text("x")
    put(flat / "outside.png")
    put(flat / "sad" / "more" / "deep.png")
    images = read_folder(flat)
    assert len(images) == 4
    told = " | ".join(images.warnings)
    assert "2 file(s) ignored whose extension" in told
    assert "1 picture(s) ignored that lie in no class folder" in told
    assert "1 folder(s) ignored" in told
    assert len(images.warnings) == 3


def test_a_broken_picture_is_fatal_and_says_how_to_go_on(flat):
    (flat / "sad" / "c.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"c\.png.*--on-broken skip") as caught:
        read_folder(flat)
    assert "\n" not in str(caught.value)


def test_broken_pictures_are_skipped_and_named(flat):
    (flat / "sad" / "aa.png").write_bytes(b"broken")
    (flat / "sad" / "leads-nowhere.png").symlink_to(flat / "gone.png")
    images = read_folder(flat, on_broken="skip")
    assert list(images.row_names) == ["happy/10.bmp", "happy/2.pgm", "sad/a.JPG", "sad/b.png"]
    assert len(images.labels) == len(images.pictures) == len(images.pictures.digests) == 4
    assert images.warnings == ("2 broken picture(s) left out: sad/aa.png, sad/leads-nowhere.png",)


def test_a_class_of_broken_pictures_is_an_empty_class(flat):
    for name in ("a.JPG", "b.png"):
        (flat / "sad" / name).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"no readable picture .* for the class sad"):
        read_folder(flat, on_broken="skip")


def test_folders_must_be_there(tmp_path, flat):
    with pytest.raises(MissingFileError, match="gone"):
        read_folder(tmp_path / "gone")
    with pytest.raises(DataError, match="cannot be read"):
        read_folder(flat / "sad" / "b.png")


def test_an_empty_class_is_named(flat):
    (flat / "angry").mkdir()
    with pytest.raises(DataError, match="angry has no picture"):
        read_folder(flat)
    put(flat / "angry" / "person1" / "a.png")
    with pytest.raises(DataError, match="not in folders below"):
        read_folder(flat)


def test_two_classes_are_needed(tmp_path, flat):
    with pytest.raises(DataError, match="at least two classes; class folders found: faces"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="class folders found: none"):
        read_folder(flat / "sad")


def test_train_decides_the_classes(parted):
    put(parted / "test" / "X" / "1.png")
    with pytest.raises(DataError, match=r"class 'X' stands in .*test but not in train; "):
        read_folder(parted)


def test_a_class_that_the_test_part_lacks_is_told(parted):
    put(parted / "train" / "z" / "1.png")
    assert "the test part has no picture of z" in read_folder(parted).warnings


def test_part_folders_cannot_be_mixed_with_classes(parted):
    put(parted / "sad" / "1.png")
    with pytest.raises(DataError, match=r"mixes part folders .* with others \(sad\)"):
        read_folder(parted)


def test_a_test_part_needs_a_train_part(tmp_path):
    put(tmp_path / "test" / "x" / "1.png")
    with pytest.raises(DataError, match="no folder 'train'"):
        read_folder(tmp_path)


def test_on_broken_is_checked(flat):
    with pytest.raises(ConfigError, match="did you mean 'skip'"):
        read_folder(flat, on_broken="skp")


def test_progress_counts_pictures(flat):
    calls = []
    read_folder(flat, progress=lambda *call: calls.append(call))
    assert calls == [("reading faces", 4, 4)]
