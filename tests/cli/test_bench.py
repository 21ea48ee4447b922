"""``acofer bench``: what it prints, where, and what it says to wrong input."""

import importlib.util
import io
import json
import subprocess
import sys

import pytest

from acofer.bench.selectors import SELECTORS
from acofer.bench.store import ROWS, TABLE
from acofer.cli import bench_table, console
from acofer.nets.table import NETS
from acofer.runs.folder import RESULT

PLAN = """\
name = "few faces"
reference = "anova-f"
null_test = false
workers = 1

[[setting]]
name = "demo"
trees = 4
balance = "none"

[[contender]]
selector = ["colony", "anova-f"]
size = 16
budget = { evaluations = 4 }
set = {}

[[contender]]
selector = "rfe"
size = 6000
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A bench on the embedded faces, by the program as it is installed: its plan, folder, and what it printed."""
    place = tmp_path_factory.mktemp("bench")
    (place / "few.toml").write_text(PLAN)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from acofer.cli import main; sys.exit(main(sys.argv[1:]))",
         "bench", "few.toml", "--json"],
        cwd=place, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place / "few.toml", place / "runs" / "few faces", done


def test_json_alone_stands_on_stdout_and_a_line_a_cell_on_stderr(kept):
    _, folder, done = kept
    printed = json.loads(done.stdout)
    assert printed.pop("folder") == "runs/few faces"
    assert printed == json.loads((folder / RESULT).read_text())
    rows = {row["contender"]: row for row in printed["rows"]}
    assert {name: row["status"] for name, row in rows.items()} == {"colony": "ok", "anova-f": "ok", "rfe": "failed"}
    assert rows["rfe"]["reason"].startswith("size: expected a number of features")
    for row in (rows["colony"], rows["anova-f"]):
        assert 0.25 < row["test"]["accuracy"]["value"] < 0.7
        assert row["features"] == 16
    (problem,) = printed["problems"].values()
    assert (problem["train"], problem["validation"], problem["test"]) == (2100, 700, 700)
    said = ("colony of 16, forest: ok, ", "anova-f of 16, forest: ok, ", "rfe of 6000, forest: failed: size")
    for number, words in enumerate(said, start=1):
        assert f"{number}/3 demo, clean, seed 0: {words}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_cost_of_the_backbone_is_in_the_rows(kept):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras counts, and is not installed")
    printed = json.loads(kept[2].stdout)
    (problem,) = printed["problems"].values()
    assert problem["backbone cost"]["multiply-adds"] == 16_566_400  # MobileNetV2 without top at 48 x 48
    row = printed["rows"][0]
    assert row["multiply-adds"] == 16_566_400
    assert row["latency, ms"] == pytest.approx(
        problem["backbone cost"]["latency, ms"] + row["classifier latency, ms"], abs=0.002
    )


def test_what_is_done_is_not_run_again_and_the_table_says_what_came_of_it(acofer, kept):
    plan, folder, _ = kept
    before = (folder / ROWS).read_bytes()
    outcome = acofer("bench", plan, "--out", folder, "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert (folder / ROWS).read_bytes() == before
    words = " ".join(outcome.out.split())
    result = json.loads((folder / RESULT).read_text())
    assert f"the test labels were opened {result['opened']} times" in words
    assert "rfe, seed 0: failed: size: expected a number of features" in words
    assert f"acofer report {folder}" in words
    rows = {row["contender"]: row["test"] for row in result["rows"] if row["status"] == "ok"}
    lines = [line.split() for line in outcome.out.splitlines() if line.split()[:1] in (["colony"], ["anova-f"])]
    assert len(lines) == 2
    for line in lines:
        test = rows[line[0]]
        figures = [f"{test[name]['value']:.3f}" for name in ("accuracy", "balanced accuracy", "macro F1")]
        assert line[1:7] == ["forest", "16", "1", *figures]
    assert [line[4] for line in lines] == sorted((line[4] for line in lines), reverse=True)  # the best first
    assert len((folder / TABLE).read_text().splitlines()) == 4


@pytest.mark.parametrize("width", [80, console._LOG_WIDTH])
def test_no_figure_is_cut(kept, monkeypatch, width):
    """On 80 columns 0.287 was printed as 0.2…"""
    printed = io.StringIO()
    monkeypatch.setattr(bench_table, "wide_console", lambda: console.plain_console(file=printed, width=width))
    result = json.loads((kept[1] / RESULT).read_text())
    long = {"contender": "simulated-annealing", "classifier": "KNeighborsClassifier"}
    result["rows"][0] |= {**long, "seconds": {"selection": 12345.6, "fit": 2345.6}}
    bench_table.print_bench(result, "runs/few")
    assert "…" not in printed.getvalue()
    for figure in (f"{result['rows'][0]['test']['macro F1']['value']:.3f}", "12,345.6", "2,345.6"):
        assert figure in printed.getvalue()
    assert "simulated-annealing" in printed.getvalue() or width == 80


def test_budgets_are_told_apart(kept, monkeypatch):
    """Seeds of sixty scores and seeds of twenty seconds were one line, and its means those of both."""
    printed = io.StringIO()
    monkeypatch.setattr(bench_table, "wide_console", lambda: console.plain_console(file=printed, width=200))
    result = json.loads((kept[1] / RESULT).read_text())
    colony = next(row for row in result["rows"] if row["contender"] == "colony")
    assert colony["budget"]["seconds"] is None
    result["rows"].append({**colony, "budget": {"evaluations": None, "seconds": 20}})
    bench_table.print_bench(result, "runs/few")
    lines = [line.split() for line in printed.getvalue().splitlines() if line.split()[:1] == ["colony"]]
    scores = colony["budget"]["evaluations"]
    assert sorted(line[1:4] for line in lines) == sorted([[str(scores), "scores", "forest"], ["20", "s", "forest"]])


def test_list_says_what_would_run_and_runs_nothing(acofer, kept, workplace):
    plan, folder, _ = kept
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    outcome = acofer("bench", plan, "--out", folder, "--list", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    keys = [row["cell"] for row in json.loads((folder / RESULT).read_text())["rows"]]
    lines = {line.split()[0]: line for line in outcome.out.splitlines() if line.split()}
    for key, words in zip(keys, (("colony", "ok"), ("anova-f", "ok"), ("rfe", "failed")), strict=True):
        assert all(word in lines[key] for word in words)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    new = acofer("bench", plan, "--list")
    assert new.code == 0
    assert new.out.count("to be run") == 3
    assert list(workplace.iterdir()) == []


def test_contenders_are_listed_whole(acofer):
    """Long names were cut, and could not be copied."""
    outcome = acofer("bench", "--contenders")
    assert outcome.code == 0
    words = outcome.out.split()
    for name, selector in SELECTORS.items():
        assert name in words
        assert selector.takes_size in words
        for knob in selector.knobs:
            assert knob in outcome.out
    for name in NETS:
        assert name in outcome.out
    assert "…" not in outcome.out


def test_help_tells_a_stranger_what_happens(acofer):
    outcome = acofer("bench", "--help")
    assert outcome.code == 0
    for words in (
        "usage: acofer bench PLAN [OPTION ...]",
        "same splits",
        "a failure or a time-out is a row",
        "--out FOLDER",
        "default runs/<the plan's name>",
        "--retry",
        "--list",
        "--contenders",
        "--json",
        "--quiet",
        "acofer report runs/bench-quick",
        "Stopped, by Ctrl-C or otherwise, it goes on with the same command.",
    ):
        assert words in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
    assert "bench" in acofer("--help").out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 1", "p.toml: unknown key 'seed' in the plan; did you mean 'seeds'?"),
        ("[[setting]", "p.toml: expected a TOML file; "),
        (PLAN.replace('"rfe"', '"rfee"'), "p.toml: selector: 'rfee' is unknown; did you mean 'rfe'?"),
        (PLAN.replace("budget = { evaluations = 4 }", ""), "budget: expected e.g. { evaluations = 60 } for colony"),
        (PLAN.replace("size = 6000", ""), "rfe: size: expected the number of features to choose; got None"),
        (PLAN.replace("trees = 4", "tree = 4"), "unknown key 'tree' in [[setting]]; did you mean 'trees'?"),
        (PLAN.replace('reference = "anova-f"', 'reference = "anova"'), "reference: no contender is called 'anova'"),
    ],
)
def test_a_wrong_plan_is_one_line(complains, workplace, text, words):
    (workplace / "p.toml").write_text(text)
    assert words in complains("bench", "p.toml", "--quiet")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected a plan, e.g.: acofer bench configs/bench-quick.toml"),
        (["absent.toml"], "expected a plan at absent.toml; No such file or directory; see: acofer bench --help"),
        (["p.toml", "--out", "p.toml"], "p.toml exists and is no bench's folder; name another with --out"),
        (["p.toml", "--out", "p.toml", "--list"], "p.toml exists and is no bench's folder; name another with --out"),
        (["p.toml", "--retri"], "unknown argument --retri; did you mean '--retry'?; see acofer bench --help"),
        (["p.toml", "more"], "unknown argument more"),
    ],
)
def test_a_wrong_command_line_is_one_line(complains, workplace, arguments, words):
    (workplace / "p.toml").write_text(PLAN)
    assert words in complains("bench", *arguments)
