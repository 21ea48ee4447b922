"""The verdict: who won, by how much, at what cost, and whether it is significant; in every case that can be."""

import re

import pytest
from made import ALL, ANOVA, COLONY, MOBILENET, PCA, RANDOM, SMALL_CNN, Contender, changed, made_bench

from acofer.report.numbers import page_numbers
from acofer.report.summary import duration


def verdict(cast, n_test=800, **options):
    defaults = {"seeds": (0, 1), "settings": ("demo 48x48 flattened",), "protocols": (), "features": 128}
    bench = made_bench(cast, n_test=n_test, **{**defaults, "failures": False, "copies": 0, **options})
    return page_numbers([bench])["verdict"]


WEAK_ANOVA = Contender("anova-f", 0.40, "anova-f", seconds=0.2)
WEAK_ALL = Contender("all", 0.45, "all", size=None, seconds=0.0)
STRONG_ALL = Contender("all", 0.72, "all", size=None, seconds=0.0)
GOOD = Contender("colony", 0.62, "colony", searches=True, seconds=130.0)


def test_two_sentences():
    for cast in ((COLONY,), (COLONY, ALL), (COLONY, ALL, RANDOM, MOBILENET, SMALL_CNN, PCA)):
        said = verdict(cast)
        assert len(said) == 2
        for sentence in said:
            assert re.match(r"[A-Z].*\.$", sentence)
            assert ". " not in sentence  # one sentence each


def test_who_beats_all_others_wins():
    first, second = verdict((GOOD, WEAK_ALL, WEAK_ANOVA))
    assert first.startswith("On the 800 test pictures of demo, the ant colony wins: it is right in 6")
    assert "significantly more than the use of all features, the best of 2 others, by 1" in first
    assert "selection bought accuracy as well as size: 64 of 128 features do better than all of them" in second.lower()
    assert "no simpler choice of as many does as well; the search took 2 minutes" in second


def test_the_only_rival_is_said_to_be_the_only_one():
    first, _ = verdict((GOOD, WEAK_ANOVA))
    assert "a ranking by ANOVA F, the only one beside it, by" in first


def test_nobody_wins_where_nothing_can_be_told_apart():
    first, second = verdict((COLONY, ALL, PCA))
    assert "nobody can be called the winner: the ant colony is right in 5" in first
    assert "cannot be told from the use of all features and principal components" in first
    assert "Selection bought size and no measurable accuracy: 64 of 128 features cannot be told from all" in second


def test_who_cannot_be_told_from_some_may_beat_others():
    first, second = verdict((COLONY, ALL, RANDOM))
    assert "nobody can be called the winner" in first
    assert "but is significantly better than a random choice, by" in first
    assert "no simpler choice of as many does as well" in second


def test_the_colony_may_lose():
    first, second = verdict((COLONY, STRONG_ALL, RANDOM))
    assert "the use of all features is right most often, in 7" in first
    assert "significantly more than the ant colony (5" in first
    assert "the ant colony is significantly better than a random choice" in first
    assert "Selection cost accuracy: 64 of 128 features do worse than all of them, by 1" in second
    assert "wins" not in first


def test_a_simpler_choice_that_is_as_good_is_named_with_what_it_took():
    cast = (COLONY, Contender("all", 0.57, "all", size=None), Contender("anova-f", 0.565, "anova-f", seconds=0.2))
    _, second = verdict(cast)
    assert (
        "but a simpler choice of as many, a ranking by ANOVA F, cannot be told from it: that took 1.2 seconds" in second
    )
    assert "the search 2 minutes" in second


def test_a_simpler_choice_that_is_better_is_named():
    _, second = verdict((COLONY, ALL, Contender("mrmr", 0.75, "mrmr", seconds=3.0)))
    assert "but a simpler choice of as many, mRMR, does better: that took 4.0 seconds" in second


def test_selection_is_judged_under_one_classifier():
    """All features under another classifier say nothing of what selection cost."""
    options = {"settings": ("demo 48x48 flattened",), "protocols": (), "features": 128, "failures": False}
    bench = made_bench((COLONY, ALL, STRONG_ALL), n_test=800, seeds=(0,), **options)
    strong = [row for row in bench["rows"] if row["contender"] == "all" and row["test"]["accuracy"]["value"] > 0.65]
    for row in strong:
        row["classifier"] = "SVC"
    first, second = page_numbers([bench])["verdict"]
    assert "the use of all features (SVC) is right most often" in first
    assert second.startswith("Selection bought size and no measurable accuracy")


def test_a_network_that_wins_says_its_price():
    first, second = verdict((COLONY, ALL, Contender("mobilenetv2", 0.8, net="mobilenetv2", size=None, seconds=9000.0)))
    assert "the network mobilenetv2 is right most often, in 79.7 %" in first
    price = r"the network mobilenetv2 cost 2\.\d hours of training and 11\.0 million multiply-adds a picture"
    assert re.search(price, second)


def test_several_that_are_better_are_all_named():
    better = [Contender(name, 0.75 + place / 100, name) for place, name in enumerate(("mrmr", "rfe"))]
    first, _ = verdict((COLONY, *better))
    assert "recursive elimination is right most often" in first
    assert "and so is mRMR" in first


def test_nothing_beside_it_is_nothing_to_compare_with():
    first, second = verdict((COLONY,))
    assert "nothing was run beside it" in first
    assert "how good all of them are was not tried" in second
    assert "no simpler choice of as many was tried" in second


def test_all_features_select_nothing():
    first, second = verdict((ALL, RANDOM))  # no colony: the first is compared with
    assert "the use of all features wins" in first
    assert "uses every feature, so that nothing was selected" in second


def test_a_network_may_be_the_reference():
    bench = made_bench(
        (SMALL_CNN, COLONY, MOBILENET), n_test=800, seeds=(0,), settings=("demo 48x48 flattened",), protocols=()
    )
    first, second = page_numbers([bench], reference="small-cnn")["verdict"]
    assert "significantly more than the network small-cnn" in first
    assert second.startswith("The network small-cnn cost 3")
    assert "the ant colony, which is no worse, took 2 minutes of search" in second


def test_a_reference_that_failed_is_not_replaced_in_silence():
    bench = made_bench((COLONY, ALL), n_test=100, seeds=(0,), settings=("demo 48x48 flattened",), protocols=())
    for row in bench["rows"]:
        row["status"] = "failed" if row["contender"] == "colony" else row["status"]
    numbers = page_numbers([bench])
    assert numbers["main"]["reference"] == "colony"
    assert numbers["differences"] == []
    assert "colony, whom the others were to be compared with, has no figure" in numbers["verdict"][0]


def test_without_predictions_nothing_is_claimed():
    bench = made_bench((COLONY, RANDOM), n_test=400, seeds=(0,), settings=("demo 48x48 flattened",), protocols=())
    bench["problems"]["clean-0"]["labels"] = None
    numbers = page_numbers([bench])
    assert "no difference was tested" in numbers["verdict"][0]
    assert {row["outcome"] for row in numbers["main"]["rows"]} == {"reference", "not compared"}


def test_several_settings_are_said_to_be_below():
    first, _ = verdict((COLONY, ALL), settings=("demo 48x48 flattened", "demo 96x96 flattened"))
    assert first.startswith("On the 800 test pictures of demo (demo 48x48 flattened; 2 settings are below)")


def test_names_of_ones_own_are_used_as_they_are():
    cast = changed((COLONY, ALL), "colony", name="colony-with-20-ants")
    bench = made_bench(cast, n_test=100, seeds=(0,), settings=("demo 48x48 flattened",), protocols=())
    assert "colony-with-20-ants is right in" in page_numbers([bench], reference="colony-with-20-ants")["verdict"][0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.001, "less than a tenth of a second"),
        (0.25, "0.2 seconds"),
        (59.6, "60 seconds"),
        (130, "2 minutes"),
        (7199, "120 minutes"),
        (9000, "2.5 hours"),
    ],
)
def test_durations_are_in_the_unit_one_would_say(seconds, words):
    assert duration(seconds) == words


def test_the_price_of_a_sure_thing_is_no_claim_without_a_test():
    """ANOVA's 5 points less are no difference on 60 rows: the verdict must not call them one."""
    first, second = verdict((COLONY, ANOVA), n_test=60)
    assert "significantly" not in first
    assert "does better" not in second
