import gzip
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acofer.data.fer2013 import PIXELS, parse_pixels, read_fer2013
from acofer.errors import DataError, MissingFileError


def plain_parse(field):
    """Parse pixels word by word: the slow twin of `parse_pixels`."""
    words = field.split()
    if len(words) != PIXELS or not all(word.isdigit() and int(word) <= 255 for word in words):
        return None
    return bytes(int(word) for word in words)


def parsed_or_none(field):
    try:
        return parse_pixels(field)
    except DataError:
        return None


def test_reads_pixels_labels_and_parts(fer_csv, fer_row):
    path = fer_csv(fer_row(3, "PublicTest", value=255), fer_row(6, "PrivateTest", value=10))
    images = read_fer2013(path)
    assert len(images) == 9
    assert images.labels.dtype == np.int16
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 3, 6]
    assert images.parts.tolist() == [0] * 7 + [1, 2]
    assert images.class_names == ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    (one,) = images.pictures.read(np.array([7]))
    np.testing.assert_array_equal(one, np.full((48, 48), 255))
    assert images.row_names[7] == "line 9"


def test_pixels_lie_row_by_row(fer_csv):
    values = np.random.default_rng(0).integers(0, 256, PIXELS, dtype=np.uint8)
    path = fer_csv(f"0,{' '.join(map(str, values))},Training")
    np.testing.assert_array_equal(read_fer2013(path).pictures.read(np.array([7]))[0], values.reshape(48, 48))


def test_reads_the_icml_layout(tmp_path, fer_row):
    rows = [fer_row(label).split(",") for label in range(7)]
    path = tmp_path / "icml_face_data.csv"
    path.write_text("emotion, Usage, pixels\n" + "\n".join(f"{a},{c},{b}" for a, b, c in rows))
    assert read_fer2013(path).labels.tolist() == list(range(7))


def test_accepts_quotes_crlf_byte_order_mark_blank_ends_and_further_columns(tmp_path, fer_row):
    rows = [fer_row(label).split(",") for label in range(7)]
    lines = ["\ufeff,emotion,pixels,Usage", *(f'{i},"{a}","{b}",{c}' for i, (a, b, c) in enumerate(rows)), "", " ", ""]
    path = tmp_path / "a.csv"
    path.write_bytes("\r\n".join(lines).encode())
    assert read_fer2013(path).labels.tolist() == list(range(7))


def test_reads_gzip_whatever_its_name(fer_csv, tmp_path):
    content = fer_csv().read_bytes()
    for name in ("a.csv.gz", "b.csv"):
        (tmp_path / name).write_bytes(gzip.compress(content))
        assert len(read_fer2013(tmp_path / name)) == 7


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", content)
    return path


def test_reads_the_one_csv_of_a_zip_or_the_known_one(fer_csv, tmp_path):
    content = fer_csv().read_bytes()
    assert len(read_fer2013(zipped(tmp_path / "a.zip", anything=content))) == 7
    assert len(read_fer2013(zipped(tmp_path / "b.zip", data__fer2013=content, test="pixels"))) == 7


def test_a_zip_must_be_clear(fer_csv, tmp_path):
    content = fer_csv().read_bytes()
    with pytest.raises(DataError, match=r"found: one\.csv, two\.csv"):
        read_fer2013(zipped(tmp_path / "a.zip", one=content, two=content))
    with pytest.raises(DataError, match="found: none"):
        read_fer2013(zipped(tmp_path / "b.zip"))


def test_warns_of_other_part_sizes(fer_csv):
    (warning,) = read_fer2013(fer_csv()).warnings
    assert "28,709 / 3,589 / 3,589" in warning
    assert "7 / 0 / 0" in warning


def test_reports_progress_in_bytes(fer_csv):
    path, calls = fer_csv(), []
    read_fer2013(path, progress=lambda *call: calls.append(call))
    size = path.stat().st_size
    assert calls[-1] == ("reading fer2013.csv", size, size)


def bad_rows():
    pixels = " ".join(["7"] * PIXELS)
    yield "2303 pixels", f"0,{pixels[2:]},Training", "expected 2,304 pixels .48x48., found 2,303"
    yield "2305 pixels", f"0,7 {pixels},Training", "found 2,305"
    yield "no pixels", "0,,Training", "found 0"
    yield "pixel 256", f"0,256{pixels[1:]},Training", "pixel 1 must be an integer 0..255, found '256'"
    yield "pixel 1000", f"0,1000{pixels[1:]},Training", "found '1000'"
    yield "pixel -1", f"0,{pixels[:-1]}-1,Training", "pixel 2304 .* found '-1'"
    yield "pixel 1.5", f"0,1.5{pixels[1:]},Training", "found '1.5'"
    yield "pixel nan", f"0,nan{pixels[1:]},Training", "found 'nan'"
    yield "huge pixel", f"0,{'0' * 30}9{pixels[1:]},Training", "pixel 1 must be"
    yield "label 9", f"9,{pixels},Training", r"label must be an integer 0\.\.6, found '9'"
    yield "label nan", f"NaN,{pixels},Training", "found 'NaN'"
    yield "label -1", f"-1,{pixels},Training", "found '-1'"
    yield "no label", f",{pixels},Training", "found ''"
    yield "usage", f"0,{pixels},Trainin", "found 'Trainin'; did you mean 'Training'"
    yield "no usage", f"0,{pixels},", "Usage must be"
    yield "two fields", f"0,{pixels}", "expected 3 fields .*, found 2"
    yield "four fields", f"0,{pixels},Training,1", "found 4"
    yield "not text", "\x00\x01\x02", "expected 3 fields"


@pytest.mark.parametrize(("row", "message"), [pytest.param(row, m, id=name) for name, row, m in bad_rows()])
def test_a_bad_row_is_named_by_its_line(fer_csv, fer_row, row, message):
    with pytest.raises(DataError, match=f"fer2013.csv, line 9: .*{message}") as caught:
        read_fer2013(fer_csv(row, fer_row()))
    assert "\n" not in str(caught.value)
    assert "cut" not in str(caught.value), "the line has an end: the file is wrong, not cut"


@pytest.mark.parametrize("keep", [-300, 20, 1, -3])
def test_a_file_cut_inside_a_row_says_so(fer_csv, fer_row, keep):
    path = fer_csv(fer_row()[:keep], end="")
    with pytest.raises(DataError, match=r"line 9: .*the file ends inside this line, so it may have been cut"):
        read_fer2013(path)


def test_a_cut_or_damaged_gzip_says_how_far_it_came(fer_csv, fer_row, tmp_path):
    rng = np.random.default_rng(0)
    noise = [f"0,{' '.join(map(str, rng.integers(0, 256, PIXELS)))},Training" for _ in range(30)]
    packed = gzip.compress(fer_csv(*noise).read_bytes())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"damaged or cut after line \d+"):
        read_fer2013(path)
    path.write_bytes(packed[:-4] + b"0000")
    with pytest.raises(DataError, match="damaged or cut"):
        read_fer2013(path)


def test_a_cut_zip_is_refused(fer_csv, tmp_path):
    path = zipped(tmp_path / "a.zip", one=fer_csv().read_bytes())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="damaged or cut at its beginning"):
        read_fer2013(path)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_plain_text_under_a_packed_name_is_refused(fer_csv, name):
    with pytest.raises(DataError, match="damaged or cut"):
        read_fer2013(fer_csv(name=name))


def test_a_tar_archive_is_to_be_unpacked(tmp_path):
    path = tmp_path / "fer2013.tar.gz"
    path.write_bytes(gzip.compress(b"fer2013/fer2013.csv" + b"\0" * 512))
    with pytest.raises(DataError, match="unpack it"):
        read_fer2013(path)


def test_columns_must_be_there(fer_csv):
    with pytest.raises(DataError, match=r"line 1: .*usage is missing; found: emotion, pixels"):
        read_fer2013(fer_csv(header="emotion,pixels"))


def test_an_empty_file_a_header_alone_and_no_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read_fer2013(path)
    path.write_text("emotion,pixels,Usage\n\n")
    with pytest.raises(DataError, match="no rows"):
        read_fer2013(path)
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DataError, match=r"a\.csv, line 1: this is not text"):
        read_fer2013(path)
    path.write_bytes(b"x" * (2 << 20))
    with pytest.raises(DataError, match="line 1: it has more than"):
        read_fer2013(path)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.csv"):
        read_fer2013(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_fer2013(tmp_path)


def test_every_class_needs_training_pictures(tmp_path, fer_row):
    path = tmp_path / "a.csv"
    rows = [fer_row(label, "PublicTest" if label in (1, 4) else "Training") for label in range(7)]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]))
    with pytest.raises(DataError, match="no Training picture of Disgust, Sad"):
        read_fer2013(path)
    path.write_text("\n".join(["emotion,pixels,Usage", fer_row(0, "PublicTest")]))
    with pytest.raises(DataError, match="no Training rows"):
        read_fer2013(path)


def test_every_grey_value_is_parsed_alike():
    values = np.random.default_rng(0).permutation(np.resize(np.arange(256, dtype=np.uint8), PIXELS))
    field = " ".join(map(str, values)).encode()
    assert parse_pixels(field) == values.tobytes()
    assert parse_pixels(b" " + field.replace(b" ", b"  ") + b"\t") == values.tobytes()


ODD_WORDS = st.sampled_from(
    ["007", "0255", "256", "299", "300", "999", "1000", "00000001", "-1", "+1", "1.0", "x", "é"]
)
GAPS = st.sampled_from([" ", "  ", "\t", ""])


@given(
    changes=st.lists(
        st.tuples(st.integers(0, PIXELS - 1), st.one_of(ODD_WORDS, st.integers(0, 300).map(str))), max_size=3
    ),
    gap=GAPS,
    at=st.integers(1, PIXELS - 1),
    seed=st.integers(0, 9),
)
def test_parsing_agrees_with_its_slow_twin(changes, gap, at, seed):
    words = [str(value) for value in np.random.default_rng(seed).integers(0, 256, PIXELS)]
    for place, word in changes:
        words[place] = word
    field = (" ".join(words[:at]) + gap + " ".join(words[at:])).encode()
    assert parsed_or_none(field) == plain_parse(field)
