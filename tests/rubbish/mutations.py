"""What happens to files, and what strangers do to them: bytes, values, archives, arrays and pictures, changed.

Each function takes the content of a file and a source of chance, and returns other content. Random bytes test the
first check of a reader and no other; these changes leave most of a file as it was, so that what comes later is met too.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import sqlite3
import struct
import tempfile
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tomli_w

Change = Callable[[bytes, Random], bytes]

NUMBERS = (
    *(-1, 0, 1, 2, 3, 127, 128, 255, 256, 32_767, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**53 + 1, 2**63 - 1, 2**63),
    *(2**64, 10**12, 10**30, -(10**12), -(2**63)),
    *(0.5, -0.0, -0.5, 1.5, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf),
)
TEXTS = (
    *("", " ", "\0", "a\0b", "..", ".", "../../outside", "/etc/passwd", "C:\\x", "a/b", "~", "~nobody/x"),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "%s %n {} {0.__class__}"),
    *("[red]", "[/]", "[/red]", "$x_1$", "\\", "'", '"', ",", "a\nb", "\r", "\t", "\x1b[31m", "\x7f", "\u202e"),
    *("\u2028", "\ud800", "\U0001f600", "é" * 300, "a" * 10_000, "nan", "inf", "1e999", "-1", "0", "1", "None", "true"),
    *("1:0", "__class__", "os.system", "demo", "imagenet", "random", "auto", "forest", "ridge", "grid:99999999999"),
)
DEEP = 10_000
_PLACE = "@deep@"
_EDITS = 6
_MOST_HOLDERS = 3_000
_LONGEST = 1 << 20
"""No change makes a file longer than this from one that is not."""


class Touch:
    """What a stranger pickles: unpickled, it leaves a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def bomb(marker: Path = Path("pickle-was-run")) -> bytes:
    """Return a pickle that leaves `marker`."""
    return pickle.dumps(Touch(marker))


def steadily(change: Change) -> Change:
    """Return a change that changes bytes where a content is too far gone for it."""

    def steady(content: bytes, chance: Random) -> bytes:
        try:
            return change(content, chance)
        except Exception:  # whatever parsers and writers of ten formats raise on what others have changed before
            return changed_bytes(content, chance)

    return steady


def changed_bytes(content: bytes, chance: Random) -> bytes:
    """Flip, cut, repeat, insert and overwrite a few pieces."""
    data = bytearray(content)
    for _ in range(chance.randint(1, _EDITS)):
        start = _place(chance, len(data))
        match chance.randrange(8):
            case 0 | 1 if data:
                data[min(start, len(data) - 1)] = chance.randrange(256)
            case 2 if data:
                data[min(start, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 3:
                del data[start:]
            case 4:
                del data[start : start + chance.choice((1, 2, 4, 8, 64, 1024))]
            case 5:
                data[start:start] = _bytes(chance)
            case 6:
                piece = _bytes(chance)
                data[start : start + len(piece)] = piece
            case _:
                piece = bytes(data[start : start + chance.choice((1, 4, 16, 256))])
                data[start:start] = piece * chance.choice((1, 2, 50))
        if chance.random() < 0.3:
            break
    return bytes(data[:_LONGEST])


def _place(chance: Random, size: int) -> int:
    """Return a place in a file, oftener near its beginning or its end, where formats keep what they depend on."""
    if not size:
        return 0
    near = min(chance.choice((8, 64, 512)), size)
    return chance.choice((chance.randrange(size), chance.randrange(near), size - 1 - chance.randrange(near)))


def _bytes(chance: Random) -> bytes:
    """Return a few bytes: a number as formats write it, some text, or noise."""
    number = chance.choice([n for n in NUMBERS if isinstance(n, int)]) & (2**64 - 1)
    size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
    text = chance.choice(TEXTS)[:200].encode("utf-8", "surrogatepass")
    return chance.choice((number.to_bytes(8, order)[:size], text, chance.randbytes(size), b"\0" * 64, b"\xff" * 8))


# Values: JSON and TOML.


def odd_value(chance: Random) -> Any:
    """Return a value of some kind, seldom the right one."""
    kinds = (
        lambda: chance.choice(NUMBERS),
        lambda: chance.choice(NUMBERS),
        lambda: chance.choice(TEXTS),
        lambda: chance.choice(TEXTS),
        lambda: chance.choice((None, True, False)),
        lambda: chance.choice(([], {}, [[]], [{}], {"": None}, [[1], [1, 2]], ["a"], [None], {"a": {"a": {}}})),
        lambda: [chance.choice(NUMBERS) for _ in range(chance.choice((1, 3, 1000)))],
        lambda: {chance.choice(TEXTS): chance.choice(NUMBERS) for _ in range(3)},
    )
    return chance.choice(kinds)()


def changed_value(value: Any, chance: Random, odd: Callable[[Random], Any] = odd_value) -> Any:
    """Change a few places within nested lists and dicts; the value itself is changed in place, where it can be."""
    root = [value]
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        holders = _holders(root)
        holder = chance.choice(holders)
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        _change_at(holder, key, chance, odd)
        if not root:
            return odd(chance)
    return root[0]


def _holders(value: Any) -> list[Any]:
    """Return the lists and dicts that hold something; of long ones, those at their beginning."""
    found, waiting = [], [value]
    while waiting and len(found) < _MOST_HOLDERS:
        one = waiting.pop()
        if isinstance(one, dict | list) and one:
            found.append(one)
            waiting.extend(list(one.values() if isinstance(one, dict) else one)[:200])
    return found


def _change_at(holder: Any, key: Any, chance: Random, odd: Callable[[Random], Any]) -> None:
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice(TEXTS)] = holder.pop(key)
        case 1:
            holder[key:key] = [holder[key]] * chance.choice((1, 2, 100))
        case 2 if isinstance(holder[key], float):
            holder[key] *= chance.choice((-1, 0, 10, 0.5, 1e300))
        case 2 if isinstance(holder[key], int):
            holder[key] = holder[key] * chance.choice((-1, 0, 10)) + chance.choice((-1, 0, 1))
        case _:
            holder[key] = odd(chance)


def changed_json(content: bytes, chance: Random) -> bytes:
    """Change values, or nest something deeper than any parser likes; broken JSON has its bytes changed."""
    value = json.loads(content)
    if chance.random() < 0.1:
        return changed_bytes(content, chance)
    text = json.dumps(changed_value(value, chance, _odd_or_deep)).replace(f'"{_PLACE}"', _deep(chance)).encode()
    return text if len(text) <= _LONGEST else changed_bytes(content, chance)


def _odd_or_deep(chance: Random) -> Any:
    return _PLACE if chance.random() < 0.05 else odd_value(chance)


def _deep(chance: Random) -> str:
    """Return JSON that is legal and unkind: nested, or a number of many digits."""
    depth = chance.choice((60, 300, 900, 980, DEEP))
    lists, tables = "[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth
    return chance.choice((lists, tables, "9" * 5000, "1e999", "-1E-999", "0." + "1" * 5000))


def changed_json_lines(content: bytes, chance: Random) -> bytes:
    """Change one line of several that are JSON each."""
    lines = content.split(b"\n")
    if chance.random() < 0.2:
        return changed_lines(content, chance)
    place = chance.randrange(len(lines))
    lines[place] = changed_json(lines[place], chance)
    return b"\n".join(lines)


def changed_toml(content: bytes, chance: Random) -> bytes:
    """Change values, or the text itself where that is asked for or cannot be parsed."""
    if chance.random() < 0.3 or content.count(b".") > 2000:  # Python's parser would take seconds
        return _unkind_toml(content, chance)
    return tomli_w.dumps(changed_value(tomllib.loads(content.decode()), chance)).encode()


def _unkind_toml(content: bytes, chance: Random) -> bytes:
    depth = chance.choice((100, 900, DEEP))
    line = chance.choice(
        (
            b"x = " + b"[" * depth + b"]" * depth,
            b"x = " + b"{ a = " * depth + b"1" + b"}" * depth,
            b"x = " + b"9" * 5000,
            b".".join([b"a"] * depth) + b" = 1",
            b"[" + b".".join([b"a"] * min(depth, 900)) + b"]",
            b'x = "' + b"\\u0000" + b'"',
            b"x = 9999-99-99T99:99:99Z",
            b"x = nan",
            b"x = 0x" + b"f" * 5000,
            b"\xff\xfe",
        )
    )
    lines = content.split(b"\n")
    lines.insert(chance.randrange(len(lines) + 1), line)
    joined = b"\n".join(lines)
    return joined if chance.random() < 0.5 else changed_bytes(content, chance)


# Lines: CSV.


def changed_lines(content: bytes, chance: Random) -> bytes:
    """Change lines and fields of a table."""
    lines = content.split(b"\n")
    for _ in range(chance.choice((1, 1, 2))):
        place = chance.randrange(len(lines)) if chance.random() < 0.7 else 0
        match chance.randrange(7):
            case 0:
                lines[place:place] = [lines[place]] * chance.choice((1, 3))
            case 1 if len(lines) > 1:
                del lines[place]
            case 2:
                lines[place] = changed_bytes(lines[place], chance)
            case 3:
                lines[place] = chance.choice(
                    (b"", b",", b'"', b"\0" * 9, b"\xef\xbb\xbf", b"a" * 1_200_000, b'"a\rb",1')
                )
            case 4:
                lines[place] = _words_changed(lines[place], chance)
            case _:
                lines[place] = _fields_changed(lines[place], chance)
    if chance.random() < 0.05:
        return b"\n".join(lines).decode("latin-1").encode(chance.choice(("utf-16", "utf-32", "utf-8-sig")))
    return chance.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r")).join(lines)


def _fields_changed(line: bytes, chance: Random) -> bytes:
    fields = line.split(b",")
    place = chance.randrange(len(fields))
    text = str(odd_value(chance))[:300].encode("utf-8", "surrogatepass")
    match chance.randrange(6):
        case 0:
            fields[place] = text
        case 1:
            fields[place] = b'"' + fields[place] + chance.choice((b'"', b"", b'""', b'" '))
        case 2:
            fields.insert(place, chance.choice((b"", fields[place], b"," * 500)))
        case 3:
            del fields[place]
        case 4:
            fields[place] = b'"' + b"7 " * chance.choice((2304, 70_000)) + b'"'
        case _:
            chance.shuffle(fields)
    return b",".join(fields)


def _words_changed(line: bytes, chance: Random) -> bytes:
    """Change one of the numbers between blanks, as pixels are."""
    words = line.split(b" ")
    place = chance.randrange(len(words))
    odd = (b"256", b"-1", b"1e2", b"0256", b"", b"\t7", b"+7", "٣".encode(), b"00000000000000007", b"7.0", b"9" * 5000)
    words[place] = chance.choice(odd)
    return b" ".join(words)


# Archives: gzip, zip, npz.


def changed_gzip(inner: Change) -> Change:
    """Return what changes the content of a gzip file, or the file around it."""

    def change(content: bytes, chance: Random) -> bytes:
        choice, plain = chance.random(), gzip.decompress(content)
        if choice < 0.3 or len(plain) > _LONGEST:
            return changed_bytes(content, chance)
        if choice < 0.302:
            return gzip.compress(plain[:2000] + chance.choice((b"\n", b" ", b"0")) * (20 << 20), 1)
        packed = gzip.compress(inner(plain, chance), 1)
        return packed + chance.choice((b"", b"", b"\0" * 100, b"rest", packed))

    return change


def members_of(content: bytes) -> list[tuple[str, bytes]]:
    """Return the names and contents of a zip's members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > _LONGEST:
            return []
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_of(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of these members."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method, compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # a name twice is meant
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
    return buffer.getvalue()


def changed_zip(inner: Callable[[str, bytes, Random], bytes]) -> Change:
    """Return what changes members of a zip by `inner`, or their names, or the directory that says where they lie."""

    def change(content: bytes, chance: Random) -> bytes:
        members = members_of(content)
        if not members or chance.random() < 0.15:
            return changed_bytes(content, chance)
        place = chance.randrange(len(members))
        name, data = members[place]
        match chance.randrange(8):
            case 0:
                members[place] = (_odd_name(name, chance), data)
            case 1:
                members.insert(place, (chance.choice((name, _odd_name(name, chance))), data))
            case 2:
                del members[place]
            case _:
                members[place] = (name, inner(name, data, chance))
        method = chance.choice((zipfile.ZIP_STORED,) * 6 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        whole = zip_of(members, method)
        return _directory_changed(whole, chance) if chance.random() < 0.2 else whole

    return change


def _odd_name(name: str, chance: Random) -> str:
    outside = ("../../outside.csv", "/tmp/outside.csv", "C:\\x.csv", "a/" * 300 + "x.csv", "__MACOSX/x.csv")
    return chance.choice((*outside, name.upper(), f"x/{name}", f"{name}.csv", name.replace(".", "\0."), "", "x"))


def _directory_changed(content: bytes, chance: Random) -> bytes:
    """Overwrite a field of a zip's headers: method, flags, sizes, checksum, place."""
    data = bytearray(content)
    signature = chance.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    place = data.find(signature)
    if place < 0:
        return content
    size = chance.choice((2, 4))
    start = place + 4 + 2 * chance.randrange(20)
    number = chance.choice((0, 1, 8, 9, 12, 14, 99, 0x801, 0xFFFF, 2**31, 2**32 - 1, len(data))) % 2 ** (8 * size)
    data[start : start + size] = number.to_bytes(size, "little")
    return bytes(data)


def changed_npz(content: bytes, chance: Random) -> bytes:
    """Change arrays of an npz file, the zip around them, or their headers."""
    return changed_zip(lambda _name, data, chance: changed_npy(data, chance))(content, chance)


def changed_checkpoint(content: bytes, chance: Random) -> bytes:
    """Change the arrays of a checkpoint, or what it keeps as JSON in an array of bytes."""

    def inner(_name: str, data: bytes, chance: Random) -> bytes:
        array = np.load(io.BytesIO(data), allow_pickle=False)
        if array.dtype == np.uint8 and chance.random() < 0.8:
            return _npy_bytes(np.frombuffer(changed_json(array.tobytes(), chance), np.uint8))
        return changed_npy(data, chance)

    return changed_zip(inner)(content, chance)


DESCRIPTIONS = (
    *("|O", "<f8", ">f8", "<f4", "<f2", "<f16", "<i8", ">i8", "<i1", "<u8", "|b1", "<c8", "<c16", "<M8[ns]", "<m8[s]"),
    *("<U0", "<U1", "<U3", "<U1000000", "|S0", "|S1", "|S32", "|V0", "|V8", "<f8,<f8", "x", "", "O8", "(2,3)f4", "<G"),
)
SHAPES = (
    *((), (0,), (1,), (3,), (7, 7), (0, 10**12), (10**12,), (10**12, 10**12), (-1,), (2**63,), (2**64,), (1,) * 40),
    *((10**9, 0), (True,), (1.5,), ("a",), None, 3, (65536, 65536)),
)


def changed_npy(content: bytes, chance: Random) -> bytes:
    """Change an array in NumPy's format: its header, its values, or all of it."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    choice = chance.randrange(8)
    if choice == 0 or array.size > _LONGEST:  # of no bytes each, as empty texts
        return changed_bytes(content, chance)
    if choice == 1:
        return _npy_bytes(chance.choice((np.array([bomb()], object), np.array({"a": 1}, object))), pickled=True)
    if choice <= 3:
        return _with_values(array, chance)
    descr, shape = repr(np.lib.format.dtype_to_descr(array.dtype)), repr(array.shape)
    if choice <= 5:
        descr = chance.choice((*map(repr, DESCRIPTIONS), "[('a', '<f4'), ('a', '<f4')]", "[('a', '|O')]", "[]", "None"))
    if choice >= 5:
        shape = chance.choice(
            (*map(repr, SHAPES), "(" * 500 + ")" * 500, "(" + "-" * 5000 + "1,)", "(1" + ",1" * 4000 + ")")
        )
    order = chance.choice(("False", "False", "True", "7"))
    return npy_header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", chance) + array.tobytes()


def _with_values(array: np.ndarray, chance: Random) -> bytes:
    """Return the array with other values, or of another kind or shape."""
    odd = array.copy()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        match chance.randrange(6):
            case 0 if odd.size:
                odd.flat[chance.randrange(odd.size)] = chance.choice(NUMBERS)
            case 1 if odd.size:
                odd[...] = chance.choice(NUMBERS)
            case 2:
                odd = odd.astype(chance.choice(("f4", "f8", "i8", "u1", "c8", "U5", "S5", "?", "f2")))
            case 3:
                odd = odd.reshape(chance.choice(((-1,), (1, *odd.shape), (*odd.shape, 1))))
            case 4 if odd.ndim:
                odd = odd[: chance.randrange(len(odd) + 1)]
            case _:
                odd = np.asfortranarray(odd.T)
    return _npy_bytes(odd)


def _npy_bytes(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def npy_header(text: str, chance: Random) -> bytes:
    """Return a header of NumPy's format that says `text`, whatever it says."""
    version = chance.choice(((1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (9, 9), (0, 0)))
    said = text.encode("latin-1", "replace") + b"\n"
    length = struct.pack("<H", len(said) % 65_536) if version[0] == 1 else struct.pack("<I", len(said))
    return b"\x93NUMPY" + bytes(version) + length + said


# Pictures.

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
SIDES = (0, 1, 2, 255, 300, 1500, 30_000, 65_535)
MOST_PIXELS = 89_478_485  # Pillow's limit


def changed_picture(content: bytes, chance: Random) -> bytes:
    """Give a picture an absurd size or part, by its format; or change its bytes."""
    if chance.random() < 0.5:
        return changed_bytes(content, chance)
    width, height = chance.choice(SIDES), chance.choice(SIDES)
    if chance.random() < 0.01:
        width = chance.choice((9459, 9460))
        height = MOST_PIXELS // 9459
    if content.startswith(PNG):
        return _changed_png(content, chance, width, height)
    if content.startswith(JPEG):
        return _overwritten(content, _after(content, (b"\xff\xc0", b"\xff\xc2"), 5), struct.pack(">HH", height, width))
    if content.startswith(b"GIF8"):
        return _overwritten(
            content, chance.choice((6, _after(content, (b"\x2c",), 5))), struct.pack("<HH", width, height)
        )
    if content.startswith(b"RIFF"):
        place = _after(content, (b"VP8X",), 12)
        return _overwritten(content, place, width.to_bytes(3, "little") + height.to_bytes(3, "little"))
    if content[:2] in (b"II", b"MM"):
        return _changed_tiff(content, chance)
    if content.startswith(b"BM"):
        return _overwritten(
            content, 18, struct.pack("<ii", width * chance.choice((1, -1)), height * chance.choice((1, -1)))
        )
    if content[:1] == b"P":
        return content[:2] + f"\n{width} {height}\n{chance.choice((0, 255, 65_535, 10**9))}\n".encode() + content[11:]
    return changed_bytes(content, chance)


def _overwritten(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + piece + content[place + len(piece) :]


def _after(content: bytes, words: tuple[bytes, ...], more: int) -> int:
    """Return so many bytes after the beginning of the first of these words that is there."""
    places = [place for place in map(content.find, words) if place >= 0]
    return (places[0] if places else 0) + more


def _changed_png(content: bytes, chance: Random, width: int, height: int) -> bytes:
    """Rewrite a chunk with its checksum, so that decoders go on."""
    chunks = _png_chunks(content)
    if not chunks:
        return changed_bytes(content, chance)
    match chance.randrange(5):
        case 0 | 1:
            kinds = bytes((chance.choice((1, 2, 4, 8, 16, 77)), chance.randrange(8), 0, 0, chance.randrange(3)))
            chunks[0] = (b"IHDR", struct.pack(">II", width, height) + kinds)
        case 2:
            bomb_of = zlib.compress(b"\0" * chance.choice((1000, 70 << 20)), 1)
            kind = chance.choice((b"iCCP", b"zTXt", b"iTXt"))
            chunks.insert(1, (kind, b"x\0" + b"\0" * (4 if kind == b"iTXt" else 1) + bomb_of))
        case 3:
            kind = chance.choice((b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"IEND", b"xxxx"))
            chunks.insert(chance.randrange(len(chunks)), (kind, _bytes(chance)))
        case _:
            place = chance.randrange(len(chunks))
            chunks[place] = (chunks[place][0], changed_bytes(chunks[place][1], chance))
    return PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, place = [], len(PNG)
    while place + 8 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    return chunks


def _changed_tiff(content: bytes, chance: Random) -> bytes:
    """Overwrite the value, the count or the kind of one of the entries of a TIFF's first directory."""
    order = "<" if content[:2] == b"II" else ">"
    if len(content) < 8:
        return changed_bytes(content, chance)
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    if start + 2 > len(content):
        return changed_bytes(content, chance)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    entry = start + 2 + 12 * chance.randrange(max(1, min(count, 50)))
    number = chance.choice((0, 1, 2, 7, 257, 30_000, 65_535, 10**6, 2**31 - 1, 2**32 - 1))
    long = struct.pack(f"{order}I", number)
    kind, tag = (struct.pack(f"{order}H", one) for one in (chance.randrange(20), 256 + chance.randrange(90)))
    place, piece = chance.choice(((entry + 8, long), (entry + 4, long), (entry + 2, kind), (entry, tag)))
    return _overwritten(content, place, piece)


# Databases.

STATEMENTS = (
    "CREATE TRIGGER t AFTER INSERT ON scores BEGIN DELETE FROM scores; END",
    "CREATE TRIGGER t INSTEAD OF UPDATE ON v BEGIN SELECT load_extension('x'); END",
    "CREATE VIEW v AS SELECT * FROM scores",
    "CREATE TABLE other (a)",
    "CREATE INDEX i ON scores (numbers)",
    "DROP TABLE scores",
    "ALTER TABLE scores RENAME TO old",
    "ALTER TABLE scores ADD COLUMN more",
    "UPDATE scores SET numbers = 'text'",
    "UPDATE scores SET numbers = NULL",
    "UPDATE scores SET numbers = 1e308, checksum = -1",
    "UPDATE scores SET numbers = zeroblob(1000000)",
    "UPDATE scores SET checksum = zeroblob(32)",
    "UPDATE scores SET key = zeroblob(32)",
    "DELETE FROM scores",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 2147483647",
    "PRAGMA application_id = 7",
    "PRAGMA journal_mode = WAL",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA auto_vacuum = 1",
    "VACUUM",
)


def changed_database(content: bytes, chance: Random) -> bytes:
    """Run a statement that no program of ours runs, or change the pages' bytes."""
    if chance.random() < 0.6:
        return changed_bytes(content, chance)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memo.sqlite"
        path.write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for _ in range(chance.choice((1, 2))):
                connection.execute(chance.choice(STATEMENTS))
        return path.read_bytes()


# Other formats.


def changed_skops(content: bytes, chance: Random) -> bytes:
    """Change a model's schema, where types are named, or its arrays."""
    return _changed_with_json(_types_changed, changed_npy)(content, chance)


def _changed_with_json(of_json: Change, of_others: Change) -> Change:
    """Return what changes a zip of JSON and others; of JSON, what it means is often changed first."""

    def inner(name: str, data: bytes, chance: Random) -> bytes:
        if not name.endswith(".json"):
            return of_others(data, chance)
        return changed_json(of_json(data, chance) if chance.random() < 0.4 else data, chance)

    return changed_zip(inner)


FOREIGN = (
    *(("os", "system"), ("builtins", "eval"), ("builtins", "exec"), ("posix", "system"), ("pathlib", "Path")),
    *(("subprocess", "Popen"), ("numpy", "load"), ("sklearn.tree._tree", "Tree"), ("builtins", "dict"), ("", "")),
    *(("acofer.forest.forest", "HistForestClassifier"), ("acofer.scoring.ridge", "MomentRidgeClassifier")),
    *(("sklearn.pipeline", "Pipeline"), ("sklearn.preprocessing", "FunctionTransformer"), ("numpy", "ndarray")),
    *(("sklearn.ensemble", "RandomForestClassifier"), ("sklearn.svm", "SVC"), ("operator", "methodcaller")),
)
LOADERS = (
    *("ObjectNode", "TypeNode", "FunctionNode", "MethodNode", "PartialNode", "ReduceNode", "JsonNode", "TreeNode"),
    *("NdArrayNode", "DictNode", "ListNode", "SliceNode", "OperatorFuncNode", "RandomStateNode", "SetNode"),
)


def _types_changed(content: bytes, chance: Random) -> bytes:
    """Name another type, or another way to load it, somewhere in a skops schema."""
    value = json.loads(content)
    typed = [holder for holder in _holders(value) if isinstance(holder, dict) and "__class__" in holder]
    if not typed:
        return content
    holder = chance.choice(typed)
    if chance.random() < 0.5:
        holder["__module__"], holder["__class__"] = chance.choice(FOREIGN)
    if chance.random() < 0.5:
        holder["__loader__"] = chance.choice(LOADERS)
    return json.dumps(value).encode()


def changed_hdf5(content: bytes, chance: Random) -> bytes:
    """Overwrite numbers of eight bytes, as HDF5 writes sizes and addresses."""
    if chance.random() < 0.5 or len(content) < 8:
        return changed_bytes(content, chance)
    place = 8 * chance.randrange(len(content) // 8)
    number = chance.choice([n for n in NUMBERS if isinstance(n, int)]) & (2**64 - 1)
    return _overwritten(content, place, number.to_bytes(8, "little"))


def changed_keras(content: bytes, chance: Random) -> bytes:
    """Change a network's configuration or its weights within their zip."""
    return _changed_with_json(_layers_changed, changed_hdf5)(content, chance)


KERAS_STRANGERS = (
    {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": None},
    {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
    {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "function"},
    {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}, "registered_name": None},
    {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
    {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp"}, "registered_name": None},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}},
)


def _layers_changed(content: bytes, chance: Random) -> bytes:
    """Put something that is no layer of ours somewhere into a configuration."""
    value = json.loads(content)
    typed = [holder for holder in _holders(value) if isinstance(holder, dict) and "class_name" in holder]
    if typed:
        holder = chance.choice(typed)
        holder |= chance.choice(KERAS_STRANGERS)
    return json.dumps(value).encode()
