import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acofer.config import SearchConfig, read_environment, read_toml, search_config, visible_options
from acofer.errors import ConfigError, MissingFileError


def test_every_option_survives_a_trip_through_toml(tmp_path):
    config = SearchConfig(
        data="a 'quoted' \\ path.csv", size="64:512", folds=5, name="näme", scorer_params={"C": 2.0, "solver": "lbfgs"}
    )
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert search_config({}, path) == config
    for option in visible_options():
        assert f"{option.name} =" in config.to_toml()


@given(st.sampled_from(["auto", "64:512", 12, 0.5]), st.floats(0.01, 1), st.integers(0, 2**40))
def test_values_of_every_kind_survive(size, rho, seed):
    import tomllib

    config = SearchConfig(size=size, rho=rho, seed=seed)
    table = tomllib.loads(config.to_toml())
    assert (table["colony"]["size"], table["colony"]["rho"], table["run"]["seed"]) == (size, rho, seed)


def test_flags_win_over_environment_over_file_over_defaults(tmp_path, monkeypatch):
    path = tmp_path / "c.toml"
    path.write_text("[colony]\nants = 2\niterations = 2\nrho = 0.5\n")
    monkeypatch.setenv("ACOFER_ANTS", "3")
    monkeypatch.setenv("ACOFER_ITERATIONS", "3")
    config = search_config({"ants": "4", "alpha": None}, path)
    assert (config.ants, config.iterations, config.rho, config.alpha) == (4, 3, 0.5, 1.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[colony]\nant = 3\n", r"unknown key 'ant' in \[colony\]; did you mean 'ants'"),
        ("[colny]\nants = 3\n", r"unknown section \[colny\]; did you mean 'colony'"),
        ("colony = 3\n", r"expected a section \[colony\]"),
        ("[colony\n", "expected a TOML file"),
        ("[colony]\nrho = 1.5\n", "rho: expected a number: above 0 and at most 1; got 1.5"),
        ("[colony]\nants = true\n", "ants: expected a whole number"),
        ("[colony]\nants = 2.5\n", "ants: expected a whole number"),
        ("[colony]\nalpha = nan\n", "alpha: expected a number"),
        ("[data]\nants = 3\n", r"unknown key 'ants' in \[data\]"),
        ("[data]\ndata = ['a']\n", "data: expected"),
        ("scorer_params = 3\n", "expected a section"),
    ],
)
def test_files_that_are_wrong_say_where(tmp_path, text, message):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        search_config({}, path)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(MissingFileError, match="check --config"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(MissingFileError):
        read_toml(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected a TOML file"):
        read_toml(tmp_path / "b.toml")


def test_environment_names_the_nearest_and_leaves_others_alone():
    assert read_environment({"ACOFER_ANTS": "3", "HOME": "/", "ACOFER_CACHE_DIR": "/x"}) == {"ants": "3"}
    with pytest.raises(ConfigError, match="unknown environment variable ACOFER_ANT; did you mean 'ACOFER_ANTS'"):
        read_environment({"ACOFER_ANT": "3"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("ants", 0), ("ants", "x"), ("folds", 1), ("image_size", 16), ("q0", 1.1), ("pooling", "mean"), ("pick", "2se"),
     ("pick", 0), ("protocol", "leaky"), ("seed", -1), ("workers", -1), ("size", None), ("metric", "auc"),
     ("null_draws", 0), ("trees", 0), ("beta", float("inf")), ("penalty", -1), ("penalty", "much"), ("penalty", "nan"),
     ("penalty", float("inf")), ("penalty", None), ("path", "both"), ("screen", "forest"), ("candidates", 0),
     ("patience", -1), ("local_search", "yes"), ("join", True)],
)  # fmt: skip
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf"{name}: expected .*got"):
        SearchConfig(**{name: value})


def test_defaults_are_the_published_settings():
    config = SearchConfig().settled()
    published = {"ants": 20, "iterations": 3, "alpha": 1.1, "beta": 1.5, "q0": 0.9, "rho": 0.2, "trees": 90}
    assert {name: getattr(config, name) for name in published} == published
    assert (config.image_size, config.layers, config.balance, config.protocol) == (48, "last", "smote", "clean")
    assert (config.scorer, config.classifier, config.variant, config.path) == ("forest", "auto", "acs", "off")
    assert dataclasses.asdict(config) == dataclasses.asdict(SearchConfig(ants="20", rho="0.2").settled())


CLOSED = {"heuristic": "conditional", "variant": "mmas"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, {"balance": "smote", "metric": "log-loss", "heuristic": "importance", "variant": "acs", "path": "off",
              "folds": 0}),
        ({"scorer": "ridge"}, {"balance": "none", "metric": "brier", "path": "on", "folds": 5, **CLOSED}),
        ({"scorer": "ridge", "local_search": "off"}, {"heuristic": "conditional", "variant": "acs"}),
        ({"scorer": "ridge", "folds": 3, "path": "off", "balance": "weights", "metric": "accuracy", "heuristic": "f"},
         {"folds": 3, "path": "off", "balance": "weights", "metric": "accuracy", "heuristic": "f", "variant": "mmas"}),
        ({"screen": "ridge"}, {"balance": "smote", "metric": "log-loss", "path": "off", "folds": 0, **CLOSED}),
        ({"scorer": "RidgeClassifier", "variant": "as"}, {"balance": "smote", "heuristic": "importance",
                                                          "variant": "as"}),
    ],
)  # fmt: skip
def test_what_auto_means_depends_on_who_scores(given, meant):
    config = SearchConfig(**given)
    settled = config.settled()
    assert {name: getattr(settled, name) for name in meant} == meant
    assert settled.settled() == settled
    unsaid = {option.name for option in visible_options() if getattr(settled, option.name) == "auto"}
    # These are decided by the pictures, the network, the scorer, its folds and the number of features.
    assert unsaid == {"split", "pooling", "classifier", "penalty", "size"}
    changed = {name for name in dataclasses.asdict(config) if getattr(config, name) != getattr(settled, name)}
    assert changed <= {"balance", "metric", "heuristic", "variant", "path", "folds"} - (given.keys() - {"folds"})


def test_a_penalty_is_a_number_or_auto():
    assert [SearchConfig(penalty=value).penalty for value in ("auto", "1e-3", 0, 2.5)] == ["auto", 1e-3, 0, 2.5]


def test_the_committed_configurations_can_be_read():
    from pathlib import Path

    files = sorted((Path(__file__).parent.parent / "configs").glob("*.toml"))
    assert len(files) >= 3
    for path in files:
        search_config({}, path)
