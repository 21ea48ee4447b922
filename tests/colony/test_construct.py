import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import construct_step_by_step, pick_sequence_probabilities
from scipy.stats import chisquare

from acofer.colony.construct import construct, next_uniform


def stream(seed):
    return np.array([seed], dtype=np.uint64)


def sequence_counts(weight, k, q0, draws, seed):
    state, counts = stream(seed), {}
    for _ in range(draws):
        sequence = tuple(construct(weight, k, q0, state).tolist())
        counts[sequence] = counts.get(sequence, 0) + 1
    return counts


@pytest.mark.parametrize("q0", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(
    "weight", [[5.0, 3.0, 2.0, 1.0, 0.5], [1.0, 1.0, 1.0, 1.0, 1.0], [4.0, 4.0, 1.0, 1.0, 0.1]], ids=str
)
def test_sequences_of_picks_have_the_probabilities_of_the_rule(weight, q0):
    # Five public ant-colony selectors out of six sample with replacement or are greedy in both branches.
    expected = pick_sequence_probabilities(weight, 3, q0)
    assert sum(expected.values()) == pytest.approx(1.0)
    draws = 40_000
    counts = sequence_counts(np.array(weight), 3, q0, draws, seed=7)
    assert set(counts) <= {s for s, p in expected.items() if p > 0}
    likely = [s for s, p in expected.items() if p * draws >= 5]
    observed = [counts.get(s, 0) for s in likely] + [draws - sum(counts.get(s, 0) for s in likely)]
    wanted = [expected[s] * draws for s in likely] + [draws * (1 - sum(expected[s] for s in likely))]
    if wanted[-1] < 5:  # the rest is too rare for a chi-square cell of its own
        observed, wanted = observed[:-1], wanted[:-1]
        wanted = (np.array(wanted) * sum(observed) / sum(wanted)).tolist()
    assert chisquare(observed, wanted).pvalue > 1e-4


def test_inclusion_matches_the_step_by_step_twin_at_realistic_proportions():
    n, k, q0, draws = 60, 20, 0.7, 4000
    weight = np.random.default_rng(1).gamma(0.5, size=n) + 1e-3
    state, rng = stream(3), np.random.default_rng(2)
    fast, slow = np.zeros(n), np.zeros(n)
    for _ in range(draws):
        fast[construct(weight, k, q0, state)] += 1
        slow[construct_step_by_step(weight, k, q0, rng)] += 1
    p = (fast + slow) / (2 * draws)
    z = (fast - slow) / np.sqrt(2 * draws * np.maximum(p * (1 - p), 1 / draws))
    assert np.abs(z).max() < 4.5


def test_pure_exploitation_takes_the_heaviest_in_order():
    weight = np.random.default_rng(0).random(1000) + 0.1
    picks = construct(weight, 100, 1.0, stream(0))
    np.testing.assert_array_equal(picks, np.argsort(-weight)[:100])


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 80),
    share=st.floats(0, 1),
    q0=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    seed=st.integers(0, 2**64 - 1),
    spread=st.sampled_from([0.0, 1.0, 300.0]),
)
def test_picks_are_different_features_within_range(n, share, q0, seed, spread):
    k = max(1, round(share * n))
    weight = np.exp(-spread * np.random.default_rng(seed % 1000).random(n) * 2)
    picks = construct(weight, k, q0, stream(seed))
    assert len(picks) == k
    assert len(set(picks.tolist())) == k
    assert picks.min() >= 0
    assert picks.max() < n


def test_same_stream_same_picks_and_other_stream_other_picks():
    weight = np.ones(500)
    first, again, other = (construct(weight, 50, 0.5, stream(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_uniforms_are_splitmix64_and_uniform():
    # First outputs of SplitMix64 seeded with 1234567, from the reference implementation by S. Vigna.
    words = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    state = stream(1234567)
    for word in words:
        assert next_uniform(state) == ((word >> 11) + 0.5) / 2**53
    drawn = np.array([next_uniform(state) for _ in range(20_000)])
    assert drawn.min() > 0
    assert drawn.max() < 1
    assert chisquare(np.histogram(drawn, 50, (0, 1))[0]).pvalue > 1e-4
