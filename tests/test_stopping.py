from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from acofer.stopping import Stop, Stopped, Terminated


def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # Python hears it between two of its own instructions


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_the_first_signal_is_noted_where_it_is_heeded_and_raised_once(number, reason):
    stop, noted = Stop(), []
    stop.on_note = noted.append
    with stop.listening(), stop.heeded():
        stop.check()
        send(number)
        assert (stop.reason, noted) == (reason, [reason])
        with pytest.raises(Stopped) as caught:
            stop.check()
        assert caught.value.reason == reason
        stop.check()  # what is left to do is not cut short
        assert stop.reason == reason


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_elsewhere_and_the_second_time_a_signal_interrupts_at_once(number, error):
    stop = Stop()
    with stop.listening():
        with pytest.raises(error):
            send(number)
        with stop.heeded():
            send(number)
            with pytest.raises(error):
                send(number)
    assert issubclass(Terminated, KeyboardInterrupt)


def test_handlers_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Stop().listening():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_ignored_signal_stays_ignored():
    """A shell script starts its background jobs so: Ctrl-C at the terminal is not meant for them."""
    code = (
        "import os, signal; from acofer.stopping import Stop\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with Stop().listening(): os.kill(os.getpid(), signal.SIGINT); print('still here')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "still here\n"


def test_other_threads_hear_nothing():
    found = []

    def elsewhere():
        before = signal.getsignal(signal.SIGINT)
        with Stop().listening():
            found.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [True]


def test_time_runs_while_it_is_heeded_and_counts_what_was_spent_before():
    stop = Stop()
    stop.limit(1000.0)
    assert stop.reason is None
    with stop.heeded(spent=999.0):
        assert stop.reason is None
    with stop.heeded(spent=1000.0):
        assert stop.reason == "time budget"
        with pytest.raises(Stopped):
            stop.check()
