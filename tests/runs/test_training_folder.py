import numpy as np

from acofer.config.train import TrainConfig
from acofer.nets.training import EpochRow
from acofer.runs.training_folder import TrainingFolder


def test_a_checkpoint_holds_its_state_and_nothing_else(tmp_path):
    """Numpy before 2.1 kept an argument meant for savez as one more array, and no run could be gone on with."""
    folder = TrainingFolder(tmp_path / "run")
    folder.make(TrainConfig(), 10)
    state = {"weight 0": np.arange(3.0), "epoch": np.int64(1)}
    folder.keep(state, [EpochRow(1, 0.1, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5, 2.0)])
    kept = folder.checkpoint()
    assert kept.keys() == state.keys()
    np.testing.assert_array_equal(kept["weight 0"], state["weight 0"])
