"""``acofer data``: look at a data set before computing with it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acofer.cli.console import plain_console
from acofer.cli.options import add_options, config_of
from acofer.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from acofer.data.faces import FoundFaces
    from acofer.records import ImageSet

_EPILOG = """\
examples:
  acofer data info demo
  acofer data info fer2013.csv --near --sheet sheet.png
  acofer data info pictures/ --on-broken skip --json
"""
_FACES_EPILOG = """\
examples:
  acofer data faces fer2013.csv --crops crops.png
  acofer data faces pictures/ --enlarge 2 --no-sheet --json
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "data", help="look at a data set", description="Look at a data set before computing with it."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_info(actions)
    _add_faces(actions)


def _add_info(actions: Any) -> None:
    info = actions.add_parser(
        "info",
        help="counts, copies, blanks, a contact sheet",
        description="Show counts by class and part, copies across parts and blank pictures,\n"
        "and write a contact sheet: some pictures of each class.",
        epilog=_EPILOG,
    )
    info.add_argument("data", metavar="DATA", help="'demo', a folder of pictures, or FER2013's CSV")
    info.add_argument("--near", action="store_true", help="look for near copies, too")
    info.add_argument("--sheet", metavar="FILE", help="contact sheet to write (default contact-sheet-<name>.png)")
    info.add_argument("--no-sheet", action="store_true", help="write no contact sheet")
    info.add_argument("--json", action="store_true", help="print JSON instead of tables")
    info.add_argument("--quiet", action="store_true", help="show no progress")
    add_options(info, ("ferplus", "on_broken"))
    info.set_defaults(run=_info)


def _add_faces(actions: Any) -> None:
    faces = actions.add_parser(
        "faces",
        help="in how many pictures a face is found, a contact sheet of the others",
        description="Find the face in each picture, by dlib, and say in how many there is none. The pictures without\n"
        "one go on a contact sheet. The landmarks are kept in the cache folder.",
        epilog=_FACES_EPILOG,
    )
    faces.add_argument("data", metavar="DATA", help="'demo', a folder of pictures, or FER2013's CSV")
    faces.add_argument("--sheet", metavar="FILE", help="sheet of the others (default without-face-<name>.png)")
    faces.add_argument("--no-sheet", action="store_true", help="write no sheet of the others")
    faces.add_argument("--crops", metavar="FILE", help="write a sheet of the faces, cropped, too")
    faces.add_argument("--without", default="drop", metavar="WORD", help="what becomes of the others: drop, or keep")
    faces.add_argument("--size", type=int, default=48, metavar="N", help="side of a crop in pixels (default 48)")
    faces.add_argument("--margin", type=float, default=0.1, metavar="X", help="around the landmarks (default 0.1)")
    faces.add_argument("--enlarge", type=int, metavar="N", help="factor before the search (default: to 144 pixels)")
    faces.add_argument("--json", action="store_true", help="print JSON instead of a table")
    faces.add_argument("--quiet", action="store_true", help="show no progress")
    add_options(faces, ("ferplus", "on_broken", "cache_dir"))
    faces.set_defaults(run=_faces)


def _info(args: argparse.Namespace) -> int:
    config = config_of(args)
    with ProgressDisplay(quiet=args.quiet) as progress:
        from acofer.data.census import describe
        from acofer.data.contact_sheet import write_contact_sheet
        from acofer.runs.pictures import configured_pictures

        images = configured_pictures(config, progress)
        census = describe(images, near=args.near, progress=progress)
        sheet = None if args.no_sheet else Path(args.sheet or f"contact-sheet-{images.name}.png")
        if sheet is not None:
            write_contact_sheet(sheet, images)
    if args.json:
        print(json.dumps(census, indent=1))
    else:
        _print(census)
        if sheet is not None:
            print(f"contact sheet: {sheet}")
    return 0


def _print(census: dict[str, Any]) -> None:
    from rich.table import Table

    console = plain_console()
    for warning in census["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    parts = list(census["parts"])
    table = Table(title=f"{census['name']}: {census['n_pictures']:,} pictures", title_justify="left")
    table.add_column("class")
    for column in (*(part for part in parts if part != "all"), "all"):
        table.add_column(column, justify="right")
    for row in census["classes"]:
        table.add_row(row["name"], *(f"{row[p]:,}" for p in parts if p != "all"), f"{row['n']:,}")
    counts = [f"{n:,}" for part, n in census["parts"].items() if part != "all"]
    table.add_row("all", *counts, f"{census['n_pictures']:,}", style="bold")
    console.print(table)
    sizes = ", ".join(f"{s['width']}x{s['height']}x{s['channels']} ({s['n']:,})" for s in census["sizes"][:5])
    more = f" and {len(census['sizes']) - 5} more" if len(census["sizes"]) > 5 else ""
    print(f"sizes: {sizes}{more}")
    print(f"blank pictures: {census['blank']['n']}{_named(census['blank']['rows'])}")
    _print_copies("exact copies", census["exact_copies"])
    if census["near_copies"] is not None:
        _print_copies("near copies", census["near_copies"])
    print(f"pixels: sha256 {census['digest']}")


def _faces(args: argparse.Namespace) -> int:
    config = config_of(args)
    with ProgressDisplay(quiet=args.quiet) as progress:
        from acofer.data.contact_sheet import write_contact_sheet
        from acofer.data.faces import find_faces
        from acofer.runs.kept import faces_folder
        from acofer.runs.pictures import configured_pictures

        images = configured_pictures(config, progress)
        found = find_faces(
            images,
            size=args.size,
            without=args.without,
            margin=args.margin,
            enlarge=args.enlarge,
            folder=faces_folder(config.cache_dir),
            progress=progress,
        )
        sheets = {}
        if len(found.missed) and not args.no_sheet:
            sheets["sheet"] = write_contact_sheet(args.sheet or f"without-face-{images.name}.png", found.missed)
        if args.crops:
            sheets["crops"] = write_contact_sheet(args.crops, found.images, cell=args.size)
    facts = _face_counts(images, found) | {name: str(path) for name, path in sheets.items()}
    if args.json:
        print(json.dumps(facts, indent=1))
    else:
        _print_faces(facts)
    return 0


def _face_counts(images: ImageSet, found: FoundFaces) -> dict[str, Any]:
    def by_class(labels: Any) -> list[int]:
        return [int((labels == label).sum()) for label in range(images.n_classes)]

    rows = zip(images.class_names, by_class(images.labels), by_class(found.missed.labels), strict=True)
    return {
        "name": images.name,
        "warnings": list(images.warnings),
        "n_pictures": len(images),
        "n_faces": len(images) - len(found.missed),
        "classes": [{"name": name, "n": n, "without_face": missed} for name, n, missed in rows],
        "seconds": found.seconds,
    }


def _print_faces(facts: dict[str, Any]) -> None:
    from rich.table import Table

    console = plain_console()
    for warning in facts["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    n, n_faces = facts["n_pictures"], facts["n_faces"]
    table = Table(title=f"{facts['name']}: a face in {n_faces:,} of {n:,} pictures", title_justify="left")
    table.add_column("class")
    for column in ("pictures", "without a face", "share"):
        table.add_column(column, justify="right")
    everything = {"name": "all", "n": n, "without_face": n - n_faces}
    for row in (*facts["classes"], everything):
        share = f"{row['without_face'] / row['n']:.1%}" if row["n"] else ""
        style = "bold" if row is everything else None
        table.add_row(row["name"], f"{row['n']:,}", f"{row['without_face']:,}", share, style=style)
    console.print(table)
    print(f"found in {facts['seconds']:,.1f} s, {1e3 * facts['seconds'] / n:.1f} ms a picture")
    for name, shown in (("sheet", "pictures without a face"), ("crops", "faces, cropped")):
        if name in facts:
            print(f"{shown}: {facts[name]}")


def _named(rows: list[str]) -> str:
    return f" ({', '.join(rows[:5])}{', ...' if len(rows) > 5 else ''})" if rows else ""


def _print_copies(title: str, copies: dict[str, Any]) -> None:
    print(
        f"{title}: {copies['groups']:,} groups, {copies['extra']:,} pictures beyond the first of each; "
        f"{copies['contradictory_groups']} groups with more than one label"
    )
    for line in copies["across"]:
        print(f"  {line['n']:,} pictures of {line['part']} also stand in {line['also_in']}")
