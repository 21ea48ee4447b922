"""The slow, obvious twins of what is compiled or vectorised. When they disagree, these are right."""

from __future__ import annotations

import itertools

import numpy as np


def pick_sequence_probabilities(weight, k, q0):
    """Return {sequence of picks: probability} under the pseudo-random proportional rule, by enumeration."""
    probabilities = {}
    for sequence in itertools.permutations(range(len(weight)), k):
        probability, left = 1.0, list(range(len(weight)))
        for pick in sequence:
            heaviest = max(weight[j] for j in left)
            ties = [j for j in left if weight[j] == heaviest]
            exploit = q0 / len(ties) if pick in ties else 0.0
            explore = (1 - q0) * weight[pick] / sum(weight[j] for j in left)
            probability *= exploit + explore
            left.remove(pick)
        probabilities[sequence] = probability
    return probabilities


def construct_step_by_step(weight, k, q0, rng):
    """Build one ant's picks as the rule is written: one step after the other, from a shrinking pool."""
    left, picks = list(range(len(weight))), []
    for _ in range(k):
        if rng.random() < q0:
            heaviest = max(weight[j] for j in left)
            pick = rng.choice([j for j in left if weight[j] == heaviest])
        else:
            share = np.array([weight[j] for j in left])
            pick = left[rng.choice(len(left), p=share / share.sum())]
        left.remove(pick)
        picks.append(int(pick))
    return picks


def pareto_front(scores):
    """Return the (size, utility) pairs that no other pair of at most the size reaches or beats."""
    return sorted(
        {
            (s.size, s.utility)
            for s in scores
            if not any(
                (o.size <= s.size and o.utility > s.utility) or (o.size < s.size and o.utility >= s.utility)
                for o in scores
            )
        }
    )
