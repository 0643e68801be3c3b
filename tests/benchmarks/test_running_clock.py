"""A soak that was stopped must not take that for a fault of the product."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

PROGRAM = """
import sys, time
from benchmarks.soak import running_clock
running_clock.STOPPED_S = 1.0
clock = running_clock.RunningClock()
began, began_s = time.monotonic(), clock.now()
print("waiting", flush=True)
assert not clock.wait(lambda: False, 1.5)
print(clock.stops, time.monotonic() - began >= 3.5, clock.now() - began_s < time.monotonic() - began - 1.5)
"""


def test_time_in_which_the_process_was_stopped_is_not_waited_in_vain() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    stops, waited_longer, left_out = process.stdout.read().split()
    assert process.wait(60) == 0
    assert int(stops) >= 1
    assert (waited_longer, left_out) == ("True", "True")
