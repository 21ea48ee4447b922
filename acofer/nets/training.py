"""The one loop that trains every network.

An epoch depends on the weights and the optimizer's state before it, and on
(seed, epoch): the order of the pictures, their variation and dropout draw from
streams that begin anew with each epoch. So a run that goes on from a checkpoint
repeats what an uninterrupted one does, as far as the backend gives the same sums
twice. What decides is the validation part: when the rate is halved, when training
stops, and which epoch's weights are kept.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError
from acofer.nets.augment import augmented
from acofer.nets.device import shared_generators_kept
from acofer.nets.pixels import PixelRows
from acofer.nets.table import Augmentation
from acofer.pretrained.base import import_keras
from acofer.reading import parse_json
from acofer.records import Progress

FloatArray = NDArray[np.float64]
PREDICTED_AT_ONCE = 64
_READERS = 4
"""Threads that prepare the next batches; nothing depends on their number. To resize 32 pictures from 48x48 to 180x180
takes 17 ms, to train small-cnn on them 7 ms on an H200: a step took 25 ms, and takes 7."""
LOSSES = {"categorical": "categorical_crossentropy", "binary": "binary_crossentropy"}
_FLOOR = 1e-7
"""Probabilities are kept from 0 and 1 by this before their logarithm is taken, as Keras does (its ``epsilon``)."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained; see `acofer.nets.table.Recipe`."""

    epochs: int
    batch_size: int
    learning_rate: float
    lowest_rate: float
    plateau: int
    patience: int
    loss: str
    augmentation: Augmentation
    seed: int


@dataclass(frozen=True)
class EpochRow:
    """One epoch, as the history tells it.

    Attributes
    ----------
    epoch : int
        From 1.
    learning_rate : float
    loss, accuracy, binary_accuracy : float
        Means over the training pictures while the weights moved, with dropout and augmentation.
    validation_loss, validation_accuracy, validation_binary_accuracy : float
        After the epoch.
    seconds : float
    """

    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    binary_accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_binary_accuracy: float
    seconds: float


@dataclass
class Course:
    """How far training has come, apart from the weights."""

    rate: float
    rows: list[EpochRow] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    waited: int = 0
    waited_at_rate: int = 0

    def note(self, row: EpochRow, schedule: Schedule) -> bool:
        """Take in an epoch, halve the rate where it is time to, and return whether it is the best so far."""
        self.rows.append(row)
        is_better = row.validation_loss < self.best_loss
        if is_better:
            self.best_epoch, self.best_loss = row.epoch, row.validation_loss
        self.waited = 0 if is_better else self.waited + 1
        self.waited_at_rate = 0 if is_better else self.waited_at_rate + 1
        if schedule.plateau and self.waited_at_rate >= schedule.plateau:
            self.rate = max(self.rate / 2, schedule.lowest_rate)
            self.waited_at_rate = 0
        return is_better

    def is_over(self, schedule: Schedule) -> bool:
        """Whether all epochs are done, or nothing got better for as long as the schedule waits."""
        out_of_patience = 0 < schedule.patience <= self.waited
        return len(self.rows) >= schedule.epochs or out_of_patience

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Course:
        """Return the course that was kept.

        Raises
        ------
        TypeError, ValueError, KeyError
            Where it is another thing, or its numbers cannot be those of a training.
        """
        kept = parse_json(text.encode())
        course = cls(**{**kept, "rows": [EpochRow(**row) for row in kept["rows"]]})
        counts = [course.best_epoch, course.waited, course.waited_at_rate, *(row.epoch for row in course.rows)]
        best = 0.0 if course.best_loss == math.inf else course.best_loss  # infinite before the first epoch
        numbers = [course.rate, best, *(one for row in course.rows for one in vars(row).values())]
        if any(type(count) is not int or count < 0 for count in counts) or not all(map(_is_finite, numbers)):
            raise ValueError("a course of other numbers")
        if [row.epoch for row in course.rows] != list(range(1, len(course.rows) + 1)) or course.rate < 0:
            raise ValueError("a course of other epochs")
        return course


class Training:
    """A network in training.

    Parameters
    ----------
    model : keras.Model
        From `acofer.nets.build.build_net`.
    schedule : Schedule
    training, validation : PixelRows
    labels, validation_labels : ndarray of int
        Their classes.
    sample_weight : ndarray of float, optional
        One a training picture.
    """

    def __init__(
        self,
        model: Any,
        schedule: Schedule,
        training: PixelRows,
        labels: NDArray[Any],
        validation: PixelRows,
        validation_labels: NDArray[Any],
        sample_weight: NDArray[np.float32] | None = None,
    ) -> None:
        self.model = model
        self.course = Course(schedule.learning_rate)
        self._schedule = schedule
        self._training, self._validation = training, validation
        self._targets = np.eye(model.output_shape[-1], dtype=np.float32)[labels]
        self._validation_labels = np.asarray(validation_labels)
        self._sample_weight = sample_weight
        self._best: list[NDArray[Any]] = []
        model.jit_compile = compiles_whole()
        self._trainer = _compiled(augmented(model, schedule.augmentation), schedule)
        self._seeds = [v for v in self._trainer.variables if v.name == "seed_generator_state"]
        self._kept = [v for v in self._trainer.variables if v.name != "seed_generator_state"]

    def run(self, progress: Progress | None = None, on_epoch: Callable[[Training], None] | None = None) -> Course:
        """Train until the schedule is done, then give the model the weights of its best epoch.

        Parameters
        ----------
        progress : Progress, optional
            Told ``("training", batches done, batches in all)``.
        on_epoch : callable, optional
            Called with this object after each epoch: the time to keep a checkpoint.

        Raises
        ------
        ConfigError
            Where the loss is no longer a finite number.
        """
        while not self.course.is_over(self._schedule):
            row = self._epoch(len(self.course.rows), progress)
            if self.course.note(row, self._schedule):
                self._best = _values(self._kept)
            if on_epoch is not None:
                on_epoch(self)
        _assign(self._kept, self._best)
        return self.course

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that a later process needs to go on: weights, the best ones, the optimizer's state, the course."""
        lists = {"weights": _values(self._kept), "best": self._best, "optimizer": _values(self._optimizer_variables())}
        arrays = {f"{name}/{i:05d}": array for name, values in lists.items() for i, array in enumerate(values)}
        return {"course": np.frombuffer(self.course.to_json().encode(), np.uint8), **arrays}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises
        ------
        DataError
            Where the state is that of another network, or damaged.
        """
        optimizer = self._optimizer_variables()
        lists = {"weights": self._kept, "best": self._kept, "optimizer": optimizer}
        wanted = {f"{name}/{i:05d}": v for name, variables in lists.items() for i, v in enumerate(variables)}
        fits = state.keys() == {"course", *wanted} and all(_fits(state[name], v) for name, v in wanted.items())
        try:
            course = Course.from_json(state["course"].tobytes().decode())
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise DataError(
                f"expected a checkpoint of {self.model.name} as it is configured; this one is of another net"
            )
        arrays = {name: [state[n] for n in wanted if n.startswith(f"{name}/")] for name in lists}
        self.course, self._best = course, arrays["best"]
        _assign(self._kept, arrays["weights"])
        _assign(optimizer, arrays["optimizer"])

    def _optimizer_variables(self) -> list[Any]:
        optimizer = self._trainer.optimizer
        if not optimizer.built:
            optimizer.build(self._trainer.trainable_variables)
        return list(optimizer.variables)

    def _epoch(self, epoch: int, progress: Progress | None) -> EpochRow:
        started = time.perf_counter()
        self._trainer.optimizer.learning_rate = self.course.rate
        self._begin_streams(epoch)
        order = np.random.default_rng([self._schedule.seed, epoch]).permutation(len(self._training))
        means = self._means(order, epoch, progress)
        outputs = predict_outputs(self.model, self._validation)
        validation_loss = cross_entropy(self._validation_labels, outputs, self._schedule.loss)
        if not (math.isfinite(means["loss"]) and math.isfinite(validation_loss)):
            raise ConfigError(
                f"learning_rate: expected one at which {self.model.name} can be trained; got {self.course.rate:g}, and "
                f"in epoch {epoch + 1} the loss was no longer a finite number; take a smaller one with --learning-rate"
            )
        return EpochRow(
            epoch + 1,
            self.course.rate,
            means["loss"],
            means["accuracy"],
            means["binary_accuracy"],
            validation_loss,
            float((outputs.argmax(axis=1) == self._validation_labels).mean()),
            binary_accuracy(self._validation_labels, outputs),
            time.perf_counter() - started,
        )

    def _begin_streams(self, epoch: int) -> None:
        for i, variable in enumerate(self._seeds):
            variable.assign(self._drawn(epoch, i))

    def _drawn(self, epoch: int, stream: int) -> NDArray[np.int64]:
        drawn = np.random.SeedSequence([self._schedule.seed, epoch, stream]).generate_state(2)
        return (drawn & 0x7FFFFFFF).astype(np.int64)  # some backends keep it in 32 bits with a sign

    def _means(self, order: NDArray[np.int64], epoch: int, progress: Progress | None) -> dict[str, float]:
        """Return the means of an epoch; a loss that is no number where a backend refuses to go on with such ones."""
        try:
            return self._fit(order, epoch, progress)
        except Exception:
            if all(np.isfinite(value).all() for value in _values(self._kept)):
                raise
            return {"loss": math.nan}

    def _fit(self, order: NDArray[np.int64], epoch: int, progress: Progress | None) -> dict[str, float]:
        keras = import_keras()
        size = self._schedule.batch_size
        n_batches = math.ceil(len(order) / size)
        sequence: Any = keras.utils.PyDataset

        class Batches(sequence):
            def __len__(self) -> int:
                return n_batches

            def __getitem__(self, i: int) -> tuple[Any, ...]:
                return ahead(i)

        def tell(batch: int, **_: Any) -> None:
            if progress is not None:
                progress("training", epoch * n_batches + batch + 1, self._schedule.epochs * n_batches)

        drawn = int(self._drawn(epoch, len(self._seeds))[0])
        with shared_generators_kept() as seed, ThreadPoolExecutor(_READERS) as pool:
            ahead = _Ahead(pool, lambda i: self._batch(order[i * size : (i + 1) * size]), n_batches)
            # Not before: what is built in the first epoch of a process draws, too.
            told = keras.callbacks.LambdaCallback(on_train_begin=lambda *_, **__: seed(drawn), on_train_batch_end=tell)
            history = self._trainer.fit(Batches(), epochs=1, shuffle=False, verbose=0, callbacks=[told])
        return {name: float(values[-1]) for name, values in history.history.items()}

    def _batch(self, places: NDArray[np.int64]) -> tuple[Any, ...]:
        batch = self._training.batch(places), self._targets[places]
        return batch if self._sample_weight is None else (*batch, self._sample_weight[places])


class _Ahead:
    """Hands out batches by number, and has the next ones prepared meanwhile.

    Keras' own readers drop a batch where a backend looks at the first one before it trains (JAX does), so that a
    training that goes on would not repeat one that never stopped.
    """

    def __init__(self, pool: ThreadPoolExecutor, make: Callable[[int], tuple[Any, ...]], n_batches: int) -> None:
        self._pool, self._make, self._n_batches = pool, make, n_batches
        self._coming: dict[int, Future[tuple[Any, ...]]] = {}

    def __call__(self, i: int) -> tuple[Any, ...]:
        for number in range(i, min(i + _READERS, self._n_batches)):
            if number not in self._coming:
                self._coming[number] = self._pool.submit(self._make, number)
        return self._coming.pop(i).result()


def predict_outputs(model: Any, pictures: PixelRows, progress: Progress | None = None) -> FloatArray:
    """Return a network's outputs, ``(n, n_classes)``, as they come: of sigmoids they do not add up to one.

    Parameters
    ----------
    model : keras.Model
    pictures : PixelRows
    progress : Progress, optional
        Told ``("predicting", done, total)``.
    """
    done, outputs = 0, []
    # A shorter last batch is filled up, not compiled again.
    filled = np.zeros((min(PREDICTED_AT_ONCE, len(pictures)), *model.input_shape[1:]), np.float32)
    for batch in pictures.batches(PREDICTED_AT_ONCE):
        filled[: len(batch)] = batch
        outputs.append(np.asarray(model.predict_on_batch(filled), np.float64)[: len(batch)])
        done += len(batch)
        if progress is not None:
            progress("predicting", done, len(pictures))
    return np.concatenate(outputs)


def as_probabilities(outputs: FloatArray) -> FloatArray:
    """Return outputs divided by their sums: what sigmoids say of classes of which one must be true."""
    return outputs / np.maximum(outputs.sum(axis=1, keepdims=True), _FLOOR)


def cross_entropy(y: NDArray[Any], outputs: FloatArray, loss: str) -> float:
    """Return the mean loss over rows, in nats, as Keras defines it.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
    outputs : ndarray of float, shape (n, n_classes)
    loss : {"categorical", "binary"}
        The latter is a mean over classes, too.
    """
    if loss == "categorical":
        p = as_probabilities(outputs)[np.arange(len(y)), y]
        return float(-np.log(np.clip(p, _FLOOR, 1 - _FLOOR)).mean())
    p = np.clip(outputs, _FLOOR, 1 - _FLOOR)
    targets = np.eye(outputs.shape[1])[y]
    return float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean())


def binary_accuracy(y: NDArray[Any], outputs: FloatArray) -> float:
    """Return the share of right yes-or-no answers, one a row and class, at one half.

    With `n` classes, a network that says "no" to everything is right in ``1 - 1/n`` of them: .857 with seven.
    """
    return float(((outputs > 0.5) == np.eye(outputs.shape[1], dtype=bool)[y]).mean())


def compiles_whole() -> bool:
    """Whether steps are compiled as a whole (XLA): JAX knows no other way; TensorFlow on a processor was ten times
    slower by it, and torch's compiler needs a C++ compiler on the user's machine."""
    return bool(import_keras().backend.backend() == "jax")


def _compiled(trainer: Any, schedule: Schedule) -> Any:
    keras = import_keras()
    trainer.compile(
        optimizer=keras.optimizers.Adam(schedule.learning_rate),
        loss=LOSSES[schedule.loss],
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.BinaryAccuracy(name="binary_accuracy"),
        ],
        jit_compile=compiles_whole(),
    )
    return trainer


def _fits(array: NDArray[Any], variable: Any) -> bool:
    """Whether an array is such as a variable holds, and finite."""
    is_such = array.shape == tuple(variable.shape) and array.dtype == np.dtype(str(variable.dtype))
    return is_such and bool(np.isfinite(array).all())


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    return [np.array(import_keras().ops.convert_to_numpy(variable.value)) for variable in variables]


def _assign(variables: list[Any], values: list[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
