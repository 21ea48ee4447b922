"""What ``acofer tune`` takes, prints and leaves."""

import json
import os
import signal

import numpy as np
import pytest

from acofer.config.tune import TuneConfig
from acofer.records import Embeddings
from acofer.runs import search
from acofer.tune import run

pytest.importorskip("optuna")


@pytest.fixture
def small(folder_of, monkeypatch):
    """A tuning that takes seconds: 80 pictures whose features are made up."""
    values = np.random.default_rng(0).normal(size=(80, 24)) + np.repeat([[0.0], [0.5]], 40, axis=0)
    about = {"backbone": "made", "image_size": 48, "pooling": "avg", "weights": "made", "pictures_per_second": 1.0}
    kept = Embeddings(values.astype(np.float16), tuple(f"made/c{j:04d}" for j in range(24)), "k" * 32, about)
    for module in (run, search):
        monkeypatch.setattr(module, "configured_embeddings", lambda *_, **__: kept)
    return (
        "tune", "--data", folder_of(calm=40, glad=40),
        "--scorer", "ridge", "--local-search", "off", "--heuristic", "f", "--size", "8", "--ants", "4",
        "--evaluations", "8", "--outer-folds", "2", "--space", "alpha,q0", "--workers", "1", "--out", "run",
    )  # fmt: skip


def test_a_tuning_prints_its_best_knobs_and_its_verdict(acofer, workplace, small):
    outcome = acofer(*small, "--trials", "3")
    assert outcome.code == 0, outcome.err
    numbers = json.loads((workplace / "run" / "result.json").read_text())
    flat = " ".join(outcome.out.split())
    best = numbers["best"]
    for name in ("alpha", "q0"):
        assert f" {name} {numbers['default']['knobs'][name]:.4g} {best['knobs'][name]:.4g} " in flat
    assert f" brier {numbers['default']['value']:.4f} {best['value']:.4f} " in flat
    assert numbers["verdict"] in flat
    assert "validation and test part untouched" in flat
    assert "acofer search --config run/tune-best.toml" in flat
    for row in numbers["history"]:
        assert f"trial {row['trial']}: {row['value']:.4f}, best " in outcome.err
    assert "tuning 12/12" in outcome.err  # 3 trials of 2 folds of 2 steps
    again = acofer(
        "tune",
        "--config",
        "run/config.toml",
        "--storage",
        "run/study.journal",
        "--trials",
        "4",
        "--out",
        "more",
        "--json",
    )
    more = json.loads(again.out)
    assert [row["value"] for row in more["history"]][:3] == [row["value"] for row in numbers["history"]]
    assert len(more["history"]) == 4
    found = acofer("search", "--config", "run/tune-best.toml", "--out", "search", "--quiet")
    assert found.code == 0, found.err


def test_ctrl_c_keeps_the_best_so_far(acofer, workplace, small, monkeypatch):
    whole = run.Trials.run

    def interrupted(self, study, on_step):
        trial = whole(self, study, on_step)
        if trial.number == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return trial

    monkeypatch.setattr(run.Trials, "run", interrupted)
    outcome = acofer(*small, "--quiet", "--json")
    assert outcome.code == 130
    assert outcome.err == "acofer: interrupted; the best so far is kept in run\n"
    assert len(json.loads(outcome.out)["history"]) == 2
    assert (workplace / "run" / "tune-best.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trials", "0"], "trials: expected a whole number: at least 1; got '0'"),
        (["--timeout", "10 minutes"], "timeout: expected a time above 0"),
        (["--contender", "anova-f"], "contender: anova-f has no knobs to tune; those that have some: "),
        (["--contender", "colny"], "there is no 'colny'; did you mean 'colony'?"),
        (["--space", "alpha,betta"], "colony has no knob 'betta'; did you mean 'beta'?"),
        (["--iters", "3"], "unknown argument --iters"),
        (["--protocol", "clean"], "unknown argument --protocol"),
        (["--config", "absent.toml"], "expected a TOML file at absent.toml"),
    ],
)
def test_a_wrong_command_line_is_one_line(complains, arguments, words):
    assert words in complains("tune", *arguments)


def test_too_many_folds_are_one_line(complains, small):
    assert "90 folds need 90 training rows of every class" in complains(*small, "--outer-folds", "90")


def test_a_storage_that_cannot_be_written_is_one_line(complains, small, workplace):
    (workplace / "file").write_text("")
    assert "that can be read and written at" in complains(*small, "--storage", "file/study.journal")


def test_a_file_of_a_tuning_is_told_apart(complains, workplace):
    (workplace / "run.toml").write_text(TuneConfig().to_toml())
    assert "[tune] is of acofer tune" in complains("search", "--config", "run.toml")
