import json
import os
import time

import pytest

from acofer.errors import DataError
from acofer.reading import (
    LONGEST_TOML,
    MOST_DOTS,
    UnreadableError,
    in_few_words,
    open_plain,
    parse_toml,
    read_json,
    read_toml,
)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "nul", "\ufeff{}"])
def test_what_is_no_json_is_said_in_few_words(tmp_path, content):
    """Nesting raised a RecursionError, and long numbers a bare ValueError that nobody had caught."""
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableError) as caught:
        read_json(tmp_path / "a.json")
    assert 0 < len(str(caught.value)) < 200
    assert isinstance(caught.value, DataError)


def test_json_comes_as_it_is(tmp_path):
    content = {"a": [1, 2.5, None, True, "é"], "b": {"c": {}}}
    (tmp_path / "a.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    assert read_json(tmp_path / "a.json") == content


def test_bytes_that_are_no_text_are_no_json(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(UnreadableError, match="utf-8"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text", ["a = ", "a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1\na = 2", "a = 2026-99-99", "\0"]
)
def test_what_is_no_toml_is_said_in_few_words(text):
    with pytest.raises(UnreadableError) as caught:
        parse_toml(text)
    assert 0 < len(str(caught.value)) < 200


def test_a_key_of_thousands_of_parts_costs_no_time():
    """Python's parser took 24 s for 32,000 of them."""
    start = time.perf_counter()
    with pytest.raises(UnreadableError, match="dots"):
        parse_toml(".".join(["a"] * 32_000) + " = 1")
    assert time.perf_counter() - start < 1
    assert parse_toml("a = [" + ", ".join(["0.5"] * MOST_DOTS) + "]") == {"a": [0.5] * MOST_DOTS}


def test_toml_has_a_length(tmp_path):
    place = tmp_path / "a.toml"
    place.write_text("#" * LONGEST_TOML)
    assert read_toml(place) == ({}, "#" * LONGEST_TOML)
    place.write_text("#" * (LONGEST_TOML + 1))
    with pytest.raises(UnreadableError, match="more than 262,144 bytes"):
        read_toml(place)


def test_nobody_waits_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="no plain file"):
        open_plain(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="no plain file"):
        open_plain(os.devnull)


def test_what_is_not_there_or_a_folder_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "gone")
    with pytest.raises(IsADirectoryError):
        open_plain(tmp_path)


def test_few_words_are_one_short_line():
    assert in_few_words(ValueError("a\n  b")) == "a b"
    assert in_few_words(KeyError()) == "KeyError"
    assert len(in_few_words(ValueError("x" * 10_000))) < 200
