"""Ending early, and in good order: by a signal, or because the time is up.

Whoever works long asks a `Stop` now and then, at places where what was done so far can be kept. The first signal is
noted there; a second one, or one at any other time, interrupts at once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED, LATE = "interrupted", "terminated", "time budget"
EXIT_CODES = {INTERRUPTED: 130, TERMINATED: 143}
"""What a shell expects of a process that such a signal has ended: 128 and the signal's number."""
_BY_SIGNAL = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Stopped(Exception):  # noqa: N818 - no error: it carries what came of it
    """Raised where work is to end early; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it interrupts at once."""


class Stop:
    """Asked to end early, or not.

    Attributes
    ----------
    reason : str or None
        Why to stop: ``"interrupted"`` (SIGINT), ``"terminated"`` (SIGTERM), ``"time budget"``; None where there is no
        reason.
    """

    def __init__(self) -> None:
        self.on_note: Callable[[str], None] | None = None
        self._seconds: float | None = None
        self._deadline = float("inf")
        self._asked: str | None = None
        self._is_heeded = False

    @property
    def reason(self) -> str | None:
        if self._asked is None and time.monotonic() >= self._deadline:
            return LATE
        return self._asked

    def limit(self, seconds: float | None) -> None:
        """Let work take so long while it is heeded; None as long as it will."""
        self._seconds = seconds

    def check(self) -> None:
        """Raise Stopped, once, where there is a reason and work is in a place that heeds it; do nothing elsewhere."""
        if self._is_heeded and (reason := self.reason) is not None:
            self._is_heeded = False  # what is left to do is not to be cut short, but by a second signal
            raise Stopped(reason)

    @contextmanager
    def heeded(self, spent: float = 0.0) -> Iterator[None]:
        """Note a first signal within the block instead of being interrupted by it, and let the time run.

        Parameters
        ----------
        spent : float
            Seconds that have gone before, e.g. in the process that began the work.
        """
        if self._seconds is not None:
            self._deadline = time.monotonic() + self._seconds - spent
        self._is_heeded = True
        try:
            yield
        finally:
            self._is_heeded = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear SIGINT and SIGTERM within the block, unless they are ignored (as in the background of a shell script).

        Outside the main thread nothing is heard.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = [number for number in _BY_SIGNAL if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._hear) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        reason = _BY_SIGNAL[signal.Signals(number)]
        if self._is_heeded and self._asked is None:
            self._asked = reason
            if self.on_note is not None:
                self.on_note(reason)
            return
        raise Terminated if reason == TERMINATED else KeyboardInterrupt
