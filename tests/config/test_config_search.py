import dataclasses
from pathlib import Path

import pytest

from acofer.config.options import plain_options
from acofer.config.search import SearchConfig
from acofer.config.sources import join_sources
from acofer.config.tune import TuneConfig
from acofer.errors import ConfigError


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
    unsaid = {option.name for option in plain_options(SearchConfig) if getattr(settled, option.name) == "auto"}
    # These are decided by the pictures, the network, the scorer, its folds and the number of features.
    assert unsaid == {"split", "pooling", "classifier", "penalty", "size"}
    changed = {name for name in dataclasses.asdict(config) if getattr(config, name) != getattr(settled, name)}
    assert changed <= {"balance", "metric", "heuristic", "variant", "path", "folds"} - (given.keys() - {"folds"})


def test_a_penalty_is_a_number_or_auto():
    assert [SearchConfig(penalty=value).penalty for value in ("auto", "1e-3", 0, 2.5)] == ["auto", 1e-3, 0, 2.5]


def test_the_committed_configurations_can_be_read():
    files = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
    assert len(files) >= 3
    for path in files:
        if not path.name.startswith("bench-"):  # plans, which are read elsewhere
            join_sources(TuneConfig if path.name.startswith("tune-") else SearchConfig, {}, path)
