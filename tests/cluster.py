"""What workers do in these tests, and a cluster of processes; workers import it by its name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = str(Path(__file__).resolve().parent)


class Counted:
    """An array that notes, in a file, every time that it is written down to be sent, and every time it is read."""

    def __init__(self, values, log):
        self.values, self.log = values, str(log)

    def __reduce__(self):
        _note(self.log, f"sent {os.getpid()}")
        return _read, (self.values, self.log)


def _read(values, log):
    _note(log, f"read {os.getpid()}")
    return Counted(values, log)


def _note(log, line):
    with open(log, "a") as file:  # noqa: PTH123
        file.write(line + "\n")


def total(shared, factor):
    return float(shared.values.sum() * factor)


def place_of(shared, _task):
    """Return the file that an array lies in."""
    return getattr(shared.values, "filename", None)


def pid_of(_shared, _task):
    time.sleep(0.05)
    return os.getpid()


def twice(_shared, value):
    return 2 * value


def slow(_shared, value, seconds):
    time.sleep(seconds)
    return value


def fails_to_play(_trials, _knobs):
    return ValueError("on purpose")


def fails(_shared, value):
    if value == 3:
        raise ValueError("on purpose")
    return value


def dies_once(_shared, value, flag):
    """Kill the own process, unless the flag says that somebody did before."""
    if value == 3 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return value


def dies(_shared, value):
    if value == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def grid(n=300):
    return np.arange(n * n, dtype=np.float64).reshape(n, n)


class Cluster:
    """A scheduler and workers, each a process of its own, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder, n_workers, *flags):
        self.folder, self.flags = Path(folder), flags or ("--no-nanny",)
        self.file = self.folder / "scheduler.json"
        self.scheduler = self._started("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", self.file)
        self.workers = []
        for _ in range(n_workers):
            self.add()
        while not self.file.exists():
            time.sleep(0.02)
        self.wait_for(n_workers)

    def _started(self, *arguments):
        log = (self.folder / "log").open("a")
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([HERE, str(Path(HERE).parent), *sys.path]),
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
        }
        module, *flags = arguments
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{module}", *map(str, flags)]
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def add(self):
        """Start one more worker; without a nanny, who is killed stays dead."""
        self.workers.append(
            self._started(
                *("worker", "--scheduler-file", self.file, "--no-dashboard", "--nthreads", "1"),
                *("--local-directory", self.folder, *self.flags),
            )
        )

    def wait_for(self, n_workers):
        """Wait until so many workers have said that they are there."""
        from distributed import Client

        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=60)

    def kill(self, *workers):
        for worker in workers:
            worker.kill()
            worker.wait()
            self.workers.remove(worker)

    def close(self):
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()
