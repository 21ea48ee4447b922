"""Make the embeddings that ship with the package: those of the embedded pictures.

    python -m acofer.features.fill_demo --weights FILE

FILE holds the ImageNet weights of MobileNetV2 (input 224, without top), by
Keras or equal to them; the entry then stands for ``weights="imagenet"``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from acofer.errors import AcoferError
from acofer.features.cache import Store
from acofer.features.embed import embed
from acofer.features.entry import entry_places
from acofer.features.shipped import SHIPPED_FOLDER, write_shipped
from acofer.records import ImageSet


def fill(images: ImageSet, weights: Path, folder: Path) -> Path:
    """Embed pictures (48 pixels, flattened) and write them as the only shipped entry.

    Parameters
    ----------
    images : ImageSet
        The embedded pictures.
    weights : path
        The weights file.
    folder : path
        The folder of shipped entries; other entries in it are removed.

    Returns
    -------
    Path
        The new entry's folder.
    """
    with tempfile.TemporaryDirectory() as beside:
        made = embed(images, weights=weights, store=Store(beside, shipped=False))
        label = f"imagenet (embeddings shipped with acofer; {weights.name})"
        about = made.about | {"stands_for": "imagenet", "weights_kind": "imagenet", "weights": label}
        place = write_shipped(made.values, about, folder)
    for other in entry_places(folder):
        if other != place:
            shutil.rmtree(other)
    return place


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m acofer.features.fill_demo", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2's ImageNet weights, 224, without top")
    parser.add_argument("--out", type=Path, default=SHIPPED_FOLDER, help="folder of shipped entries")
    options = parser.parse_args(arguments)
    from acofer.data.demo import load_demo

    try:
        place = fill(load_demo(), options.weights, options.out)
    except AcoferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(file.stat().st_size for file in place.iterdir())
    print(f"{place}: {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
