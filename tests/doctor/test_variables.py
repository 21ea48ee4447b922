import pytest

from acofer.config.search import SearchConfig
from acofer.config.sources import read_environment
from acofer.doctor.variables import variable_findings
from acofer.errors import ConfigError


def found(**environment):
    return {finding.name: finding for finding in variable_findings(environment)}


def test_none_is_set():
    assert [finding.said for finding in variable_findings({"PATH": "/bin", "HOME": "/root"})] == ["none is set"]


def test_known_variables_are_told_with_their_values():
    known = found(ACOFER_CACHE_DIR="/data", ACOFER_ANTS="40")
    assert {name: (each.mark, each.said) for name, each in known.items()} == {
        "ACOFER_ANTS": ("ok", "40"),
        "ACOFER_CACHE_DIR": ("ok", "/data"),
    }


def test_an_unknown_variable_stops_the_core_for_every_command_stops_at_it():
    unknown = found(ACOFER_ANST="40")["ACOFER_ANST"]
    assert unknown.stops_the_core
    assert unknown.said == "'40': unknown; did you mean 'ACOFER_ANTS'?"
    assert unknown.command == "unset ACOFER_ANST"
    with pytest.raises(ConfigError, match="did you mean 'ACOFER_ANTS'"):
        read_environment(SearchConfig, {"ACOFER_ANST": "40"})


def test_a_wrong_value_stops_the_core_as_well():
    wrong = found(ACOFER_ANTS="many")["ACOFER_ANTS"]
    assert wrong.stops_the_core
    assert "at least 1; got 'many'" in wrong.said


def test_what_libraries_read_is_told_and_what_makes_them_crawl_is_a_warning():
    others = found(KERAS_BACKEND="jax", OMP_NUM_THREADS="1", NUMBA_DISABLE_JIT="1", SECRET="no", TF_TOKEN_x="no")
    assert others["others"].said == "KERAS_BACKEND=jax, NUMBA_DISABLE_JIT=1, OMP_NUM_THREADS=1"
    assert others["NUMBA_DISABLE_JIT"].mark == "warn"
    assert "NUMBA_DISABLE_JIT" not in found(NUMBA_DISABLE_JIT="0")
