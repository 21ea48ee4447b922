"""One input, tried: read, or refused by an error of acofer's, in time, in bounds, and in its own folder.

What counts as a finding: another error than `acofer.errors.AcoferError`, more seconds or memory than are allowed, a
file written outside the folder, a program started, a connection made, a pickle loaded.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from readers import Reader

from acofer.cli.console import in_one_line
from acofer.errors import AcoferError
from acofer.runs.machine import machine, peak_memory, reset_peak_memory

SECONDS = 20.0
"""An input may take so long; on two busy cores the slowest sound one takes 3."""
MEGABYTES = 300
"""By so much memory may rise while an input is read."""
OF_PICTURES = 1_400
"""A picture of as many pixels as Pillow's limit lets through, 89 million, takes 4 bytes a pixel in Pillow and 3 as an
array, and as much again while one becomes the other."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PEAK = "/proc/self/clear_refs"
"""Where Linux is told to count the highest memory anew."""
_OF_PATHS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    **dict.fromkeys(("os.remove", "os.rmdir", "shutil.rmtree"), ((0,), (1,))),
    **dict.fromkeys(("os.mkdir", "os.chmod"), ((0,), (2,))),
    **dict.fromkeys(("os.utime", "os.chown"), ((0,), (3,))),
    **dict.fromkeys(("os.truncate", "sqlite3.connect", "tempfile.mkdtemp"), ((0,), ())),
    **{"os.rename": ((0, 1), (2, 3)), "os.link": ((1,), (3,)), "os.symlink": ((1,), (2,))},
    **{"shutil.move": ((0, 1), ()), "shutil.copyfile": ((1,), ())},
}
"""Events; where among their arguments the changed paths stand, and where the open folders that these begin at."""
_STRANGE = {
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen", "pty.spawn"),
    *("socket.connect", "socket.bind", "urllib.Request", "ctypes.dlopen", "pickle.find_class"),
}


class Hang(BaseException):
    """An input takes too long; no reader catches it."""


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes
    ----------
    is_read : bool
        Whether it was read, and not refused.
    complaint : str
        What acofer says of it, as the command line would.
    finding : str
        What is wrong with acofer; nothing where all is well.
    """

    is_read: bool
    complaint: str = ""
    finding: str = ""


class Watch:
    """Notes what a process does that no reader may; there can be one a process, since hooks cannot be removed.

    Parameters
    ----------
    folders : path
        Where files may be written.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = [str(folder.resolve()) for folder in folders]
        self.seen: list[str] = []
        self.is_on = False
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self, *folders: Path) -> Iterator[list[str]]:
        """Watch, and yield the list of what is seen; these folders are allowed, too."""
        more = [str(folder.resolve()) for folder in folders]
        self.seen, self.folders, self.is_on = [], [*self.folders, *more], True
        try:
            yield self.seen
        finally:
            self.is_on = False
            self.folders = self.folders[: -len(more)] if more else self.folders

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else flags & _WRITES
            if writes:
                self._check(event, path)
        elif event in _OF_PATHS:
            places, folders = _OF_PATHS[event]
            for number, place in enumerate(places):
                start = arguments[folders[number]] if number < len(folders) and folders[number] < len(arguments) else -1
                self._check(event, arguments[place], start if isinstance(start, int) else -1)
        elif event in _STRANGE and not _is_of_numba():
            self.seen.append(f"{event} {arguments!r}"[:200])

    def _check(self, event: str, path: Any, folder: int = -1) -> None:
        """Note a path that lies elsewhere; it may be told from a folder that is open, by the number of that."""
        if isinstance(path, int) or os.fsdecode(path) in (os.devnull, ":memory:", _PEAK):
            return
        if os.fsdecode(path).startswith("file:") and os.fsdecode(path).endswith("?mode=ro"):  # as SQLite is asked to
            return
        self.is_on = False  # to resolve a path asks for files, too
        start = Path(f"/proc/self/fd/{folder}").resolve() if folder >= 0 else Path()
        place = os.path.realpath(start / os.fsdecode(path))
        self.is_on = True
        if not any(place == folder or place.startswith(folder + os.sep) for folder in self.folders):
            self.seen.append(f"{event} {place}"[:300])


@cache
def the_watch() -> Watch:
    """Return this process's watch; what numba keeps of its kernels is written where it likes."""
    machine()  # the first time, Python begins a program to be told of the processor
    return Watch(*(Path(os.environ[name]) for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR") if name in os.environ))


def _is_of_numba() -> bool:
    """Whether numba loads a kernel from its cache, which it keeps as a pickle in a folder of its own."""
    frame = sys._getframe()
    while frame is not None:
        if f"{os.sep}numba{os.sep}" in frame.f_code.co_filename:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def tried(reader: Reader, data: bytes, folder: Path, watch: Watch, *, seconds: float = SECONDS) -> Outcome:
    """Read one input, and say what came of it."""
    reader.lay_out(data, folder)
    reset_peak_memory()
    before = peak()
    with watch.watching(folder) as seen:
        outcome = _read(reader, folder, seconds)
    grown = peak() - before
    if outcome.finding:
        return outcome
    if seen:
        return Outcome(outcome.is_read, outcome.complaint, f"did what no reader may: {seen[0]}")
    allowed = OF_PICTURES if reader.name.startswith("picture") else MEGABYTES
    if grown > allowed:
        return Outcome(outcome.is_read, outcome.complaint, f"took {grown:,.0f} MB for {len(data):,} bytes")
    return outcome


def _read(reader: Reader, folder: Path, seconds: float) -> Outcome:
    def hang(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(folder)
    except AcoferError as error:
        return Outcome(False, in_one_line(error))
    except Hang:
        return Outcome(False, finding=f"took more than {seconds:g} s {_where(sys.exc_info()[2])}")
    except Exception as error:  # the finding that is looked for
        return Outcome(False, finding=f"{type(error).__name__} {_where(error.__traceback__)}: {error}"[:400])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return Outcome(True)


def _where(trace: Any) -> str:
    """Return the innermost line of acofer's that an error came through."""
    own = [frame for frame in traceback.extract_tb(trace) if f"{os.sep}acofer{os.sep}" in frame.filename]
    frames = own or traceback.extract_tb(trace)
    return f"at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def peak() -> float:
    """Return the highest memory of this process since `tried` began with its last input, in MB."""
    return peak_memory() * 1000
