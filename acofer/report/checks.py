"""Numbered checks of method: what a careful reader would ask, answered from the numbers alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from acofer.bench.guards import FALSE_ALARM
from acofer.report.chosen import is_choice, stability_of
from acofer.report.courses import searchers
from acofer.report.entry import Entry
from acofer.report.groups import Gathered, Group
from acofer.report.problem import Problem
from acofer.report.rows import Row
from acofer.report.standing import SEARCH_STAGES, Difference, accuracy_without_copies, is_reference

PASS, WARN, FAIL, UNKNOWN = "pass", "warn", "fail", "unknown"
_POOR, _EXCELLENT = 0.4, 0.75
"""Nogueira, Sechidis and Brown (2018), after Fleiss: below .4 poor, to .75 intermediate to good, above it excellent."""
_SAME_EVALUATIONS, _SAME_SECONDS = 1.05, 1.25
"""Most over least, up to which searchers are said to have had as much."""
_STANDARD_ERRORS = 1.96
"""Half of a 95 % interval of a normal distribution."""
_MOST_LISTED = 4
AS_MANY = 0.1
"""Share by which the numbers of features of two selectors may differ that are said to have as many."""
SIMPLE = ("random-subset", "anova-f", "mutual-information", "forest-importance")
"""Selectors that take features at random, or the top ones of a ranking."""


@dataclass(frozen=True)
class Check:
    """One answer: what was found, and what to do about it (None where there is nothing to do)."""

    status: str
    finding: str
    todo: str | None = None


def checks(
    gathered: Gathered, reference: str, differences: Sequence[Difference], optimism: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return every check with its number, name, status, finding and what to do.

    Parameters
    ----------
    gathered : Gathered
    reference : str
        Name of the contender that others are compared with.
    differences : sequence of Difference
        Of `acofer.report.standing.differences_of`.
    optimism : sequence of dict
        Of `acofer.report.courses.optimism`.
    """
    answers = {
        "one split for all, its parts disjoint": one_split(gathered),
        "no copies across the split": copies(gathered, reference),
        "nothing is learnt from shuffled labels": null_test(gathered),
        "no guard was tripped": guards(gathered),
        "the search did not fool itself": optimism_of_search(gathered, optimism),
        "better than random and top features": beats_the_simple(gathered, reference, differences),
        "the chosen features are stable": stable(gathered, reference),
        "searchers had equal budgets": budgets(gathered),
        "more than one seed": seeds(gathered),
        "nothing failed": failures(gathered, reference),
        "leaky protocols are kept apart": kept_apart(gathered),
        "test labels were opened once": opened(gathered),
        "one version, one machine": one_version(gathered),
    }
    return [
        {"number": number, "name": name, "status": answer.status, "finding": answer.finding, "to do": answer.todo}
        for number, (name, answer) in enumerate(answers.items(), start=1)
    ]


def one_split(gathered: Gathered) -> Check:
    """Whether training, validation and test rows can be disjoint, and figures rest on one split."""
    if not gathered.settings:
        return Check(UNKNOWN, "no run has the clean protocol, so no split was kept", "run the clean protocol, too")
    for setting in gathered.settings:
        rows = setting.train + setting.validation + setting.test
        if setting.pictures is not None and rows > setting.pictures:
            said = (
                f"{setting.name}: {rows:,} rows in train, validation and test, but only {setting.pictures:,} pictures"
            )
            return Check(FAIL, said, "find out which rows stand in two parts; no figure of this setting counts")
    nameless = [setting.name for setting in gathered.settings if setting.fingerprint is None]
    if nameless:
        return Check(UNKNOWN, f"the split has no fingerprint: {listed(nameless)}", "repeat the run")
    splits: dict[str, set[str | None]] = defaultdict(set)
    for setting in gathered.settings:
        splits[setting.digest].add(setting.fingerprint)
    several = [s.name for s in gathered.settings if len(splits[s.digest]) > 1]
    if several:
        said = f"the same pictures were split in several ways: {listed(several)}"
        return Check(WARN, said, "compare figures within one setting only, as the differences here do")
    return Check(PASS, f"{_count(len(gathered.settings), 'setting')}; in each, all contenders have one split")


def copies(gathered: Gathered, reference: str) -> Check:
    """How many test pictures also stand in train or validation, and the figure without them."""
    counted = [setting for setting in gathered.settings if setting.n_copies is not None]
    if len(counted) < len(gathered.settings) or not counted:
        return Check(UNKNOWN, "a run did not count copies", "repeat it with this version of acofer")
    copied = [setting for setting in counted if setting.n_copies]
    if not copied:
        return Check(PASS, "no test picture also stands in train or validation")
    said = "; ".join(_copies(setting, gathered, reference) for setting in copied)
    todo = "quote the figure without copies beside the official one, or use a stratified split, which keeps them apart"
    return Check(WARN, said, todo)


def _copies(setting: Problem, gathered: Gathered, reference: str) -> str:
    said = f"{setting.name}: {setting.n_copies:,} of {setting.test:,} test pictures also stand in train or validation"
    own = next((group for group in gathered.of(setting) if is_reference(group, reference)), None)
    without = None if own is None else accuracy_without_copies(own)
    if own is None or without is None:
        return said
    return f"{said}; without them {own.label} has accuracy {without:.3f} instead of {own.accuracy:.3f}"


def null_test(gathered: Gathered) -> Check:
    """Whether anything is learnt from shuffled training labels, which would be a leak."""
    tested = [
        (row, row.entry.inner("null test")) for row in gathered.rows if row.is_null and row.entry.has("null test")
    ]
    if not tested:
        said = "no run was repeated on shuffled labels, or there are too few classes to tell"
        return Check(UNKNOWN, said, "let acofer bench make its null test")
    leaks = [_null(row, test) for row, test in tested if test.number("p", 0, 1) < FALSE_ALARM]
    if leaks:
        return Check(FAIL, f"after training on shuffled labels, too many hits: {listed(leaks)}", "find the leak first")
    luckiest = min(tested, key=lambda one: one[1].number("p", 0, 1))
    of = "" if len(tested) == 1 else f"; the luckiest of {len(tested)}"
    return Check(PASS, f"after training on shuffled labels, hits are as chance has them{of}: {_null(*luckiest)}")


def _null(row: Row, test: Entry) -> str:
    hits, expected = test.whole("hits"), test.number("expected", 0)
    return f"{row.contender}, {hits:,} hits where {expected:,.1f} were to be expected"


def guards(gathered: Gathered) -> Check:
    """Whether the harness caught a contender that peeked."""
    caught = [f"{row.contender}: {row.entry.maybe_text('reason')}" for row in gathered.rows if row.status == "caught"]
    if caught:
        return Check(FAIL, f"caught, and in no table of results: {listed(caught)}", "mend the contender")
    if not any(result.content.get("kind") == "bench" for result in gathered.results):
        return Check(UNKNOWN, "these runs were made one by one, without the guards of acofer bench", "use acofer bench")
    return Check(PASS, "no contender was caught peeking")


def optimism_of_search(gathered: Gathered, optimism: Sequence[dict[str, Any]]) -> Check:
    """Whether search scores are further above the test part than their own intervals."""
    if not optimism:
        return Check(UNKNOWN, "no search score was measured on the test part by the classifier that had scored")
    margins = _margins(gathered)
    known = [entry for entry in optimism if margins.get(entry["id"]) is not None]
    if not known:
        return Check(UNKNOWN, "no search score has a standard error", "score on folds or blocks")
    fooled = [entry for entry in known if entry["optimism"] > margins[entry["id"]]]
    if fooled:
        said = listed([_optimism(entry, margins[entry["id"]]) for entry in fooled])
        todo = "score on more folds or rows, or search less; trust the test part"
        return Check(WARN, f"the search score promised more than the test part kept: {said}", todo)
    largest = max(known, key=lambda entry: entry["optimism"])
    return Check(
        PASS, f"the largest optimism is within the score's interval: {_optimism(largest, margins[largest['id']])}"
    )


def _margins(gathered: Gathered) -> dict[str, float]:
    """Return half of the 95 % interval of each group's search score, mean over seeds, where it is known."""
    errors = {group.id: group.mean(_standard_error) for group, _ in searchers(gathered)}
    return {own: _STANDARD_ERRORS * error for own, error in errors.items() if error is not None}


def _standard_error(row: Row) -> float | None:
    return row.entry.inner("search score").maybe_number("standard error", 0)


def _optimism(entry: dict[str, Any], margin: float) -> str:
    return f"{entry['contender']}, {entry['metric']} by {entry['optimism']:+.3f} (interval ±{margin:.3f})"


def beats_the_simple(gathered: Gathered, reference: str, differences: Sequence[Difference]) -> Check:
    """Whether the reference is better than features at random and the top ones of a ranking."""
    simple = [d for d in differences if d.rival.first.selector in SIMPLE and is_as_large(d)]
    if not simple:
        todo = "add random-subset and anova-f to the plan, at the same number of features"
        return Check(UNKNOWN, "no random or top features of the same number were run", todo)
    even = [d for d in differences if d in simple and d.outcome != "worse"]
    if even:
        said = [f"{d.rival.label} ({d.rival.setting.name}, {-d.points:+.1f} points)" for d in even]
        todo = "say so wherever the figure is quoted; the simpler choice is to be preferred"
        return Check(WARN, f"{reference} is not measurably better than {listed(said)}", todo)
    return Check(PASS, f"{reference} is better than {listed(sorted({d.rival.label for d in simple}))} at the same size")


def is_as_large(difference: Difference) -> bool:
    """Whether both have the same classifier and about as many features: who chooses a size is compared at that."""
    rival, own = difference.rival, difference.reference
    if rival.first.classifier != own.first.classifier or rival.n_features is None or own.n_features is None:
        return False
    return abs(rival.n_features - own.n_features) <= AS_MANY * own.n_features


def stable(gathered: Gathered, reference: str) -> Check:
    """Whether another seed would choose the same features."""
    groups = [group for group in gathered.groups if is_reference(group, reference) and is_choice(group)]
    found = [(group, stability_of(group)) for group in groups]
    known = [(group, stability["value"]) for group, stability in found if stability is not None]
    if not known:
        return Check(UNKNOWN, f"{reference} chose no features on two seeds or more", "run more seeds")
    said = listed([f"{group.label} {value:.2f}, {reading(value)} ({group.setting.name})" for group, value in known])
    if min(value for _, value in known) < _POOR:
        return Check(WARN, f"stability of the choice over seeds: {said}", "read nothing into single features")
    return Check(PASS, f"stability of the choice over seeds: {said}")


def reading(stability: float) -> str:
    """Return what a value of Nogueira's stability is called."""
    if stability < _POOR:
        return "poor"
    return "intermediate to good" if stability <= _EXCELLENT else "excellent"


def budgets(gathered: Gathered) -> Check:
    """Whether searchers of one setting were given and used as many subset scores, or as many seconds."""
    compared, odd = 0, []
    for setting in gathered.settings:
        groups = [group for group in gathered.of(setting) if group.first.searches]
        if len({group.name for group in groups}) > 1:
            compared += 1
            odd += _odd_budgets(setting, groups)
    if not compared:
        return Check(UNKNOWN, "no setting has two searchers, so that there is nothing to compare")
    if odd:
        todo = "read their order with care; give all the same evaluations, or the same seconds"
        return Check(WARN, f"searchers had unequal budgets: {'; '.join(odd)}", todo)
    return Check(PASS, "searchers of one setting had as many subset scores, or as many seconds")


def _odd_budgets(setting: Problem, groups: list[Group]) -> list[str]:
    asked: dict[str, set[str | None]] = defaultdict(set)
    by_budget: dict[str | None, list[Group]] = defaultdict(list)
    for group in groups:
        asked[group.name].add(group.first.budget)
        by_budget[group.first.budget].append(group)
    if len({frozenset(own) for own in asked.values()}) > 1:
        said = [f"{name} {' and '.join(sorted(b or 'none' for b in own))}" for name, own in asked.items()]
        return [f"{setting.name}: {listed(said)}"]
    return [f"{setting.name}: {listed([_used(g) for g in own])}" for own in by_budget.values() if not _is_even(own)]


def _is_even(groups: list[Group]) -> bool:
    scores = _ratio([group.whole("evaluations") for group in groups])
    return scores <= _SAME_EVALUATIONS or _ratio([group.seconds(*SEARCH_STAGES) for group in groups]) <= _SAME_SECONDS


def _ratio(values: list[float | None]) -> float:
    known = [value for value in values if value]
    return max(known) / min(known) if len(known) == len(values) else float("inf")


def _used(group: Group) -> str:
    seconds = group.seconds(*SEARCH_STAGES)
    timed = "" if seconds is None else f" in {seconds:,.1f} s"
    return f"{group.label} {group.whole('evaluations') or 0:,.0f} scores{timed}"


def seeds(gathered: Gathered) -> Check:
    """Whether every contender was run with several seeds."""
    groups = gathered.groups
    if not groups:
        return Check(UNKNOWN, "no clean row is there", "run the clean protocol, too")
    single = sorted({group.label for group in groups if len(group.rows) == 1})
    if single:
        todo = "repeat with more seeds before you believe a small difference: intervals do not cover seeds"
        return Check(WARN, f"one seed only: {listed(single)}", todo)
    counts = sorted({len(group.rows) for group in groups})
    return Check(PASS, f"every contender has {counts[0]}{f' to {counts[-1]}' * (len(counts) > 1)} seeds")


def failures(gathered: Gathered, reference: str) -> Check:
    """What did not end well."""
    ended: dict[str, list[str]] = defaultdict(list)
    for row in gathered.rows:
        if row.status in ("failed", "timed out", "skipped"):
            ended[row.status].append(row.contender)
    said = "; ".join(f"{len(names)} {status} ({listed(sorted(set(names)))})" for status, names in ended.items())
    if not ended:
        return Check(PASS, f"all {len(gathered.rows):,} cells ended well")
    todo = "the reasons stand with the absent rows; mend them and start the same plan again, it does what is missing"
    if not any(is_reference(group, reference) for group in gathered.groups):
        return Check(FAIL, f"{reference}, whom others are compared with, has no figure: {said}", todo)
    return Check(WARN, f"of {len(gathered.rows):,} cells {said}", todo)


def kept_apart(gathered: Gathered) -> Check:
    """Whether figures of leaky protocols stand in no table of results."""
    mixed = [setting.name for setting in gathered.settings if setting.synthetic]
    if mixed:
        return Check(FAIL, f"called clean, but with made-up test rows: {listed(mixed)}", "no figure of it counts")
    protocols = sorted({problem.protocol for problem in gathered.leaky})
    if not protocols:
        return Check(PASS, "no leaky protocol was asked for")
    return Check(PASS, f"{listed(protocols)}: shown in the audit alone")


def opened(gathered: Gathered) -> Check:
    """How often the labels of the test part were opened."""
    times = [result.maybe_whole("opened") for result in gathered.results]
    known = [n for n in times if n is not None]
    if len(known) < len(times) or 0 in known:
        return Check(UNKNOWN, "a run does not say how often the test labels were opened")
    if max(known) > 1:
        todo = "choose nothing by these figures any more; keep other rows for the last word"
        return Check(WARN, f"the test labels were opened {max(known)} times in one run", todo)
    each = "" if len(known) == 1 else f", in each of {len(known)} runs"
    return Check(PASS, f"the test labels were opened once{each}, in exchange for predictions")


def one_version(gathered: Gathered) -> Check:
    """Whether figures and times come from one version of acofer and one machine."""
    rows = [row for row in gathered.rows if row.card is not None]
    versions = {str(row.entry.plain("versions").get("acofer")) for row in rows}
    machines = {str(row.entry.plain("machine").get("processor")) for row in rows}
    if not rows or "None" in versions | machines:
        return Check(UNKNOWN, "a row does not say what it was made with", "repeat it with this version of acofer")
    said = f"acofer {listed(sorted(versions))} on {listed(sorted(machines))}"
    if len(versions) > 1 or len(machines) > 1:
        todo = "repeat the older rows; compare no times across machines"
        return Check(WARN, f"rows come from several versions or machines: {said}", todo)
    return Check(PASS, f"every row is from {said}")


def listed(words: Iterable[str], most: int = _MOST_LISTED) -> str:
    """Join words by commas; of many the first few, and how many more there are."""
    every = list(dict.fromkeys(words))
    shown, more = every[:most], len(every) - most
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
