"""The verdict: two sentences that a reader understands who knows nothing of the project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from acofer.report.checks import is_as_large, listed
from acofer.report.groups import Gathered, Group
from acofer.report.problem import Problem
from acofer.report.standing import BETTER, FIT_STAGES, SAME, SEARCH_STAGES, WORSE, Difference, is_reference
from acofer.runs.verdict import ALL, FORWARD, RANDOM, TOP

_WORDS = {
    "all": "the use of all features",
    "anova-f": "a ranking by ANOVA F",
    "boruta": "Boruta",
    "colony": "the ant colony",
    "forest-importance": "a ranking by forest importance",
    "genetic-algorithm": "a genetic algorithm",
    "greedy-forward": "greedy forward selection",
    "heuristic-alone": "the colony without its pheromone",
    "mrmr": "mRMR",
    "mutual-information": "a ranking by mutual information",
    "particle-swarm": "a particle swarm",
    "pca": "principal components",
    "pheromone-alone": "the colony without its heuristic",
    "random-search": "random search",
    "random-subset": "a random choice",
    "rfe": "recursive elimination",
    "select-from-model": "a sparse linear model's choice",
    "simulated-annealing": "simulated annealing",
}
"""What selectors are called in a sentence, where they are shown by their own names."""
_MINUTES, _HOURS = 120, 7200
_MOST_NAMED = 2
"""Contenders that are named side by side; the table has them all."""


def verdict(
    gathered: Gathered, reference: str, differences: Sequence[Difference], checks: Sequence[dict[str, Any]]
) -> list[str]:
    """Say who won, by how much, at what cost, and whether it is significant.

    The setting with most contenders is spoken of, of equals the first.

    Returns
    -------
    list of str
        Two sentences.
    """
    settings = [s for s in gathered.settings if gathered.of(s)]
    if not settings:
        return [
            "There is no honest figure here: no run has the clean protocol, and what other protocols give is no "
            "measure of what a method can do.",
            f"Run the same contenders with the clean protocol{_failing(checks)}.",
        ]
    setting = max(settings, key=lambda s: len(gathered.of(s)))
    own = _spoken_of(gathered.of(setting), reference, differences)
    if own is None:
        return [*_without_reference(gathered.of(setting), setting, reference, checks)]
    rivals = [d for d in differences if d.reference is own]
    others = len(gathered.of(setting)) - 1
    bought = _bought(own, rivals)
    if others and not rivals and own.predictions is None:
        bought = "repeat the runs with this version of acofer, which keeps what was predicted for each picture"
    return [
        f"{_opening(setting, len(settings))}, {_outcome(own, rivals, others)}.",
        f"{_sentence(bought)}{_failing(checks)}.",
    ]


def _spoken_of(groups: list[Group], reference: str, differences: Sequence[Difference]) -> Group | None:
    """Return the reference with most rivals; its accuracy has no say in that."""
    ours = [group for group in groups if is_reference(group, reference)]
    return max(ours, key=lambda g: sum(d.reference is g for d in differences), default=None)


def _without_reference(
    groups: list[Group], setting: Problem, reference: str, checks: Sequence[dict[str, Any]]
) -> tuple[str, str]:
    best = max(groups, key=lambda group: group.accuracy)
    return (
        f"{_opening(setting, 1)}, {_named(best)} is right most often, in {_right(best)}, but {reference}, whom the "
        "others were to be compared with, has no figure, so that no difference was tested.",
        f"Finish its runs, or name another reference{_failing(checks)}.",
    )


def _opening(setting: Problem, settings: int) -> str:
    one_of = f" ({setting.name}; {settings} settings are below)" if settings > 1 else ""
    return f"On the {setting.test:,} test pictures of {setting.data}{one_of}"


def _outcome(own: Group, rivals: list[Difference], others: int) -> str:
    """Say how the reference stands among its rivals."""
    by = {outcome: _by_accuracy([d for d in rivals if d.outcome == outcome]) for outcome in (BETTER, SAME, WORSE)}
    if not others:
        return f"{_named(own)} is right in {_right(own)}; nothing was run beside it, so it can be compared with nothing"
    if not rivals:
        return f"{_named(own)} is right in {_right(own)}; no difference was tested, as the others cannot be compared"
    if by[BETTER]:
        return _beaten(own, by)
    if not by[SAME]:
        return _wins(own, by[WORSE])
    ties = f"{_named(own)} is right in {_right(own)} and cannot be told from {_names(by[SAME])}"
    if not by[WORSE]:
        return f"nobody can be called the winner: {ties}"
    return f"nobody can be called the winner: {ties}, but is significantly better than {_with_lead(by[WORSE])}"


def _by_accuracy(differences: list[Difference]) -> list[Difference]:
    return sorted(differences, key=lambda d: -d.rival.accuracy)


def _beaten(own: Group, by: dict[str, list[Difference]]) -> str:
    best, *more = by[BETTER]
    is_first = all(best.rival.accuracy >= d.rival.accuracy for d in by[SAME])
    most = "most often, in" if is_first else "in"
    said = (
        f"{_named(best.rival)} is right {most} {_right(best.rival)}, significantly more than {_named(own)} "
        f"({_percent(own.accuracy)}), by {_points(best)}"
    )
    if more:
        said += f", and so {'is' if len(more) == 1 else 'are'} {_names(more)}"
    rest = [f"cannot be told from {_names(by[SAME])}"] if by[SAME] else []
    rest += [f"is significantly better than {_names(by[WORSE])}"] if by[WORSE] else []
    return f"{said}; {_named(own)} {', but '.join(rest)}" if rest else said


def _wins(own: Group, worse: list[Difference]) -> str:
    second = worse[0]
    others = "the only one beside it" if len(worse) == 1 else f"the best of {len(worse)} others"
    return (
        f"{_named(own)} wins: it is right in {_right(own)}, significantly more than {_named(second.rival)}, {others}, "
        f"by {_points(second)}"
    )


def _with_lead(worse: list[Difference]) -> str:
    nearest, *more = worse
    return f"{_named(nearest.rival)}, by {_points(nearest)}" + (f", and than {_names(more)}" if more else "")


def _bought(own: Group, rivals: list[Difference]) -> str:
    """Say what was paid, and what selection bought."""
    said = [_selection(own, rivals), *_dearer(rivals)] if own.kind == "selector" else [_price(own), *_cheaper(rivals)]
    return "; ".join(said)


def _selection(own: Group, rivals: list[Difference]) -> str:
    k, of = own.n_features or 0, own.setting.features or 0
    if not 0 < k < of:
        return f"{_named(own)} uses every feature, so that nothing was selected"
    some = f"{k:,.0f} of {of:,} features"
    same = [d for d in rivals if d.rival.first.classifier == own.first.classifier]
    everything = next((d for d in same if d.rival.first.selector == "all"), None)
    if everything is None:
        said = f"it uses {some}, and how good all of them are was not tried"
    else:
        said = {
            SAME: f"selection bought size and no measurable accuracy: {some} cannot be told from all of them",
            WORSE: f"selection bought accuracy as well as size: {some} do better than all of them",
            BETTER: f"selection cost accuracy: {some} do worse than all of them, by {_points(everything)}",
        }[everything.outcome]
    return f"{said}, {_simpler(own, rivals)}"


def _simpler(own: Group, rivals: list[Difference]) -> str:
    """Compare with choices of as many features that ask no scorer."""
    spent = own.seconds(*SEARCH_STAGES)
    took = "" if spent is None else f"; the search took {duration(spent)}"
    simple = [d for d in rivals if _is_simpler(d)]
    better, even = ([d for d in simple if d.outcome == outcome] for outcome in (BETTER, SAME))
    if better or even:
        one = _by_accuracy(better or even)[0].rival
        cost = one.seconds(*SEARCH_STAGES)
        times = took if cost is None or spent is None else f": that took {duration(cost)}, the search {duration(spent)}"
        said = "does better" if better else "cannot be told from it"
        return f"but a simpler choice of as many, {_named(one)}, {said}{times}"
    return f"and no simpler choice of as many {'does as well' if simple else 'was tried'}{took}"


def _is_simpler(difference: Difference) -> bool:
    rival = difference.rival
    is_choice = rival.kind == "selector" and rival.first.selector not in ("all", "pca") and not rival.first.searches
    return is_choice and is_as_large(difference)


def _dearer(rivals: list[Difference]) -> list[str]:
    """Return what the best network cost that beats the reference."""
    networks = _by_accuracy([d for d in rivals if d.outcome == BETTER and d.rival.kind == "network"])
    return [_price(d.rival) for d in networks[:1]]


def _cheaper(rivals: list[Difference]) -> list[str]:
    """Return what the best selector cost that is no worse than a network that others are compared with."""
    even = _by_accuracy([d for d in rivals if d.outcome != WORSE and d.rival.kind == "selector"])
    return [
        f"{_named(d.rival)}, which is no worse, took {duration(spent)} of search"
        for d in even[:1]
        if (spent := d.rival.seconds(*SEARCH_STAGES)) is not None
    ]


def _price(network: Group) -> str:
    trained, adds = network.seconds(*FIT_STAGES), network.whole("multiply-adds")
    costs = [] if trained is None else [f"{duration(trained)} of training"]
    costs += [] if adds is None else [f"{adds / 1e6:,.1f} million multiply-adds a picture"]
    return f"{_named(network)} cost {listed(costs)}" if costs else f"what {_named(network)} cost was not kept"


def _failing(checks: Sequence[dict[str, Any]]) -> str:
    failed = [f"{check['number']} ({check['name']})" for check in checks if check["status"] == "fail"]
    if not failed:
        return ""
    return f"; but check{'s' * (len(failed) > 1)} {listed(failed)} failed, so believe nothing before that is cleared up"


def _named(group: Group) -> str:
    """Return what a group is called in a sentence."""
    if group.kind == "network":
        return f"the network {group.label}"
    selector = group.first.selector
    is_usual = selector is not None and group.name in (selector, ALL, TOP, FORWARD, RANDOM)
    words = _WORDS.get(selector or "", group.name) if is_usual else group.name
    return words + group.label.removeprefix(group.name)


def _names(differences: list[Difference]) -> str:
    return listed([_named(d.rival) for d in differences], _MOST_NAMED)


def _right(group: Group) -> str:
    """Return how often a group is right, with the interval where there is one."""
    interval = group.rates()["accuracy"]["interval"]
    ends = "" if interval is None else f" (95 % interval {_ends(interval[0], interval[1])})"
    return f"{_percent(group.accuracy)}{ends}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(difference: Difference) -> str:
    """Return the size of a difference, and its interval, without a sign."""
    low, high = sorted(abs(end) for end in difference.numbers["interval"])
    return f"{abs(difference.points):.1f} points ({_ends(low, high)})"


def _ends(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def duration(seconds: float) -> str:
    """Return seconds in the unit one would say."""
    if seconds < 0.1:
        return "less than a tenth of a second"
    if seconds < _MINUTES:
        return f"{seconds:,.1f} seconds" if seconds < 10 else f"{seconds:,.0f} seconds"
    return f"{seconds / 60:,.0f} minutes" if seconds < _HOURS else f"{seconds / 3600:,.1f} hours"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
