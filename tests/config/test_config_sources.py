"""Where options come from, and what is said of those that are wrong."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acofer.config.options import plain_options
from acofer.config.search import SearchConfig
from acofer.config.sources import (
    COMMANDS,
    fault_of,
    join_sources,
    read_environment,
    read_toml,
    search_config,
    train_config,
)
from acofer.config.train import TrainConfig
from acofer.config.tune import TuneConfig
from acofer.errors import ConfigError, MissingFileError

FULL = {
    SearchConfig: {"size": "64:512", "folds": 5, "scorer_params": {"C": 2.0, "solver": "lbfgs"}},
    TrainConfig: {
        "classes": "Happy,Sad", "start": "runs/A,runs/B", "epochs": 3, "shift": 0, "lowest_rate": "auto",
        "net_params": {"dropout": 0.3, "units": [64, 32], "skip": True, "output": "sof'tmax"},
    },
    TuneConfig: {"size": "0.1", "space": "alpha=0:2,variant=acs|mmas", "timeout": "10m", "seconds": 1.5, "trials": 40},
}  # fmt: skip


@pytest.mark.parametrize("kind", COMMANDS)
def test_every_option_survives_a_trip_through_toml(tmp_path, kind):
    config = kind(data="a 'quoted' \\ path.csv", name="näme", **FULL[kind])
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert join_sources(kind, {}, path) == config
    assert config.to_toml().startswith(f"# Repeat this run with:  acofer {kind.command} --config THIS_FILE\n")
    for option in plain_options(kind):
        assert f"{option.name} =" in config.to_toml()


@given(st.sampled_from(["auto", "64:512", 12, 0.5]), st.floats(0.01, 1), st.integers(0, 2**40))
def test_values_of_every_kind_survive(size, rho, seed):
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


def test_a_flags_parameters_stand_beside_those_of_the_file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("[net_params]\ndropout = 0.1\nunits = 64\n")
    assert train_config({"net_params": {"dropout": 0.3}}, path).net_params == {"dropout": 0.3, "units": 64}
    assert train_config({"net_params": {"dropout": 0.3}}).net_params == {"dropout": 0.3}
    assert train_config({}, path).net_params == {"dropout": 0.1, "units": 64}


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


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        (SearchConfig().to_toml(), TrainConfig, "[features] is of acofer search"),
        (TrainConfig().to_toml(), SearchConfig, "'faces' in [data] is of acofer train"),
        ("[training]\nepochs = 3\n", SearchConfig, "[training] is of acofer train"),
        ("[net_params]\nunits = 3\n", SearchConfig, "[net_params] is of acofer train"),
        ("[run]\nprotocol = 'clean'\n", TrainConfig, "'protocol' in [run] is of acofer search"),
    ],
)
def test_a_file_of_another_command_is_told_apart(tmp_path, text, kind, what):
    other = what.rpartition(" ")[2]
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        join_sources(kind, {}, path)
    assert str(caught.value) == (
        f"{path}: expected the options of acofer {kind.command}; {what}; "
        f"use the file with: acofer {other} --config {path}"
    )


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(MissingFileError, match="check --config"):
        read_toml(tmp_path / "none.toml", SearchConfig)
    with pytest.raises(MissingFileError):
        read_toml(tmp_path, SearchConfig)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected a TOML file"):
        read_toml(tmp_path / "b.toml", SearchConfig)


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_environment_names_the_nearest_and_leaves_others_alone(kind):
    given = {"ACOFER_ANTS": "3", "ACOFER_EPOCHS": "4", "ACOFER_SEED": "5", "HOME": "/", "ACOFER_CACHE_DIR": "/x"}
    own = {SearchConfig: {"ants": "3"}, TrainConfig: {"epochs": "4"}, TuneConfig: {"ants": "3"}}[kind]
    assert read_environment(kind, given) == {**own, "seed": "5"}
    for wrong, nearest in (("ACOFER_ANT", "ACOFER_ANTS"), ("ACOFER_EPOCH", "ACOFER_EPOCHS")):
        with pytest.raises(ConfigError, match=f"unknown environment variable {wrong}; did you mean '{nearest}'"):
            read_environment(kind, {wrong: "3"})
    with pytest.raises(ConfigError, match="unknown environment variable ACOFER_NET_PARAMS"):
        read_environment(kind, {"ACOFER_NET_PARAMS": "x"})


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("ACOFER_ANTS", "40", None),
        ("ACOFER_EPOCHS", "40", None),
        ("ACOFER_SEED", "1", None),
        ("ACOFER_ANTS", "many", "ants: expected a whole number: at least 1; got 'many'"),
        ("ACOFER_EPOCHS", "0", "epochs: expected"),
        ("ACOFER_ANST", "40", "unknown; did you mean 'ACOFER_ANTS'?"),
    ],
)
def test_a_variable_is_judged_as_the_commands_that_read_it_would(variable, value, fault):
    told = fault_of(variable, value)
    assert told is None if fault is None else told.startswith(fault)
    for kind in COMMANDS:  # and none of them complains of what was found to be right
        if fault is None:
            kind(**read_environment(kind, {variable: value}))
