"""``acofer cache``: what embeddings are kept, and removing them."""

from __future__ import annotations

import argparse
from typing import Any

_EPILOG = """\
examples:
  acofer cache list
  acofer cache prune --older-than 90         not used for 90 days
  acofer cache prune KEY [KEY ...]
  acofer cache prune --all
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cache",
        help="list or remove cached embeddings",
        description="List or remove cached embeddings. They are computed again when they are needed.",
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list them", description="List cached embeddings.")
    listing.set_defaults(run=_list)
    pruning = actions.add_parser("prune", help="remove some", description="Remove cached embeddings.", epilog=_EPILOG)
    pruning.add_argument("keys", nargs="*", metavar="KEY", help="entries to remove")
    pruning.add_argument("--older-than", type=float, metavar="DAYS", help="entries not used for so many days")
    pruning.add_argument("--all", action="store_true", help="every entry")
    pruning.set_defaults(run=_prune)
    for each in (listing, pruning):
        each.add_argument("--cache-dir", metavar="TEXT", help="folder of cached embeddings")


def _list(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from acofer.features.cache import Store

    store = Store(args.cache_dir)
    table = Table()
    for column in ("key", "what", "rows", "features", "MB", "last used"):
        table.add_column(column, overflow="fold", justify="right" if column in ("rows", "features", "MB") else "left")
    for entry in store.entries():
        about = entry.about
        rows, features = about.get("values", {}).get("shape", ("?", "?"))
        what = f"{about.get('backbone', '?')} {about.get('image_size', '?')} {about.get('pooling', '?')}"
        used = "came with acofer" if entry.shipped else f"{entry.last_used:%Y-%m-%d %H:%M}"
        table.add_row(entry.key, what, str(rows), str(features), f"{entry.bytes / 1e6:.0f}", used)
    Console(highlight=False).print(table)
    print(f"in {store.folder}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    from acofer.errors import ConfigError
    from acofer.features.cache import Store

    if not (args.keys or args.all or args.older_than is not None):
        raise ConfigError("prune: expected keys, --older-than DAYS or --all; got none; see: acofer cache list")
    gone = Store(args.cache_dir).prune(args.keys, older_than_days=args.older_than, everything=args.all)
    print(f"removed {len(gone)} entries, {sum(entry.bytes for entry in gone) / 1e6:,.0f} MB")
    return 0
