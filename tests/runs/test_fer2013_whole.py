"""The main job on the whole of FER2013, through its CSV, on a cut budget: the figures of the forest on all features.

What was measured before acofer was written, with scikit-learn alone: .454 on PrivateTest without SMOTE, .726 with SMOTE
before the split. Skipped where the pictures, which nobody may hand on, or the weights are absent.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from acofer.cli import main

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
pytestmark = [
    pytest.mark.skipif(not (SHARED / "data" / "fer2013").is_dir(), reason="FER2013 is not beside the checkout"),
    pytest.mark.skipif(not WEIGHTS.is_file(), reason="MobileNetV2's weights are not beside the checkout"),
    pytest.mark.xdist_group("fer2013"),
]
CUT = ["--ants", "2", "--iters", "1", "--size", "64", "--null-draws", "1", "--heuristic", "f", "--quiet"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("fer2013")
    script = SHARED / "data" / "fer2013" / "to_csv.py"
    subprocess.run([sys.executable, script, folder / "fer2013.csv"], check=True, capture_output=True)
    yield folder
    (folder / "fer2013.csv").unlink()


def search(place, name, *flags):
    out = place / name
    data = ["--data", str(place / "fer2013.csv"), "--weights", str(WEIGHTS), "--cache-dir", str(place / "cache")]
    assert main(["search", *data, *CUT, "--out", str(out), *flags]) == 0
    return json.loads((out / "result.json").read_text())


def all_features(numbers):
    return numbers["contenders"]["all features"]["accuracy"]["value"]


def test_clean_and_without_smote(place):
    numbers = search(place, "clean", "--balance", "none")
    assert all_features(numbers) == pytest.approx(0.454, abs=0.015)
    assert numbers["split"]["test rows also in train or validation"] == 314
    assert numbers["without copies"]["rows"] == 3589 - 314
    assert not numbers["data"]["warnings"]


@pytest.mark.nightly
def test_smote_before_the_split_prints_what_is_published(place):
    numbers = search(place, "leaky", "--protocol", "leaky-smote-first", "--null-draws", "1")
    assert all_features(numbers) == pytest.approx(0.726, abs=0.02)
    assert numbers["verdict"].startswith("[leaky-smote-first: not an honest figure]")
    assert numbers["split"]["synthetic test rows"] > 5000
