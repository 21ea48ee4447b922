"""The page's numbers, against what was planted and against slow, obvious twins."""

import copy
import json
import math

import numpy as np
import pytest
from made import ALL, ANOVA, BUDGET, CAST, COLONY, GENETIC, MOBILENET, RANDOM, SMALL_CNN, changed, made_bench
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_recall_fscore_support

from acofer.errors import ConfigError, DataError
from acofer.report.audit import printed
from acofer.report.courses import front_of
from acofer.report.numbers import page_numbers
from acofer.report.standing import is_on_front

FEW = (COLONY, ALL, RANDOM, GENETIC, MOBILENET)
SCHEMA = {
    *("title", "made", "how", "verdict", "settings", "main", "absent", "differences", "cost", "convergence"),
    *("archive", "features", "classes", "confusion differences", "audit", "optimism", "checks", "repeat"),
}


@pytest.fixture(scope="module")
def bench():
    return made_bench()


@pytest.fixture(scope="module")
def numbers(bench):
    return page_numbers([copy.deepcopy(bench)])


def small(**options):
    """A bench of one setting and one seed that takes no time."""
    return made_bench(
        **{"n_test": 60, "seeds": (0,), "settings": ("demo 48x48 flattened",), "features": 128, **options}
    )


def rows_by_name(numbers, setting="clean-0"):
    return {row["contender"]: row for row in numbers["main"]["rows"] if row["setting"] == setting}


def of(bench, contender, problem="clean-0"):
    """The rows of a contender, its true classes and its predictions by seed."""
    rows = [
        row
        for row in bench["rows"]
        if row["contender"] == contender and row["problem"] == problem and row["status"] == "ok" and row.get("test")
    ]
    return rows, np.array(bench["problems"][problem]["labels"]), [np.array(row["predicted"]) for row in rows]


def test_everything_is_plain_data_of_the_schema(numbers):
    assert set(numbers) == SCHEMA
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_the_bench_that_was_given_is_left_as_it_was(bench):
    before = copy.deepcopy(bench)
    page_numbers([bench])
    assert bench == before


def test_rates_are_means_over_seeds(bench, numbers):
    for name in ("colony", "mobilenetv2", "anova-f"):
        row, (_, y, predicted) = rows_by_name(numbers)[name], of(bench, name)
        twins = {
            "accuracy": [np.mean(one == y) for one in predicted],
            "balanced accuracy": [balanced_accuracy_score(y, one) for one in predicted],
            "macro F1": [f1_score(y, one, average="macro", zero_division=0) for one in predicted],
        }
        for rate, values in twins.items():
            assert row[rate]["mean"] == pytest.approx(np.mean(values))
            assert row[rate]["sd"] == pytest.approx(np.std(values, ddof=1))
            assert row[rate]["interval"][0] < row[rate]["mean"] < row[rate]["interval"][1]


def test_one_seed_has_no_spread():
    row = rows_by_name(page_numbers([small()]))["colony"]
    assert row["seeds"] == 1
    assert row["accuracy"]["sd"] is None


def test_the_figure_without_copies_leaves_the_copied_rows_out(bench, numbers):
    _, y, predicted = of(bench, "colony")
    expected = np.mean([np.mean((one == y)[12:]) for one in predicted])
    assert rows_by_name(numbers)["colony"]["without copies"] == {"accuracy": pytest.approx(expected)}
    assert rows_by_name(page_numbers([small(copies=0)]))["colony"]["without copies"] is None


def test_costs_are_said_apart(bench, numbers):
    rows = rows_by_name(numbers)
    colony, net = rows["colony"], rows["mobilenetv2"]
    seconds = [row["seconds"] for row in of(bench, "colony")[0]]
    assert colony["search seconds"] == pytest.approx(np.mean([s["heuristic"] + s["selection"] for s in seconds]))
    assert colony["training seconds"] == pytest.approx(np.mean([s["balancing"] + s["fit"] for s in seconds]))
    assert (colony["features"], colony["of"]) == ({"mean": 64, "least": 64, "most": 64}, 1280)
    assert (colony["budget"], colony["evaluations"], colony["size"]) == ("60 subset scores", 60, "64")
    assert (net["features"], net["of"], net["search seconds"], net["parameters"]) == (None, None, None, 290_263)


def test_networks_stand_beside_the_selectors_of_every_setting_with_their_split(numbers):
    first, second = rows_by_name(numbers), rows_by_name(numbers, "clean-1")
    assert set(first) == set(second) == {one.name for one in CAST}
    assert first["small-cnn"]["accuracy"] == second["small-cnn"]["accuracy"]
    assert first["small-cnn"]["id"] != second["small-cnn"]["id"]
    compared = {d["id"] for d in numbers["differences"]}
    assert {first["small-cnn"]["id"], second["small-cnn"]["id"]} <= compared


def test_a_network_of_another_split_is_not_compared():
    bench, other = small(cast=(COLONY, ALL)), small(cast=(SMALL_CNN,), seed=1)
    other["problems"]["clean-0"]["setting"] = "elsewhere"
    numbers = page_numbers([bench, other])
    assert len(numbers["settings"]) == 2
    assert {d["contender"] for d in numbers["differences"]} == {"all"}


def test_settings_that_differ_in_balancing_alone_are_not_mixed():
    """They are one problem, and seeds of the second were taken for more seeds of the first, or for another run."""
    plain = "demo 48x48 flattened"
    bench = made_bench(
        FEW, n_test=60, seeds=(0, 1), protocols=(), features=128, settings=(plain, f"{plain}, SMOTE"), failures=False
    )
    assert bench["problems"]["clean-0"]["fingerprint"] == bench["problems"]["clean-1"]["fingerprint"]
    for row in bench["rows"]:
        row["setting"] = bench["problems"][row["problem"]]["setting"]
    with_smote = [row for row in bench["rows"] if row["setting"] != plain]
    bench["rows"] = [row for row in bench["rows"] if row["setting"] == plain or row["seed"]]  # of SMOTE one seed
    numbers = page_numbers([bench])
    rows = rows_by_name(numbers)
    assert rows["colony"]["seeds"] == 2
    assert rows["colony (SMOTE)"]["seeds"] == 1
    (one,) = [row for row in with_smote if row["contender"] == "colony" and row["seed"] == 1]
    assert rows["colony (SMOTE)"]["accuracy"]["mean"] == pytest.approx(one["test"]["accuracy"]["value"])
    against = {d["contender"]: d["reference"] for d in numbers["differences"]}
    assert against["all"] == "colony"
    assert against["all (SMOTE)"] == "colony (SMOTE)"


def test_a_network_that_ran_in_a_setting_is_not_shown_twice_in_it():
    """A plan lets a network take part in every setting: guests from the others would stand beside it once more."""
    bench = made_bench(FEW, n_test=60, seeds=(0,), protocols=(), features=128)
    for row in [row for row in bench["rows"] if row["kind"] == "network"]:
        bench["rows"].append({**row, "problem": "clean-1", "cell": "f" * 12})
    names = [(row["setting"], row["contender"]) for row in page_numbers([bench])["main"]["rows"]]
    assert len(names) == len(set(names))


def test_differences_are_the_rivals_less_the_references(bench, numbers):
    _, y, ours = of(bench, "colony")
    for difference in [d for d in numbers["differences"] if d["setting"] == "clean-0"]:
        _, _, theirs = of(bench, difference["contender"])
        gap = np.mean([np.mean(one == y) for one in theirs]) - np.mean([np.mean(one == y) for one in ours])
        assert difference["difference"] == pytest.approx(gap, abs=1e-11)
        only = [np.sum((theirs[0] == y) & (ours[0] != y)), np.sum((theirs[0] != y) & (ours[0] == y))]
        assert difference["discordant"] == only
        assert difference["seed"] == 0


def test_holm_adjusts_for_all_rivals_of_one_setting(numbers):
    for setting in ("clean-0", "clean-1"):
        own = sorted((d["p McNemar"], d["p Holm"]) for d in numbers["differences"] if d["setting"] == setting)
        so_far = 0.0
        for place, (raw, adjusted) in enumerate(own):
            so_far = max(so_far, min(1.0, (len(own) - place) * raw))
            assert adjusted == pytest.approx(so_far)


def test_outcomes_are_those_that_were_planted(numbers):
    outcomes = {name: row["outcome"] for name, row in rows_by_name(numbers).items()}
    assert outcomes["colony"] == "reference"
    assert outcomes["mobilenetv2"] == "better"
    assert outcomes["random-subset"] == "worse"
    assert outcomes["all"] == outcomes["small-cnn"] == "no difference"


def test_a_difference_is_only_called_one_where_all_seeds_and_the_first_agree():
    """The rival wins by far on seeds 1 and 2 and is the reference itself on seed 0, where McNemar sees nothing."""
    bench = made_bench((COLONY, MOBILENET), settings=("demo 48x48 flattened",), protocols=(), n_test=600)
    assert rows_by_name(page_numbers([bench]))["mobilenetv2"]["outcome"] == "better"
    ours, theirs = of(bench, "colony")[0][0], of(bench, "mobilenetv2")[0][0]
    theirs["predicted"], theirs["test"] = ours["predicted"], ours["test"]
    numbers = page_numbers([bench])
    (difference,) = numbers["differences"]
    assert difference["interval"][0] > 0
    assert difference["p Holm"] == 1
    assert difference["outcome"] == "no difference"


def test_the_reference_is_asked_for_declared_or_the_colony():
    bench = small(cast=(ANOVA, COLONY, ALL))
    assert page_numbers([bench])["main"]["reference"] == "colony"
    assert page_numbers([bench], reference="all")["main"]["reference"] == "all"
    bench["reference"] = "anova-f"
    assert page_numbers([bench])["main"]["reference"] == "anova-f"
    with pytest.raises(ConfigError, match="reference: expected one of the contenders; got 'colonny'; did you mean"):
        page_numbers([bench], reference="colonny")


def test_rivals_meet_the_reference_of_their_own_classifier_size_and_budget():
    bench = small(cast=(COLONY, ANOVA, ALL), failures=False, protocols=())
    for row in [copy.deepcopy(row) for row in bench["rows"] if not row.get("is null")]:
        bench["rows"].append({**row, "classifier": "SVC", "cell": row["cell"][::-1]})
    numbers = page_numbers([bench])
    pairs = {(d["contender"], d["reference"]) for d in numbers["differences"]}
    assert ("anova-f (SVC)", "colony (SVC)") in pairs
    assert ("anova-f (forest)", "colony (forest)") in pairs
    assert len(pairs) == 4
    assert len({row["id"] for row in numbers["main"]["rows"]}) == 6


def test_a_classifier_that_was_left_open_is_the_scorers():
    bench = small(cast=(COLONY, ALL))
    for row in bench["rows"]:
        row["classifier"], row["configuration"] = "auto", {"scorer": "ridge"}
    assert rows_by_name(page_numbers([bench]))["all"]["classifier"] == "ridge"


def test_nobody_on_the_front_is_beaten_by_anything_cheaper(numbers):
    points = [point for point in numbers["cost"]["points"] if point["setting"] == "clean-0"]
    for axis in numbers["cost"]["axes"]:
        for point in points:
            cost, best = point["x"][axis], point["accuracy"]
            beaten = cost is None or any(
                other["x"][axis] is not None
                and (
                    (other["x"][axis] < cost and other["accuracy"] >= best)
                    or (other["x"][axis] == cost and other["accuracy"] > best)
                )
                for other in points
            )
            assert point["front"][axis] == (not beaten)
    assert any(point["front"]["features"] for point in points)


def test_equals_share_the_front():
    points = [{"x": {"features": 3}, "accuracy": 0.5}, {"x": {"features": 3}, "accuracy": 0.5}]
    assert all(is_on_front(point, points, "features") for point in points)


def test_seeds_given_twice_count_once(bench):
    once, twice = page_numbers([bench], now=0), page_numbers([bench, copy.deepcopy(bench)], now=0)
    assert once["main"] == twice["main"]
    assert once["differences"] == twice["differences"]


def test_other_seeds_of_another_bench_join():
    first, second = small(cast=(COLONY, ALL)), small(cast=(COLONY, ALL), seeds=(1, 2))
    row = rows_by_name(page_numbers([first, second]))["colony"]
    assert row["seeds"] == 3


def test_the_same_seed_with_other_predictions_is_another_contender():
    first, second = small(cast=(COLONY, ALL)), small(cast=changed((COLONY, ALL), "colony", accuracy=0.3))
    second["name"] = "mended"
    names = list(rows_by_name(page_numbers([first, second])))
    assert names == ["colony (made)", "all", "colony (mended)"]


def test_two_benches_that_contradict_each_other_are_refused():
    first, second = small(), small()
    second["problems"]["clean-0"]["labels"][0] += 1
    for row in second["rows"]:
        row["status"] = "ok" if row["problem"] == "clean-0" and row["status"] == "ok" else "failed"
    with pytest.raises(DataError, match="differ in true classes"):
        page_numbers([first, second])


def test_an_accuracy_that_predictions_do_not_bear_out_is_refused():
    bench = small()
    of(bench, "all")[0][0]["test"]["accuracy"]["value"] += 0.1
    with pytest.raises(DataError, match=r"made: rows 1: test: expected accuracy 0\.\d+, as its confusion has; got"):
        page_numbers([bench])


def test_predictions_that_the_confusion_does_not_bear_out_are_refused():
    bench = small()
    row = of(bench, "all")[0][0]
    row["predicted"] = bench["problems"]["clean-0"]["labels"]
    with pytest.raises(DataError, match="its confusion is not that of its predictions"):
        page_numbers([bench])


def test_leaky_protocols_stand_in_the_audit_alone(numbers):
    assert {row["setting"] for row in numbers["main"]["rows"]} == {"clean-0", "clean-1"}
    audited = [row for row in numbers["audit"]["rows"] if row["measure"] == "accuracy"]
    assert {row["protocol"] for row in audited} == {"clean", "leaky-smote-first", "five-classes"}
    assert {setting["protocol"] for setting in numbers["settings"]} == {"clean"}


def test_the_audit_says_what_each_protocol_adds(numbers):
    rows = {
        (row["contender"], row["protocol"]): row for row in numbers["audit"]["rows"] if row["measure"] == "accuracy"
    }
    clean, leaky = rows["colony", "clean"], rows["colony", "leaky-smote-first"]
    assert clean["adds"] is None
    assert clean["value"] == rows_by_name(numbers)["colony"]["accuracy"]["mean"]
    assert leaky["adds"] == pytest.approx(leaky["value"] - clean["value"])
    assert 0.15 < leaky["adds"] < 0.35
    assert (clean["synthetic test rows"], leaky["synthetic test rows"]) == (0, 600)


def test_a_protocol_that_splits_anew_with_every_seed_is_one_row_with_students_interval():
    bench = made_bench((COLONY, ALL), n_test=100, seeds=(0,), settings=("demo 48x48 flattened",), features=128)
    for seed in (1, 2):
        other = made_bench((COLONY, ALL), n_test=100, seeds=(seed,), settings=("demo 48x48 flattened",), seed=seed)
        own = other["problems"]["leaky-smote-first"]
        own |= {"fingerprint": f"{seed:016d}", "features": 128, "feature names": None}
        bench["problems"][f"leaky {seed}"] = own
        rows = [row for row in other["rows"] if row["problem"] == "leaky-smote-first"]
        bench["rows"] += [{**row, "problem": f"leaky {seed}", "indices": None} for row in rows]
    (row,) = [
        row
        for row in page_numbers([bench])["audit"]["rows"]
        if (row["contender"], row["protocol"]) == ("colony", "leaky-smote-first")
    ]
    values = [
        r["test"]["accuracy"]["value"]
        for r in bench["rows"]
        if r["contender"] == "colony" and r["problem"][:5] == "leaky"
    ]
    half = 4.302652729696142 * np.std(values, ddof=1) / math.sqrt(3)  # Student's t, two degrees of freedom, .975
    assert row["seeds"] == 3
    assert row["value"] == pytest.approx(np.mean(values))
    assert row["interval"] == pytest.approx([np.mean(values) - half, np.mean(values) + half])


def test_binary_accuracy_has_its_own_name_and_sentence(numbers):
    rows = [row for row in numbers["audit"]["rows"] if row["measure"] == "binary accuracy"]
    assert [row["contender"] for row in rows if row["setting"] == "clean-0"] == ["colony", "small-cnn", "mobilenetv2"]
    assert all("near .96" in row["what"] and "0.857" in row["what"] for row in rows)
    for row in rows:
        assert row["value"] != row["value"] - row["adds"]
        assert 0.8 < row["value"] < 0.95


def test_what_papers_print_is_quoted_figure_by_figure():
    rows = printed()
    ours = [row for row in rows if "Cairo" in row["paper"]]
    assert [(row["value"], row["kind"]) for row in ours] == [(0.35, "accuracy"), (0.497, "accuracy")]
    skip = [row for row in rows if row["system"] == "mobilenet-skip"]
    assert [(row["value"], row["kind"]) for row in skip] == [(0.956, "binary accuracy"), (0.817, "recall")]
    hybrid = [row for row in rows if row["system"] == "hybrid"]
    assert [row["value"] for row in hybrid] == [0.586, 0.732, 0.744]
    assert {row["kind"] for row in hybrid} == {"accuracy"}
    assert [row["kind"] for row in rows if row["value"] == 0.972] == ["likely binary accuracy"]


def test_no_search_score_is_called_accuracy():
    """The metric that is searched by may be accuracy: its value on rows that the search has seen keeps its own name."""
    bench = small(cast=(COLONY, ALL), seeds=(0, 1))
    marked = 0.98765432
    for row in [row for row in bench["rows"] if row["contender"] == "colony" and row.get("search score")]:
        row["search score"] |= {"metric": "accuracy", "value": marked}
        row["history"] = [[60, 1.0, marked, 64]]
        row["scored"] = [[64, marked, False]]
    found = []

    def walk(value, path):
        if isinstance(value, dict):
            for name, one in value.items():
                walk(one, (*path, name))
        elif isinstance(value, list):
            for one in value:
                walk(one, path)
        elif value == marked:
            found.append(path)

    numbers = page_numbers([bench])
    walk(numbers, ())
    assert {path[0] for path in found} == {"convergence", "archive", "optimism"}
    assert not any("accuracy" in name for path in found for name in path)


def test_optimism_is_positive_where_the_score_promised_too_much(numbers):
    entries = {entry["contender"]: entry for entry in numbers["optimism"] if entry["setting"] == "clean-0"}
    assert entries["colony"]["optimism"] == pytest.approx(COLONY.optimism, abs=0.003)
    assert entries["genetic-algorithm"]["optimism"] == pytest.approx(GENETIC.optimism, abs=0.003)
    assert entries["colony"]["optimism"] == pytest.approx(
        entries["colony"]["on the test part"] - entries["colony"]["search score"]
    )


def test_optimism_turns_with_the_metric():
    bench = small(cast=(COLONY, ALL))
    for row in [row for row in bench["rows"] if row.get("search score")]:
        row["search score"] |= {"metric": "macro-f1", "value": 0.7}
        row["test"]["search metric"] = 0.6
    assert page_numbers([bench])["optimism"][0]["optimism"] == pytest.approx(0.1)


def test_who_was_tested_by_another_classifier_has_no_optimism():
    bench = small(cast=(COLONY, ALL))
    for row in [row for row in bench["rows"] if row.get("search score")]:
        del row["test"]["search metric"]
    assert page_numbers([bench])["optimism"] == []


@pytest.mark.parametrize("metric", ["log-loss", "accuracy"])
def test_the_front_of_an_archive_gets_better_with_size(metric):
    rng = np.random.default_rng(0)
    scored = [
        [int(size), float(value), bool(e)]
        for size, value, e in zip(rng.integers(1, 9, 40), rng.random(40), rng.random(40) < 0.3, strict=True)
    ]
    sign = 1 if metric == "accuracy" else -1
    full = [(size, value) for size, value, estimate in scored if not estimate]
    twin = sorted(
        {(s, v) for s, v in full if not any(a <= s and sign * b >= sign * v and (a, b) != (s, v) for a, b in full)}
    )
    assert [tuple(point) for point in front_of(scored, metric)] == twin


def test_the_archive_is_that_of_the_first_seed(bench, numbers):
    entry = next(e for e in numbers["archive"] if e["id"] == rows_by_name(numbers)["colony"]["id"])
    row = of(bench, "colony")[0][0]
    assert (entry["seed"], entry["scored"]) == (0, row["scored"])
    assert entry["chosen"] == [64, row["search score"]["value"]]


def test_curves_are_the_histories_of_every_seed(bench, numbers):
    entry = next(e for e in numbers["convergence"] if e["id"] == rows_by_name(numbers)["colony"]["id"])
    rows = of(bench, "colony")[0]
    assert [curve["seed"] for curve in entry["curves"]] == [0, 1, 2]
    for curve, row in zip(entry["curves"], rows, strict=True):
        assert list(zip(curve["evaluations"], curve["seconds"], curve["value"], strict=True)) == [
            tuple(step[:3]) for step in row["history"]
        ]
        assert curve["evaluations"][-1] == BUDGET["evaluations"]


def test_features_are_counted_by_layer_place_and_seed(bench, numbers):
    entry = next(e for e in numbers["features"] if e["id"] == rows_by_name(numbers)["colony"]["id"])
    rows = of(bench, "colony")[0]
    names = bench["problems"]["clean-0"]["feature names"]
    times = {}
    for row in rows:
        for j in row["indices"]:
            times[j] = times.get(j, 0) + 1
    assert entry["picked"] == [sum(n == wanted for n in times.values()) for wanted in (1, 2, 3)]
    (layer,) = entry["layers"]
    assert layer["of"] == 1280
    assert sum(map(sum, layer["places"])) == pytest.approx(64)
    corner = sum(n for j, n in times.items() if names[j].endswith("r0c1")) / 3
    assert layer["places"][0][1] == pytest.approx(corner)
    assert entry["top"][0]["times"] == 3
    assert all(times[names.index(top["name"])] == top["times"] for top in entry["top"])


def test_who_takes_all_features_or_makes_new_ones_chose_none(numbers):
    assert {e["contender"] for e in numbers["features"]} == {"colony", "random-subset", "genetic-algorithm", "anova-f"}


def test_names_that_say_no_place_give_no_layers():
    bench = small(cast=(COLONY, ALL))
    bench["problems"]["clean-0"]["feature names"] = [f"pixel {j}" for j in range(128)]
    (entry,) = page_numbers([bench])["features"]
    assert entry["layers"] == []
    assert entry["top"][0]["name"].startswith("pixel")


def test_classes_and_confusions_are_means_over_seeds(bench, numbers):
    entry = next(e for e in numbers["classes"] if e["id"] == rows_by_name(numbers)["colony"]["id"])
    _, y, predicted = of(bench, "colony")
    twins = [precision_recall_fscore_support(y, one, labels=range(7), zero_division=0)[:3] for one in predicted]
    for rate, values in zip(("precision", "recall", "F1"), np.mean(twins, axis=0), strict=True):
        assert [one[rate] for one in entry["per class"]] == pytest.approx(values)
    assert np.sum(entry["confusion"], axis=1) == pytest.approx(np.ones(7))
    assert [row[c] for c, row in enumerate(entry["confusion"])] == pytest.approx(
        [o["recall"] for o in entry["per class"]]
    )


def test_differences_of_confusions_have_rows_that_add_up_to_nothing(numbers):
    own = [e for e in numbers["confusion differences"] if e["setting"] == "clean-0"]
    names = {row["id"]: row["contender"] for row in numbers["main"]["rows"]}
    assert {names[e["of"]] for e in own} == {"colony"}
    assert [names[e["minus"]] for e in own] == ["mobilenetv2", "all"]
    for entry in own:
        assert np.sum(entry["cells"], axis=1) == pytest.approx(np.zeros(7))


def test_who_is_absent_is_named_with_the_reason(numbers):
    absent = {entry["contender"]: entry for entry in numbers["absent"]}
    assert set(absent) == {"boruta", "rfe", "select-from-model"}
    assert absent["rfe"] == {
        **{"setting": "clean-0", "contender": "rfe", "status": "timed out"},
        **{"reason": "ended after 600 s", "cells": 2},
    }


def test_a_problem_that_nobody_solved_is_named_all_the_same():
    bench = small(protocols=())
    bench["problems"]["other"] = {"setting": "demo 96x96 flattened", "protocol": "clean", "labels": []}
    bench["rows"].append({**bench["rows"][-1], "problem": "other", "status": "failed", "reason": "no weights"})
    numbers = page_numbers([bench])
    assert [setting["name"] for setting in numbers["settings"]] == ["demo 48x48 flattened", "demo 96x96 flattened"]
    assert [e["setting"] for e in numbers["absent"] if e["reason"] == "no weights"] == ["other"]


def test_settings_of_one_name_are_told_apart_by_their_splits():
    first, second = small(protocols=(), failures=False), small(protocols=(), failures=False, seed=1)
    second["problems"]["clean-0"]["split"] = "stratified-seed1"
    names = [setting["name"] for setting in page_numbers([first, second])["settings"]]
    assert names == ["demo 48x48 flattened, official", "demo 48x48 flattened, stratified-seed1"]


def test_only_leaky_results_make_a_page_without_a_main_table():
    bench = small(failures=False)
    bench["rows"] = [row for row in bench["rows"] if row["problem"] == "leaky-smote-first"]
    numbers = page_numbers([bench])
    assert numbers["main"]["rows"] == []
    assert [setting["protocol"] for setting in numbers["settings"]] == ["leaky-smote-first"]
    assert "no honest figure" in numbers["verdict"][0]
    assert numbers["audit"]["rows"][0]["adds"] is None


def test_every_row_can_be_repeated(numbers):
    assert [entry["id"] for entry in numbers["repeat"]] == [row["id"] for row in numbers["main"]["rows"]]
    assert numbers["repeat"][0] == {
        "id": numbers["main"]["rows"][0]["id"],
        "command": "acofer bench made.toml",
        "seeds": [0, 1, 2],
        "fingerprint": numbers["settings"][0]["fingerprint"],
        "configuration": {"contender": "colony", "trees": 90},
        "versions": {"python": "3.11.7", "acofer": "0.1.0", "numpy": "2.4.6"},
        "machine": {"processor": "AMD EPYC", "cores": 2, "system": "Linux"},
    }


def test_hostile_names_stay_names_and_ids_stay_slugs():
    bench = small(cast=(COLONY, ALL))
    evil = "</script><b onclick='x'>&amp;]]>"
    for row in bench["rows"]:
        row["contender"] = evil if row["contender"] == "all" else row["contender"]
    numbers = page_numbers([bench])
    row = rows_by_name(numbers)[evil]
    assert row["id"] == "demo-48x48-flattened-script-b-onclick-x-amp-forest"
    ids = [row["id"] for row in numbers["main"]["rows"]]
    assert len(ids) == len(set(ids))


def test_no_rows_at_all_is_one_line():
    bench = small()
    bench["rows"] = []
    with pytest.raises(DataError, match="expected a row at least"):
        page_numbers([bench])


JUNK: tuple[object, ...] = (None, "x", -1, 10**400, float("nan"), [], {}, [[1], [1, 2]], {"a": {"b": []}}, True)


def places(value, path=()):
    """Every place in a bench but those within long lists."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, one in items:
        yield from places(one, (*path, name))


def test_damage_is_one_line_or_no_matter_at_all():
    """Whatever value of a result is damaged, the page is made without it, or one line says where it is."""
    bench = small(cast=(COLONY, SMALL_CNN), n_test=20, protocols=(), failures=False, features=8)
    bench["rows"] = bench["rows"][:1] + bench["rows"][-2:]
    rng = np.random.default_rng(0)
    spots = [path for path in places(bench) if path]
    assert len(spots) > 150
    for path in spots:
        junk = JUNK[rng.integers(len(JUNK))]
        damaged = copy.deepcopy(bench)
        within = damaged
        for name in path[:-1]:
            within = within[name]
        within[path[-1]] = copy.deepcopy(junk)
        complaint = ""
        try:
            json.dumps(page_numbers([damaged]), allow_nan=False)
        except DataError as error:
            complaint = str(error)
        assert "\n" not in complaint
        assert len(complaint) < 400
