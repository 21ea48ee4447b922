"""What the documentation shows must run."""

import doctest
import re
from pathlib import Path

import pytest

import acofer.colony.colony
import acofer.colony.selector

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("module", [acofer.colony.colony, acofer.colony.selector], ids=lambda m: m.__name__)
def test_docstring_examples(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_readmes_example_runs(capsys):
    pytest.importorskip("pandas")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert "worst" in capsys.readouterr().out


def test_links_within_the_documentation_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("reports/**/*.md"), *ROOT.glob("acofer/**/*.md")]
    assert len(pages) >= 6
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
