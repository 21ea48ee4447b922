import io
import json

import pytest
from PIL import Image

from acofer.cli.console import in_one_line, plain_console, printable

ODD = ("[/]", "[red]loud", ":smile:", "\x1b[31mred", "a\u202eb")


def test_texts_are_printed_as_they_are():
    console = plain_console(file=io.StringIO(), width=200)
    console.print("[/] [red]loud :smile:")
    assert console.file.getvalue() == "[/] [red]loud :smile:\n"


def test_what_steers_a_terminal_is_written_out():
    assert printable("\x1b[31mred\x07 \u202e é 日本 \ud800") == "\\x1b[31mred\\x07 \\u202e é 日本 \\ud800"


def test_a_message_is_one_bearable_line():
    assert in_one_line(ValueError("a\n  b\x1b]0;c")) == "a b\\x1b]0;c"
    assert len(in_one_line("x" * 100_000)) < 2_010


@pytest.mark.parametrize("name", [name for name in ODD if name.isprintable() or name == ODD[-1]])
def test_a_class_may_have_any_name(acofer, workplace, name):
    """A folder named [/] ended in a traceback of rich's."""
    for folder in (name.replace("/", "\u2215"), "other"):
        (workplace / "faces" / folder).mkdir(parents=True)
        Image.new("L", (8, 8), 7).save(workplace / "faces" / folder / "0.png")
    outcome = acofer("data", "info", "faces", "--no-sheet", "--quiet")
    assert outcome.code == 0, outcome
    assert name.replace("/", "\u2215") in outcome.out


def test_a_class_whose_name_is_no_text_is_refused(complains, workplace):
    """Such names came as far as a table, and ended there in an error of encoding, or in the terminal's colours."""
    for folder in (b"\xff\xfe", b"other"):
        place = bytes(workplace) + b"/faces/" + folder
        import os

        os.makedirs(place)  # noqa: PTH103 - pathlib takes no bytes
        Image.new("L", (8, 8), 7).save(os.fsdecode(place) + "/0.png")
    assert "'\\udcff\\udcfe' must be text on one line; rename the folder" in complains("data", "info", "faces")


def test_a_runs_names_cannot_steer_the_terminal(acofer, workplace):
    from report.made import CAST, made_bench

    few = [one for one in CAST if one.name in ("colony", "all")]
    result = made_bench(few, n_test=60, seeds=(0,), settings=("demo 48x48 flattened",), protocols=(), failures=False)
    for row in result["rows"]:
        row["contender"] = f"[/]\x1b[31m{row['contender']}"
    result["reference"] = None
    (workplace / "run").mkdir()
    (workplace / "run" / "result.json").write_text(json.dumps(result))
    outcome = acofer("report", "run", "--quiet")
    assert outcome.code == 0, outcome
    assert "[/]\\x1b[31mcolony" in outcome.out.replace("\n", "")
    assert "\x1b" not in outcome.out
