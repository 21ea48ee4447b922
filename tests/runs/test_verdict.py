import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from acofer.errors import LeakageError
from acofer.runs.guidance import alone
from acofer.runs.verdict import (
    ALL,
    COLONY,
    FORWARD,
    RANDOM,
    TOP,
    null_subsets,
    outcome,
    run_trial,
    search_score_numbers,
    verdict_sentence,
)
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import SealedLabels

CHOSEN = np.array([1, 4, 9], dtype=np.int32)
ETA = np.linspace(0.05, 1, 20)


def test_nulls_are_as_large_as_the_chosen_subset_and_the_top_is_the_top():
    nulls = null_subsets(CHOSEN, {TOP: alone(ETA, 3)}, 20, 4, seed=0)
    assert list(nulls) == [ALL, TOP, "random 1", "random 2", "random 3", "random 4"]
    assert nulls[ALL].tolist() == list(range(20))
    assert nulls[TOP].tolist() == [17, 18, 19]
    for draw in range(1, 5):
        drawn = nulls[f"random {draw}"]
        assert len(drawn) == len(np.unique(drawn)) == 3
        assert (np.diff(drawn) > 0).all()
        assert drawn.dtype == np.int32
    assert len({nulls[f"random {draw}"].tobytes() for draw in range(1, 5)}) == 4


def test_a_random_null_depends_on_seed_and_draw_alone():
    few, many = (
        null_subsets(CHOSEN, {}, 20, 2, seed=0),
        null_subsets(CHOSEN[::-1] + 3, {FORWARD: CHOSEN}, 20, 5, seed=0),
    )
    for name in ("random 1", "random 2"):
        np.testing.assert_array_equal(few[name], many[name])
    assert few["random 1"].tolist() != null_subsets(CHOSEN, {}, 20, 1, seed=1)["random 1"].tolist()


def test_random_nulls_take_every_feature_equally_often():
    nulls = null_subsets(CHOSEN, {}, 20, 2000, seed=0)
    counts = np.bincount(np.concatenate([s for name, s in nulls.items() if name.startswith(RANDOM)]), minlength=20)
    assert np.abs(counts - 300).max() < 5 * np.sqrt(300 * 0.85)  # 2,000 draws of 3 in 20; five standard deviations


@pytest.mark.parametrize(
    ("interval", "word"),
    [([0.01, 0.2], "beats"), ([-0.2, -0.01], "loses to"), ([-0.1, 0.1], "cannot be told from"),
     ([0.0, 0.1], "cannot be told from"), ([0.0, 0.0], "cannot be told from")],
)  # fmt: skip
def test_an_interval_that_holds_zero_decides_nothing(interval, word):
    assert outcome({"difference": 0.0, "interval": interval}) == word


def numbers_of(k=50, alone=TOP, **outcomes):
    cards = {COLONY: {"features": k, "rows": 700, "accuracy": {"value": 0.5}}}
    bounds = {"beats": [0.01, 0.05], "loses to": [-0.05, -0.01], "cannot be told from": [-0.02, 0.02]}
    named = {ALL: outcomes.get("all"), RANDOM: outcomes["random"], alone: outcomes["top"]}
    named = {name: outcome for name, outcome in named.items() if outcome}
    differences = {name: {"difference": sum(bounds[o]) / 2, "interval": bounds[o]} for name, o in named.items()}
    return {"contenders": cards, "accuracy differences": differences, "outcome": named}


EVEN = "cannot be told from"


def test_the_sentence_of_a_colony_that_beats_all():
    said = verdict_sentence(numbers_of(all="beats", random="beats", top="beats"), 500, "clean")
    assert said == (
        "On 700 test rows the colony's 50 of 500 features reach accuracy 0.500, which beats all 500 features "
        "(by +3.0 points, +1.0 to +5.0), random 50 (by +3.0 points, +1.0 to +5.0) and the top 50 by heuristic "
        "(by +3.0 points, +1.0 to +5.0); selection bought more accuracy from 10.0 times fewer features, "
        "and no simpler choice of as many does as well."
    )


def test_the_sentence_without_all_features_does_not_speak_of_their_cost():
    said = verdict_sentence(numbers_of(random="beats", top="beats"), 500, "clean")
    assert "all 500 features" not in said
    assert said.endswith("10.0 times fewer features at a cost that was not measured, "
                         "and no simpler choice of as many does as well.")  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({"all": "loses to", "random": "beats", "top": EVEN}, "selection cost accuracy for 10.0 times fewer features"),
        ({"all": EVEN, "random": "beats", "top": EVEN}, "at no measurable loss, but a simpler choice of as many does "
         "about as well"),
        ({"all": EVEN, "random": "beats", "top": "beats"}, "at no measurable loss, and no simpler choice"),
        ({"all": EVEN, "random": "beats", "top": "loses to"}, "but a simpler choice of as many does better"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_selection_bought(outcomes, words):
    said = verdict_sentence(numbers_of(**outcomes), 500, "clean")
    assert words in said
    assert "more accuracy" not in said
    for rival, word in zip(("all 500 features", "random 50", "the top 50"), outcomes.values(), strict=True):
        assert said.index(word) < said.index(rival)


def test_where_the_heuristic_is_conditional_the_rival_is_greedy_forward_selection():
    said = verdict_sentence(numbers_of(alone=FORWARD, all=EVEN, random="beats", top=EVEN), 500, "clean")
    assert "and the 50 of greedy forward selection (by +0.0 points, -2.0 to +2.0); selection" in said
    assert "by heuristic" not in said
    assert said.endswith("a simpler choice of as many does about as well.")


def test_a_colony_that_kept_everything_selected_nothing():
    said = verdict_sentence(numbers_of(k=500, all=EVEN, random=EVEN, top=EVEN), 500, "clean")
    assert said.endswith("it kept every feature, so nothing was selected.")


def test_a_leaky_protocol_stands_before_its_figure():
    said = verdict_sentence(numbers_of(all="beats", random="beats", top="beats"), 500, "leaky-smote-first")
    assert said.startswith("[leaky-smote-first: not an honest figure] ")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 100)
    X = rng.normal(size=(200, 20)).astype(np.float32)
    X[:, CHOSEN] += 2 * y[:, None]
    return X, y


def trial(rows, sealed, subsets=None):
    X, y = rows
    subsets = subsets or {COLONY: CHOSEN, **null_subsets(CHOSEN, {TOP: alone(ETA, 3)}, 20, 3, seed=5)}

    def fit(indices):
        return GaussianNB().fit(X[::2, indices], y[::2])

    return run_trial(fit, subsets, X[1::2], sealed, 2, seed=0)


def test_features_that_tell_the_classes_apart_beat_others(rows):
    done = trial(rows, SealedLabels(rows[1][1::2]))
    assert done.numbers["outcome"] == {ALL: EVEN, RANDOM: "beats", TOP: "beats"}
    assert done.numbers["contenders"][COLONY]["accuracy"]["value"] == np.mean(
        done.outputs[COLONY].argmax(axis=1) == done.labels
    )
    values = [done.numbers["contenders"][f"random {d}"]["accuracy"]["value"] for d in (1, 2, 3)]
    spread = done.numbers["random draws"]["accuracy"]
    assert spread == {"mean": pytest.approx(np.mean(values)), "lowest": min(values), "highest": max(values)}
    assert done.model.n_features_in_ == 3


def test_labels_opened_before_the_trial_end_the_run(rows):
    sealed = SealedLabels(rows[1][1::2])
    with pytest.raises(LeakageError, match="only after predictions"):
        sealed.open({})  # a peek without predictions opens nothing
    sealed.open({"cheater": np.zeros(100)})
    with pytest.raises(LeakageError, match="opened before"):
        trial(rows, sealed)


def test_labels_are_opened_after_the_last_prediction(rows, monkeypatch):
    events = []

    class Watched(SealedLabels):
        def open(self, predictions):
            events.append(("open", sorted(predictions)))
            return super().open(predictions)

    fit = GaussianNB.fit
    monkeypatch.setattr(GaussianNB, "fit", lambda self, *a, **k: events.append(("fit", None)) or fit(self, *a, **k))
    trial(rows, Watched(rows[1][1::2]))
    assert [kind for kind, _ in events] == ["fit"] * 6 + ["open"]
    assert len(events[-1][1]) == 6


def test_optimism_has_one_sign_for_every_metric():
    assert search_score_numbers(METRICS["accuracy"], 0.6, 0.5)["optimism"] == pytest.approx(0.1)
    assert search_score_numbers(METRICS["log-loss"], 1.2, 1.5)["optimism"] == pytest.approx(0.3)


def test_another_classifiers_score_is_no_optimism():
    numbers = search_score_numbers(METRICS["brier"], 0.5, 0.6, is_same_classifier=False)
    assert (numbers["same metric on the test part"], numbers["optimism"]) == (0.6, None)
