import numpy as np
import pytest

from acofer.data.fer2013 import read_fer2013
from acofer.data.ferplus import VOTE_COLUMNS, majority, read_votes
from acofer.errors import DataError, MissingFileError

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
ORDER = HEADER.lower().split(",")[2:]


def vote_row(usage="Training", **votes):
    return ",".join([usage, "", *(str(votes.get(name, 0)) for name in ORDER)])


@pytest.fixture
def votes_csv(tmp_path):
    def write(*rows):
        path = tmp_path / "fer2013new.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n")
        return path

    return write


EIGHT = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        *(({name: 6, "unknown": 4}, label) for label, name in enumerate(EIGHT)),
        ({"anger": 5, "sadness": 5}, -1),
        ({"unknown": 6, "anger": 4}, -1),
        ({"nf": 10}, -1),
        ({"unknown": 5, "fear": 5}, -1),
        ({}, -1),
    ],
)
def test_majority_or_none(votes, label):
    row = np.array([[votes.get(name, 0) for name in VOTE_COLUMNS]], np.uint8)
    assert majority(row).tolist() == [label]


def test_labels_are_paired_by_row_and_undecided_rows_dropped(fer_csv, fer_row, votes_csv):
    path = fer_csv(fer_row(0, "PublicTest", value=99), fer_row(0, "PrivateTest", value=77))
    rows = [vote_row(**{name: 9, "nf": 1}) for name in reversed(EIGHT[1:])]
    votes = votes_csv(*rows, vote_row("PublicTest", nf=10), vote_row("PrivateTest", contempt=10))
    with pytest.raises(DataError, match="no Training picture of Angry"):
        read_fer2013(path, ferplus=votes)
    path = fer_csv(fer_row(0, "PublicTest", value=99), fer_row(0, "Training", value=77))
    votes = votes_csv(*rows, vote_row("PublicTest", nf=10), vote_row(anger=10))
    images = read_fer2013(path, ferplus=votes)
    assert images.labels.tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert images.class_names[7] == "Contempt"
    assert images.pictures.read(np.array([7]))[0][0, 0] == 77
    assert images.row_names[-1] == "line 10"
    assert any("1 of 9 rows were dropped, 0 because" in warning for warning in images.warnings)


def test_both_files_must_have_the_same_rows(fer_csv, fer_row, votes_csv):
    rows = [vote_row(**{name: 9}) for name in EIGHT]
    with pytest.raises(DataError, match="it has 8, the data 7"):
        read_fer2013(fer_csv(), ferplus=votes_csv(*rows))
    with pytest.raises(DataError, match=r"line 8: .*only 6 rows"):
        read_fer2013(fer_csv(), ferplus=votes_csv(*rows[:6]))
    with pytest.raises(DataError, match=r"line 8: .*another Usage in its row 7"):
        read_fer2013(fer_csv(), ferplus=votes_csv(*rows[:6], vote_row("PublicTest", anger=9)))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (vote_row(anger="nan"), "line 3: the votes for anger .* found 'nan'"),
        (vote_row(anger=-1), "found '-1'"),
        (vote_row(nf=300), "found '300'"),
        (vote_row("Train"), "line 3: Usage must be"),
        ("Training,,1", "line 3: expected 12 fields, found 3"),
    ],
)
def test_a_bad_row_is_named_by_its_line(votes_csv, row, message):
    with pytest.raises(DataError, match=message):
        read_votes(votes_csv(vote_row(fear=1), row))


def test_a_file_must_be_there_and_hold_votes(tmp_path, votes_csv, fer_csv):
    with pytest.raises(MissingFileError, match="gone"):
        read_votes(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="no rows"):
        read_votes(votes_csv())
    with pytest.raises(DataError, match=r"line 1: .* is missing"):
        read_votes(fer_csv())
