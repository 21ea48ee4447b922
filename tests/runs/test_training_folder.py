import os

import numpy as np
import pytest

from acofer.config.train import TrainConfig
from acofer.errors import StoreError
from acofer.nets.training import EpochRow
from acofer.runs.training_folder import CHECKPOINT, TrainingFolder


def test_a_checkpoint_holds_its_state_and_nothing_else(tmp_path):
    """Numpy before 2.1 kept an argument meant for savez as one more array, and no run could be gone on with."""
    folder = TrainingFolder(tmp_path / "run")
    folder.make(TrainConfig(), 10)
    state = {"weight 0": np.arange(3.0), "epoch": np.int64(1)}
    folder.keep(state, [EpochRow(1, 0.1, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5, 2.0)])
    kept = folder.checkpoint()
    assert kept.keys() == state.keys()
    np.testing.assert_array_equal(kept["weight 0"], state["weight 0"])


def test_two_processes_are_not_at_one_training(tmp_path):
    (tmp_path / CHECKPOINT).touch()
    folder = TrainingFolder.unfinished(tmp_path)
    with pytest.raises(StoreError, match=rf"being written to by another acofer \(process {os.getpid()} on "):
        TrainingFolder.unfinished(tmp_path)
    folder.release()
    TrainingFolder.unfinished(tmp_path).release()
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
