import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from acofer.data.pictures import ArrayPictures, FilePictures, picture_digest, read_picture
from acofer.errors import DataError, MissingFileError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def saved(tmp_path, image, name="a.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_array_pictures_are_read_only_views():
    images = np.zeros((3, 4, 5), np.uint8)
    pictures = ArrayPictures(images)
    assert len(pictures) == 3
    (one,) = pictures.read(np.array([1]))
    assert one.shape == (4, 5)
    assert np.shares_memory(one, images)
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 1
    assert images.flags.writeable, "the caller's array must stay as it was"


def test_array_pictures_keep_the_order_asked_for():
    pictures = ArrayPictures(np.arange(4, dtype=np.uint8)[:, None, None] + np.zeros((1, 2, 2), np.uint8))
    assert [int(image[0, 0]) for image in pictures.read(np.array([3, 0, 3]))] == [3, 0, 3]


@pytest.mark.parametrize("bad", [np.zeros((2, 3, 3)), np.zeros((2, 3), np.uint8), np.zeros((2, 3, 3, 4), np.uint8)])
def test_array_pictures_refuse_other_arrays(bad):
    with pytest.raises(DataError, match="uint8 array of shape"):
        ArrayPictures(bad)


def test_digests_tell_shape_and_pixels_apart():
    square, flat = np.zeros((6, 6), np.uint8), np.zeros((4, 9), np.uint8)
    changed = square.copy()
    changed[5, 5] = 1
    digests = {picture_digest(image) for image in (square, flat, changed, square[..., None].repeat(3, 2))}
    assert len(digests) == 4
    assert all(len(digest) == 32 for digest in digests)
    assert picture_digest(square.T) == picture_digest(square.copy())


def test_digests_are_the_same_in_memory_and_in_a_file(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREY))
    digests = FilePictures([path]).digests
    assert digests.dtype == np.dtype("S32")
    assert digests[0] == ArrayPictures(GREY[None]).digests[0]


def test_file_pictures_trust_given_digests_and_check_their_number(tmp_path):
    pictures = FilePictures([tmp_path / "never-opened.png"], [b"0" * 32])
    assert pictures.digests[0] == b"0" * 32
    with pytest.raises(DataError, match="one digest a picture"):
        FilePictures(["a", "b"], [b"0" * 32])


def test_grey_stays_grey_and_colour_colour(tmp_path):
    np.testing.assert_array_equal(read_picture(saved(tmp_path, Image.fromarray(GREY))), GREY)
    colour = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, Image.fromarray(colour))), colour)


def test_palette_becomes_colour_or_grey(tmp_path):
    colour = Image.new("RGB", (2, 1), (255, 0, 0)).convert("P")
    np.testing.assert_array_equal(read_picture(saved(tmp_path, colour)), [[[255, 0, 0]] * 2])
    grey = Image.fromarray(GREY).convert("RGB").quantize(256)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, grey)), GREY)


def test_transparency_is_laid_on_white(tmp_path):
    hidden = Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    assert (read_picture(saved(tmp_path, hidden)) == 255).all()
    solid = Image.new("RGBA", (2, 2), (10, 20, 30, 255))
    assert (read_picture(saved(tmp_path, solid)) == (10, 20, 30)).all()
    grey = Image.new("LA", (2, 2), (40, 255))
    np.testing.assert_array_equal(read_picture(saved(tmp_path, grey)), np.full((2, 2), 40))


def test_cmyk_becomes_rgb(tmp_path):
    image = read_picture(saved(tmp_path, Image.new("CMYK", (2, 2), (0, 0, 0, 255)), "a.tif"))
    assert image.shape == (2, 2, 3)
    assert (image == 0).all()


def test_one_bit_becomes_0_and_255(tmp_path):
    bits = Image.fromarray(GREY > 100)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, bits)), np.where(GREY > 100, 255, 0))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, name):
    wide = Image.fromarray(np.array([[0, 256, 257, 32_896, 65_535]], np.uint16))
    np.testing.assert_array_equal(read_picture(saved(tmp_path, wide, name)), [[0, 0, 1, 128, 255]])


def test_unknown_ranges_are_refused(tmp_path):
    with pytest.raises(DataError, match="8 bits"):
        read_picture(saved(tmp_path, Image.fromarray(np.ones((2, 2), np.float32)), "a.tif"))
    with pytest.raises(DataError, match="8 bits"):
        read_picture(saved(tmp_path, Image.fromarray(np.full((2, 2), 70_000, np.int32)), "b.tif"))


def test_exif_orientation_is_honoured(tmp_path):
    image = Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    np.testing.assert_array_equal(read_picture(saved(tmp_path, image, exif=exif)), np.rot90(GREY, 3))


def test_the_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("L", (3, 2), shade) for shade in (50, 200)]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_picture(path), np.full((2, 3), 50))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.png"):
        FilePictures([tmp_path / "gone.png"]).read(np.array([0]))


def test_a_cut_picture_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"a\.png.* cannot be read"):
        read_picture(path)


def test_text_is_not_a_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("hello")
    with pytest.raises(DataError, match="not a picture in a known format"):
        read_picture(path)


def png_of(width, height):
    """Return a PNG whose header promises a size and whose data is nearly empty."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_refused(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(side, side))
    with pytest.raises(DataError, match=r"bomb\.png.*(limit|bomb)"):
        read_picture(path)
