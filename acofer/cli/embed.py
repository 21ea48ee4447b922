"""``acofer embed``: fill the cache of embeddings."""

from __future__ import annotations

import argparse
import math
from typing import Any

from acofer.cli.options import add_options, config_of
from acofer.cli.progress import ProgressDisplay

_EPILOG = """\
examples:
  acofer embed fer2013.csv                         MobileNetV2 at 48x48, flattened
  acofer embed pictures/ --image-size 96 --pooling avg
  acofer embed fer2013.csv --image-size 96 --layers bank      three layers, means over 3x3 cells
  acofer embed fer2013.csv --layers block_13_expand_relu --pooling maxgrid:2 --mirror average
  acofer embed fer2013.csv --weights weights.h5    where the download is out of reach
"""
_OPTIONS = ("ferplus", "on_broken", "backbone", "image_size", "layers", "pooling", "mirror", "weights", "cache_dir")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "embed",
        help="embed pictures with a frozen network, once",
        description="Embed pictures with a frozen network and keep the result in the cache,\n"
        "so that searches start at once. Each layer is kept by itself.",
        epilog=_EPILOG,
    )
    parser.add_argument("data", metavar="DATA", help="'demo', a folder of pictures, or FER2013's CSV")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    add_options(parser, _OPTIONS)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    config = config_of(args)
    with ProgressDisplay(quiet=args.quiet) as progress:
        from acofer.runs.pictures import configured_embeddings, configured_pictures

        embeddings = configured_embeddings(config, configured_pictures(config, progress), progress)
    rows, features = embeddings.values.shape
    about = embeddings.about
    print(f"{rows:,} pictures x {features:,} features, {embeddings.values.nbytes / 1e6:,.0f} MB")
    for layer in about["layers"]:
        places, n_features = "{} x {} x {}".format(*layer["shape"]), math.prod(layer["shape"])
        print(f"{layer['name']}: {places} = {n_features:,} features, of {layer['rows']} x {layer['columns']} places")
    print(f"weights {about['weights']}, sha256 {about['weights_digest']}")
    print(f"computed at {about['pictures_per_second']:,.0f} pictures per second in {about['seconds']:,.1f} s")
    print(f"key {embeddings.key}")
    return 0
