"""Searches whose subsets are scored, or screened, by ridge in closed form."""

import gc
import json
import tracemalloc
import weakref

import numpy as np
import pytest
from reference import conditional_gains, ridge_scores
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_run_search import WHOLE, same_search, trace_of

from acofer.colony import heuristic
from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.size import size_grid
from acofer.config.search import SearchConfig
from acofer.config.sources import read_toml
from acofer.errors import ConfigError
from acofer.features.balance import balance
from acofer.forest.forest import HistForestClassifier
from acofer.report.figures import write_figures
from acofer.runs import folder as files
from acofer.runs import judge, search
from acofer.runs.guidance import alone
from acofer.runs.model import read_model
from acofer.runs.search import run_search
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds
from acofer.scoring.ridge import PENALTIES, MomentRidgeClassifier, fit_ridge

RIDGE = {"scorer": "ridge", "heuristic": "auto", "penalty": 0.01}


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """A small path of sizes on the embedded faces, whole."""
    out = tmp_path_factory.mktemp("demo")
    config = SearchConfig(
        scorer="ridge", penalty=0.01, size="16:64", ants=3, iterations=2, null_draws=1, workers=1, out=str(out / "run")
    )
    return run_search(config, draw=write_figures)


def test_a_path_on_the_embedded_faces_leaves_a_whole_folder(demo_run):
    assert {path.name for path in demo_run.folder.iterdir()} == WHOLE
    assert len(list((demo_run.folder / files.FIGURES).iterdir())) == 12
    numbers = json.loads((demo_run.folder / files.RESULT).read_text())
    assert numbers == demo_run.numbers
    assert numbers["search"]["scored on"] == "5 folds of the training part"
    assert numbers["search"]["cost"] is numbers["search"]["screen"] is None
    assert numbers["search"]["ridge"] == {
        "subsets": numbers["search"]["subsets scored"], "repaired": 0, "penalty": 0.01
    }  # fmt: skip
    assert numbers["split"]["training rows after balancing"] == numbers["split"]["train"]
    # 16 to 64 features say less than all, .65 to .70, and more than the share of the largest class, .25.
    assert 0.4 < numbers["contenders"]["colony"]["accuracy"]["value"] < 0.7
    assert "greedy forward selection" in numbers["verdict"]
    assert list(numbers["contenders"]) == ["colony", "all features", "greedy forward", "random 1"]


def test_every_size_of_the_path_is_searched_and_the_colony_is_on_record(demo_run):
    numbers, lines = demo_run.numbers["search"], trace_of(demo_run.folder)
    assert [line["features"] for line in lines] == [16] * 6 + [32] * 6 + [64] * 6
    assert [line["features"] for line in numbers["scored"]] == [line["features"] for line in lines]
    assert [row["iteration"] for row in numbers["colony"]] == list(range(6))
    assert {name for row in numbers["colony"] for name in row} == {
        "iteration", "best_utility", "entropy", "branching", "is_restart"
    }  # fmt: skip
    for row in numbers["colony"]:
        own = [line for line in lines if line["iteration"] == row["iteration"]]
        assert {line["best utility"] for line in own} == {row["best_utility"]}
    assert [score["features"] for score in numbers["front"]] == [16, 32, 64]
    assert [line["exchanged"] for line in lines] == [score["exchanged"] for score in numbers["scored"]]
    for iteration in range(6):  # local search works on one ant of each iteration
        assert sum(line["exchanged"] > 0 for line in lines if line["iteration"] == iteration) == 1


def test_the_kept_ridge_is_the_tested_one(demo_run):
    from acofer.data.load import load_faces
    from acofer.features.embed import embed

    images = load_faces("demo")
    values = embed(images).values[images.parts == 2].astype(np.float32)
    subset = json.loads((demo_run.folder / files.SUBSET).read_text())
    model = read_model(demo_run.folder / files.MODEL)
    assert type(model) is MomentRidgeClassifier
    labels = images.labels[images.parts == 2]
    scores = model.decision_function(values[:, subset["indices"]])
    assert np.mean(scores.argmax(axis=1) == labels) == demo_run.numbers["contenders"]["colony"]["accuracy"]["value"]
    # What subsets were compared by takes scores as they come; a scorecard's Brier score is of probabilities.
    raw = float(((scores - np.eye(7)[labels]) ** 2).sum(axis=1).mean())
    assert demo_run.numbers["search score"]["same metric on the test part"] == pytest.approx(raw, rel=1e-12)
    assert demo_run.numbers["search score"]["optimism"] == pytest.approx(raw - demo_run.chosen.value)


def test_the_kept_configuration_repeats_the_run_bit_for_bit(planted, config, tmp_path):
    first = run_search(config(**RIDGE | {"penalty": "auto"}))
    assert first.numbers["search"]["ridge"]["penalty"] in PENALTIES  # the chosen subset's, as the folds have it
    kept = read_toml(first.folder / files.CONFIG, SearchConfig)
    wanted = {"heuristic": "conditional", "variant": "mmas", "path": "on", "metric": "brier", "folds": 5}
    assert {name: kept[name] for name in wanted} == wanted
    same_search(first, run_search(SearchConfig(**kept, out=str(tmp_path / "again"))))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"path": "off", "penalty": "auto"},
        {"metric": "macro-f1"},
        {"balance": "smote"},
        {"balance": "weights", "classifier": "forest"},
        {"scorer": "forest", "screen": "ridge", "ants": 8},
        {"scorer": "sklearn", "screen": "ridge", "ants": 8},
    ],
    ids=str,
)
def test_workers_do_not_change_the_outcome(planted, config, options):
    one, two = (run_search(config(f"{n}", **RIDGE | options, workers=n)) for n in (1, 2))
    same_search(one, two)
    unseen = Rows().X[:, one.chosen.indices].astype(np.float32)
    shares = [read_model(done.folder / files.MODEL).predict_proba(unseen) for done in (one, two)]
    np.testing.assert_array_equal(*shares)


def test_without_a_path_one_colony_learns_the_size(planted, config):
    on, off = run_search(config("on", **RIDGE)), run_search(config("off", **RIDGE, path="off"))
    grid = {path: size_grid("4:12", 30, per_octave=n).tolist() for path, n in (("on", 1), ("off", 2))}
    assert list(dict.fromkeys(line["features"] for line in trace_of(on.folder))) == grid["on"]
    assert {score.size for score in on.trace.archive} == set(grid["on"])
    assert len(on.numbers["search"]["colony"]) == 2 * len(grid["on"])
    assert {line["features"] for line in trace_of(off.folder)} <= set(grid["off"])
    assert len(off.numbers["search"]["colony"]) == 2


@pytest.mark.parametrize("path", ["on", "off"])
def test_one_size_is_one_colony(planted, config, path):
    done = run_search(config(**RIDGE, path=path, size=6))
    assert {line["features"] for line in trace_of(done.folder)} == {6}
    assert len(done.numbers["search"]["colony"]) == 2


def test_a_path_is_for_forests_too(planted, config):
    done = run_search(config(path="on"))
    assert list(dict.fromkeys(line["features"] for line in trace_of(done.folder))) == size_grid(
        "4:12", 30, per_octave=1
    ).tolist()  # fmt: skip


class Rows:
    """The rows of the planted problem, by part."""

    def __init__(self):
        images, values = search.configured_pictures(), search.configured_embeddings().values
        self.train, self.validation, self.test = (images.parts == part for part in range(3))
        self.X, self.y = values.astype(np.float64), images.labels.astype(np.int64)


def cross_validated(rows, subset, **options):
    X, y = rows.X[rows.train][:, subset], rows.y[rows.train]
    folds = stratified_folds(y, 5, 0)
    if options.pop("smote", False):
        made = [balance(rows.X[rows.train][train].astype(np.float16), y[train], "smote", seed=0) for train, _ in folds]
        options["synthetic"] = [(rows.X[rows.n_real :][:, subset], rows.y[rows.n_real :]) for rows in made]
    return ridge_scores(X, y, folds, 3, 0.01, **options)


@pytest.mark.parametrize(
    ("options", "twin"),
    [({}, {}), ({"balance": "weights"}, {"class_weight": True}), ({"balance": "smote"}, {"smote": True})],
    ids=str,
)
def test_subsets_are_scored_as_scikit_learn_would(planted, config, options, twin):
    done, rows = run_search(config(**RIDGE, **options)), Rows()
    errors = [error for _, error, _ in cross_validated(rows, done.chosen.indices, **twin)]
    # The Gram matrices are float32.
    np.testing.assert_allclose(-done.chosen.fold_utilities, errors, rtol=1e-4)


def test_accuracy_is_counted_on_the_folds_rows(planted, config):
    done, rows = run_search(config(**RIDGE, metric="accuracy")), Rows()
    y, chosen = rows.y[rows.train], done.chosen
    parts = [
        np.mean(scores.argmax(axis=1) == y[validation])
        for (scores, *_), (_, validation) in zip(
            cross_validated(rows, chosen.indices), stratified_folds(y, 5, 0), strict=True
        )
    ]
    np.testing.assert_allclose(chosen.fold_utilities, parts)
    score = done.numbers["search score"]
    assert score["metric"] == "accuracy"
    assert score["same metric on the test part"] == done.numbers["contenders"]["colony"]["accuracy"]["value"]


def scores_of(done, rows):
    model = read_model(done.folder / files.MODEL)
    return model.decision_function(rows.X[rows.test][:, done.chosen.indices])


def twin_scores(X, y, unseen, subset, weight=None):
    mean, scale = X[:, subset].mean(axis=0), X[:, subset].std(axis=0)
    total = len(y) if weight is None else weight.sum()
    model = Ridge(alpha=0.01 * total).fit((X[:, subset] - mean) / scale, np.eye(3)[y], sample_weight=weight)
    return model.predict((unseen[:, subset] - mean) / scale)


def test_the_final_classifier_is_balanced_as_the_folds_were(planted, config):
    rows = Rows()
    X, y, unseen = rows.X[rows.train], rows.y[rows.train], rows.X[rows.test]

    plain = run_search(config("plain", **RIDGE))
    np.testing.assert_allclose(scores_of(plain, rows), twin_scores(X, y, unseen, plain.chosen.indices), atol=1e-4)

    weighted = run_search(config("weights", **RIDGE, balance="weights"))
    weight = len(y) / (3 * np.bincount(y)[y])
    expected = twin_scores(X, y, unseen, weighted.chosen.indices, weight)
    np.testing.assert_allclose(scores_of(weighted, rows), expected, atol=1e-4)
    assert weighted.numbers["split"]["training rows after balancing"] == len(y)
    # With class weights the metric counts each class the same, on the test part as in the folds.
    errors = ((scores_of(weighted, rows) - np.eye(3)[rows.y[rows.test]]) ** 2).sum(axis=1)
    balanced = np.mean([errors[rows.y[rows.test] == label].mean() for label in range(3)])
    assert weighted.numbers["search score"]["same metric on the test part"] == pytest.approx(balanced)

    smote = run_search(config("smote", **RIDGE, balance="smote"))
    made = balance(X.astype(np.float16), y, "smote", seed=0)
    expected = twin_scores(made.X.astype(np.float64), made.y, unseen, smote.chosen.indices)
    np.testing.assert_allclose(scores_of(smote, rows), expected, atol=1e-4)
    assert smote.numbers["split"]["training rows after balancing"] == len(made.y) > len(y)


def test_the_validation_part_may_join(planted, config):
    rows = Rows()
    apart, joined = run_search(config("apart", **RIDGE)), run_search(config("joined", **RIDGE, join="on"))
    n_train, n_validation = int(rows.train.sum()), int(rows.validation.sum())
    for done, train, validation in ((apart, n_train, n_validation), (joined, n_train + n_validation, 0)):
        assert (done.numbers["split"]["train"], done.numbers["split"]["validation"]) == (train, validation)
        assert done.numbers["contenders"]["colony"]["rows"] == rows.test.sum()
    assert joined.numbers["search"]["scored on"] == "5 folds of the training part joined by the validation part"
    both = np.r_[np.flatnonzero(rows.train), np.flatnonzero(rows.validation)]
    expected = twin_scores(rows.X[both], rows.y[both], rows.X[rows.test], joined.chosen.indices)
    np.testing.assert_allclose(scores_of(joined, rows), expected, atol=1e-4)


def test_without_folds_nothing_joins(planted, config):
    numbers = run_search(config(join="on")).numbers
    assert numbers["split"]["validation"] > 0
    assert numbers["search"]["scored on"] == "the validation part"


def test_another_classifier_may_be_fitted_in_the_end(planted, config):
    done, rows = run_search(config(**RIDGE, classifier="LogisticRegression", classifier_params={"C": 0.5})), Rows()
    subset = done.chosen.indices
    twin = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, random_state=0))
    twin.fit(rows.X[rows.train][:, subset].astype(np.float32), rows.y[rows.train])
    unseen = rows.X[rows.test][:, subset].astype(np.float32)
    model = read_model(done.folder / files.MODEL)
    np.testing.assert_array_equal(model.predict_proba(unseen), twin.predict_proba(unseen))
    accuracy = done.numbers["contenders"]["colony"]["accuracy"]["value"]
    assert accuracy == np.mean(twin.predict(unseen) == rows.y[rows.test])
    assert done.numbers["search score"]["optimism"] is None
    card = done.numbers["contenders"]["colony"]
    assert done.numbers["search score"]["same metric on the test part"] == card["Brier score"]["value"]


def test_the_forest_may_be_fitted_in_the_end(planted, config):
    done = run_search(config(**RIDGE, classifier="forest", trees=12, all_features="off"))
    assert list(done.numbers["outcome"]) == ["greedy forward", "random"], "all features were no contender"
    model = read_model(done.folder / files.MODEL)
    assert type(model) is HistForestClassifier
    assert (model.n_estimators, model.n_features_in_) == (12, done.chosen.size)


def test_naming_the_scorers_own_classifier_changes_nothing(planted, config):
    auto, named = run_search(config("auto", **RIDGE)), run_search(config("named", **RIDGE, classifier="ridge"))
    for done in (auto, named):
        done.numbers["configuration"].pop("classifier")
    same_search(auto, named)
    assert named.numbers["search score"]["optimism"] is not None


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        ({}, True),
        ({"classifier": "forest"}, True),
        ({"classifier": "forest", "classifier_params": {"max_depth": 3}}, False),
        ({"scorer": "LogisticRegression", "classifier": "LogisticRegression"}, False),  # on standardised columns
    ],
    ids=str,
)
def test_optimism_is_told_where_the_same_classifier_scored_and_was_tested(planted, config, options, is_told):
    assert (run_search(config(**options)).numbers["search score"]["optimism"] is not None) == is_told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scorer": "ridge", "classifier": "LogisticRegresion"}, "classifier: expected .* mean 'LogisticRegression'"),
        ({"classifier": "SVC", "classifier_params": {"D": 1}}, "classifier_params: SVC does not take them"),
        ({"scorer": "SVC", "scorer_params": {"D": 1}}, "scorer_params: SVC does not take them"),
        ({"scorer": "ridge", "scorer_params": {"alpha": 1}}, "scorer_params: scorer ridge takes none"),
        ({"classifier_params": {"C": 1}}, "classifier_params: classifier auto takes none"),
        ({"classifier": "ridge"}, "classifier: ridge in closed form needs .* set --scorer ridge as well"),
        ({"classifier": "ridge", "screen": "ridge"}, "set --scorer ridge as well"),
        ({"scorer": "ridge", "screen": "ridge"}, "screen: expected off .* got ridge; set --screen off"),
        ({"scorer": "ridge", "balance": "nearmiss"}, "balance: expected none, smote or weights .* got nearmiss"),
        ({"scorer": "ridge", "balance": "nearmiss-smote"}, "got nearmiss-smote; set --balance none"),
        ({"scorer": "GaussianNB", "balance": "weights"}, "balance: GaussianNB does not take class weights"),
        ({"scorer": "ridge", "classifier": "GaussianNB", "balance": "weights"}, "GaussianNB does not take class"),
        ({"scorer": "ridge", "protocol": "leaky-smote-first"}, "needs SMOTE; got balance auto; set --balance smote"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_before_pictures_are_read(config, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr(search, "configured_pictures", None)
    with pytest.raises(ConfigError, match=message) as caught:
        run_search(config(**options))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scorer", ["forest", "LogisticRegression", "ridge"])
def test_classes_may_be_weighted_whoever_scores(planted, config, scorer):
    plain = run_search(config("plain", **RIDGE | {"scorer": scorer}, balance="none"))
    weighted = run_search(config("weighted", **RIDGE | {"scorer": scorer}, balance="weights"))
    rare = [done.numbers["contenders"]["all features"]["confusion"] for done in (plain, weighted)]
    recalls = [[counts[c][c] / sum(counts[c]) for c in range(3)] for counts in rare]
    assert recalls[1][0] <= recalls[0][0]  # the large class gives way
    assert recalls[1] != recalls[0]


def test_a_penalty_that_was_named_is_the_models(planted, config):
    done = run_search(config(**RIDGE | {"penalty": 0.5}))
    assert read_model(done.folder / files.MODEL).penalty == 0.5


def test_forests_may_be_fed_by_conditional_ants(planted, config):
    numbers = run_search(config(heuristic="conditional")).numbers
    assert "greedy forward" in numbers["contenders"]
    assert "top by heuristic" not in numbers["contenders"]
    assert numbers["search"]["cost"]["trees grown"] > 0
    assert numbers["search"]["ridge"] is None
    assert {row["exchanged"] for row in numbers["search"]["scored"]} == {0}


def test_ridge_goes_with_a_heuristic_that_stays_as_it_is(planted, config):
    numbers = run_search(config(**RIDGE | {"heuristic": "f"})).numbers
    assert "top by heuristic" in numbers["contenders"]


def test_local_search_may_be_left_out(planted, config):
    options = RIDGE | {"size": 8, "ants": 2}
    on, off = (run_search(config(switch, **options, local_search=switch)) for switch in ("on", "off"))
    assert {line["exchanged"] for line in trace_of(off.folder)} == {0}
    assert off.numbers["configuration"]["variant"] == "acs"
    assert sum(line["exchanged"] for line in trace_of(on.folder)) > 0
    assert on.trace.archive.best.value <= off.trace.archive.best.value


def test_planted_features_are_found(planted, config):
    done = run_search(config(**RIDGE, size=4, ants=8))
    chosen = set(done.chosen.indices.tolist())
    assert len(chosen & {0, 1, 2, 3}) >= 3
    by_planter = np.mean([error for _, error, _ in cross_validated(Rows(), np.arange(4))])
    assert done.chosen.value <= by_planter + 1e-6  # a stranger took the place of one only where it does better


def test_greedy_forward_selection_looks_at_every_feature(planted, config):
    done, rows = run_search(config(**RIDGE, candidates=1)), Rows()
    conditional = ConditionalHeuristic.of(
        FoldMoments.whole(rows.X[rows.train], rows.y[rows.train], 3, 0), judge.HEURISTIC_PENALTY
    )
    parts = (conditional.gram, conditional.means, conditional.cross, conditional.penalty)
    carried = []
    for _ in range(done.chosen.size):
        gains = conditional_gains(*parts, carried)
        gains[carried] = -1
        carried.append(int(gains.argmax()))
    greedy = twin_scores(rows.X[rows.train], rows.y[rows.train], rows.X[rows.test], sorted(carried))
    accuracy = done.numbers["contenders"]["greedy forward"]["accuracy"]["value"]
    assert accuracy == np.mean(greedy.argmax(axis=1) == rows.y[rows.test])
    assert alone(conditional, done.chosen.size).tolist() == sorted(carried)


def test_stages_are_told_in_order(planted, config):
    told = []
    done = run_search(config(**RIDGE), progress=lambda *event: told.append(event))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["reading", "laying out", "compiling", "heuristic", "moments", "search", "test", "writing"]
    assert set(stages) <= set(done.numbers["seconds"])


def test_what_the_folds_were_made_of_is_gone_when_all_features_are_fitted(planted, config, monkeypatch):
    # A bank of 10,368 features: six matrices of 430 MB during the search, and .9 GB for the factor of all afterwards.
    made, trial = [], search.run_trial

    class Watched(judge.FoldMoments):
        @classmethod
        def of(cls, *arguments, **options):
            moments = super().of(*arguments, **options)
            made.extend(weakref.ref(part) for part in moments.held_out)
            return moments

    def watched_trial(*arguments, **options):
        gc.collect()
        assert [part() for part in made] == [None] * 5
        return trial(*arguments, **options)

    monkeypatch.setattr(judge, "FoldMoments", Watched)
    monkeypatch.setattr(search, "run_trial", watched_trial)
    run_search(config(**RIDGE))
    assert len(made) == 5


def test_all_features_are_fitted_with_little_more_than_one_matrix_in_memory():
    # With a matrix of its own for each of centring, factor and LAPACK, 10,368 features took 2.6 GB beside the moments.
    k, rng, labels = 2000, np.random.default_rng(0), np.tile([0, 1], 30)
    moments = FoldMoments.whole(rng.normal(size=(60, k)), labels, 2, 0)
    tracemalloc.start()
    fit_ridge(moments, np.arange(k), 0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 8 * k**2  # bytes; at 10,368 features the stretches beside the matrix are a seventh of it


@pytest.mark.parametrize(
    "options",
    [RIDGE, RIDGE | {"metric": "accuracy"}, {"heuristic": "f"}, {"heuristic": "importance"},
     {"heuristic": "auto", "screen": "ridge"}, {"folds": 3}, RIDGE | {"classifier": "forest", "size": 8}],
    ids=str,
)  # fmt: skip
def test_no_more_of_a_bank_is_read_at_once_than_must_be(bank, config, options, monkeypatch):
    monkeypatch.setattr(heuristic, "SAMPLE_ROWS", 500)
    monkeypatch.setattr(heuristic, "_COLUMNS_AT_ONCE", 200)
    done = run_search(config(**{"balance": "none", **options}))
    assert done.numbers["contenders"]["colony"]["accuracy"]["value"] > 0.45
    if "classifier" in options:  # all features, as a matrix, are what is then asked for
        bank.read.remove((2400, 600))
    largest = max(rows * columns for rows, columns in bank.read)
    # Moments: 2,048 rows; predictions and bins: 1,024; bins are found on 256 columns of all rows.
    assert largest <= 2048 * 600
    assert all(rows * columns < 2400 * 600 / 2 for rows, columns in bank.read if rows >= 2400)


def test_a_bank_is_scored_as_the_matrix_would_be(bank, config, serve):
    options = {**RIDGE, "balance": "none"}
    from_bank = run_search(config("bank", **options))
    serve(search.configured_pictures(), bank.rows(slice(None)))
    from_matrix = run_search(config("matrix", **options))
    same_search(from_bank, from_matrix)


def test_a_screened_search_says_what_it_spared(planted, config):
    done = run_search(config(screen="ridge", heuristic="auto", ants=12, iterations=3, trees=30))
    numbers = done.numbers["search"]
    assert done.numbers["configuration"]["variant"] == "mmas"
    assert "greedy forward" in done.numbers["contenders"]
    screen, cost = numbers["screen"], numbers["cost"]
    scored = list(done.trace.archive)
    assert screen["by"] == "ridge"
    assert screen["subsets"] + screen["finished"] >= len(scored)
    assert 0 < screen["spared"] < screen["subsets"]
    dear = screen["subsets"] - screen["spared"] + screen["finished"]
    assert cost["subsets"] == dear
    assert cost["trees in full"] == 30 * dear
    assert cost["trees in full"] == sum(cost[f"trees {kind}"] for kind in ("grown", "remembered", "spared by racing"))
    assert not done.chosen.is_estimate
    assert done.chosen.trees == 30
    assert all(score["trees"] == 30 for score in numbers["front"])
    # Local search proposed what no ant had; whether the forest thinks it better is the forest's affair.
    assert len(scored) > len({tuple(line["indices"]) for line in trace_of(done.folder) if not line["exchanged"]})
    assert screen["finished"] > 0


def test_screening_is_for_any_scorer(planted, config):
    done = run_search(config(screen="ridge", heuristic="auto", scorer="LogisticRegression", ants=8, balance="nearmiss"))
    assert done.numbers["search"]["screen"]["spared"] > 0
    assert done.numbers["search"]["cost"] is None
    assert done.numbers["search score"]["optimism"] is not None
