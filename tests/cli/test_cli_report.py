import json

import pytest
from report.made import CAST, made_bench

FEW = [one for one in CAST if one.name in ("colony", "all", "small-cnn")]


@pytest.fixture
def bench(workplace):
    """A folder of ``acofer bench`` in the working directory."""
    folder = workplace / "runs" / "made"
    folder.mkdir(parents=True)
    result = made_bench(FEW, n_test=100, seeds=(0,), settings=("demo 48x48 flattened",), protocols=(), failures=False)
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_a_page_is_made_beside_its_run(acofer, bench):
    outcome = acofer("report", "runs/made")
    assert outcome.code == 0, outcome
    numbers = json.loads((bench / "page.json").read_text())
    said = " ".join(outcome.out.split())
    for sentence in numbers["verdict"]:
        assert sentence in said
    assert "page: runs/made/page.html" in said
    assert "numbers: runs/made/page.json" in said
    assert numbers["verdict"][0].split(",")[0] in (bench / "page.html").read_text()
    warnings = [check for check in numbers["checks"] if check["status"] == "warn"]
    assert warnings
    assert all(f"warn: {check['number']} {check['name']}: {check['finding']}" in said for check in warnings)
    again = acofer("report", "runs/made", "--quiet")
    assert again.code == 0
    assert again.err == ""


def test_options_are_heard(acofer, bench, workplace):
    outcome = acofer("report", bench, "--out", "pages/mine.html", "--export", "files", "--reference", "all",
                     "--title", "A <title>", "--json")  # fmt: skip
    assert outcome.code == 0, outcome
    printed = json.loads(outcome.out)
    assert printed.pop("page") == "pages/mine.html"
    assert printed == json.loads((workplace / "pages/mine.json").read_text())
    assert printed["main"]["reference"] == "all"
    assert printed["title"] == "A <title>"
    assert "<h1>A &lt;title&gt;</h1>" in (workplace / "pages/mine.html").read_text()
    assert {"main.csv", "main.md", "main.tex", "cost.svg", "cost.png", "cost.pdf"} <= {
        path.name for path in (workplace / "files").iterdir()
    }
    assert not (bench / "page.html").exists()


def test_help_has_examples(acofer):
    outcome = acofer("report", "--help")
    assert outcome.code == 0
    assert "acofer report runs/bench-quick" in outcome.out


def test_complaints_are_one_line(complains, bench, workplace):
    (workplace / "empty").mkdir()
    (workplace / "taken").write_text("")
    assert "no/such/run" in complains("report", "no/such/run")
    assert "empty" in complains("report", "empty")
    assert "--out: expected a file that ends in .html; got 'page.pdf'" in complains(
        "report", bench, "--out", "page.pdf"
    )
    assert "cannot be written" in complains("report", bench, "--out", "taken/page.html")
    assert "reference" in complains("report", bench, "--reference", "colny")
    assert "RUN" in complains("report")


def test_a_runs_own_numbers_are_never_written_over(complains, bench):
    before = (bench / "result.json").read_bytes()
    assert "result.json" in complains("report", bench, "--out", bench / "result.html")
    assert (bench / "result.json").read_bytes() == before
