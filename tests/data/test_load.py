import pytest
from PIL import Image

from acofer.data.load import load_faces
from acofer.errors import ConfigError, DataError, MissingFileError


@pytest.fixture
def folder(tmp_path):
    for name in ("happy", "sad"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "faces" / name / "a.png")
    return tmp_path / "faces"


def test_the_demo_is_the_default():
    pytest.importorskip("acofer.data.demo")
    assert len(load_faces().class_names) == 7


def test_a_folder_is_read(folder):
    assert load_faces(folder).class_names == ("happy", "sad")
    (folder / "sad" / "b.png").write_bytes(b"broken")
    with pytest.raises(DataError, match="--on-broken skip"):
        load_faces(str(folder))
    assert len(load_faces(folder, on_broken="skip")) == 2


def test_a_csv_is_read(fer_csv):
    assert load_faces(fer_csv()).name == "fer2013"
    assert load_faces(str(fer_csv(name="FER.CSV"))).name == "fer2013"


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(MissingFileError, match=r"no data 'dmeo'.*did you mean 'demo'"):
        load_faces("dmeo")


def test_a_missing_path_is_named(tmp_path):
    for name in ("gone", "gone.csv", "gone.zip"):
        with pytest.raises(MissingFileError, match=name):
            load_faces(tmp_path / name)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"a\.txt.* unknown kind"):
        load_faces(tmp_path / "a.txt")


def test_votes_belong_to_fer2013(folder, tmp_path):
    for source in ("demo", folder):
        with pytest.raises(ConfigError, match=r"FER\+ votes label FER2013 only"):
            load_faces(source, ferplus=tmp_path / "votes.csv")
