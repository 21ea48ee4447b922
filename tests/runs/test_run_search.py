import json
import subprocess
import sys

import numpy as np
import pytest

from acofer.config.search import SearchConfig
from acofer.config.sources import read_toml
from acofer.errors import ConfigError, MissingFileError, StoreError
from acofer.report.figures import write_figures
from acofer.runs import folder as files
from acofer.runs import search
from acofer.runs.model import read_model
from acofer.runs.search import run_search

WHOLE = {
    files.CONFIG,
    files.FIGURES,
    files.FRONT,
    files.MODEL,
    files.PREDICTIONS,
    files.RESULT,
    files.SUBSET,
    files.TRACE,
}


def trace_of(folder):
    return [json.loads(line) for line in (folder / files.TRACE).read_text().splitlines()]


def without_times(numbers):
    """Drop what may differ between two runs of one configuration."""
    kept = {name: value for name, value in numbers.items() if name not in ("seconds", "finished")}
    kept["search"] = {name: value for name, value in kept["search"].items() if name != "seconds scoring"}
    kept["configuration"] = {
        n: v for n, v in kept["configuration"].items() if n not in ("out", "workers", "backend", "scheduler")
    }
    return kept


def same_search(one, other):
    def lines(result):
        return [{k: v for k, v in line.items() if k != "seconds"} for line in trace_of(result.folder)]

    assert lines(one) == lines(other)
    assert (one.folder / files.SUBSET).read_text() == (other.folder / files.SUBSET).read_text()
    assert without_times(one.numbers) == without_times(other.numbers)


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """A small search on the embedded faces, whole."""
    out = tmp_path_factory.mktemp("demo")
    config = SearchConfig(
        ants=3, iterations=2, trees=5, heuristic="f", null_draws=1, workers=1, memo="off", out=str(out / "run")
    )
    return run_search(config, draw=write_figures)


def test_the_run_folder_of_the_embedded_faces_is_whole(demo_run):
    assert {path.name for path in demo_run.folder.iterdir()} == WHOLE
    assert len(list((demo_run.folder / files.FIGURES).iterdir())) == 12
    assert list(demo_run.folder.parent.iterdir()) == [demo_run.folder]
    numbers = json.loads((demo_run.folder / files.RESULT).read_text())
    assert numbers == demo_run.numbers
    assert numbers["data"]["pictures"] == 3500
    assert numbers["split"]["name"] == "official"
    assert numbers["embeddings"]["weights_digest"]
    assert numbers["split"]["training rows after balancing"] > numbers["split"]["train"]
    assert numbers["split"]["synthetic test rows"] == 0
    # Five trees on a few hundred features are far above the share of the largest class, .25, and far from perfect.
    assert 0.3 < numbers["contenders"]["colony"]["accuracy"]["value"] < 0.75


def test_the_numbers_agree_with_the_trace(demo_run):
    numbers, lines = demo_run.numbers["search"], trace_of(demo_run.folder)
    assert [(line["iteration"], line["ant"]) for line in lines] == [(i, a) for i in range(2) for a in range(3)]
    best = min(lines, key=lambda line: (line["value"], line["features"]))
    assert (numbers["best"]["features"], numbers["best"]["value"]) == (best["features"], best["value"])
    for line in lines:
        assert len(line["indices"]) == line["features"]
        assert line["best utility"] >= -line["value"]
    for score in numbers["front"]:
        smaller = [line["value"] for line in lines if line["features"] <= score["features"]]
        assert score["value"] == min(smaller)
    subset = json.loads((demo_run.folder / files.SUBSET).read_text())
    chosen = [line for line in lines if line["indices"] == subset["indices"]]
    assert chosen[0]["value"] == numbers["chosen"]["value"] == demo_run.numbers["search score"]["search score"]
    assert subset["features"] == len(subset["names"]) == demo_run.numbers["contenders"]["colony"]["features"]
    assert numbers["chosen"]["features"] <= numbers["best"]["features"]
    front = json.loads((demo_run.folder / files.FRONT).read_text())
    assert [len(score["indices"]) for score in front] == [score["features"] for score in numbers["front"]]


def test_the_kept_model_is_the_tested_one(demo_run):
    from acofer.data.load import load_faces
    from acofer.features.embed import embed

    images = load_faces("demo")
    values = embed(images).values[images.parts == 2]
    subset = json.loads((demo_run.folder / files.SUBSET).read_text())
    model = read_model(demo_run.folder / files.MODEL)
    right = model.predict(values[:, subset["indices"]].astype(np.float32)) == images.labels[images.parts == 2]
    assert right.mean() == demo_run.numbers["contenders"]["colony"]["accuracy"]["value"]


def test_the_kept_configuration_repeats_the_run_bit_for_bit(demo_run, tmp_path):
    kept = read_toml(demo_run.folder / files.CONFIG, SearchConfig)
    same_search(demo_run, run_search(SearchConfig(**kept, out=str(tmp_path / "again"))))


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": 2, "backend": "loky"}, {"workers": 2, "folds": 3}])
def test_workers_do_not_change_the_outcome(planted, config, options):
    folds = options.get("folds", 0)
    same_search(run_search(config("one", folds=folds)), run_search(config("two", **options)))


def test_another_seed_gives_another_trace(planted, config):
    one, other = run_search(config("one")), run_search(config("other", seed=1))
    subsets = [[line["indices"] for line in trace_of(result.folder)] for result in (one, other)]
    assert subsets[0] != subsets[1]


@pytest.mark.parametrize("stage", ["heuristic_of", "SearchPath", "run_trial", "write_model"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_ends_a_run_early_leaves_nothing_behind(planted, config, tmp_path, monkeypatch, stage, error):
    def fail(*_, **__):
        raise error("in the middle")

    monkeypatch.setattr(search, stage, fail)
    with pytest.raises(error, match="in the middle"):
        run_search(config("deep/down/run"))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(planted, config, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(search, "write_model", full)
    with pytest.raises(StoreError, match="No space left on device; make room"):
        run_search(config())
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_fails_does_not_cost_the_run(planted, config):
    def fail(*_):
        raise ValueError("no font")

    with pytest.warns(UserWarning, match=r"figures could not be drawn \(no font\)"):
        done = run_search(config(), draw=fail)
    assert (done.folder / files.RESULT).is_file()


def test_a_place_that_is_taken_is_refused_at_once(planted, config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already; name a new folder with --out"):
        run_search(config())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_empty_folder_may_be_filled(planted, config, tmp_path):
    (tmp_path / "run").mkdir()
    assert run_search(config()).folder == tmp_path / "run"


def test_a_place_taken_meanwhile_does_not_cost_the_run(planted, config, tmp_path):
    def other_run(numbers, folder):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "theirs.txt").write_text("theirs")

    with pytest.warns(UserWarning, match="was taken while the run lasted"):
        done = run_search(config(), draw=other_run)
    assert done.folder == tmp_path / "run-2"
    assert (done.folder / files.RESULT).is_file()
    assert (tmp_path / "run" / "theirs.txt").read_text() == "theirs"


@pytest.mark.parametrize("name", ["file/run", "file/deeper/run", "x" * 300])
def test_a_place_that_cannot_be_written_is_one_line(planted, config, tmp_path, name):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"expected a folder that can be written to at .*choose another with --out"):
        run_search(config(name))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_size_that_no_subset_can_have_is_said_before_the_search(planted, config, monkeypatch):
    monkeypatch.setattr(search, "heuristic_of", None)  # would fail if it were reached
    with pytest.raises(ConfigError, match=r"pick: expected at least 4, .* --size 4:12 allows; got 3"):
        run_search(config(pick="3"))
    with pytest.raises(ConfigError, match="within 1 to 30"):
        run_search(config(size=6000))


def test_a_leak_without_smote_is_refused_before_pictures_are_read(config, monkeypatch):
    monkeypatch.setattr(search, "configured_pictures", None)
    with pytest.raises(ConfigError, match="needs SMOTE"):
        run_search(config(protocol="leaky-smote-first", balance="none"))


def test_pick_takes_the_best_that_is_small_enough(planted, config):
    done = run_search(config(pick="6"))
    small = [line for line in trace_of(done.folder) if line["features"] <= 6]
    assert done.chosen.value == min(line["value"] for line in small)


def test_copies_are_counted_and_taken_out(planted, config):
    numbers = run_search(config()).numbers
    assert numbers["split"]["test rows also in train or validation"] == 1
    rest = numbers["without copies"]
    assert rest["rows"] == numbers["split"]["test"] - 1
    hits = numbers["contenders"]["colony"]["accuracy"]["value"] * numbers["split"]["test"]
    assert rest["accuracy"]["value"] * rest["rows"] == pytest.approx(hits, abs=1.001)


def test_every_stage_is_told_once_and_in_order(planted, config):
    told = []
    done = run_search(config(), progress=lambda *event: told.append(event))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["reading", "laying out", "compiling", "heuristic", "balancing", "search", "test", "writing"]
    finished = [stage for stage, n, total in told if n == total]
    assert finished == stages
    assert set(stages) <= set(done.numbers["seconds"])


def test_words_are_not_taken_for_paths_nor_paths_left_relative(planted, config, tmp_path, monkeypatch):
    # A folder called demo stood in the working directory: config.toml named it, though the embedded faces were used.
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "imagenet", "faces", "net.h5"):
        (tmp_path / name).mkdir()
    kept = read_toml(run_search(config("a")).folder / files.CONFIG, SearchConfig)
    assert (kept["data"], kept["weights"]) == ("demo", "imagenet")
    done = run_search(config("b", data="faces", weights="net.h5", cache_dir="cache"))
    kept = read_toml(done.folder / files.CONFIG, SearchConfig)
    assert [kept[name] for name in ("data", "weights", "cache_dir")] == [
        str(tmp_path / name) for name in ("faces", "net.h5", "cache")
    ]
    assert done.numbers["configuration"]["weights"] == kept["weights"]  # predict finds them from anywhere


def test_without_an_out_the_folder_names_time_and_data(planted, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_search(SearchConfig(ants=1, iterations=1, trees=2, size=4, workers=1, heuristic="f"))
    assert done.folder.parent.name == "runs"
    assert done.folder.name.endswith("-demo")
    assert done.folder.name[:8].isdecimal()


def test_noise_scores_at_chance_when_the_protocol_is_clean(noise, config):
    card = run_search(config(trees=30, size="8:40")).numbers["contenders"]["colony"]
    counts = np.array(card["confusion"])
    n = counts.sum()
    chance = (counts.sum(0) / n) @ (counts.sum(1) / n)  # predictions that know nothing, with these shares
    assert abs(card["accuracy"]["value"] - chance) < 4 * np.sqrt(chance * (1 - chance) / n)
    assert abs(card["balanced accuracy"]["value"] - 1 / 7) < 0.08
    assert card["accuracy"]["value"] < 0.30


def test_noise_seems_learnable_when_smote_comes_first(noise, config):
    # That is why the protocol carries its name: a published gain of this size is in reach of pure noise.
    numbers = run_search(config(trees=30, size="30:40", protocol="leaky-smote-first")).numbers
    assert numbers["contenders"]["colony"]["accuracy"]["value"] > 0.45
    assert numbers["verdict"].startswith("[leaky-smote-first: not an honest figure]")
    assert numbers["split"]["name"] == "random 80/20 (leaky-smote-first)"
    assert numbers["split"]["synthetic test rows"] > 0
    assert numbers["split"]["fingerprint"] is None
    assert numbers["without copies"] is None


def test_labels_that_were_shuffled_score_at_chance_with_folds_too(planted, config, monkeypatch):
    load = search.configured_pictures

    def shuffled(*args, **options):
        images = load(*args, **options)
        images.labels[:] = np.random.default_rng(3).permutation(images.labels)
        return images

    monkeypatch.setattr(search, "configured_pictures", shuffled)
    numbers = run_search(config(folds=3, trees=20)).numbers
    counts = np.array(numbers["contenders"]["colony"]["confusion"])
    n = counts.sum()
    chance = (counts.sum(0) / n) @ (counts.sum(1) / n)
    assert abs(np.trace(counts) / n - chance) < 4 * np.sqrt(chance * (1 - chance) / n)


def test_planted_features_are_found_and_log_loss_is_minimised(planted, config):
    done = run_search(config(ants=8, trees=20, size=4))
    values = [row.score.value for row in done.trace.rows]
    assert done.chosen.value == min(values) < max(values)
    assert len(set(done.chosen.indices.tolist()) & {0, 1, 2, 3}) >= 3
    assert done.numbers["contenders"]["colony"]["accuracy"]["value"] > 0.6


@pytest.mark.parametrize("scorer", ["LogisticRegression", "KNeighborsClassifier", "RidgeClassifier"])
def test_any_classifier_scores(planted, config, scorer):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # neighbours are kept, but predict will not load them
        done = run_search(config(scorer=scorer))
    assert done.numbers["contenders"]["colony"]["accuracy"]["value"] > 0.5


def test_a_missing_folder_of_pictures_leaves_no_run_folder(config, tmp_path):
    with pytest.raises(MissingFileError, match="there is no data"):
        run_search(config("runs/x", data=str(tmp_path / "absent")))
    assert list(tmp_path.iterdir()) == []


def test_a_search_needs_no_net_framework(tmp_path):
    code = (
        "import sys; from acofer import SearchConfig, run_search\n"
        "run_search(SearchConfig(ants=1, iterations=1, trees=1, heuristic='uniform', null_draws=1, size=8,"
        f" balance='none', workers=1, out={str(tmp_path / 'run')!r}))\n"
        "print([name for name in ('keras', 'tensorflow', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_second_run_remembers_all_scores_and_says_so(planted, config, tmp_path):
    options = {"trees": 90, "memo": "on", "cache_dir": str(tmp_path / "cache")}
    first, second = run_search(config("first", **options)), run_search(config("second", **options))
    costs = [result.numbers["search"].pop("cost") for result in (first, second)]
    same_search(first, second)
    assert costs[0]["trees remembered"] == 0
    assert costs[1]["trees grown"] == 0
    assert costs[1]["trees remembered"] == costs[0]["trees grown"] > 0
    for cost in costs:
        assert cost["trees in full"] == 90 * first.numbers["search"]["subsets scored"]
        assert cost["trees in full"] == sum(
            cost[f"trees {kind}"] for kind in ("grown", "remembered", "spared by racing")
        )


def test_without_a_race_every_subset_has_all_trees(planted, config):
    numbers = run_search(config(trees=90, race="off")).numbers
    assert numbers["search"]["cost"]["trees spared by racing"] == 0
    assert {row["trees"] for row in numbers["search"]["scored"]} == {90}
    assert not any(row["estimate"] for row in numbers["search"]["scored"])


def test_what_is_kept_has_all_trees_also_after_a_race(planted, config):
    done = run_search(config(trees=90, ants=10))
    search = done.numbers["search"]
    assert search["cost"]["subsets stopped by racing"] > 0
    assert {row["trees"] for row in search["scored"] if row["estimate"]} <= {10, 30}
    assert {row["trees"] for row in [search["chosen"], search["best"], *search["front"]]} == {90}
    lines = trace_of(done.folder)
    assert all(line["difference to best"] <= 1e-9 for line in lines if line["estimate"])


def test_scikit_learns_forest_is_to_be_had(planted, config):
    done = run_search(config(scorer="sklearn"))
    assert type(done.trace.archive.best).__name__ == "SubsetScore"
    assert done.numbers["search"]["cost"] is None
    assert done.numbers["configuration"]["scorer"] == "sklearn"


def test_its_figures_are_those_of_the_predictions_that_are_kept(demo_run):
    with np.load(demo_run.folder / files.PREDICTIONS, allow_pickle=False) as kept:
        labels, names, outputs = kept["labels"], kept["names"].tolist(), kept["outputs"]
        assert len(kept["rows"]) == len(np.unique(kept["rows"])) == 700
    assert names == list(demo_run.numbers["contenders"])
    for name, own in zip(names, outputs, strict=True):
        right = np.mean(own.argmax(axis=1) == labels)
        assert right == demo_run.numbers["contenders"][name]["accuracy"]["value"]
