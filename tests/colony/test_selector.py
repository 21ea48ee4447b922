import numpy as np
import pytest
import sklearn
from packaging.version import Version
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from acofer import AntColonySelector
from acofer.errors import ConfigError, DataError, LeakageError
from acofer.forest.forest import HistForestClassifier

QUICK = {"n_ants": 4, "n_iterations": 2, "cv": 3, "heuristic": "f"}


def quick(estimator=None, **knobs):
    return AntColonySelector(estimator or LogisticRegression(), **{**QUICK, "random_state": 0, **knobs})


@pytest.fixture(scope="module")
def planted():
    """Three informative features among forty, at columns 10, 20 and 30."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    X = rng.normal(size=(300, 40))
    X[np.arange(300), 10 * (y + 1)] += 2.5
    return X, y


CHECKED = {"n_ants": 3, "n_iterations": 2, "cv": 2}


@pytest.mark.parametrize(
    "selector",
    [
        AntColonySelector(**CHECKED),
        AntColonySelector("ridge"),
        *(
            AntColonySelector(estimator, heuristic="f", **CHECKED)
            for estimator in (RandomForestClassifier(5), LogisticRegression(), Ridge())
        ),
    ],
    ids=lambda selector: repr(selector.estimator),
)
def test_every_estimator_check_passes(selector):
    if Version(sklearn.__version__) < Version("1.6"):
        pytest.fail("scikit-learn is older than pyproject.toml allows")
    results = check_estimator(selector, on_skip=None, on_fail=None)
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] not in ("passed", "skipped")]
    assert not failed
    assert len(results) > 40


def test_finds_the_planted_features_and_leaves_the_noise(planted):
    X, y = planted
    selector = AntColonySelector(LogisticRegression(), n_ants=15, n_iterations=8, heuristic="uniform", cv=3, q0=0.5,
                                 size="1:8", random_state=1).fit(X, y)  # fmt: skip
    assert {10, 20, 30} <= set(np.flatnonzero(selector.support_))
    assert selector.n_features_ <= 8
    assert selector.transform(X).shape == (300, selector.n_features_)


def test_default_estimator_is_a_forest_of_ninety_trees(planted):
    X, y = planted
    selector = AntColonySelector(n_ants=2, n_iterations=1, size=3, cv=2, random_state=0).fit(X, y)
    forest = HistForestClassifier(90, random_state=0)
    direct = AntColonySelector(forest, n_ants=2, n_iterations=1, size=3, cv=2, random_state=0).fit(X, y)
    assert selector.score_.value == direct.score_.value


def test_same_seed_same_subset_whatever_the_workers(planted):
    X, y = planted
    first, again, many = (quick(n_jobs=jobs).fit(X, y) for jobs in (None, 1, 2))
    for other in (again, many):
        np.testing.assert_array_equal(first.support_, other.support_)
        np.testing.assert_array_equal(first.pheromone_, other.pheromone_)
    # random_state=0 is a seed, not "none given".
    assert not np.array_equal(first.pheromone_, quick(random_state=1).fit(X, y).pheromone_)


def test_random_state_none_differs_and_an_instance_is_accepted(planted):
    X, y = planted
    # Ants that only draw: those that take what is best, mostly, may agree by chance.
    one, other = (quick(random_state=None, q0=0.0, beta=0.0).fit(X, y).trace_.rows for _ in range(2))
    assert [row.score.indices.tolist() for row in one] != [row.score.indices.tolist() for row in other]
    same = [quick(random_state=np.random.RandomState(3)).fit(X, y).pheromone_ for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_an_unseeded_estimator_is_seeded_and_the_callers_stays_as_it_was(planted):
    X, y = planted
    forest = RandomForestClassifier(3)
    nested = make_pipeline(StandardScaler(), forest)
    runs = [quick(nested).fit(X, y) for _ in range(2)]
    assert [s.score.value for s in runs[0].trace_.rows] == [s.score.value for s in runs[1].trace_.rows]
    assert forest.random_state is None
    assert not hasattr(forest, "estimators_")


def test_scoring_and_cv_are_the_users(planted):
    # One public selector ignores both.
    X, y = planted
    cuts = StratifiedKFold(4, shuffle=True, random_state=5)
    selector = quick(scoring="f1_macro", cv=cuts, size=6).fit(X, y)
    chosen = np.flatnonzero(selector.support_)
    expected = cross_val_score(LogisticRegression(), X[:, chosen], y, cv=cuts, scoring="f1_macro")
    np.testing.assert_allclose(selector.score_.fold_utilities, expected)


def test_an_error_that_must_be_minimised_is_minimised(planted):
    X, y = planted

    def mistakes(true, predicted):
        return float((true != predicted).sum())

    by_error = quick(scoring=make_scorer(mistakes, greater_is_better=False), pick="best", size="1:8").fit(X, y)
    wrong_way = quick(scoring=make_scorer(mistakes), pick="best", size="1:8").fit(X, y)
    informative = {10, 20, 30}
    assert len(informative & set(np.flatnonzero(by_error.support_))) == 3
    assert by_error.best_score_.utility > -wrong_way.best_score_.utility


def test_pick_and_front(planted):
    X, y = planted
    selector = quick(size="1:20", pick="best").fit(X, y)
    assert selector.score_ is selector.best_score_
    sizes, utilities = zip(*[(s.size, s.utility) for s in selector.front_], strict=True)
    assert list(sizes) == sorted(set(sizes))
    assert list(utilities) == sorted(utilities)
    small = quick(size="1:20", pick=2).fit(X, y)
    assert small.n_features_ <= 2


def test_works_in_a_pipeline_with_names_and_pandas_output(planted):
    pd = pytest.importorskip("pandas")
    X, y = planted
    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(40)])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), quick(size=3), LogisticRegression())
    pipeline.fit(frame, y)
    selector = pipeline[1]
    names = selector.get_feature_names_out()
    assert list(names) == [f"f{j}" for j in np.flatnonzero(selector.support_)]
    out = clone(selector).set_output(transform="pandas").fit_transform(frame, y)
    assert list(out.columns) == list(names)
    assert pipeline.score(frame, y) > 0.5


def test_groups_stay_on_one_side(planted):
    X, y = planted
    groups = np.arange(300) // 10
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(y))
            return super().fit(X, y, sample_weight)

    quick(Spy(), cv=LeaveOneGroupOut(), n_ants=1, n_iterations=1).fit(X[:40], y[:40], groups=groups[:40])
    assert seen == [30] * 4
    quick(cv=3).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="groups"):
        quick(cv=LeaveOneGroupOut()).fit(X, y)


def test_sample_weight_reaches_the_estimator(planted):
    X, y = planted
    weight = np.where(y == 2, 0.0, 1.0)  # class 2 weighs nothing: its feature, column 30, buys nothing
    heard = []

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            heard.append(float(np.sum(sample_weight)))
            return super().fit(X, y, sample_weight)

    quick(Spy(), cv=KFold(3), n_ants=1, n_iterations=1).fit(X, y, sample_weight=weight)
    parts = [weight[train].sum() for train, _ in KFold(3).split(X)]
    assert sorted(heard) == pytest.approx(sorted(parts))


def test_metadata_routing_passes_groups(planted):
    X, y = planted
    groups = np.arange(300) // 10
    with sklearn.config_context(enable_metadata_routing=True):
        selector = quick(cv=LeaveOneGroupOut(), n_ants=1, n_iterations=1).set_fit_request(groups=True)
        make_pipeline(StandardScaler(), selector).fit(X[:40], y[:40], groups=groups[:40])
        assert len(selector.trace_.rows[0].score.fold_utilities) == 4


def test_resampling_happens_inside_training_folds_only(monkeypatch):
    from acofer.features import balance as room

    X, y = make_classification(150, 6, weights=[0.9], random_state=0)
    X[:, 0] = np.arange(150)  # column 0 names the row
    real_balance, trained = room.balance, []

    def spy(X, y, method, **settings):
        trained.append(set(X[:, 0].tolist()))
        return real_balance(X, y, method, **settings)

    monkeypatch.setattr(room, "balance", spy)
    cuts = list(StratifiedKFold(3).split(X, y))
    quick(balance="smote", cv=cuts, size=2).fit(X, np.array(["many", "few"])[y])
    assert trained == [set(X[train, 0].tolist()) for train, _ in cuts]


def test_folds_that_overlap_are_refused(planted):
    X, y = planted
    with pytest.raises(LeakageError, match="share"):
        quick(cv=[(np.arange(200), np.arange(150, 300))]).fit(X, y)


def test_regression_works():
    X, y = make_regression(150, 20, n_informative=3, noise=1.0, random_state=0)
    selector = AntColonySelector(Ridge(), n_ants=8, n_iterations=4, cv=3, size="1:10", heuristic="f", random_state=0)
    assert set(np.argsort(-np.abs(np.corrcoef(X.T, y)[-1, :-1]))[:3]) <= set(
        np.flatnonzero(selector.fit(X, y).support_)
    )


def test_heuristics(planted):
    X, y = planted
    for kind in ("importance", "f", "mi"):
        eta = quick(heuristic=kind).fit(X, y).heuristic_
        assert set(np.argsort(-eta)[:3]) == {10, 20, 30}
        assert eta.min() > 0
        assert eta.max() == 1.0
    own = quick(heuristic=-np.arange(40.0), q0=1.0, size=3, n_iterations=1, n_ants=1).fit(X, y)
    np.testing.assert_array_equal(np.flatnonzero(own.support_), [0, 1, 2])


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_ants": 0}, "ants: expected a whole number"),
        ({"n_iterations": 0}, "n_iterations: expected a whole number"),
        ({"rho": 1.5}, "rho: expected"),
        ({"heuristic": "importanc"}, "did you mean 'importance'"),
        ({"heuristic": [1.0, 2.0]}, "expected 40 numbers"),
        ({"heuristic": np.full(40, np.nan)}, "expected 40 numbers"),
        ({"size": 41}, "within 1 to 40"),
        ({"pick": "2se"}, "did you mean '1se'"),
        ({"balance": "smoot"}, "did you mean 'smote'"),
    ],
)
def test_bad_parameters_get_one_clear_line(planted, knobs, message):
    with pytest.raises(ConfigError, match=message) as caught:
        quick(**knobs).fit(*planted)
    assert "\n" not in str(caught.value)


def test_bad_calls(planted):
    X, y = planted
    with pytest.raises(TypeError, match="expected sample_weight or groups; got weights"):
        quick().fit(X, y, weights=1)
    with pytest.raises(ConfigError, match="exclude each other"):
        quick(balance="smote").fit(X, y, sample_weight=np.ones(300))
    with pytest.raises(ValueError, match="two classes"):
        quick().fit(X, np.zeros(300, int))


WORDS = np.array(["calm", "cross", "glad"])


def ridge(**knobs):
    return AntColonySelector("ridge", **{"cv": 3, "random_state": 0, **knobs})


def test_ridge_finds_the_planted_features_of_classes_that_are_words(planted):
    X, y = planted
    selector = ridge(size=3).fit(X, WORDS[y])
    assert set(np.flatnonzero(selector.support_)) == {10, 20, 30}
    assert set(np.argsort(-selector.heuristic_)[:3]) == {10, 20, 30}
    np.testing.assert_array_equal(selector.support_, ridge(size=3).fit(X.astype(np.float32), y).support_)


def test_ridge_gives_the_best_of_every_size_and_every_iteration(planted):
    X, y = planted
    selector = ridge(size="1:20", n_iterations=4).fit(X, y)
    sizes = [score.size for score in selector.front_]
    assert sizes == [1, 2, 4, 9, 20]
    for score in selector.front_:
        rivals = [row.score.utility for row in selector.trace_.rows if row.score.size == score.size]
        assert score.utility >= max(rivals)
    assert [row.iteration for row in selector.trace_.iterations] == list(range(4 * len(sizes)))
    assert any(score is selector.score_ for score in selector.front_)
    assert selector.pheromone_.shape == (40,)
    learnt = ridge(size="1:20", n_iterations=4, path=False).fit(X, y)
    assert len(learnt.trace_.iterations) == 4
    assert len({row.score.size for row in learnt.trace_.rows[:20]}) > 1


def test_a_path_goes_with_any_estimator(planted):
    X, y = planted
    selector = quick(HistForestClassifier(10), size="2:8", path=True, n_ants=6).fit(X, y)
    assert [score.size for score in selector.front_] == [2, 4, 8]
    assert not any(score.is_estimate for score in selector.front_)


@pytest.mark.parametrize("scoring", ["accuracy", "macro-f1", "log-loss"])
@pytest.mark.parametrize("balance", ["none", "smote"])
def test_ridge_is_the_same_for_any_number_of_workers(planted, scoring, balance):
    X, y = planted
    rows = np.r_[np.flatnonzero(y > 0), np.flatnonzero(y == 0)[:20]]
    one, two = (
        ridge(n_jobs=n_jobs, size="2:8", n_ants=8, scoring=scoring, balance=balance).fit(X[rows], y[rows])
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.support_, two.support_)
    np.testing.assert_array_equal(one.pheromone_, two.pheromone_)
    for mine, other in zip(one.trace_.rows, two.trace_.rows, strict=True):
        np.testing.assert_array_equal(mine.score.fold_utilities, other.score.fold_utilities)
        np.testing.assert_array_equal(mine.score.indices, other.score.indices)


def test_ridge_scores_as_fitting_fold_by_fold_does(planted):
    X, y = planted
    cuts = StratifiedKFold(4, shuffle=True, random_state=5)
    selector = ridge(cv=cuts, size=5, scoring="accuracy", penalty=0.1, n_iterations=1).fit(X, WORDS[y])
    chosen, accuracies = np.flatnonzero(selector.support_), []
    scaled = StandardScaler().fit_transform(X)[:, chosen]
    for train, validation in cuts.split(X, y):
        model = RidgeClassifier(alpha=0.1 * len(train)).fit(scaled[train], WORDS[y[train]])
        accuracies.append(model.score(scaled[validation], WORDS[y[validation]]))
    np.testing.assert_allclose(selector.score_.fold_utilities, accuracies)


@pytest.mark.parametrize(("scoring", "sign"), [(None, -1), ("brier", -1), ("explained-variance", 1), ("log-loss", -1)])
def test_ridge_is_compared_by_what_was_asked(planted, scoring, sign):
    X, y = planted
    selector = ridge(scoring=scoring, size=3, n_iterations=1).fit(X, y)
    assert selector.score_.utility == sign * selector.score_.value
    if scoring != "log-loss":
        assert 0 < selector.score_.value < 1
    assert set(np.flatnonzero(selector.support_)) == {10, 20, 30}


def test_class_weights_make_a_rare_class_count():
    """Column 1 tells the rare class; column 0 tells the two frequent ones apart, a little better."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [300, 300, 15])
    X = rng.normal(size=(615, 6))
    X[:, 0] += 1.5 * (y == 1)
    X[:, 1] += 4.0 * (y == 2)
    chosen = {balance: np.flatnonzero(ridge(size=1, balance=balance).fit(X, y).support_) for balance in
              ("none", "weights")}  # fmt: skip
    assert chosen == {"none": [0], "weights": [1]}


def test_smote_makes_rows_of_each_training_fold_only(monkeypatch):
    from acofer.features import balance as room

    X, y = make_classification(150, 6, weights=[0.9], random_state=0)
    X[:, 0] = np.arange(150)  # column 0 names the row
    real_balance, trained = room.balance, []

    def spy(X, y, method, **settings):
        trained.append(set(X[:, 0].tolist()))
        return real_balance(X, y, method, **settings)

    monkeypatch.setattr(room, "balance", spy)
    cuts = list(StratifiedKFold(3).split(X, y))
    words = np.array(["many", "few"])[y]
    balanced = ridge(balance="smote", cv=cuts, size=2).fit(X, words)
    assert trained == [set(X[train, 0].tolist()) for train, _ in cuts]
    assert balanced.score_.value != ridge(cv=cuts, size=2).fit(X, words).score_.value


def test_local_search_improves_ants_of_ridge_only(planted):
    X, y = planted
    few = {"size": 6, "q0": 0.0, "beta": 0.0, "n_ants": 4}
    with_search = ridge(**few).fit(X, y)
    without = ridge(local_search=False, **few).fit(X, y)
    assert any(row.exchanged for row in with_search.trace_.rows)
    assert with_search.score_.utility > without.score_.utility
    assert not any(row.exchanged for row in without.trace_.rows)
    assert not any(row.exchanged for row in quick(size=6).fit(X, y).trace_.rows)


def test_the_variant_follows_local_search(planted):
    X, y = planted
    few = {"size": 3, "n_ants": 2, "n_iterations": 2}
    for given, meant in (({}, "mmas"), ({"local_search": False}, "acs")):
        auto, said = (ridge(**few, **given, variant=variant).fit(X, y) for variant in ("auto", meant))
        other = ridge(**few, **given, variant="as").fit(X, y)
        np.testing.assert_array_equal(auto.pheromone_, said.pheromone_)
        assert not np.array_equal(auto.pheromone_, other.pheromone_)


def test_the_conditional_heuristic_goes_with_any_classifier(planted):
    X, y = planted
    copies = np.concatenate([X, X[:, [10, 20, 30]]], axis=1)  # by themselves the copies look as good as what they copy
    greedy = quick(heuristic="conditional", size=3, q0=1.0, n_ants=1, n_iterations=1).fit(copies, WORDS[y])
    assert sorted(j if j < 40 else 10 * (j - 39) for j in np.flatnonzero(greedy.support_)) == [10, 20, 30]
    assert greedy.heuristic_.shape == (43,)


def test_ridge_keeps_groups_on_one_side(planted):
    X, y = planted
    groups = np.arange(300) // 10
    selector = ridge(cv=LeaveOneGroupOut(), size=3, n_iterations=1).fit(X[:40], y[:40], groups=groups[:40])
    assert len(selector.score_.fold_utilities) == 4


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"estimator": "rigde"}, "expected an estimator, None or 'ridge'; got 'rigde'"),
        ({"scoring": "roc_auc"}, "scoring: expected one of log-loss, brier"),
        ({"scoring": len}, "scoring: expected one of"),
        ({"balance": "nearmiss"}, "balance: expected one of none, smote, weights"),
        ({"cv": ShuffleSplit(3)}, "cut all 300 rows"),
        ({"cv": [(np.arange(150), np.arange(150, 300))]}, "cut all 300 rows"),
        ({"cv": [(np.arange(100, 300), np.arange(100)), (np.arange(50), np.arange(100, 300))]}, "cut all 300 rows"),
        ({"path": "on"}, "path: expected True, False or 'auto'"),
        ({"local_search": "off"}, "local_search: expected True or False"),
        ({"penalty": "aut"}, "penalty: expected 'auto' or a number"),
        ({"penalty": -1.0}, "penalty: expected"),
        ({"patience": -1}, "patience: expected a whole number"),
        ({"n_candidates": 0}, "n_candidates: expected a whole number"),
        ({"heuristic": "conditionel"}, "did you mean 'conditional'"),
        ({"estimator": LogisticRegression(), "balance": "weights"}, "class_weight='balanced'"),
        ({"estimator": Ridge(), "heuristic": "conditional"}, "is for classes"),
    ],
)
def test_what_does_not_go_with_ridge_gets_one_clear_line(planted, knobs, message):
    with pytest.raises(ConfigError, match=message) as caught:
        ridge().set_params(**knobs).fit(*planted)
    assert "\n" not in str(caught.value)


def test_ridge_refuses_targets_and_weights_it_cannot_use(planted):
    X, y = planted
    with pytest.raises(DataError, match="scores classes; got continuous targets") as caught:
        ridge().fit(X, X[:, 0])
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="sample_weight: estimator 'ridge' takes none"):
        ridge().fit(X, y, sample_weight=np.ones(300))
    with pytest.raises(LeakageError, match="share"):
        ridge(cv=[(np.arange(200), np.arange(150, 300))]).fit(X, y)


def test_a_class_too_rare_is_called_by_its_name(planted):
    X, y = planted
    words = WORDS[y]
    words[0] = "bored"
    with pytest.raises(DataError, match="class bored has none"), pytest.warns(UserWarning, match="least populated"):
        ridge().fit(X, words)
    with pytest.raises(DataError, match="class bored has one"), pytest.warns(UserWarning, match="least populated"):
        quick(heuristic="conditional").fit(X, words)
