"""Rows of several results put together: problems that are the same one, and the seeds of one contender."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.stats import mean_rates, spread
from acofer.errors import DataError
from acofer.report.entry import Entry
from acofer.report.problem import Problem
from acofer.report.rows import Row, interval_of
from acofer.scoring.metrics import RATES

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(eq=False)
class Group:
    """All seeds of one contender, as they stand in one setting.

    Attributes
    ----------
    setting : Problem
        Where it is shown; networks are shown beside selectors of the same split.
    rows : list of Row
        By seed.
    id : str
        A slug, unique on the page.
    label : str
        Its name, with what tells it from others of that name in the setting.
    """

    setting: Problem
    rows: list[Row]
    name: str
    id: str = ""
    label: str = ""
    _scored: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def first(self) -> Row:
        """The row of the first seed, which single comparisons are made with."""
        return self.rows[0]

    @property
    def kind(self) -> str:
        return self.first.kind

    @property
    def predictions(self) -> list[IntArray] | None:
        """Predicted classes by seed; None where the true classes, or some predictions, are not there."""
        if self.setting.labels is None:
            return None
        kept = [row.predicted for row in self.rows if row.predicted is not None]
        return kept if len(kept) == len(self.rows) else None

    @property
    def n_features(self) -> float | None:
        """Mean number of features."""
        return self.mean(lambda row: row.features)

    @property
    def accuracy(self) -> float:
        """Mean accuracy over seeds."""
        return self.rates()["accuracy"]["mean"]

    def rates(self) -> dict[str, dict[str, Any]]:
        """Return every rate's mean and sd over seeds, and the interval of that mean (None where it cannot be had)."""
        if not self._scored:  # shared with the group's twins in other settings
            kept = self.predictions
            if kept is not None and self.setting.labels is not None:
                self._scored |= mean_rates(self.setting.labels, kept, len(self.setting.classes))
            else:
                self._scored |= {name: self._written_rate(name) for name in RATES}
        return self._scored

    def _written_rate(self, name: str) -> dict[str, Any]:
        own = spread([row.rate(name) for row in self.rows])
        interval = interval_of(self.first.card, name) if len(self.rows) == 1 else None
        return {"mean": own["mean"], "sd": own["sd"], "interval": interval}

    def mean(self, value: Callable[[Row], float | None]) -> float | None:
        """Return the mean over seeds of what `value` finds; None where a seed has none."""
        found = [one for one in map(value, self.rows) if one is not None]
        return float(np.mean(found)) if len(found) == len(self.rows) else None

    def whole(self, name: str) -> float | None:
        """Return the mean over seeds of a named count."""
        return self.mean(lambda row: row.entry.maybe_whole(name))

    def number(self, name: str) -> float | None:
        """Return the mean over seeds of a named number that is not negative."""
        return self.mean(lambda row: row.entry.maybe_number(name, 0.0))

    def seconds(self, *stages: str) -> float | None:
        """Return the mean over seeds of the seconds of these stages together."""
        return self.mean(lambda row: row.seconds(*stages))

    def score(self, name: str) -> float | None:
        """Return the mean over seeds of a value of the scorecard that is not a rate."""
        return self.mean(lambda row: _card_value(row.card, name))

    @cached_property
    def shares(self) -> FloatArray:
        """Where the rows of each class went: mean shares over seeds, rows add up to 1 (0 where a class has no row)."""
        counts = np.stack([row.confusion for row in self.rows])
        return (counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)).mean(axis=0)

    def within(self, setting: Problem) -> Group:
        """Return the same group as it stands in another setting of the same split."""
        return replace(self, setting=setting)


def _card_value(card: Entry | None, name: str) -> float | None:
    value = None if card is None else card.maybe_inner(name)
    return None if value is None else value.number("value")


@dataclass(frozen=True)
class Gathered:
    """All that the page is made of.

    Attributes
    ----------
    settings : list of Problem
        Clean ones, each once, in the order of the results; a setting of networks alone only where no other has its
        split.
    leaky : list of Problem
        Those of other protocols.
    groups : list of Group
        Of `settings`.
    audited : list of Group
        Of `leaky`.
    rows : list of Row
        All, null tests, failures and duplicates included.
    results : list of Entry
    """

    settings: list[Problem]
    leaky: list[Problem]
    groups: list[Group]
    audited: list[Group]
    rows: list[Row]
    results: list[Entry]

    def of(self, setting: Problem) -> list[Group]:
        """Return the groups of a setting."""
        return [group for group in self.groups if group.setting is setting]


def gather(results: Sequence[Entry]) -> Gathered:
    """Put the rows of several results together.

    Parameters
    ----------
    results : sequence of Entry
        The contents of result files, benches or `acofer.report.gathered.rows_of`.

    Raises
    ------
    DataError
        If one is damaged, or two contradict each other.
    """
    pairs = _read(results)
    if not pairs:
        raise DataError("report: expected a row at least; got none; finish the runs first")
    rows = [Row.read(entry, problem, run, results[run]) for entry, problem, run in pairs]
    problems = list(dict.fromkeys(row.problem for row in rows))
    groups = _grouped([row for row in rows if row.card is not None])
    clean = [group for group in groups if group.setting.is_clean]
    settings = _settings([p for p in problems if p.is_clean], clean)
    placed = [twin for setting in settings for twin in _placed(setting, clean)]
    leaky = [problem for problem in problems if not problem.is_clean]
    audited = [group for group in groups if not group.setting.is_clean]
    _name(placed)
    _name(audited)
    return Gathered(settings, leaky, placed, audited, rows, list(results))


def _read(results: Sequence[Entry]) -> list[tuple[Entry, Problem, int]]:
    """Return every row with its problem; problems that are one are one object."""
    pairs = []
    known: dict[tuple[Any, ...], Problem] = {}
    of_key: dict[tuple[int, str], tuple[Any, ...]] = {}
    for run, result in enumerate(results):
        solved = {entry.text("problem") for entry in result.inners("rows") if entry.content.get("status") == "ok"}
        for key in result.inner("problems").content:
            read_it = Problem.read if key in solved else Problem.bare
            problem = read_it(key, result.inner("problems").inner(key))
            identity = problem.identity()
            of_key[run, key] = identity
            known[identity] = _joined(known[identity], problem) if identity in known else problem
    _lend_labels(known)
    _distinct_keys(known)
    for run, result in enumerate(results):
        for entry in result.inners("rows"):
            own = of_key.get((run, entry.text("problem")))
            if own is None:
                raise DataError(f"{entry.where}: its problem {entry.text('problem')!r} is not in the file")
            pairs.append((entry, known[own], run))
    return pairs


def _joined(one: Problem, other: Problem) -> Problem:
    """Return one problem out of two that are the same, with what either knows."""
    if one.test != other.test or one.classes != other.classes:
        raise DataError(f"{one.name}: two runs of one split differ in test rows or classes; one of them was changed")
    _see_same_labels(one, other)
    return replace(
        one,
        labels=other.labels if one.labels is None else one.labels,
        copied=other.copied if one.copied is None else one.copied,
        n_copies=other.n_copies if one.n_copies is None else one.n_copies,
        feature_names=other.feature_names if one.feature_names is None else one.feature_names,
    )


def _see_same_labels(one: Problem, other: Problem) -> None:
    if one.labels is not None and other.labels is not None and not np.array_equal(one.labels, other.labels):
        raise DataError(f"{one.name}: two runs of split {one.fingerprint} differ in true classes; one was changed")


def _lend_labels(known: dict[tuple[Any, ...], Problem]) -> None:
    """Give labels to problems without, from those of the same test part."""
    lenders: dict[tuple[Any, ...], Problem] = {}
    for problem in known.values():
        if problem.labels is not None and problem.test_part:
            _see_same_labels(lenders.setdefault(problem.test_part, problem), problem)
    for identity, problem in known.items():
        if problem.test_part in lenders:
            lender = lenders[problem.test_part]
            copied = lender.copied if problem.copied is None else problem.copied
            n_copies = problem.n_copies if copied is None else len(copied)
            known[identity] = replace(problem, labels=lender.labels, copied=copied, n_copies=n_copies)


def _distinct_keys(known: dict[tuple[Any, ...], Problem]) -> None:
    taken: set[str] = set()
    for identity, problem in known.items():
        key = _free(problem.key, taken)
        known[identity] = replace(problem, key=key)


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number where it is taken, and take it."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _grouped(rows: list[Row]) -> list[Group]:
    """Put the seeds of each contender together, those with other settings apart."""
    found: dict[tuple[Any, ...], dict[tuple[int, int], Row]] = defaultdict(dict)
    for row in rows:
        shared = (row.problem, row.kind, row.contender, row.classifier, row.size, row.budget)
        seeds = found[*shared, row.sets, row.setting]
        twin = seeds.get((row.seed, row.draw))
        if twin is None:
            seeds[row.seed, row.draw] = row
        elif not _is_same(twin, row):
            found[*shared, f"run {row.run}", row.setting][row.seed, row.draw] = row
    groups = [Group(key[0], [seeds[seed] for seed in sorted(seeds)], key[2]) for key, seeds in found.items()]
    _tell_apart(groups)
    return groups


def _is_same(one: Row, other: Row) -> bool:
    """Whether a row was only given twice."""
    if one.predicted is None or other.predicted is None:
        return np.array_equal(one.confusion, other.confusion)
    return np.array_equal(one.predicted, other.predicted)


def _shared(group: Group) -> tuple[Any, ...]:
    row = group.first
    return (group.setting, row.kind, row.contender, row.classifier, row.size, row.budget)


def _tell_apart(groups: list[Group]) -> None:
    """Add the setting's name, or else the run's, to contenders that differ in nothing else that is shown."""
    alike: dict[tuple[Any, ...], list[Group]] = defaultdict(list)
    for group in groups:
        alike[_shared(group)].append(group)
    for several in alike.values():
        taken: set[str] = set()
        n_settings = len({group.first.setting for group in several})
        for group in several if len(several) > 1 else ():
            group.name = _free(_name_by_setting(group) if n_settings == len(several) else _name_by_run(group), taken)


def _name_by_run(group: Group) -> str:
    return f"{group.name} ({group.first.run_name})"


def _name_by_setting(group: Group) -> str:
    """Return a contender's name, with what its setting is called more than the one under which it is shown."""
    own, shown = group.first.setting, group.setting.name
    return group.name if own == shown else f"{group.name} ({own.removeprefix(f'{shown}, ') or own})"


def _settings(clean: list[Problem], groups: list[Group]) -> list[Problem]:
    """Return the settings of the page: of networks alone only where no other has their test part."""
    with_selectors = {group.setting for group in groups if group.kind == "selector"}
    parts = {problem.test_part for problem in with_selectors} - {None}
    tested = {group.setting for group in groups}
    return [p for p in clean if p in with_selectors or (p in tested and p.test_part not in parts)]


def _placed(setting: Problem, groups: Sequence[Group]) -> list[Group]:
    """Return the groups of a setting, and the networks that were tested on the same rows and are not among them."""
    networks = [group for group in groups if group.kind == "network" and group.setting is not setting]
    part = setting.test_part
    own = [group for group in groups if group.setting is setting]
    guests = {group.name: group for group in networks if part and group.setting.test_part == part}
    present = {group.name for group in own}
    return [*own, *(guest.within(setting) for name, guest in guests.items() if name not in present)]


def _name(groups: list[Group]) -> None:
    """Give each group its label, and a slug that no other has."""
    taken: set[str] = set()
    for group in groups:
        row = group.first
        parts = (group.setting.name, group.name, row.classifier, row.size, row.budget)
        group.id = _free(_slug(" ".join(part for part in parts if part)), taken)
        others = [g for g in groups if g.setting is group.setting and g.name == group.name]
        group.label = _label(group, others)


def _label(group: Group, others: list[Group]) -> str:
    """Return its name, with each of classifier, size and budget that tells it from others of that name."""
    said = []
    for what, words in (("classifier", "{}"), ("size", "size {}"), ("budget", "{}")):
        own = getattr(group.first, what)
        if own is not None and len({getattr(other.first, what) for other in others}) > 1:
            said.append(words.format(own))
    return f"{group.name} ({', '.join(said)})" if said else group.name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "row"
