"""What a user can do wrong: one line says what was expected, what came and what to do."""

import json
import os
import signal
import subprocess
import sys

import pytest

PIXELS = " ".join(["7"] * 2304)
RANDOM = ("--weights", "random", "--image-size", "32", "--pooling", "avg")


def program(*arguments, cwd):
    code = "import sys; from acofer.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ants", "0"], "ants: expected a whole number: at least 1; got '0'"),
        (["--ants", "many"], "ants: expected a whole number"),
        (["--iters", "1.5"], "iterations: expected a whole number"),
        (["--rho", "1.5"], "rho: expected a number: above 0 and at most 1; got '1.5'"),
        (["--q0", "nan"], "q0: expected a number: 0 to 1"),
        (["--folds", "1"], "folds: expected"),
        (["--metric", "acuracy"], "did you mean 'accuracy'?"),
        (["--scorer", "RandomForest"], "did you mean 'RandomForestClassifier'?"),
        (["--backbone", "mobilenetv3"], "did you mean 'mobilenetv2'?"),
        (["--pick", "worst"], "pick: expected best, 1se or a number"),
        (["--size", "6000"], "within 1 to 5120"),
        (["--size", "many"], "size: expected"),
        (["--pick", "3"], "pick: expected at least 16, the smallest subset that --size auto allows; got 3"),
        (["--protocol", "leaky-smote-first", "--balance", "none"], "needs SMOTE"),
        (["--data", "absent.csv"], "absent.csv"),
        (["--data", "dem"], "did you mean 'demo'?"),
        (["--ferplus", "votes.csv"], "FER+ votes label FER2013 only"),
        (["--config", "absent.toml"], "expected a TOML file at absent.toml"),
        (["--weights", "absent.h5"], "there is no such file"),
        (["--penalty", "much"], "penalty: expected auto, or a number of at least 0; got 'much'"),
        (["--penalty", "-1"], "penalty: expected auto, or a number of at least 0; got '-1'"),
        (["--screen", "rigde"], "did you mean 'ridge'?"),
        (["--scorer", "ridge", "--screen", "ridge"], "screen: expected off where subsets are scored by ridge anyway"),
        (["--scorer", "ridge", "--balance", "nearmiss"], "balance: expected none, smote or weights where subsets are"),
        (["--scorer", "ridge", "--classifier", "SCV"], "classifier: expected 'forest', 'sklearn' or a scikit-learn"),
        (["--classifier", "ridge"], "set --scorer ridge as well"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_line(complains, arguments, words):
    assert words in complains("search", *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "--anst", "3"], "unknown argument --anst; did you mean '--ants'?; see acofer search --help"),
        (["search", "--anst=3"], "unknown argument --anst=3; did you mean '--ants'?"),
        (["search", "--ant", "3"], "did you mean '--ants'?"),
        (["search", "--ants"], "argument --ants: expected one argument; see acofer search --help"),
        (["search", "extra"], "unknown argument extra"),
        (["embed", "demo", "--pool", "avg"], "did you mean '--pooling'?"),
        (["embed", "demo", "--layers", "block_6"], "unknown in mobilenetv2; did you mean one of block_6_expand, "),
        (["embed", "demo", "--layers", "??"], "known: last, bank, all, block_1_expand_relu"),
        (["embed", "demo", "--pooling", "grid"], "pooling: expected auto, flatten, avg, max, grid:N or maxgrid:N; got"),
        (["embed", "demo", "--pooling", "grid:0"], "got 'grid:0'"),
        (["embed", "demo", "--mirror", "on"], "mirror: expected one of off, average; got 'on'"),
        (["data", "info", "demo", "--sheets"], "did you mean '--sheet'?"),
        (["serch"], "unknown command 'serch'; did you mean 'search'?; see acofer --help"),
        (["data", "inf"], "unknown action 'inf'; did you mean 'info'?"),
        ([], "required: COMMAND; see acofer --help"),
        (["cache"], "required: ACTION"),
        (["embed"], "required: DATA"),
        (["cache", "prune"], "expected keys, --older-than DAYS or --all; got none"),
        (["cache", "prune", "abc"], "abc"),
        (["cache", "prune", "--older-than", "nan"], "expected 0 to 1,000,000 days; got nan"),
        (["cache", "prune", "--older-than", "-1"], "expected 0 to 1,000,000 days"),
        (["predict", "absent", "face.png"], "expected a run folder with result.json at absent"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line_and_names_the_nearest(complains, arguments, words):
    assert words in complains(*arguments)


def test_an_unknown_key_of_a_file_names_the_nearest(complains, workplace):
    (workplace / "run.toml").write_text("[colony]\nanst = 3\n")
    assert "unknown key 'anst' in [colony]; did you mean 'ants'?" in complains("search", "--config", "run.toml")


def test_an_unknown_variable_names_the_nearest(complains, monkeypatch):
    monkeypatch.setenv("ACOFER_ANT", "3")
    assert "unknown environment variable ACOFER_ANT; did you mean 'ACOFER_ANTS'?" in complains("search")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"9,{PIXELS},Training", "9"),
        (f"3,{PIXELS[2:]},Training", "2,303"),
        (f"3,{PIXELS[:-1]}nan,Training", "nan"),
        (f"3,{PIXELS},Train", "Train"),
    ],
    ids=["label of 9", "2,303 pixels", "NaN", "unknown usage"],
)
@pytest.mark.parametrize("command", [["search", "--data"], ["embed"], ["data", "info"]], ids=lambda c: c[0])
def test_a_bad_row_is_named_by_its_line(complains, fer_csv, command, line, words):
    complaint = complains(*command, fer_csv(line))
    assert "line 44" in complaint
    assert words.lower() in complaint.lower()


def test_a_csv_cut_in_the_middle_is_said_to_be_cut(complains, fer_csv):
    path = fer_csv()
    path.write_bytes(path.read_bytes()[:-3000])
    assert "line 43" in complains("search", "--data", path)


def test_a_class_with_one_picture_is_named(complains, folder_of):
    assert "'lonely'" in complains("search", "--data", folder_of(happy=6, lonely=1), *RANDOM)


def test_an_empty_class_is_named(complains, folder_of):
    assert "empty" in complains("search", "--data", folder_of(happy=6, empty=0), *RANDOM)


def test_an_official_split_where_there_is_none_is_refused(complains, folder_of):
    assert "use --split stratified" in complains("search", "--data", folder_of(a=6, b=6), "--split", "official")


def test_a_weights_file_that_is_not_one_is_refused(complains, workplace, folder_of):
    (workplace / "net.h5").write_text("not HDF5")
    faces = folder_of(a=6, b=6)
    for command in (["search", "--data", faces], ["embed", faces]):
        assert "not a weights file" in complains(*command, "--weights", "net.h5")


def test_an_unwritable_place_is_refused(complains, workplace, folder_of):
    (workplace / "file").write_text("in the way")
    assert "choose another with --out" in complains("search", "--out", "file/run")
    faces = folder_of(a=6, b=6)
    complaint = complains("embed", faces, *RANDOM, "--cache-dir", "file/cache")
    assert "file/cache" in complaint
    complains("search", "--data", faces, *RANDOM, "--cache-dir", "file/cache")
    assert "file" in complains("data", "info", faces, "--sheet", "file/sheet.png")


def test_a_run_folder_that_exists_is_refused(complains, workplace):
    (workplace / "run").mkdir()
    (workplace / "run" / "mine").write_text("mine")
    assert "run exists already; name a new folder with --out" in complains("search", "--out", "run")


def test_a_missing_extra_is_named_with_what_installs_it(complains, monkeypatch, folder_of):
    monkeypatch.setitem(sys.modules, "keras", None)
    complaint = complains("embed", folder_of(a=6, b=6), *RANDOM)
    assert "pip install 'acofer[nets]'" in complaint
    assert "needs TensorFlow, which is not installed" in complaint


def test_too_little_memory_is_one_line(complains, monkeypatch):
    from acofer.runs import search

    def full(*_, **__):
        raise MemoryError("Unable to allocate 12. GiB")

    monkeypatch.setattr(search, "material_of", full)
    assert "not enough memory; Unable to allocate 12. GiB; use fewer features" in complains("search")


def test_a_message_of_many_lines_becomes_one(complains, monkeypatch):
    from acofer.errors import DataError
    from acofer.runs import search

    def fail(*_, **__):
        raise DataError("first\n  second\nthird")

    monkeypatch.setattr(search, "configured_pictures", fail)
    assert complains("search") == "acofer: error: first second third"


def test_ctrl_c_is_said_with_code_130_and_leaves_nothing(acofer, workplace, monkeypatch):
    from acofer.runs import search

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "SearchPath", interrupt)
    outcome = acofer("search", "--heuristic", "uniform", "--balance", "none", "--quiet")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == "acofer: interrupted; nothing was written\n"
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "--ants", "0"], "ants: expected"),
        (["embed", "absent.csv"], "absent.csv"),
        (["data", "info", "absent/"], "absent/"),
        (["predict", "absent", "face.png"], "expected a run folder"),
    ],
)
def test_the_program_itself_complains_in_one_line(workplace, arguments, words):
    done = program(*arguments, cwd=workplace)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert list(workplace.iterdir()) == []


def begun(workplace, *options):
    """Begin a search on a terminal of its own, and return it when it scores subsets."""
    fixed = ["search", "--ants", "500", "--trees", "200", "--heuristic", "uniform", "--balance", "none"]
    process = subprocess.Popen(
        [sys.executable, "-c", SAYS_WHEN_IT_SCORES, *fixed, "--workers", "1", *options],
        cwd=workplace,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    read_until(process, "scoring")
    return process


SAYS_WHEN_IT_SCORES = """
import sys
from contextlib import contextmanager
from acofer.cli import main
from acofer.stopping import Stop
heeded = Stop.heeded
@contextmanager
def telling(stop, *arguments):
    with heeded(stop, *arguments):
        print("scoring", file=sys.stderr, flush=True)
        yield
Stop.heeded = telling
sys.exit(main())
"""


def read_until(process, begins):
    """Read what a process says until a line begins so."""
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(begins):
            return
    pytest.fail("".join(said))


@pytest.mark.parametrize(
    ("number", "word", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_a_signal_ends_a_search_with_the_best_so_far(workplace, number, word, code):
    process = begun(workplace, "--out", "run", "--trees", "20")
    os.killpg(process.pid, number)
    said, told = process.communicate(timeout=120)
    assert process.returncode == code, told
    assert f"{word}: the ants that are being scored are waited for" in told
    assert f"the search ended early: it was {word}" in said
    assert json.loads((workplace / "run" / "result.json").read_text())["search"]["ended"] == word


def test_a_second_ctrl_c_ends_at_once(workplace):
    process = begun(workplace)
    os.killpg(process.pid, signal.SIGINT)
    read_until(process, "interrupted: ")  # two signals of one kind at once are one
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert rest.strip().splitlines()[-1] == "acofer: interrupted; nothing was written"
    assert list(workplace.iterdir()) == []
