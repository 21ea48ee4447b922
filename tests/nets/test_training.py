"""The training loop on a few drawn faces: what decides, what resumes, what must stay untouched."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from acofer.data.demo import load_demo
from acofer.errors import ConfigError, DataError
from acofer.nets.augment import augmented
from acofer.nets.build import build_net
from acofer.nets.pixels import PixelRows
from acofer.nets.table import Augmentation
from acofer.nets.training import (
    Course,
    EpochRow,
    Schedule,
    Training,
    as_probabilities,
    binary_accuracy,
    cross_entropy,
    predict_outputs,
)

keras = pytest.importorskip("keras")

EVERYTHING = Augmentation(flip=True, shift=0.1, rotate=15.0, zoom=0.1)
PLAIN = Schedule(3, 16, 1e-3, 0.0, 0, 0, "binary", Augmentation(), seed=0)


def row(epoch: int, validation_loss: float, rate: float = 1.0) -> EpochRow:
    return EpochRow(epoch, rate, 0.0, 0.0, 0.0, validation_loss, 0.0, 0.0, 0.0)


def training(schedule: Schedule = PLAIN, *, n: int = 40, seed: int = 0, weights: Any = None) -> Training:
    images = load_demo()
    rows, others = np.arange(n), np.arange(100, 120)
    return Training(
        build_net("small-cnn", 32, 7, parameters={"filters": [4, 4], "units": 8}, seed=seed),
        schedule,
        PixelRows(images.pictures, rows, 32, 3),
        images.labels[rows],
        PixelRows(images.pictures, others, 32, 3),
        images.labels[others],
        weights,
    )


def curve(course: Course) -> list[tuple[float, ...]]:
    return [dataclasses.astuple(r)[:-1] for r in course.rows]


def test_going_on_gives_the_curve_and_the_weights_of_never_having_stopped() -> None:
    schedule = dataclasses.replace(PLAIN, epochs=5, augmentation=EVERYTHING, plateau=1, patience=4)
    whole = training(schedule)
    states: list[dict[str, Any]] = []
    whole.run(on_epoch=lambda t: states.append(t.state()))
    for stop in (1, 3):
        later = training(schedule, seed=9)  # whose own first weights must not matter
        later.restore(states[stop - 1])
        later.run()
        assert curve(later.course) == curve(whole.course)
        for mine, theirs in zip(later.model.get_weights(), whole.model.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_steps_are_compiled_as_a_whole_where_that_pays() -> None:
    """On JAX they were not, since Keras' layers that warp pictures say that they cannot be."""
    varied = training(dataclasses.replace(PLAIN, augmentation=EVERYTHING))
    assert varied._trainer.jit_compile == (keras.backend.backend() == "jax")


def test_same_seed_same_curve_other_seed_another() -> None:
    first, again, other = (training(dataclasses.replace(PLAIN, epochs=2, seed=s), seed=s).run() for s in (0, 0, 1))
    assert curve(first) == curve(again)
    assert curve(first) != curve(other)


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    trained = training(dataclasses.replace(PLAIN, epochs=8, learning_rate=0.05, loss="categorical"))
    trained._validation_labels = np.full(20, 1)  # what training faces hardly are: to learn is soon wrong there
    kept: dict[int, list[Any]] = {}
    course = trained.run(on_epoch=lambda t: kept.setdefault(len(t.course.rows), t.model.get_weights()))
    losses = [r.validation_loss for r in course.rows]
    assert course.best_epoch == 1 + int(np.argmin(losses))
    assert course.best_epoch < 8, "with the last epoch best, this test would show nothing"
    for mine, theirs in zip(trained.model.get_weights(), kept[course.best_epoch], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    outputs = predict_outputs(trained.model, trained._validation)
    assert cross_entropy(trained._validation_labels, outputs, "categorical") == pytest.approx(min(losses), rel=1e-6)


def test_on_plateau_the_rate_is_halved_down_to_the_lowest() -> None:
    schedule = dataclasses.replace(PLAIN, epochs=99, learning_rate=1.0, lowest_rate=0.2, plateau=2)
    course, rates = Course(1.0), []
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5], start=1):
        assert course.note(row(epoch, loss), schedule) == (
            loss < min([3.5, *[r.validation_loss for r in course.rows[:-1]]])
        )
        rates.append(course.rate)
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]
    assert (course.best_epoch, course.best_loss) == (5, 1.0)
    assert not course.is_over(schedule)
    assert course.is_over(dataclasses.replace(schedule, patience=6))
    assert not course.is_over(dataclasses.replace(schedule, patience=7))
    assert course.is_over(dataclasses.replace(schedule, epochs=11))


def test_a_course_survives_json() -> None:
    course = Course(0.5)
    assert Course.from_json(course.to_json()) == course
    course.note(row(1, 1 / 3), PLAIN)
    assert Course.from_json(course.to_json()) == course


def test_a_checkpoint_of_another_net_is_refused() -> None:
    trained = training(dataclasses.replace(PLAIN, epochs=1))
    states: list[dict[str, Any]] = []
    trained.run(on_epoch=lambda t: states.append(t.state()))
    whole = states[0]
    with pytest.raises(DataError, match="expected a checkpoint of small-cnn as it is configured"):
        training().restore({name: array for name, array in whole.items() if name != "best/00001"})
    with pytest.raises(DataError, match="another net"):
        training().restore({**whole, "weights/00000": np.zeros((1, 1, 3, 4), np.float32)})
    with pytest.raises(DataError, match="another net"):
        training().restore({**whole, "weights/00099": np.zeros(3, np.float32)})
    with pytest.raises(DataError, match="another net"):
        training().restore({**whole, "course": np.frombuffer(b'{"rate": 1}', np.uint8)[:-3]})


def test_a_loss_that_is_no_number_is_said_with_its_rate() -> None:
    with pytest.raises(ConfigError, match=r"got 0\.001.*in epoch 1 the loss.*--learning-rate"):
        training(weights=np.full(40, np.inf, np.float32)).run()


def test_weights_of_rows_decide_what_is_learnt() -> None:
    """Rows of weight zero are as good as absent: with only one class weighing anything, it is what is predicted."""
    images = load_demo()
    weights = (images.labels[:40] == 3).astype(np.float32)
    trained = training(dataclasses.replace(PLAIN, epochs=8, learning_rate=0.01, loss="categorical"), weights=weights)
    trained.run()
    assert set(predict_outputs(trained.model, trained._validation).argmax(axis=1)) == {3}


def test_progress_is_told_by_the_batch() -> None:
    told: list[tuple[str, int, int]] = []
    training(dataclasses.replace(PLAIN, epochs=2)).run(lambda *what: told.append(what))
    assert told == [("training", done, 6) for done in range(1, 7)]


def test_losses_are_those_of_keras() -> None:
    rng = np.random.default_rng(0)
    outputs, y = rng.uniform(0.01, 0.99, (50, 4)), rng.integers(0, 4, 50)
    targets = np.eye(4)[y]
    for loss, function in (
        ("binary", keras.losses.binary_crossentropy),
        ("categorical", keras.losses.categorical_crossentropy),
    ):
        expected = float(np.mean(keras.ops.convert_to_numpy(function(targets, outputs))))
        assert cross_entropy(y, outputs, loss) == pytest.approx(expected, rel=1e-5)
    assert math.isfinite(cross_entropy(np.array([0]), np.array([[0.0, 1.0]]), "binary"))
    measure = keras.metrics.BinaryAccuracy()
    measure.update_state(targets, outputs)
    assert binary_accuracy(y, outputs) == pytest.approx(float(measure.result()), rel=1e-6)
    np.testing.assert_allclose(as_probabilities(outputs).sum(axis=1), 1)


def test_saying_no_to_everything_is_right_six_times_in_seven() -> None:
    assert binary_accuracy(np.arange(7), np.zeros((7, 7))) == pytest.approx(6 / 7)


def test_predictions_do_not_depend_on_batches() -> None:
    images = load_demo()
    model = build_net("small-cnn", 32, 7)
    whole = predict_outputs(model, PixelRows(images.pictures, np.arange(70), 32, 3))
    np.testing.assert_allclose(
        predict_outputs(model, PixelRows(images.pictures, np.arange(66, 70), 32, 3)), whole[66:], rtol=1e-5
    )


def test_variation_stands_aside_in_prediction_and_keeps_borders() -> None:
    inputs = keras.Input((16, 16, 3))
    identity = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    varied = augmented(identity, EVERYTHING)
    pixels = np.full((32, 16, 16, 3), 200.0, np.float32)
    np.testing.assert_allclose(varied(pixels, training=True), pixels, rtol=1e-4)  # no black comes in from outside
    pixels[:, :8] = 0
    moved = keras.ops.convert_to_numpy(varied(pixels, training=True))
    assert len({m.tobytes() for m in moved}) > 1
    assert np.abs(moved - pixels).max() > 50
    np.testing.assert_array_equal(varied(pixels, training=False), pixels)
    still = augmented(identity, Augmentation())
    np.testing.assert_array_equal(still(pixels, training=True), pixels)


class Loose:
    def __init__(self, *pictures: Any) -> None:
        self.pictures = pictures

    def read(self, rows: Any) -> list[Any]:
        return [self.pictures[r] for r in rows]


def test_colour_becomes_grey_by_luma_and_grey_becomes_colour() -> None:
    grey, colour = np.full((4, 4), 77, np.uint8), np.zeros((4, 4, 3), np.uint8)
    colour[..., 0], colour[..., 1], colour[..., 2] = 10, 200, 90
    one = PixelRows(Loose(grey, colour), np.array([0, 1]), 4, 1).batch(np.array([0, 1]))  # type: ignore[arg-type]
    assert one.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(one[0], 77)
    np.testing.assert_allclose(one[1], 0.299 * 10 + 0.587 * 200 + 0.114 * 90, rtol=1e-6)
    alone = PixelRows(Loose(grey, colour), np.array([0, 1]), 4, 1).batch(np.array([0]))  # type: ignore[arg-type]
    np.testing.assert_array_equal(alone[0], one[0], "a grey picture is the same with colour beside it")
    three = PixelRows(Loose(grey, colour), np.array([1, 0]), 4, 3).batch(np.array([0, 1]))  # type: ignore[arg-type]
    np.testing.assert_array_equal(three[0], colour)
    np.testing.assert_array_equal(three[1], 77)
