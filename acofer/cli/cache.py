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
_LONGEST = 1_000_000  # days; more than the calendar has


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cache",
        help="list or remove cached embeddings",
        description="List or remove cached embeddings. They are computed again when they are needed.",
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show what is kept, and where", description="List cached embeddings.")
    listing.set_defaults(run=_list)
    pruning = actions.add_parser(
        "prune", help="remove what is no longer needed", description="Remove cached embeddings.", epilog=_EPILOG
    )
    pruning.add_argument("keys", nargs="*", metavar="KEY", help="entries to remove")
    pruning.add_argument("--older-than", type=float, metavar="DAYS", help="entries not used for so many days")
    pruning.add_argument("--all", action="store_true", help="every entry")
    pruning.set_defaults(run=_prune)
    for each in (listing, pruning):
        each.add_argument("--cache-dir", metavar="FOLDER", help="folder of cached embeddings")


def _list(args: argparse.Namespace) -> int:
    from acofer.features.cache import Store

    store = Store(args.cache_dir)
    for entry in store.entries():  # a line each, the key whole: to be copied, and to be searched
        print(f"{entry.key}  {', '.join(_described(entry))}")
    print(f"in {store.folder}")
    return 0


def _described(entry: Any) -> list[str]:
    about = entry.about
    used = "came with acofer" if entry.shipped else f"last used {entry.last_used:%Y-%m-%d %H:%M} UTC"
    size = f"{entry.bytes / 1e6:,.0f} MB"
    if not about.get("shape"):
        return ["damaged", size, used]
    rows, features = about["shape"]
    layers = " ".join(layer["name"] for layer in about.get("layers", ()))
    mirrored = " mirrored" if "mirror" in about else ""
    network = f"{about['backbone']} {layers} {about['image_size']} {about['pooling']}{mirrored}"
    return [str(about.get("pictures", "?")), network, f"{rows:,} x {features:,}", size, used]


def _prune(args: argparse.Namespace) -> int:
    from acofer.errors import ConfigError
    from acofer.features.cache import Store

    if args.older_than is not None and not 0 <= args.older_than <= _LONGEST:
        raise ConfigError(f"--older-than: expected 0 to {_LONGEST:,} days; got {args.older_than}")
    if not (args.keys or args.all or args.older_than is not None):
        raise ConfigError("prune: expected keys, --older-than DAYS or --all; got none; see: acofer cache list")
    gone = Store(args.cache_dir).prune(args.keys, older_than_days=args.older_than, everything=args.all)
    print(f"removed {len(gone)} entries, {sum(entry.bytes for entry in gone) / 1e6:,.0f} MB")
    return 0
