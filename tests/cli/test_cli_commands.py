"""What the commands print, where, and what they leave behind."""

import dataclasses
import json
import subprocess
import sys
import time

import pytest
from PIL import Image

import acofer as package
from acofer.cli.options import flag_of
from acofer.cli.progress import ProgressDisplay
from acofer.cli.tune import NOT_HERE
from acofer.config.options import plain_options
from acofer.config.search import SearchConfig
from acofer.config.sources import COMMANDS, read_toml
from acofer.config.tune import TuneConfig
from acofer.runs import predict as predicting

HEAVY = ("numpy", "scipy", "sklearn", "imblearn", "numba", "tensorflow", "keras", "matplotlib", "PIL", "joblib", "rich")
SMALL = (
    "--ants", "2", "--iters", "1", "--trees", "2", "--size", "8:16", "--null-draws", "1",
    "--heuristic", "uniform", "--balance", "none", "--workers", "1",
)  # fmt: skip


def program(code, cwd):
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory):
    """A small search through the command line: its folder, and what stood on stdout and stderr."""
    place = tmp_path_factory.mktemp("kept")
    code = f"import sys; from acofer.cli import main; sys.exit(main({['search', *SMALL, '--out', 'run']!r}))"
    done = program(code, place)
    return place / "run", done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["search", "--help"],
        ["train", "--help"],
        ["data", "info", "--help"],
        ["cache", "prune", "--help"],
        ["doctor", "--help"],
    ],
)
def test_help_loads_nothing_heavy(tmp_path, arguments):
    code = (
        "import sys; from acofer.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert program(code, tmp_path).stdout.splitlines()[-1] == "LOADED []"


def test_help_answers_within_four_tenths_of_a_second(tmp_path):
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        program("import sys; sys.argv = ['acofer', '--help']; from acofer.cli import main; main()", tmp_path)
        best = min(best, time.perf_counter() - start)
        if best < 0.4:
            return
    pytest.fail(f"the fastest of eight took {best:.2f} s")


def test_importing_the_package_is_as_light(tmp_path):
    code = f"import sys, acofer; print([name for name in {HEAVY!r} if name in sys.modules], acofer.__version__)"
    assert program(code, tmp_path).stdout.strip() == f"[] {package.__version__}"


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.command)
def test_the_help_shows_every_option_with_its_default_and_choices(acofer, kind):
    shown = acofer(kind.command, "--help").out
    words = " ".join(shown.split())
    hidden = NOT_HERE if kind is TuneConfig else set()
    for option in (option for option in plain_options(kind) if option.name not in hidden):
        assert f"  {flag_of(option)} " in shown
        if option.default is not None and option.name != "net":  # which has to be named
            assert f"(default {option.default})" in words
        assert ", ".join(option.metadata.get("choices", ())) in words
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [
        ["train"],
        ["nets"],
        ["embed"],
        ["data"],
        ["data", "info"],
        ["data", "faces"],
        ["cache"],
        ["cache", "list"],
        ["predict"],
        ["doctor"],
    ],
)
def test_every_command_has_a_help(acofer, command):
    outcome = acofer(*command, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"usage: acofer {' '.join(command)}")
    assert outcome.err == ""


def test_the_version_is_the_packages(acofer):
    assert acofer("--version").out == f"acofer {package.__version__}\n"


def test_the_later_source_of_an_option_wins(acofer, workplace, monkeypatch):
    (workplace / "run.toml").write_text("[colony]\nalpha = 2.0\nbeta = 2.0\nrho = 0.5\n")
    monkeypatch.setenv("ACOFER_BETA", "3")
    monkeypatch.setenv("ACOFER_RHO", "0.6")
    outcome = acofer("search", "--config", "run.toml", *SMALL, "--rho", "0.7", "--out", "run", "--quiet", "--json")
    assert outcome.code == 0, outcome.err
    kept = read_toml("run/config.toml", SearchConfig)
    wanted = {"q0": SearchConfig.q0, "alpha": 2.0, "beta": 3.0, "rho": 0.7}  # default < file < environment < flag
    assert {name: kept[name] for name in wanted} == wanted
    assert kept["ants"] == 2


def test_json_is_alone_on_stdout_and_quiet_means_quiet(acofer, workplace):
    outcome = acofer("search", *SMALL, "--json", "--quiet", "--out", "run")
    assert outcome.code == 0
    assert outcome.err == ""
    numbers = json.loads(outcome.out)
    assert numbers.pop("folder") == "run"
    assert numbers == json.loads((workplace / "run" / "result.json").read_text())


def test_a_search_prints_its_table_and_its_verdict(kept_run):
    folder, out, _ = kept_run
    numbers = json.loads((folder / "result.json").read_text())
    flat = " ".join(out.split())
    assert numbers["verdict"] in flat
    colony = numbers["contenders"]["colony"]
    for measure in ("accuracy", "macro precision", "macro recall", "macro F1"):
        assert f"{colony[measure]['value']:.3f}" in out
    for name in numbers["data"]["classes"]:
        assert name in out
    for word in ("all features", "top by heuristic", "random x 1", "95 % bootstrap", "opened once", "optimism"):
        assert word in flat
    assert "acofer predict run PICTURE..." in out
    assert "acofer search --config run/config.toml" in out
    assert "leaky" not in out


RIDGE = (
    "search", "--scorer", "ridge", "--penalty", "0.01", "--ants", "2", "--iters", "1", "--size", "8:16",
    "--null-draws", "1", "--workers", "1", "--quiet", "--out", "run",
)  # fmt: skip


@pytest.fixture
def few_features(monkeypatch):
    """The embedded faces with the first 200 of their features."""
    from acofer.runs import search

    whole = search.configured_embeddings

    def some(*arguments):
        found = whole(*arguments)
        return dataclasses.replace(found, values=found.values[:, :200], feature_names=found.feature_names[:200])

    monkeypatch.setattr(search, "configured_embeddings", some)


def test_a_ridge_search_prints_what_its_ants_would_have_taken_alone(acofer, workplace, few_features):
    outcome = acofer(*RIDGE)
    assert outcome.code == 0, outcome.err
    flat = " ".join(outcome.out.split())
    assert "greedy forward" in flat
    assert "top by heuristic" not in flat
    assert "search score (brier on 5 folds of the training part" in flat
    assert "trees:" not in flat
    assert "screening:" not in flat


def test_another_final_classifier_and_a_screen_are_told(acofer, workplace, few_features):
    outcome = acofer(*RIDGE, "--classifier", "GaussianNB")
    assert outcome.code == 0, outcome.err
    flat = " ".join(outcome.out.split())
    assert "; tested by another classifier seconds:" in flat
    assert "optimism" not in flat

    screened = ("--ants", "6", "--heuristic", "auto", "--screen", "ridge", "--out", "screened", "--quiet")
    outcome = acofer("search", *SMALL, *screened)
    assert outcome.code == 0, outcome.err
    numbers = json.loads((workplace / "screened" / "result.json").read_text())["search"]["screen"]
    flat = " ".join(outcome.out.split())
    assert (
        f"screening: ridge looked at {numbers['subsets']} subsets and spared the scorer {numbers['spared']}; "
        f"{numbers['finished']} more were scored on demand" in flat
    )


def test_progress_goes_to_stderr_only(kept_run):
    _, out, err = kept_run
    for stage in ("loading", "reading", "heuristic", "search", "test", "writing"):
        assert sum(line.startswith(f"{stage} ") for line in err.splitlines()) == 1
    assert "search 2/2" in err
    assert "search 2/2" not in out


def test_a_leaky_protocol_is_named_in_every_table(acofer, workplace):
    options = [*SMALL, "--balance", "smote", "--protocol", "leaky-smote-test", "--out", "run", "--quiet"]
    outcome = acofer("search", *options)
    assert outcome.code == 0
    titles = [line for line in outcome.out.splitlines() if line.startswith(("Test part", "The chosen", "search score"))]
    assert len(titles) == 3
    assert " ".join(outcome.out.split()).count("[leaky-smote-test]") == 3
    assert "[leaky-smote-test: not an honest figure]" in outcome.out
    for path in (workplace / "run" / "figures").glob("*.svg"):
        assert "leaky-smote-test" in path.read_text()


def test_data_info_counts_and_draws_only_what_is_asked_for(acofer, workplace):
    outcome = acofer("data", "info", "demo", "--no-sheet", "--quiet")
    assert outcome.code == 0
    assert "3,500 pictures" in outcome.out
    for word in ("Disgust", "Surprise", "train", "validation", "test", "blank pictures", "exact copies", "sha256"):
        assert word in outcome.out
    assert list(workplace.iterdir()) == []

    outcome = acofer("data", "info", "demo", "--quiet")
    assert "contact sheet: contact-sheet-demo.png" in outcome.out
    with Image.open(workplace / "contact-sheet-demo.png") as sheet:
        assert min(sheet.size) > 100


def test_data_info_prints_json_only(acofer, workplace):
    outcome = acofer("data", "info", "demo", "--no-sheet", "--json", "--quiet")
    census = json.loads(outcome.out)
    assert (census["n_pictures"], outcome.err) == (3500, "")
    assert census["near_copies"] is None


def test_embed_takes_the_shipped_embeddings_offline(acofer, workplace):
    outcome = acofer("embed", "demo", "--quiet")
    assert outcome.code == 0
    assert "3,500 pictures x 5,120 features, 36 MB" in outcome.out
    assert "\nout_relu: 2 x 2 x 1280 = 5,120 features, of 2 x 2 places\n" in outcome.out
    assert "sha256" in outcome.out
    assert outcome.err == ""


def test_embed_prints_and_keeps_each_layer(acofer, folder_of, workplace):
    pytest.importorskip("keras")
    arguments = ("embed", folder_of(a=2, b=2), "--weights", "random", "--image-size", "32", "--quiet")
    outcome = acofer(*arguments, "--layers", "Conv1_relu,block_6_expand_relu", "--mirror", "average")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("4 pictures x 2,016 features")
    assert lines[1] == "Conv1_relu: 3 x 3 x 32 = 288 features, of 16 x 16 places"
    assert lines[2] == "block_6_expand_relu: 3 x 3 x 192 = 1,728 features, of 4 x 4 places"
    listed = acofer("cache", "list").out
    for described in ("Conv1_relu 32 grid:3 mirrored, 4 x 288", "block_6_expand_relu 32 grid:3 mirrored, 4 x 1,728"):
        assert f"faces, mobilenetv2 {described}, 0 MB, last used 20" in listed


def test_the_cache_lists_what_came_with_the_package_and_keeps_it(acofer, tmp_path):
    listed = acofer("cache", "list", "--cache-dir", tmp_path / "cache").out.splitlines()
    assert "demo, mobilenetv2 out_relu 48 flatten, 3,500 x 5,120" in listed[0]
    assert listed[0].endswith("came with acofer")
    assert listed[-1] == f"in {tmp_path / 'cache'}"
    assert acofer("cache", "prune", "--all", "--cache-dir", tmp_path / "cache").out == "removed 0 entries, 0 MB\n"
    assert acofer("embed", "demo", "--quiet").code == 0


def test_an_entry_is_listed_and_pruned_by_its_key(acofer, folder_of, tmp_path, workplace):
    import numpy as np

    from acofer.data.load import load_faces
    from acofer.features.backbone import PREPROCESSING
    from acofer.features.cache import Store
    from acofer.features.entry import key_of

    images = load_faces(folder_of(a=2, b=2))
    about = {
        "pictures_digest": images.digest, "weights_digest": "w" * 64, "backbone": "mobilenetv2", "image_size": 32,
        "pooling": "avg", "preprocessing": PREPROCESSING, "pictures": "faces", "weights": "made up",
        "layers": [{"name": "out_relu", "shape": [1, 1, 6]}],
    }  # fmt: skip
    key = key_of(about)
    with Store(tmp_path / "cache").writer(key, 4) as writer:
        writer.append(np.zeros((4, 6), np.float16))
        writer.commit(about)
    listed = acofer("cache", "list").out.splitlines()
    assert listed[0].startswith(f"{key}  faces, mobilenetv2 out_relu 32 avg, 4 x 6, 0 MB, last used 20")
    assert acofer("cache", "prune", "--older-than", "1").out.startswith("removed 0 entries")
    assert acofer("cache", "prune", key).out.startswith("removed 1 entries")
    assert key not in acofer("cache", "list").out


def test_predictions_are_printed_as_a_table_or_as_json(acofer, workplace, monkeypatch):
    rows = [{"picture": "face.png", "class": "glad", "shares": {"calm": 0.2, "cross": 0.1, "glad": 0.7}}]
    monkeypatch.setattr(predicting, "predict", lambda *_, **__: rows)
    printed = acofer("predict", "run", "face.png").out
    line = next(line for line in printed.splitlines() if "face.png" in line)
    assert line.index("glad") < line.index("0.70") < line.index("calm") < line.index("0.20")
    assert json.loads(acofer("predict", "run", "face.png", "--json").out) == rows


def test_a_warning_is_one_line_on_stderr(acofer, workplace, monkeypatch):
    import warnings

    def warn(*_, **__):
        warnings.warn("first\nsecond", stacklevel=1)
        return []

    monkeypatch.setattr(predicting, "predict", warn)
    assert acofer("predict", "run", "face.png", "--json").err == "acofer: warning: first second\n"


def test_a_reader_who_has_had_enough_is_no_error(tmp_path):
    code = "import sys; from acofer.cli import main; sys.exit(main(['data', 'info', 'demo', '--no-sheet', '--json']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(60) == 0


def test_a_terminal_sees_bars(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressDisplay() as progress:
        for done in range(5):
            progress("search", done, 4)
        progress.say("[half] done")
    shown = capsys.readouterr()
    assert "search" in shown.err
    assert "4/4" in shown.err
    assert "[half] done\n" in shown.err
    assert shown.out == ""


def test_the_options_of_a_kept_run_are_those_that_were_given(kept_run):
    kept = SearchConfig(**read_toml(kept_run[0] / "config.toml", SearchConfig))
    assert (
        dataclasses.replace(kept)
        == SearchConfig(
            ants=2, iterations=1, trees=2, size="8:16", null_draws=1, heuristic="uniform", balance="none", workers=1
        ).settled()
    )
