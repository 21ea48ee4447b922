"""A cluster of processes of its own: what is shared is sent once, what dies is begun again, nothing hangs."""

import time
from collections import Counter
from contextlib import closing

import cluster as jobs
import pytest

from acofer.errors import ConfigError, MissingExtraError, WorkerError
from acofer.workers import cluster as clusters
from acofer.workers.crew import check_backend, check_cluster, crew_of

pytest.importorskip("distributed")
pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture
def crew(cluster):
    """Return a maker of crews, and close them."""
    made = []

    def make(shared=None, scheduler=None, **more):
        made.append(clusters.ClusterCrew(str(scheduler or cluster.file), shared, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


def results(crew, function, tasks):
    return dict(crew.run(function, tasks))


def run_until(crew, accident):
    """Run tasks, and let something happen meanwhile."""
    for position, _ in crew.run(jobs.slow, ((i, 0.05) for i in range(400))):
        if position == 4:
            accident()


def test_tasks_are_done_by_several_processes(crew):
    own = crew()
    assert own.size == 2
    assert results(own, jobs.twice, ((i,) for i in range(20))) == {i: 2 * i for i in range(20)}
    assert len(set(results(own, jobs.pid_of, ((i,) for i in range(20))).values())) == 2


def test_what_is_shared_is_sent_to_each_worker_once(crew, tmp_path, monkeypatch):
    """Dask's memory manager drops all copies but one within two seconds."""
    log = tmp_path / "log"
    shared = jobs.Counted(jobs.grid(), log)
    own = crew(shared)
    for factor in (1, 2, 3):
        found = results(own, jobs.total, ((factor,) for _ in range(8)))
        assert found == dict.fromkeys(range(8), float(shared.values.sum() * factor))
        time.sleep(2.5 if factor == 1 else 0)
    lines = Counter(log.read_text().splitlines())
    read = {line: n for line, n in lines.items() if line.startswith("read")}
    assert len(read) == 2
    assert set(read.values()) == {1}  # one a process, whoever it had it from
    assert (
        sum(n for line, n in lines.items() if line.startswith("sent")) == 2
    )  # here once, and by a worker to the other


def test_an_error_in_a_task_comes_here(crew):
    with pytest.raises(ValueError, match="on purpose"):
        results(crew(), jobs.fails, ((i,) for i in range(6)))


def test_who_stops_asking_is_not_kept_waiting(crew):
    own, began = crew(), time.monotonic()
    with closing(own.run(jobs.slow, ((i, 0.2) for i in range(100)))) as done:
        next(done)
    assert time.monotonic() - began < 3
    assert results(own, jobs.twice, [(4,)]) == {0: 8}


def test_tasks_may_wait_for_others(crew):
    """As cells of a bench do that would make the same choice."""
    done = []

    def tasks():
        yield (1,)
        while not done:
            yield None
        yield (2,)

    own = crew()
    for _, value in own.run(jobs.twice, tasks()):
        done.append(value)
    assert done == [2, 4]


def test_a_killed_worker_costs_no_result(crew, mortal, tmp_path):
    own = crew(jobs.Counted(jobs.grid(), tmp_path / "log"), mortal.file)
    found = {}
    for position, value in own.run(jobs.slow, ((i, 0.05) for i in range(40))):
        found[position] = value
        if len(found) == 6:
            mortal.kill(mortal.workers[0])
    assert found == {i: i for i in range(40)}
    assert own.size == 1
    mortal.add()  # and who comes later is sent what is shared
    mortal.kill(mortal.workers[0])
    assert results(own, jobs.total, ((1,) for _ in range(4))) == dict.fromkeys(range(4), float(jobs.grid().sum()))


def test_a_task_that_kills_its_workers_is_an_error_and_the_others_are_done(crew, mortal, monkeypatch):
    monkeypatch.setattr(clusters, "TRIES", 0)
    mortal.add()
    mortal.add()
    own = crew(None, mortal.file)
    found = dict(own.outcomes(jobs.dies, ((i,) for i in range(3))))
    assert found == {0: 0, 1: 1, 2: 2}
    monkeypatch.setattr(clusters, "PATIENCE", 3.0)
    with pytest.raises(WorkerError, match=r"1 times the workers at .* died with a task|has had no workers for"):
        results(own, jobs.dies, [(3,)])


def test_without_any_worker_there_is_an_error_before_long(crew, mortal, monkeypatch):
    monkeypatch.setattr(clusters, "PATIENCE", 3.0)
    own = crew(None, mortal.file)
    with pytest.raises(WorkerError, match="has had no workers for 3 s; start some with: dask worker"):
        run_until(own, lambda: mortal.kill(*mortal.workers))


def test_without_its_scheduler_there_is_an_error_before_long(crew, mortal, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 2.0)
    own = crew(None, mortal.file)
    began = time.monotonic()
    with pytest.raises(WorkerError, match="does not answer any more"):
        run_until(own, mortal.scheduler.kill)
    assert time.monotonic() - began < 60


def test_a_worker_with_other_packages_is_refused(crew, monkeypatch):
    monkeypatch.setattr(clusters, "_versions", lambda: {"numpy": "1.2.3"})
    with pytest.raises(WorkerError, match=r"cannot work for this process: it has numpy \S+, this process 1.2.3"):
        results(crew(), jobs.twice, [(1,)])


def test_nobody_at_the_address(monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1.0)
    with pytest.raises(WorkerError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 .*start one with: dask sch"):
        check_cluster("dask", "tcp://127.0.0.1:9")
    with pytest.raises(WorkerError, match="there is no such scheduler file"):
        check_cluster("dask", "nowhere.json")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[" * 9_000, "it is nested too deep"),
        ("{", "Expecting property name"),
        ("{}", "it is no scheduler file: it has no address"),
        ('{"address": 5}', "it is no scheduler file: it has no address"),
        ('{"address": "os://x"}', "unknown address scheme 'os'"),
        ('{"address": "tcp://[::1/"}', "invalid address"),
    ],
)
def test_a_damaged_scheduler_file_is_one_line(tmp_path, capfd, said, words):
    """Dask asserts what it reads there, and complains once more when its client is let go of."""
    (tmp_path / "scheduler.json").write_text(said)
    with pytest.raises(WorkerError, match=words):
        check_cluster("dask", str(tmp_path / "scheduler.json"))
    assert capfd.readouterr().err == ""


def test_what_does_not_go_together_is_said():
    with pytest.raises(ConfigError, match=r"scheduler: expected the address of a Dask scheduler; got none; start one"):
        crew_of("dask", 1, None, None)
    with pytest.raises(ConfigError, match="expected --backend dask beside it; got threading"):
        check_backend("threading", "tcp://here:8786")
    with pytest.raises(ConfigError, match="did you mean 'loky'"):
        check_backend("lokky", None)


def test_without_dask_it_says_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'acofer\[cluster\]'"):
        check_cluster("dask", "tcp://here:8786")
