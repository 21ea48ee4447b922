"""A search by threads, by processes and on a Dask cluster: the same ants, scores, predictions and model."""

import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from test_resume import outcome
from test_run_search import same_search

from acofer.config.search import SearchConfig
from acofer.config.sources import read_toml
from acofer.errors import ConfigError, WorkerError
from acofer.runs.search import resume_search, run_search
from acofer.stopping import Stop
from acofer.workers import cluster as clusters

pytestmark = pytest.mark.xdist_group("cluster")
SCORERS = {
    "forest, raced": {"trees": 30, "ants": 6, "q0": 0.1},
    "forest, folds": {"folds": 3},
    "forest, remembered": {"trees": 30, "memo": "on"},
    "classifier": {"scorer": "LogisticRegression", "metric": "accuracy"},
    "screened": {"screen": "ridge", "heuristic": "auto"},
}
REPORTS = Path(__file__).resolve().parents[2] / "reports"


@pytest.mark.parametrize("options", SCORERS.values(), ids=SCORERS.keys())
def test_whoever_works_it_comes_to_the_same(planted, config, cluster, tmp_path, options):
    def run(name, **how):
        return run_search(config(name, cache_dir=str(tmp_path / f"cache-{name}"), **options, **how))

    alone = run("alone")
    for name, how in {
        "threads": {"backend": "threading"},
        "processes": {"backend": "loky"},
        "cluster": {"backend": "dask", "scheduler": str(cluster.file)},
    }.items():
        other = run(name, **how, workers=2)
        other.numbers["configuration"]["cache_dir"] = alone.numbers["configuration"]["cache_dir"]
        same_search(alone, other)
        assert outcome(other.folder) == outcome(alone.folder)


@pytest.mark.timeout(7200)
def test_killed_workers_cost_no_result(planted, config, mortal, n_kills, tried):
    """One search a kill: a worker is killed at a random instant, and a new one begun."""
    options = {"trees": 30, "ants": 6, "iterations": 3, "q0": 0.1}
    whole = run_search(config("whole", **options))
    how = {"backend": "dask", "scheduler": str(mortal.file), "workers": 0}
    run_search(config("warm", **options, **how))
    began = time.monotonic()
    run_search(config("timed", **options, **how))
    took = time.monotonic() - began
    times = n_kills or 2
    for number in range(times):
        accident = threading.Timer(random.uniform(0.1, took), lambda: mortal.kill(mortal.workers[0]))
        accident.start()
        done = run_search(config(f"run{number}", **options, **how))
        accident.join()
        assert outcome(done.folder) == outcome(whole.folder)
        mortal.add()
        mortal.wait_for(2)
    tried("a cluster's killed worker costs a search nothing", times=times)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("options", [{"trees": 30}, {"scorer": "LogisticRegression"}], ids=["forest", "classifier"])
def test_killed_processes_cost_no_result(planted, config, options, n_kills, tried):
    """Two kills a search."""
    options = {"ants": 6, "iterations": 3, "q0": 0.1, **options}
    whole = run_search(config("whole", **options))
    searches = max(1, n_kills // 2)
    for number in range(searches):
        killed = []

        def kill(stage, done, _total, killed=killed):
            if stage == "search" and done >= 4 + 5 * len(killed) and len(killed) < 2:
                killed.append(processes()[0])
                os.kill(killed[-1], signal.SIGKILL)

        done = run_search(config(f"killed{number}", backend="loky", workers=2, **options), progress=kill)
        assert len(killed) == 2
        assert outcome(done.folder) == outcome(whole.folder)
    tried("a killed process costs a search nothing", times=2 * searches, scorer=options.get("scorer", "forest"))


def processes():
    """Return the processes that joblib has begun for this one."""
    lines = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if "popen_loky_posix" in line]


@pytest.mark.parametrize("options", [{}, {"scorer": "LogisticRegression"}], ids=["forest", "classifier"])
@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_asked_to_stop_it_ends_with_the_best_so_far(planted, config, cluster, backend, options):
    stop, asked = Stop(), []

    def ask(stage, done, _total):
        if stage == "search" and done >= 3:
            stop._asked = "interrupted"
            asked.append(time.monotonic())

    scheduler = str(cluster.file) if backend == "dask" else None
    done = run_search(
        config(iterations=500, workers=2, backend=backend, scheduler=scheduler, **options), progress=ask, stop=stop
    )
    assert done.numbers["search"]["ended"] == "interrupted"
    assert time.monotonic() - asked[0] < 10


def test_without_workers_a_search_ends_with_one_line_and_goes_on_elsewhere(planted, config, mortal, monkeypatch):
    """After the first checkpoint nothing is lost: threads of this process go on."""
    from acofer.runs import search_folder

    monkeypatch.setattr(search_folder, "EVERY", 0.0)
    monkeypatch.setattr(search_folder, "_SHARE", 1e9)
    monkeypatch.setattr(clusters, "PATIENCE", 2.0)
    options = {"iterations": 4, "ants": 6, "q0": 0.1}

    def lose(stage, done, _total):
        if stage == "search" and done >= 7 and mortal.workers:
            mortal.kill(*mortal.workers)

    on_cluster = config("run", backend="dask", scheduler=str(mortal.file), workers=0, **options)
    with pytest.raises(WorkerError, match="has had no workers for 2 s"):
        run_search(on_cluster, progress=lose)
    whole = run_search(config("whole", **options))
    resumed = resume_search(on_cluster.out, changes={"backend": "threading"})
    assert outcome(resumed.folder) == outcome(whole.folder)
    assert resumed.numbers["configuration"]["scheduler"] is None


def test_what_cannot_be_is_said_before_anything_is_done(planted, config, tmp_path):
    with pytest.raises(ConfigError, match="scheduler: expected the address of a Dask scheduler; got none; start one"):
        run_search(config(backend="dask"))
    with pytest.raises(ConfigError, match="scheduler: expected --backend dask beside it"):
        run_search(config(scheduler="tcp://here:8786"))
    assert list(tmp_path.iterdir()) == []


def test_configurations_of_earlier_runs_can_still_be_read():
    """They call threads and processes otherwise."""
    kept = [path for path in REPORTS.glob("**/config.toml") if "[colony]" in path.read_text()]
    assert kept
    for path in kept:
        assert SearchConfig(**read_toml(path, SearchConfig)).backend == "threading"
    assert SearchConfig(backend="processes").backend == "loky"
    with pytest.raises(ConfigError, match="did you mean 'threading'"):
        SearchConfig(backend="thread")
