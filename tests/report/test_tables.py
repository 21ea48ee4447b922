"""The page's tables as text, and hostile names in CSV, Markdown and LaTeX."""

import csv
import io
import re

import pytest
from made import ALL, COLONY, SMALL_CNN, made_bench

from acofer.report.numbers import page_numbers
from acofer.report.tables import as_csv, as_latex, as_markdown, tables

HOSTILE = [
    "a|b",
    "a & b",
    "50 % _of_ $x^2$",
    "\\input{x}",
    "a\nb\r\n\nc",
    '"quoted", and more',
    "<script>",
    "~#{}[]`*",
    "",
]


@pytest.fixture(scope="module")
def numbers():
    return page_numbers([made_bench((COLONY, ALL, SMALL_CNN), n_test=100, seeds=(0, 1), features=128)])


def test_every_table_has_rows_as_wide_as_its_head(numbers):
    found = tables(numbers)
    assert list(found) == [
        *("main", "differences", "absent", "features", "classes", "confusion"),
        *("audit", "printed", "optimism", "checks", "repeat"),
    ]
    for columns, rows in found.values():
        assert rows
        assert len(set(columns)) == len(columns)
        for row in rows:
            assert len(row) == len(columns)
            assert all(isinstance(cell, str) for cell in row)


def test_the_main_table_holds_the_numbers_in_full(numbers):
    columns, rows = tables(numbers)["main"]
    for line, row in zip(rows, numbers["main"]["rows"], strict=True):
        said = dict(zip(columns, line, strict=True))
        assert float(said["accuracy"]) == row["accuracy"]["mean"]
        assert [float(said["macro F1, from"]), float(said["macro F1, to"])] == row["macro F1"]["interval"]
        assert float(said["accuracy, sd"]) == row["accuracy"]["sd"]
        assert said["setting"] in ("demo 48x48 flattened", "demo 96x96 flattened")
        assert said["against the reference"] == row["outcome"]
        assert said["features"] == ("" if row["features"] is None else str(int(row["features"]["mean"])))
        spent = row["search seconds"]
        assert said["search seconds"] == "" if spent is None else float(said["search seconds"]) == spent


def test_tables_without_rows_are_left_out():
    bench = made_bench((ALL,), n_test=60, seeds=(0,), protocols=(), failures=False, features=128)
    assert not {"differences", "absent", "features", "optimism"} & set(tables(page_numbers([bench])))


def test_csv_comes_back_as_it_was():
    columns, rows = ["name", "value"], [[name, "1.5"] for name in HOSTILE]
    assert list(csv.reader(io.StringIO(as_csv(columns, rows), newline=""))) == [columns, *rows]


@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(formula):
    (_, (cell,)) = csv.reader(io.StringIO(as_csv(["name"], [[formula]]), newline=""))
    assert cell == "'" + formula


def test_negative_numbers_stay_numbers_in_csv():
    assert as_csv(["difference"], [["-0.25"], ["-1e-05"]]) == "difference\r\n-0.25\r\n-1e-05\r\n"


def _cells(line):
    """Cut a line of Markdown at its bars, those that are escaped apart."""
    return [re.sub(r"\\(.)", r"\1", cell).strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_keeps_every_name_in_its_cell():
    text = as_markdown(["name", "value"], [[name, "-1.5"] for name in HOSTILE])
    head, marks, *lines = text.splitlines()
    assert len(lines) == len(HOSTILE)
    assert _cells(head) == ["name", "value"]
    assert marks == "| --- | ---: |"
    for name, line in zip(HOSTILE, lines, strict=True):
        assert _cells(line) == [" ".join(name.split()), "-1.5"]
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)[*_`$<\[]", text)


def test_latex_escapes_every_special_character():
    special = {
        **{"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"},
        **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
    }
    for plain, escaped in special.items():
        assert as_latex(["a"], [[f"x{plain}y"]]).splitlines()[4] == rf"x{escaped}y \\"
    (line,) = [row for row in as_latex(["a"], [["\\input{/etc/passwd}"]]).splitlines() if "passwd" in row]
    assert line == r"\textbackslash{}input\{/etc/passwd\} \\"


def test_latex_has_the_rules_of_booktabs_and_as_many_cells_everywhere():
    text = as_latex(["name", "value"], [[name, "-1.5"] for name in HOSTILE])
    lines = text.splitlines()
    assert lines[:4] == [r"\begin{tabular}{lr}", r"\toprule", r"name & value \\", r"\midrule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    body = lines[4:-2]
    assert len(body) == len(HOSTILE)
    for line in body:
        assert len(re.split(r"(?<!\\)&", line)) == 2
        assert line.endswith(r"& $-1.5$ \\")


def test_a_row_that_begins_with_a_bracket_is_no_option_of_the_line_before():
    r"""After ``\\`` LaTeX takes ``[3pt]`` for a distance."""
    assert as_latex(["a"], [["x"], ["[3pt] y"]]).splitlines()[5] == r"{[}3pt{]} y \\"
