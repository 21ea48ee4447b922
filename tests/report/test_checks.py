"""Every numbered check of method, in every status that it can have."""

import copy

import numpy as np
import pytest
from made import ALL, CAST, COLONY, GENETIC, RANDOM, Contender, changed, made_bench

from acofer.report.checks import listed, reading
from acofer.report.numbers import page_numbers

FEW = (COLONY, ALL, RANDOM, GENETIC)


def small(cast=FEW, **options):
    defaults = {"n_test": 60, "seeds": (0, 1), "settings": ("demo 48x48 flattened",), "protocols": (), "features": 128}
    return made_bench(cast, **{**defaults, "failures": False, "copies": 0, **options})


def check(number, *benches):
    found = page_numbers(list(benches))["checks"]
    assert [one["number"] for one in found] == list(range(1, 14))
    return next(one for one in found if one["number"] == number)


def rows_of(bench, contender):
    return [row for row in bench["rows"] if row["contender"] == contender and row.get("test")]


def alone(bench):
    """The same as if it were a run of its own, without the harness."""
    return {**bench, "kind": "search"}


def test_what_is_wrong_comes_with_what_to_do():
    for one in page_numbers([small(failures=True, copies=5, null_hits=None, opened=3)])["checks"]:
        assert one["finding"]
        assert (one["to do"] is not None) or one["status"] in ("pass", "unknown")


def test_1_passes_on_one_split():
    assert check(1, small())["status"] == "pass"


def test_1_warns_where_the_same_pictures_are_split_in_several_ways():
    assert check(1, small(), small(seed=1))["status"] == "warn"


def test_1_fails_where_the_parts_have_more_rows_than_there_are_pictures():
    bench = small()
    bench["problems"]["clean-0"]["data"]["pictures"] = 599
    found = check(1, bench)
    assert found["status"] == "fail"
    assert "600 rows in train, validation and test, but only 599 pictures" in found["finding"]


def test_1_is_unknown_without_a_fingerprint_or_a_clean_run():
    bench = small()
    bench["problems"]["clean-0"]["fingerprint"] = None
    assert check(1, bench)["status"] == "unknown"
    bench = small(protocols=("leaky-smote-first",))
    bench["rows"] = [row for row in bench["rows"] if row["problem"] != "clean-0"]
    assert check(1, bench)["status"] == "unknown"


def test_2_passes_without_copies():
    assert check(2, small())["status"] == "pass"


def test_2_warns_of_copies_and_says_the_figure_without_them():
    bench = small(copies=6)
    y = np.array(bench["problems"]["clean-0"]["labels"])
    predicted = [np.array(row["predicted"]) for row in rows_of(bench, "colony")]
    without = np.mean([np.mean((one == y)[6:]) for one in predicted])
    found = check(2, bench)
    assert found["status"] == "warn"
    assert "6 of 60 test pictures also stand in train or validation" in found["finding"]
    assert f"without them colony has accuracy {without:.3f} instead of" in found["finding"]


def test_2_is_unknown_where_nobody_counted():
    bench = small()
    bench["problems"]["clean-0"]["copied"] = None
    assert check(2, bench)["status"] == "unknown"


def test_3_passes_where_nothing_is_learnt_from_shuffled_labels():
    assert check(3, small())["status"] == "pass"


def test_3_fails_where_something_is():
    found = check(3, small(n_test=200, null_hits=0.5))
    assert found["status"] == "fail"
    assert "hits where" in found["finding"]


def test_3_is_unknown_without_a_null_test():
    assert check(3, small(null_hits=None))["status"] == "unknown"


def test_4_passes_where_nobody_was_caught():
    assert check(4, small())["status"] == "pass"


def test_4_fails_where_somebody_was():
    bench = small()
    for row in rows_of(bench, "genetic-algorithm"):
        row |= {"status": "caught", "reason": "it opened the labels before it had predicted", "test": None}
    numbers = page_numbers([bench])
    found = numbers["checks"][3]
    assert found["status"] == "fail"
    assert "genetic-algorithm: it opened the labels before it had predicted" in found["finding"]
    assert "genetic-algorithm" not in {row["contender"] for row in numbers["main"]["rows"]}
    assert {e["status"] for e in numbers["absent"]} == {"caught"}


def test_4_is_unknown_of_runs_without_the_harness():
    assert check(4, alone(small()))["status"] == "unknown"


def test_5_passes_within_the_scores_interval():
    assert check(5, small((COLONY, ALL)))["status"] == "pass"


def test_5_warns_beyond_it():
    """Optimism .03, the interval's half 1.96 x .011 = .0216."""
    found = check(5, small((COLONY, ALL, GENETIC)))
    assert found["status"] == "warn"
    assert "genetic-algorithm" in found["finding"]
    assert "colony" not in found["finding"]


def test_5_is_unknown_without_scores_or_their_errors():
    assert check(5, small((ALL, RANDOM)))["status"] == "unknown"
    bench = small((COLONY, ALL))
    for row in rows_of(bench, "colony"):
        row["search score"]["standard error"] = None
    assert check(5, bench)["status"] == "unknown"


def test_6_passes_where_the_reference_beats_random_and_top_features():
    cast = (Contender("colony", 0.7, "colony", searches=True), ALL, RANDOM, Contender("anova-f", 0.4, "anova-f"))
    found = check(6, small(cast, n_test=800))
    assert found["status"] == "pass"
    assert "anova-f and random-subset" in found["finding"]


def test_6_warns_where_it_does_not():
    found = check(6, small((COLONY, ALL, RANDOM, Contender("anova-f", 0.57, "anova-f")), n_test=800))
    assert found["status"] == "warn"
    assert "anova-f" in found["finding"]
    assert "random-subset" not in found["finding"]


def test_6_is_unknown_without_them_or_at_another_size():
    assert check(6, small((COLONY, ALL, GENETIC)))["status"] == "unknown"
    assert check(6, small((COLONY, ALL, Contender("anova-f", 0.5, "anova-f", size=20))))["status"] == "unknown"


def test_6_compares_under_one_classifier():
    bench = small((COLONY, ALL, Contender("anova-f", 0.7, "anova-f")))
    for row in rows_of(bench, "anova-f"):
        row["classifier"] = "SVC"
    assert check(6, bench)["status"] == "unknown"


@pytest.mark.parametrize(("favourites", "status", "word"), [(1e6, "pass", "excellent"), (1.0, "warn", "poor")])
def test_7_reads_stability_as_its_authors_do(favourites, status, word):
    found = check(7, small(changed(CAST, "colony", favourites=favourites), features=1280, seeds=(0, 1, 2)))
    assert found["status"] == status
    assert word in found["finding"]


def test_7_is_unknown_of_one_seed():
    assert check(7, small(seeds=(0,)))["status"] == "unknown"


def test_stability_is_read_at_four_tenths_and_three_quarters():
    assert [reading(value) for value in (0.39, 0.4, 0.75, 0.76)] == [
        *("poor", "intermediate to good", "intermediate to good", "excellent")
    ]


def test_8_passes_on_equal_scores_or_equal_seconds():
    assert check(8, small())["status"] == "pass"
    bench = small()
    for row in rows_of(bench, "genetic-algorithm"):  # as many seconds, but more scores: it is the faster one
        row["evaluations"] = 90
        row["seconds"] |= {"selection": 130.0, "heuristic": 1.0}
    assert check(8, bench)["status"] == "pass"


def test_8_warns_where_both_differ():
    bench = small()
    for row in rows_of(bench, "genetic-algorithm"):
        row["evaluations"] = 90
        row["seconds"]["selection"] = 400.0
    found = check(8, bench)
    assert found["status"] == "warn"
    assert "genetic-algorithm 90 scores in 401.0 s" in found["finding"]


def test_8_warns_where_others_were_asked_for():
    bench = small()
    for row in rows_of(bench, "genetic-algorithm"):
        row["budget"] = {"evaluations": 600, "seconds": None}
    found = check(8, bench)
    assert found["status"] == "warn"
    assert "colony 60 subset scores" in found["finding"]
    assert "genetic-algorithm 600 subset scores" in found["finding"]


def test_8_is_unknown_of_one_searcher():
    assert check(8, small((COLONY, ALL)))["status"] == "unknown"


def test_9_passes_on_several_seeds():
    assert check(9, small())["finding"] == "every contender has 2 seeds"


def test_9_warns_of_a_single_one():
    bench = small()
    bench["rows"].remove(rows_of(bench, "all")[1])
    found = check(9, bench)
    assert (found["status"], found["finding"]) == ("warn", "one seed only: all")


def test_9_is_unknown_without_clean_rows():
    bench = small(protocols=("leaky-smote-first",))
    bench["rows"] = [row for row in bench["rows"] if row["problem"] != "clean-0"]
    assert check(9, bench)["status"] == "unknown"


def test_10_passes_where_all_ended_well():
    assert check(10, small())["status"] == "pass"


def test_10_warns_of_failures_and_time_outs():
    found = check(10, small(failures=True))
    assert found["status"] == "warn"
    assert "1 skipped (boruta)" in found["finding"]
    assert "2 timed out (rfe)" in found["finding"]
    assert "1 failed (select-from-model)" in found["finding"]


def test_10_fails_where_the_reference_is_among_them():
    bench = small()
    for row in bench["rows"]:
        row["status"] = "failed" if row["contender"] == "colony" else row["status"]
    found = page_numbers([bench], reference="colony")["checks"][9]
    assert found["status"] == "fail"
    assert "colony, whom others are compared with, has no figure" in found["finding"]


def test_11_passes_with_and_without_leaky_protocols():
    assert check(11, small())["finding"] == "no leaky protocol was asked for"
    found = check(11, small(protocols=("leaky-smote-first",)))
    assert (found["status"], found["finding"]) == ("pass", "leaky-smote-first: shown in the audit alone")


def test_11_fails_where_clean_rows_were_made_up():
    bench = small()
    bench["problems"]["clean-0"]["synthetic test rows"] = 3
    assert check(11, bench)["status"] == "fail"


@pytest.mark.parametrize(("opened", "status"), [(1, "pass"), (2, "warn"), (0, "unknown"), (None, "unknown")])
def test_12_counts_how_often_labels_were_opened(opened, status):
    assert check(12, small(opened=opened))["status"] == status


def test_13_passes_on_one_version_and_machine():
    assert check(13, small())["status"] == "pass"


@pytest.mark.parametrize(("what", "name"), [("versions", "acofer"), ("machine", "processor")])
def test_13_warns_of_another_and_is_unknown_where_nobody_says(what, name):
    bench = small()
    row = rows_of(bench, "all")[0]
    row[what] = {**row[what], name: "another"}
    found = check(13, bench)
    assert found["status"] == "warn"
    assert "another" in found["finding"]
    row[what] = {}
    assert check(13, bench)["status"] == "unknown"


def test_the_verdict_says_so_where_a_check_failed():
    numbers = page_numbers([small(n_test=200, null_hits=0.5)])
    assert "but check 3 (nothing is learnt from shuffled labels) failed" in numbers["verdict"][1]
    assert "failed" not in page_numbers([small()])["verdict"][1]


def test_lists_of_words_stay_short():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "a"]) == "a and b"
    assert listed("abcd") == "a, b, c and d"
    assert listed("abcdefg") == "a, b, c, d and 3 more"


def test_checks_leave_what_they_are_given_as_it_was():
    bench = small(copies=3)
    before = copy.deepcopy(bench)
    page_numbers([bench])
    assert bench == before
