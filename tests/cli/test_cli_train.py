"""What ``acofer train`` takes, what it hands to the run, and what it prints."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from acofer.cli import tables
from acofer.cli.options import parameters_of
from acofer.config.train import TrainConfig
from acofer.errors import ConfigError
from acofer.nets.training import EpochRow
from acofer.runs import train


@pytest.fixture
def calls(monkeypatch):
    """What reached the run, in place of the run."""
    made = []

    def run_train(config, **told):
        made.append(config)
        told["progress"]("training", 1, 1)
        told["on_epoch"](EpochRow(1, 0.001, 2.0, 0.1, 0.8, 1.9234, 0.25, 0.8, 12.34))
        return SimpleNamespace(folder=Path("runs/new"), numbers={"verdict": "good"})

    def resume_train(folder, epochs=None, **told):
        made.append((folder, epochs))
        return SimpleNamespace(folder=Path(folder), numbers={"verdict": "better"})

    monkeypatch.setattr(train, "run_train", run_train)
    monkeypatch.setattr(train, "resume_train", resume_train)
    monkeypatch.setattr(tables, "print_training", lambda numbers, folder: print(numbers, folder))
    return made


def test_flags_reach_the_run(acofer, workplace, calls):
    outcome = acofer(
        "train", "separable-attention", "--epochs", "3", "--from", "runs/A", "--shift", "0.2", "--classes", "Happy,Sad",
        "--set", "dropout=0.3", "--set", "units=[64, 32]", "--set", "trainable=none",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert calls == [
        TrainConfig(
            net="separable-attention", epochs=3, start="runs/A", shift=0.2, classes="Happy,Sad",
            net_params={"dropout": 0.3, "units": [64, 32], "trainable": "none"},
        )
    ]  # fmt: skip
    assert "training 1/1" in outcome.err
    assert (
        "\nepoch 1: loss 2.0000, validation loss 1.9234, validation accuracy 0.250, rate 0.001, 12.3 s\n" in outcome.err
    )
    assert outcome.out == "{'verdict': 'good'} runs/new\n"


def test_a_file_or_the_environment_may_name_the_net(acofer, workplace, calls, monkeypatch):
    kept = TrainConfig(net="hybrid", seed=3, net_params={"dropout": 0.1, "trainable": "none"})
    (workplace / "run.toml").write_text(kept.to_toml())
    assert acofer("train", "--config", "run.toml").code == 0
    assert acofer("train", "mobilenet", "--config", "run.toml", "--set", "dropout=0.2", "--seed", "4").code == 0
    monkeypatch.setenv("ACOFER_NET", "mobilenetv2")
    assert acofer("train").code == 0
    changed = TrainConfig(net="mobilenet", seed=4, net_params={"dropout": 0.2, "trainable": "none"})
    assert calls == [kept, changed, TrainConfig(net="mobilenetv2")]


def test_a_run_is_resumed(acofer, workplace, calls):
    outcome = acofer("train", "--resume", "runs/RUN", "--epochs", "40", "--quiet", "--json")
    assert json.loads(outcome.out) == {"folder": "runs/RUN", "verdict": "better"}
    assert outcome.err == ""
    assert acofer("train", "--resume", "runs/RUN").code == 0
    assert calls == [("runs/RUN", 40), ("runs/RUN", None)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected NET, --config FILE or --resume RUN; got none of them; see: acofer nets"),
        (["--resume", "R", "--seed", "3", "--from", "A"], "--resume: expected no other option but --epochs, --quiet "
         "and --json; got --from, --seed; a run goes on as it began"),
        (["hybrid", "--resume", "R", "--config", "c.toml", "--set", "a=1"], "got NET, --config, --set; a run"),
        (["--resume", "R", "--epochs", "0"], "epochs: expected auto, or a whole number of at least 1; got '0'"),
        (["small-cnn", "--set", "dropout"], "--set: expected NAME=VALUE, e.g. dropout=0.3; got 'dropout'"),
        (["small-cnn", "--batch-size", "no"], "batch_size: expected auto, or a whole number of at least 1; got 'no'"),
        (["small-cnn", "--epoch", "3"], "unknown argument --epoch; did you mean '--epochs'?; see acofer train --help"),
        (["small-cnn", "--config", "absent.toml"], "expected a TOML file at absent.toml"),
        (["small-cnn", "more"], "unknown argument more"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line(complains, calls, arguments, words):
    assert words in complains("train", *arguments)
    assert calls == []


def test_a_training_prints_its_table_and_its_verdict(acofer, folder_of, workplace):
    pytest.importorskip("keras")
    outcome = acofer(
        "train", "small-cnn", "--data", folder_of(calm=8, glad=8), "--image-size", "32", "--epochs", "2",
        "--set", "filters=[4, 4]", "--set", "units=8", "--out", "run",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    numbers = json.loads((workplace / "run" / "result.json").read_text())
    flat = " ".join(outcome.out.split())
    assert numbers["verdict"] in flat
    for measure in ("accuracy", "macro F1", "binary accuracy"):
        card = numbers["test"][measure]
        low, high = card["interval"]
        assert f" {measure} {card['value']:.3f} {low:.3f}–{high:.3f} " in flat
    for row, name in zip(numbers["test"]["per class"], ("0 calm", "1 glad"), strict=True):
        assert f" {name} {row['rows']} {row['precision']:.2f} {row['recall']:.2f} {row['F1']:.2f} " in flat
    best = numbers["training"]["history"][numbers["training"]["best epoch"] - 1]
    assert f"kept as after epoch {best['epoch']}, the best by validation loss, {best['validation_loss']:.3f};" in flat
    assert f"network: {numbers['net']['parameters']['trainable']:,} weights trained, 0 frozen;" in flat
    for words in ("opened once", "acofer train --config run/config.toml", "acofer predict run PICTURE..."):
        assert words in flat
    again = acofer("train", "--resume", "run")
    assert (again.code, again.out) == (2, "")
    assert "run is finished" in again.err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            KeyboardInterrupt("go on with: acofer train --resume R"),
            130,
            "interrupted; go on with: acofer train --resume R",
        ),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (MemoryError("no 12 GB"), 2, "no 12 GB; use a smaller --batch-size or --image-size, or --balance none"),
    ],
)
def test_a_run_that_ends_early_says_what_to_do(acofer, workplace, calls, monkeypatch, error, code, words):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr(train, "run_train", stop)
    outcome = acofer("train", "small-cnn", "--quiet")
    assert outcome.code == code
    assert outcome.err.endswith(f"{words}\n")
    assert len(outcome.err.splitlines()) == 1


def test_a_file_of_a_search_is_told_apart(complains, workplace):
    (workplace / "run.toml").write_text("[colony]\nants = 3\n")
    assert "expected the options of acofer train; [colony] is of acofer search" in complains(
        "train", "--config", "run.toml"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.3", 0.3), ("3", 3), ("true", True), ("[64, 32]", [64, 32]), ("['a']", ["a"]), ('"3"', "3"),
        ("none", "none"), ("a=b", "a=b"), ("2021-01-01", "2021-01-01"), ("{a = 1}", "{a = 1}"),
        ("3\nmore = 4", "3\nmore = 4"),
    ],
)  # fmt: skip
def test_a_parameter_is_read_as_toml_where_it_is(text, value):
    (found,) = parameters_of([f"name={text}"]).values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("assignments", [["dropout"], ["=3"], ["a="], ["a-b=3"], ["a.b=3"], ["a=1", "a=2"]])
def test_what_is_no_assignment_is_refused(assignments):
    with pytest.raises(ConfigError, match="--set: expected "):
        parameters_of(assignments)
