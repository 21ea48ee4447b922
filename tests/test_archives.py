import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from acofer.archives import ArrayHeader, read_arrays
from acofer.reading import UnreadableError

ARRAYS = {
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "none": np.zeros((0, 4), np.int16),
    "one": np.array(1.5),
    "texts": np.array(["a", "bcd"]),
    "truths": np.array([True, False]),
    "large end first": np.arange(3, dtype=">u4"),
    "a/b": np.arange(3, dtype=np.int8),
}


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def packed(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def claiming(header, content=b"\0" * 64):
    """Return an array that says `header` of itself."""
    said = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said + content


def test_arrays_come_back_as_they_went_and_are_read_only(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.f_contiguous == array.flags.f_contiguous
        assert not found[name].flags.writeable


def test_packed_arrays_need_leave(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", zeros=np.zeros(100_000))
    with pytest.raises(UnreadableError, match=r"it unpacks to 800,128 bytes, more than \d,\d+"):
        read_arrays(tmp_path / "a.npz")
    assert read_arrays(tmp_path / "a.npz", unpacked=1_000_000)["zeros"].shape == (100_000,)


class Touches:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return type(self.marker).touch, (self.marker,)


def test_objects_are_refused_and_nothing_of_them_runs(tmp_path):
    marker = tmp_path / "marker"
    bomb = npy(np.array([Touches(marker)], dtype=object), allow_pickle=True)
    pickle.loads(pickle.dumps(Touches(marker)))
    assert marker.exists()
    marker.unlink()
    with pytest.raises(UnreadableError, match="something else than plain arrays"):
        read_arrays(packed(tmp_path / "a.npz", {"a.npy": bomb}))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("descr", "shape"),
    [
        ("'<f8'", "(1000000000000,)"),  # NumPy asked for 7 TiB
        ("'<f8'", "(" + "9" * 30 + ",)"),  # and raised an OverflowError
        ("'<f8'", "(7,)"),
        ("'<f8'", "(-8,)"),
        ("'<f8'", "((8,),)"),
        ("'<f8'", "8"),
        ("'<f8'", "(" + "-" * 90 + "1,)"),  # NumPy evaluates the header: a RecursionError
        ("'<U0'", "(1000000000000,)"),  # takes no room: a list of its texts would take 50 TB
        ("'|V8'", "(8,)"),
        ("'<M8[s]'", "(8,)"),
        ("'<f3'", "(8,)"),
        ("[('a', '<f8')]", "(8,)"),
        ("'|O'", "(8,)"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, descr, shape):
    content = claiming(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")
    with pytest.raises(UnreadableError):
        read_arrays(packed(tmp_path / "a.npz", {"a.npy": content}))


def test_a_header_is_read_as_numpy_writes_it():
    content = npy(np.zeros((3, 4), np.float16))
    header = ArrayHeader.read(content[:200])
    assert (header.dtype, header.shape, header.order) == (np.dtype("<f2"), (3, 4), "C")
    assert header.length + header.nbytes == len(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_packing_are_refused(tmp_path, method):
    with pytest.raises(UnreadableError, match="packed by another method"):
        read_arrays(packed(tmp_path / "a.npz", {"a.npy": npy(np.zeros(9))}, method))


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """A thousand names for one place in the file: each is as long as the file, and together they are a bomb."""
    path = packed(tmp_path / "a.npz", {"a.npy": npy(np.zeros(10_000))})
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry, tail = content[start:end], bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, 1000, 1000, 1000 * len(entry))
    path.write_bytes(content[:start] + 1000 * entry + tail)
    with pytest.raises(UnreadableError, match="it unpacks to 80,128,000 bytes"):
        read_arrays(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_cut_file_is_refused(tmp_path, share):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UnreadableError) as caught:
        read_arrays(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_every_byte_may_be_another(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3), b=np.array(["x"]))
    whole = (tmp_path / "a.npz").read_bytes()
    refused = 0
    for place in range(len(whole)):
        for value in (0, 255, whole[place] ^ 1):
            (tmp_path / "a.npz").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                read_arrays(tmp_path / "a.npz")
            except UnreadableError:
                refused += 1
    assert refused > len(whole)


def test_no_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "gone.npz")
