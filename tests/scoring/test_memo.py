import dataclasses
import hashlib
import math
import multiprocessing
import os
import pickle
import sqlite3
import threading
import time
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acofer.records import SubsetScore
from acofer.scoring import memo as memo_module
from acofer.scoring.memo import MemoState, ScoreMemo, context_digest, memo_state

CONTEXT = context_digest(data="drawn", seed=0)


def score_of(seed, **changes):
    rng = np.random.default_rng(seed)
    utilities = rng.normal(size=10)
    score = SubsetScore(
        indices=np.flatnonzero(rng.random(50) < 0.3).astype(np.int32),
        utility=-float(utilities.mean()) / 3,
        value=float(utilities.mean()) / 3,
        fold_utilities=utilities,
        standard_error=float(rng.random()),
        seconds=float(rng.random()),
        trees=(None, 30)[seed % 2],
    )
    return dataclasses.replace(score, **changes)


def same(a, b):
    """Whether two scores agree in every field, floats bit by bit."""
    for field in dataclasses.fields(SubsetScore):
        one, other = (np.asarray(getattr(score, field.name)) for score in (a, b))
        if one.dtype != other.dtype or one.shape != other.shape or one.tobytes() != other.tobytes():
            return False
    return True


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "scores.sqlite"


def filled(path, n=3, trees=30):
    scores = [score_of(seed) for seed in range(n)]
    with ScoreMemo(path, CONTEXT) as memo:
        for score in scores:
            memo.put(score, trees)
    return scores


def use_in_vain(memo):
    for seed in range(3):
        assert memo.get(score_of(seed).indices, 30) is None
        memo.put(score_of(seed), 30)
    assert (memo.hits, memo.misses) == (0, 3)


def warning_of(path, use=use_in_vain):
    """Open a memo and use it; return the one line that warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ScoreMemo(path, CONTEXT) as memo:
            use(memo)
    assert [warning.filename for warning in caught] == [__file__]
    text = str(caught[0].message)
    assert text.startswith(f"scores are not remembered in {path} (")
    assert "; the run goes on without; " in text
    assert "\n" not in text
    return text


def test_what_was_put_comes_back_bit_by_bit_in_a_later_run(path):
    scores = filled(path)
    with ScoreMemo(path, CONTEXT) as memo:
        assert all(same(memo.get(score.indices, 30), score) for score in scores)
        assert (memo.hits, memo.misses) == (3, 0)


@given(
    numbers=st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2),
    error=st.just(math.nan) | st.floats(0, 1e300),
    folds=hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(allow_infinity=False)),
    indices=st.sets(st.integers(0, 2**31 - 1)),
)
def test_any_floats_come_back_bit_by_bit(tmp_path_factory, numbers, error, folds, indices):
    chosen = np.array(sorted(indices), dtype=np.int32)
    score = score_of(
        0, indices=chosen, utility=numbers[0], value=numbers[1], fold_utilities=folds, standard_error=error
    )
    with ScoreMemo(tmp_path_factory.getbasetemp() / "any.sqlite", CONTEXT) as memo:
        memo.put(score, 30)
        assert same(memo.get(chosen, 30), score)


def test_every_field_of_a_score_is_kept():
    # One that is added has to be kept, too, under a new version.
    kept = ["indices", "utility", "value", "fold_utilities", "standard_error", "seconds", "trees"]
    assert [field.name for field in dataclasses.fields(SubsetScore)] == [*kept, "is_estimate"]


def test_other_context_other_trees_other_subset_are_misses(path):
    score = filled(path)[0]
    with ScoreMemo(path, CONTEXT) as memo:
        assert memo.get(score.indices, 90) is None
        assert memo.get(score.indices[:-1], 30) is None
        assert memo.get(np.delete(np.arange(50, dtype=np.int32), score.indices), 30) is None
        assert (memo.hits, memo.misses) == (0, 3)
    with ScoreMemo(path, context_digest(data="drawn", seed=1)) as other:
        assert other.get(score.indices, 30) is None


def test_trees_are_remembered_apart(path):
    few, many = score_of(0), score_of(0, utility=0.5)
    with ScoreMemo(path, CONTEXT) as memo:
        memo.put(few, 10)
        memo.put(many, 30)
        assert same(memo.get(few.indices, 10), few)
        assert same(memo.get(few.indices, 30), many)


def test_the_found_arrays_belong_to_the_caller(path):
    score = filled(path)[0]
    asked = score.indices.copy()
    with ScoreMemo(path, CONTEXT) as memo:
        found = memo.get(asked, 30)
        asked[:] = found.fold_utilities[:] = 0
        assert np.array_equal(found.indices, score.indices)
        assert same(memo.get(score.indices, 30), score)


@pytest.mark.parametrize(
    "changes",
    [
        {"utility": math.nan},
        {"value": math.inf},
        {"seconds": math.nan},
        {"seconds": -1.0},
        {"trees": 0},
        {"is_estimate": True},
        {"standard_error": -1.0},
        {"fold_utilities": np.array([0.5, -math.inf])},
        {"fold_utilities": np.empty(0)},
    ],
)
def test_an_estimate_or_a_score_that_is_none_is_not_remembered(path, changes):
    score = score_of(0, **changes)
    with ScoreMemo(path, CONTEXT) as memo:
        memo.put(score, 30)
        assert memo.get(score.indices, 30) is None


def run_all(workers):
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)


def put_many(path, first, barrier):
    scores = [score_of(seed) for seed in range(first, first + 40)]
    warnings.simplefilter("error")
    barrier.wait(timeout=60)
    with ScoreMemo(path, CONTEXT) as memo:
        threads = [
            threading.Thread(target=lambda part=part: [memo.put(score, 30) for score in scores[part::4]])
            for part in range(4)
        ]
        run_all(threads)


def test_processes_and_threads_that_write_at_once_lose_nothing(path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=put_many, args=(path, first, barrier)) for first in (0, 30)]
    run_all(processes)
    assert [process.exitcode for process in processes] == [0, 0]
    with ScoreMemo(path, CONTEXT) as memo:
        assert all(same(memo.get(score.indices, 30), score) for score in map(score_of, range(70)))


def test_all_who_find_no_file_at_once_share_the_one_that_is_made(tmp_path):
    for trial in range(10):
        barrier, memos = threading.Barrier(8), []

        def open_one(path=tmp_path / f"{trial}.sqlite", barrier=barrier, memos=memos):
            barrier.wait(timeout=60)
            memos.append(ScoreMemo(path, CONTEXT))

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run_all([threading.Thread(target=open_one) for _ in range(8)])
        for seed, memo in enumerate(memos):
            memo.put(score_of(seed), 30)
        assert all(same(memo.get(score_of(seed).indices, 30), score_of(seed)) for memo in memos for seed in range(8))
        for memo in memos:
            memo.close()


def test_threads_count_every_hit_and_miss(path):
    scores = [*filled(path), score_of(99)]
    with ScoreMemo(path, CONTEXT) as memo:
        threads = [
            threading.Thread(target=lambda: [memo.get(s.indices, 30) for _ in range(50) for s in scores])
            for _ in range(4)
        ]
        run_all(threads)
        assert (memo.hits, memo.misses) == (600, 200)


def test_a_memo_can_be_sent_to_another_process(path):
    score = filled(path)[0]
    with ScoreMemo(path, CONTEXT) as memo, pickle.loads(pickle.dumps(memo)) as sent:
        assert same(sent.get(score.indices, 30), score)
        assert (memo.hits, sent.hits) == (0, 1)


def test_a_closed_memo_is_silent(path):
    score = filled(path)[0]
    memo = ScoreMemo(path, CONTEXT)
    memo.close()
    memo.close()
    memo.put(score, 90)
    assert memo.get(score.indices, 30) is None


def make_foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()


def make_later_version(path):
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()


def make_with_trigger(path):
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON scores BEGIN DELETE FROM scores; END")
    connection.close()


def make_head_damaged(path):
    filled(path)
    path.write_bytes(b"rubbish" + path.read_bytes()[7:])


UNUSABLE = {
    "no database": (lambda path: path.write_bytes(b"songs, not scores\n" * 500), "move it away, and a new one is made"),
    "head damaged": (make_head_damaged, "move it away, and a new one is made"),
    "another program's": (make_foreign, "name another file"),
    "a later version": (make_later_version, "name another file"),
    "more in it than scores": (make_with_trigger, "name another file"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_file_that_is_not_ours_is_left_alone(path, kind):
    make, remedy = UNUSABLE[kind]
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    assert warning_of(path).endswith(remedy)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_its_place(path):
    path.mkdir(parents=True)
    assert warning_of(path).endswith("writable")


def test_a_file_in_place_of_its_folder(path):
    path.parent.write_text("a file")
    assert warning_of(path).endswith("name another file")


def test_an_empty_file_is_taken(path):
    path.parent.mkdir()
    path.touch()
    score = filled(path)[0]
    with ScoreMemo(path, CONTEXT) as memo:
        assert same(memo.get(score.indices, 30), score)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_gives_what_it_has_at_most(path, share):
    scores = filled(path, n=200)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    def use(memo):
        found = [memo.get(score.indices, 30) for score in scores]
        assert all(f is None or same(f, score) for f, score in zip(found, scores, strict=True))
        assert None in found
        for score in scores:
            memo.put(score, 90)

    assert warning_of(path, use).endswith("move it away, and a new one is made")


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_never_change_a_score(path, seed):
    scores = filled(path, n=40)
    content, rng = np.frombuffer(path.read_bytes(), np.uint8).copy(), np.random.default_rng(seed)
    content[rng.integers(0, len(content), 200)] ^= rng.integers(1, 256, 200).astype(np.uint8)
    path.write_bytes(content.tobytes())
    with warnings.catch_warnings(record=True) as caught, ScoreMemo(path, CONTEXT) as memo:
        warnings.simplefilter("always")
        found = [memo.get(score.indices, 30) for score in scores]
    assert all(f is None or same(f, score) for f, score in zip(found, scores, strict=True))
    assert None in found
    assert len(caught) <= 1


RUBBISH = [None, 7, 0.5, "text", b"", b"odd", bytes(32), bytes(48), b"\xff" * 112]
"""What stands where numbers should; the bytes get checksums that fit."""


def put_rubbish(path, keys):
    with sqlite3.connect(path) as connection:
        for key, rubbish in zip(keys, RUBBISH, strict=True):
            connection.execute("UPDATE scores SET numbers = ? WHERE key = ?", (rubbish, key))
            if isinstance(rubbish, bytes):
                checksum = memo_module._checksum(key, rubbish)
                connection.execute("UPDATE scores SET checksum = ? WHERE key = ?", (checksum, key))
        no_text = "UPDATE scores SET numbers = CAST(? AS TEXT), checksum = 1 WHERE key = ?"
        connection.execute(no_text, (b"\xff\xfe", keys[0]))
    connection.close()


def test_rubbish_rows_are_misses_and_are_written_over(path):
    scores = filled(path, n=len(RUBBISH))
    with ScoreMemo(path, CONTEXT) as memo:
        put_rubbish(path, [memo._key(score.indices, 30) for score in scores])
        assert [memo.get(score.indices, 30) for score in scores] == [None] * len(RUBBISH)
        for score in scores:
            memo.put(score, 30)
        assert all(same(memo.get(score.indices, 30), score) for score in scores)


def test_a_row_under_the_key_of_another_is_a_miss(path):
    one, other = filled(path, n=2)
    with ScoreMemo(path, CONTEXT) as memo:
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM scores WHERE key = ?", (memo._key(other.indices, 30),))
            connection.execute("UPDATE scores SET key = ?", (memo._key(other.indices, 30),))
        connection.close()
        assert memo.get(one.indices, 30) is None
        assert memo.get(other.indices, 30) is None


def test_a_table_that_is_lost_meanwhile(path):
    scores = filled(path)

    def use(memo):
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE scores")
        connection.close()
        assert [memo.get(score.indices, 30) for score in scores] == [None] * 3
        memo.put(scores[0], 90)

    assert "no such table" in warning_of(path, use)


@pytest.fixture
def holder(path, monkeypatch):
    """Another program that has the file open; nobody waits long for it."""
    monkeypatch.setattr(memo_module, "WAIT_SECONDS", 0.05)
    filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def test_a_file_that_another_program_holds(path, holder):
    holder.execute("BEGIN EXCLUSIVE")
    assert warning_of(path).endswith("close the program that holds it")


def read_and_put(memo):
    for score in map(score_of, range(3)):
        memo.put(score, 90)
        assert same(memo.get(score.indices, 30), score)
        assert memo.get(score.indices, 90) is None


def test_a_file_that_another_program_reads_without_end_is_still_read(path, holder):
    holder.execute("BEGIN")
    holder.execute("SELECT * FROM scores").fetchone()
    assert warning_of(path, read_and_put).endswith("close the program that holds it")


def test_who_once_waited_in_vain_waits_and_warns_no_more(path, holder):
    def use(memo):
        holder.execute("BEGIN")
        holder.execute("SELECT * FROM scores").fetchone()
        memo.put(score_of(7), 30)
        holder.execute("COMMIT")
        memo.put(score_of(8), 30)  # would be possible again, but each try may wait
        assert memo.get(score_of(8).indices, 30) is None
        holder.execute("BEGIN EXCLUSIVE")
        assert memo.get(score_of(0).indices, 30) is None
        holder.execute("COMMIT")
        assert memo.get(score_of(0).indices, 30) is None

    assert warning_of(path, use).endswith("close the program that holds it")


def test_a_folder_that_is_read_only(path):
    filled(path)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    if os.access(path.parent, os.W_OK):
        pytest.skip("this user, e.g. root, writes anyway")
    try:
        assert warning_of(path, read_and_put).endswith("writable")
        assert warning_of(path.with_name("new.sqlite")).endswith("writable")
        assert warning_of(path.parent / "below" / "new.sqlite").endswith("name another file")
    finally:
        path.parent.chmod(0o755)


def test_nothing_read_can_run_code():
    source = Path(memo_module.__file__).read_text(encoding="utf-8")
    assert not any(word in source for word in ("pickle", "eval(", "exec(", "np.load", "literal_eval", "marshal"))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
PARTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def outline(value):
    """The slow twin: equal for two values if, and only if, their digests should be."""
    match value:
        case list() | tuple():
            return ("list", tuple(outline(item) for item in value))
        case dict():
            return ("dict", frozenset((outline(key), outline(item)) for key, item in value.items()))
        case np.ndarray():
            return ("array", value.dtype.str, value.shape, value.tobytes())
        case float():
            return ("float", np.float64(value).tobytes())
        case _:
            return (type(value).__name__, value)


@given(PARTS, PARTS)
def test_digests_are_equal_where_the_parts_are(one, other):
    assert (context_digest(part=one) == context_digest(part=other)) == (outline(one) == outline(other))
    assert context_digest(part=one) == context_digest(part=pickle.loads(pickle.dumps(one)))


NEAR = [
    None, True, False, 1, 0, -1, 1.0, 0.0, -0.0, math.nan, "1", "1.0", "True", "None", "", [], {}, [[]], [1], ["1"],
    [1, [2]], [1, 2], [[1], 2], ["ab"], ["a", "b"], ["a", "b;"], {"a": 1}, {"a": "1"}, {1: 1}, {"1": 1},
    {"a": {"b": 1}}, {"a": 1, "b": 1}, "int 1;", np.array(1), np.array([1]), np.array([1], np.int32), np.array([1.0]),
    np.array([[1]]), np.array(["1"]), np.zeros(0), np.zeros((0, 2)), np.zeros((2, 0)), np.array([1], ">i8"),
    np.array([True]), np.array([1], "M8[s]"), np.array([1], "M8[D]"),
]  # fmt: skip


def test_what_is_nearly_equal_has_another_digest():
    assert len({context_digest(part=part) for part in NEAR}) == len(NEAR)
    assert context_digest(a=1) != context_digest(b=1) != context_digest()


def test_order_of_keys_and_kind_of_sequence_do_not_count():
    assert context_digest(a=1, b=[1, {"c": 2, "d": 3}]) == context_digest(b=(1, {"d": 3, "c": 2}), a=1)
    assert context_digest(a=np.float64(0.1)) == context_digest(a=0.1)


@given(hnp.arrays(st.sampled_from(["f4", "f8", "i4", "u1", "c16", "?", "U2", "M8[s]"]), hnp.array_shapes(max_dims=3)))
def test_order_in_memory_does_not_count(array):
    expected = context_digest(part=array)
    strided = np.repeat(array, 2, axis=-1)[..., ::2]
    assert context_digest(part=np.asfortranarray(array)) == context_digest(part=strided) == expected


def test_large_arrays_are_digested_in_pieces(monkeypatch):
    array = np.asfortranarray(np.random.default_rng(0).normal(size=(37, 5)))
    whole = context_digest(part=array)
    for size in (1, 40, 41, 100, 1000):
        monkeypatch.setattr(memo_module, "CHUNK_BYTES", size)
        assert context_digest(part=array) == whole
    changed = array.copy()
    changed[-1, -1] += 1
    assert context_digest(part=changed) != whole


STRANGE = [
    b"bytes",
    {1, 2},
    object(),
    1j,
    np.int64(1),
    Path("file"),
    print,
    np.array([object()]),
    np.zeros(2, np.longdouble),
    np.zeros(2, "i4,f8"),
    np.ma.masked_array([1, 2], [True, False]),
]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda part: type(part).__name__)
def test_anything_else_is_refused(strange):
    for part in (strange, [strange], {"a": (strange,)}):
        with pytest.raises(TypeError, match="expected None, bool, int"):
            context_digest(part=part)


def test_digest_is_the_same_everywhere():
    # Spelt out: a digest that moved between machines or versions would forget every score.
    spelt = b"dict 3;" + b"str 1;aint -1f;" + b"str 1;blist 3;float " + bytes(6) + b"\xe0?str 2;\xc3\xa9None;"
    spelt += b"str 1;carray <i4 (2,);" + b"\x07\0\0\0\x08\0\0\0"
    parts = {"c": np.array([7, 8], "<i4"), "a": -31, "b": [0.5, "é", None]}
    assert context_digest(**parts) == hashlib.sha256(spelt).hexdigest()


def test_the_state_of_a_file_is_told(path, tmp_path):
    filled(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    for everything in (False, True):
        assert memo_state(path, everything=everything) == MemoState(3)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    (tmp_path / "empty").touch()
    assert memo_state(tmp_path / "empty") == MemoState(0)


def test_the_state_of_a_damaged_file_says_what_is_wrong(path, tmp_path):
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE scores SET numbers = x'0011' WHERE key = (SELECT min(key) FROM scores)")
    assert memo_state(path) == MemoState(3), "a look, not a check"
    state = memo_state(path, everything=True)
    assert (state.scores, state.fault) == (3, "1 of its 3 scores are damaged")
    path.write_bytes(b"no database " * 100)
    state = memo_state(path)
    assert (state.scores, state.remedy) == (0, "move it away, and a new one is made")
    assert "not a database" in state.fault
    with closing(sqlite3.connect(tmp_path / "foreign")) as connection, connection:
        connection.execute("CREATE TABLE others (a)")
    assert memo_state(tmp_path / "foreign").fault == "it is another program's, or another version's"


def test_the_state_of_a_file_that_lost_pages_is_found_by_a_check(path):
    filled(path, 200)
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * 4096 + content[12288:])
    assert memo_state(path, everything=True).fault is not None


def test_the_state_of_a_locked_file_is_told_soon(path):
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        state = memo_state(path)
        assert time.monotonic() - start < 5
    assert (state.fault, state.remedy) == ("database is locked", "close the program that holds it")
