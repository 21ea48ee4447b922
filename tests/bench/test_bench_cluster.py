"""A bench whose cells run on a Dask cluster: the rows and the result of one that runs cell by cell."""

import random
import threading

import pytest
from made_bench import by_contender, plan_with
from test_runner import kept_in

from acofer.bench.runner import run_plan
from acofer.bench.store import BenchFolder
from acofer.errors import StoreError

pytest.importorskip("distributed")
pytestmark = pytest.mark.xdist_group("cluster")
MADE_WORKER = ("--preload", "made_worker")


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """Two workers with nannies, as `dask worker` starts them: their processes may have no children, and come back."""
    from cluster import Cluster

    made = Cluster(tmp_path_factory.mktemp("cluster"), 2, "--nanny", *MADE_WORKER)
    yield made
    made.close()


def test_its_result_is_that_of_one_process(made_process, benches, tmp_path):
    plan = plan_with("at-random", "fails", {"selector": "colony", "size": 4, "classifier": ["ridge", "GaussianNB"]},
                     {"selector": ["random-search", "anova-f"], "size": 4, "null_test": True})  # fmt: skip
    run_plan(plan, tmp_path / "alone")
    told = []
    run_plan(plan, tmp_path / "other", scheduler=str(benches.file), on_row=lambda _row, *count: told.append(count))
    assert kept_in(tmp_path / "other") == kept_in(tmp_path / "alone")
    assert told == [(n + 1, len(plan.cells)) for n in range(len(plan.cells))]


@pytest.mark.nightly
def test_what_hangs_or_dies_there_is_a_row(made_process, benches, tmp_path):
    plan = plan_with("sleeps", "at-random", "dies", "fails", timeout=1)
    rows = by_contender(run_plan(plan, tmp_path / "bench", scheduler=str(benches.file)))
    assert {name: row["status"] for name, row in rows.items()} == {
        "sleeps": "timed out", "at-random": "ok", "dies": "failed", "fails": "failed"
    }  # fmt: skip
    assert rows["dies"]["reason"].startswith("its process was killed by signal 9")


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_killed_workers_cost_no_row(made_process, tmp_path, n_kills, tried):
    """Each kill at a random instant after a row more; a cell whose workers die again and again is rightly a failure."""
    from cluster import Cluster

    (tmp_path / "mortal").mkdir()
    mortal = Cluster(tmp_path / "mortal", 2, "--no-nanny", *MADE_WORKER)
    plan = plan_with(*({"name": f"slow {i}", "selector": "slow"} for i in range(12 + 25 * n_kills)))
    run_plan(plan, tmp_path / "whole")
    killed, rows, is_over = [], [], threading.Event()  # `killed`: rows there were at each kill

    def kill():
        while len(killed) < (n_kills or 2) and not is_over.wait(random.uniform(0, 2)):
            if len(rows) > (killed[-1] if killed else -1):
                mortal.add()
                mortal.kill(mortal.workers[0])
                killed.append(len(rows))

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        run_plan(plan, tmp_path / "other", scheduler=str(mortal.file), on_row=lambda *_: rows.append(1))
    finally:
        is_over.set()
        killer.join()
        mortal.close()
    assert killed
    assert kept_in(tmp_path / "other") == kept_in(tmp_path / "whole")
    tried("a cluster's killed worker costs a bench nothing", times=len(killed))


@pytest.mark.nightly
def test_stopped_it_is_gone_on_with_and_a_second_process_is_refused(made_process, benches, tmp_path):
    plan = plan_with(*({"name": f"slow {i}", "selector": "slow"} for i in range(6)))

    def stop(_row, done, _total):
        if done == 3:
            with pytest.raises(StoreError, match="is being written to by another acofer"):
                run_plan(plan, tmp_path / "bench")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="every row that was done is kept"):
        run_plan(plan, tmp_path / "bench", scheduler=str(benches.file), on_row=stop)
    assert len(BenchFolder(tmp_path / "bench").rows()) == 3
    ran = []
    run_plan(plan, tmp_path / "bench", scheduler=str(benches.file), on_row=lambda *_: ran.append(1))
    assert len(ran) == len(plan.cells) - 3
    run_plan(plan, tmp_path / "alone")
    assert kept_in(tmp_path / "bench") == kept_in(tmp_path / "alone")
