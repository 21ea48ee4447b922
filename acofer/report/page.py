"""One offline page from the numbers of a comparison: what won, by how much, at what cost, and whether to believe it."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

from acofer.report.inline_svg import DrawnFigure, drawn
from acofer.report.page_figures import figures_of, slug, write_page_figures
from acofer.report.page_tables import STATUSES, class_tables, plain, tables_of
from acofer.report.tables import as_csv, as_latex, as_markdown, tables
from acofer.writing import written_beside

_TEMPLATES = Path(__file__).with_name("templates")
_EXPORTS = {
    "csv": ("CSV", "text/csv", as_csv),
    "md": ("Markdown", "text/markdown", as_markdown),
    "tex": ("LaTeX", "text/x-tex", as_latex),
}


def write_page(numbers: dict[str, Any], place: Path, *, export: Path | None = None) -> None:
    """Write the page, and beside it its numbers as JSON, under the same name.

    Parameters
    ----------
    numbers : dict
        What `acofer.report.numbers.page_numbers` returns.
    place : pathlib.Path
        Of the page, ``NAME.html``; the numbers go to ``NAME.json``.
    export : pathlib.Path or None
        A folder for the figures (SVG, PNG, PDF) and the tables (CSV, Markdown, LaTeX), made if need be.

    Raises
    ------
    StoreError
        Where something cannot be written.
    """
    figures = [drawn(figure) for figure in figures_of(numbers)]
    page = page_html(numbers, figures)
    with written_beside(place.with_suffix(".json"), "the numbers") as beside:
        beside.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with written_beside(place, "the page") as beside:
        beside.write_text(page, encoding="utf-8", errors="replace")  # half a character has no bytes
    if export is not None:
        write_page_figures(figures, export)
        _write_tables(numbers, export)


def page_html(numbers: dict[str, Any], figures: list[DrawnFigure]) -> str:
    """Return the page as text.

    Parameters
    ----------
    numbers : dict
        What `acofer.report.numbers.page_numbers` returns.
    figures : list of DrawnFigure

    Notes
    -----
    Templates escape all that comes from the numbers. The page's policy forbids every connection, and every script but
    its own, which is named by its hash.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        numbers=numbers,
        json=_as_script(numbers),
        tables=tables_of(numbers),
        class_tables=class_tables,
        links=_links(numbers),
        figures=[{"markup": one.inline, "about": one.figure, "link": _svg_link(one)} for one in figures],
        rows={row["id"]: row for row in numbers["main"]["rows"]},
        settings={setting["key"]: setting["name"] for setting in numbers["settings"]},
        statuses=STATUSES,
        plain=plain,
        style=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _as_script(numbers: dict[str, Any]) -> str:
    """Return JSON in which no parser of HTML sees anything else: it holds neither ``</script>`` nor ``<!--``."""
    text = json.dumps(numbers, allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _svg_link(figure: DrawnFigure) -> str:
    return "data:image/svg+xml;charset=utf-8," + quote(figure.svg, safe=" :/=,;()'!*-._~+?@")


def _links(numbers: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return the links that hold each table as a file."""
    return {
        name: [
            {
                "words": words,
                "file": f"{slug(name)}.{suffix}",
                "link": f"data:{kind};charset=utf-8,{quote(write(columns, rows), errors='replace')}",
            }
            for suffix, (words, kind, write) in _EXPORTS.items()
        ]
        for name, (columns, rows) in tables(numbers).items()
    }


def _write_tables(numbers: dict[str, Any], folder: Path) -> None:
    for name, (columns, rows) in tables(numbers).items():
        for suffix, (_, _, write) in _EXPORTS.items():
            with written_beside(folder / f"{slug(name)}.{suffix}", "a table") as beside:
                beside.write_text(write(columns, rows), encoding="utf-8", errors="replace", newline="")
