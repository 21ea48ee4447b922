"""Processes of this machine: what is shared is written down once, what dies is begun again, nobody stays behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import cluster as jobs
import pytest

from acofer.errors import WorkerError
from acofer.workers.processes import ProcessCrew, end_with

# A process that has others work, says who they are, and is interrupted or killed.
PROGRAM = """
import sys
from contextlib import closing

import cluster as jobs
from acofer.workers.processes import ProcessCrew

crew = ProcessCrew(2, None)
pids = set(dict(crew.run(jobs.pid_of, ((i,) for i in range(20)))).values())
print(*pids, flush=True)
with closing(crew.run(jobs.slow, ((i, 0.1) for i in range(1000)))) as done:
    for _ in done:
        pass
"""


@pytest.fixture
def crew():
    """Return a maker of crews, and close them."""
    made = []

    def make(shared=None, n_jobs=2):
        made.append(ProcessCrew(n_jobs, shared))
        return made[-1]

    yield make
    for each in made:
        each.close()


def results(crew, function, tasks):
    return dict(crew.run(function, tasks))


def test_large_arrays_are_written_down_once(crew, tmp_path):
    own = crew(jobs.Counted(jobs.grid(), tmp_path / "log"))
    assert own.size == 2
    for factor in (1, 2):
        found = results(own, jobs.total, ((factor,) for _ in range(8)))
        assert found == dict.fromkeys(range(8), float(jobs.grid().sum() * factor))
    found = results(own, jobs.place_of, ((i,) for i in range(8)))
    assert len(set(found.values())) == 1  # the same file under all of them, which is no copy
    assert found[0] is not None


def test_a_killed_process_costs_no_result(crew, tmp_path):
    own, flag = crew(), str(tmp_path / "flag")
    assert results(own, jobs.dies_once, ((i, flag) for i in range(12))) == {i: i for i in range(12)}


def test_a_task_that_kills_its_process_is_an_error_before_long(crew):
    with pytest.raises(WorkerError, match="4 times a worker's process died while it was at work"):
        results(crew(), jobs.dies, ((i,) for i in range(6)))


def test_an_error_in_a_task_comes_here_and_the_crew_goes_on(crew):
    own = crew()
    with pytest.raises(ValueError, match="on purpose"):
        results(own, jobs.fails, ((i,) for i in range(6)))
    assert results(own, jobs.twice, [(4,)]) == {0: 8}


def test_who_stops_asking_is_not_kept_waiting(crew):
    own = crew()
    results(own, jobs.twice, [(1,)])
    began = time.monotonic()
    with closing(own.run(jobs.slow, ((i, 0.2) for i in range(100)))) as done:
        next(done)
    assert time.monotonic() - began < 5
    assert results(own, jobs.twice, [(4,)]) == {0: 8}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_is_interrupted_or_killed_leaves_nobody_behind(number):
    path = os.pathsep.join([jobs.HERE, *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    pids = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(0.5)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.kill()
    process.wait(30)
    assert pids
    assert all(map(is_gone, pids))


def is_gone(pid):
    """Say whether a process has ended, or does within ten seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if _state(pid) == "Z":
            return True
        time.sleep(0.1)
    return False


def _state(pid):
    done = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_an_orphan_ends_itself(monkeypatch):
    ended, pids = [], iter([5, 5, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(pids))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "_exit", ended.append)
    end_with(5)
    assert ended == [1]
