"""What the documentation shows must run."""

import doctest
import re
from pathlib import Path

import pytest

import acofer.colony.colony
import acofer.colony.selector
import acofer.forest.forest

ROOT = Path(__file__).resolve().parent.parent


MODULES = [acofer.colony.colony, acofer.colony.selector, acofer.forest.forest]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_docstring_examples(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_readmes_examples_run_one_after_the_other(capsys):
    pytest.importorskip("pandas")
    selects, grows = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(selects, "README.md", "exec"), names)
    assert "worst" in capsys.readouterr().out
    exec(compile(grows, "README.md", "exec"), names)
    assert 0.9 < float(capsys.readouterr().out) < 1


def test_links_within_the_documentation_lead_somewhere():
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("reports/**/*.md"),
        *ROOT.glob("acofer/**/*.md"),
    ]
    assert len(pages) >= 6
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
