"""A drawn figure as files, and within a page: text that can be selected, colours that follow light and dark."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

from acofer.report.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, add_legend, styled_figure

_TIP = "tip: "
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_NAMED = {BLUE: "blue", ORANGE: "orange", GREEN: "green", GREY: "grey", PURPLE: "purple", "#FFFFFF": "paper"}
_COLOURS = {colour.lower(): f"var(--{name})" for colour, name in _NAMED.items()} | {
    BLACK: "currentColor",
    "#b0b0b0": "var(--grid)",  # matplotlib's own
}
_FAMILY = re.compile(r"'[^;]*sans-serif")
_UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "png": {}, "pdf": {"CreationDate": None}}
"""Metadata: a dated file would differ at every writing."""
_REFERENCE = re.compile(r'(?:href="|url\()#([^")]+)')
_NUMERIC = {"d", "x", "y", "transform", "style"}
_LONG = re.compile(r"-?\d+\.\d{3,}")
_SPACE = re.compile(r"(?<=[;:]) | (?= )|\s+$")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class PageFigure:
    """A figure that can be drawn.

    Attributes
    ----------
    name : str
        Of its files: lower-case letters, digits and hyphens.
    section : str
        Of the page, in which it stands.
    title, description : str
        What it shows; the description is for those who cannot see it.
    inches : (float, float)
        Width and height.
    draw : callable
        ``draw(figure)``, of a matplotlib figure.
    """

    name: str
    section: str
    title: str
    description: str
    inches: tuple[float, float]
    draw: Callable[[Any], None]


@dataclass(frozen=True)
class DrawnFigure:
    """A figure as text: `inline` for the page, `svg` a file by itself."""

    figure: PageFigure
    inline: str
    svg: str


def tip(text: str) -> str:
    """Return the gid of an artist that shows these words when a reader points at it."""
    return _TIP + text


def printable(value: Any) -> Any:
    """Return plain data whose texts hold nothing that no XML may hold."""
    if isinstance(value, dict):
        return {printable(key): printable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [printable(one) for one in value]
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def legible(text: str, longest: int = 34) -> str:
    """Return a name as a figure can show it: in one line, not endless, and a dollar sign is no formula."""
    text = " ".join(text.split())
    return (text if len(text) <= longest else f"{text[: longest - 1]}…").replace("$", r"\$")


def drawn(figure: PageFigure) -> DrawnFigure:
    """Draw a figure as SVG, for the page and as a file."""
    root = ElementTree.fromstring(saved(figure, "svg")["svg"])  # noqa: S314 - matplotlib wrote it just now
    _resolve_tips(root)
    for metadata in root.findall(f"{_SVG}metadata"):
        root.remove(metadata)
    _compact(root)
    _name(root, figure)
    width = round(96 * figure.inches[0])
    return DrawnFigure(figure, _inline(deepcopy(root), figure.name, width), _apart(root))


def saved(figure: PageFigure, *kinds: str) -> dict[str, bytes]:
    """Draw a figure and return its files: ``"svg"`` (without ground), ``"png"`` and ``"pdf"`` (on white)."""
    files = {}
    with styled_figure(figure.inches) as canvas, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a browser has the fonts that matplotlib lacks
        figure.draw(canvas)
        add_legend(canvas)
        for kind in kinds:
            buffer = BytesIO()
            canvas.savefig(buffer, format=kind, metadata=_UNDATED[kind], dpi=150, transparent=kind == "svg")
            files[kind] = buffer.getvalue()
            canvas.set_layout_engine("none")  # it has found its places
    return files


def _resolve_tips(root: Any) -> None:
    """Turn gids that hold words into titles, which browsers show beside the pointer."""
    for element in root.iter():
        words = element.get("id", "")
        if words.startswith(_TIP):
            del element.attrib["id"]
            title = ElementTree.Element(f"{_SVG}title")
            title.text = words.removeprefix(_TIP)
            element.insert(0, title)


def _compact(root: Any) -> None:
    """Leave out what no viewer needs: about half of what matplotlib writes."""
    used = set(_REFERENCE.findall(ElementTree.tostring(root, encoding="unicode")))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        element.tail = None
        if len(element):
            element.text = None
        for key in _NUMERIC & element.attrib.keys():
            short = _LONG.sub(lambda number: f"{float(number[0]):.2f}", element.attrib[key].replace("\n", " "))
            element.set(key, _SPACE.sub("", short))


def _name(root: Any, figure: PageFigure) -> None:
    """Give the picture its role, title and description."""
    root.set("role", "img")
    root.set("aria-labelledby", "name about")
    for place, (tag, identity, text) in enumerate(
        (("title", "name", figure.title), ("desc", "about", figure.description))
    ):
        element = ElementTree.Element(f"{_SVG}{tag}", id=identity)
        element.text = text
        root.insert(place, element)


def _apart(root: Any) -> str:
    """Return the figure as a file by itself, on white."""
    ground = ElementTree.Element(f"{_SVG}rect", width="100%", height="100%", fill="white")
    root.insert(2, ground)
    ElementTree.register_namespace("", _SVG.strip("{}"))
    ElementTree.register_namespace("xlink", _XLINK.strip("{}"))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _inline(root: Any, prefix: str, width: int) -> str:
    """Return the figure as an element of a page: ids of its own, the page's colours and fonts."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.set(key.removeprefix(_XLINK), _inlined(key, value, prefix))
    for size in ("width", "height"):
        del root.attrib[size]
    root.remove(root.find("defs"))  # a style sheet that would hold for the whole page; its rules, for this picture:
    root.set("stroke-linejoin", "round")
    root.set("stroke-linecap", "butt")
    root.set("style", f"width: {width}px")
    root.set("fill", "currentColor")
    return ElementTree.tostring(root, encoding="unicode")


def _inlined(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return f"{prefix}-{value}"
    if key == "aria-labelledby":
        return " ".join(f"{prefix}-{name}" for name in value.split())
    if key == f"{_XLINK}href":
        return value.replace("#", f"#{prefix}-", 1) if value.startswith("#") else value
    if key == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-")
    if key == "style":
        value = re.sub("#[0-9a-f]{6}", lambda found: _COLOURS.get(found[0], found[0]), value)
        return _FAMILY.sub("sans-serif", value)
    return value
