"""Seconds of fits are seconds of work: they do not grow with what else the machine does."""

from __future__ import annotations

import subprocess
import sys
import time

from dynamark.runners.execute.clock import seconds


def test_waiting_costs_nothing_and_work_does() -> None:
    start = seconds("cpu")
    time.sleep(0.3)
    waited = seconds("cpu") - start
    start = seconds("cpu")
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        pass
    assert waited < 0.05
    assert seconds("cpu") - start >= 0.1


def test_work_that_is_handed_to_a_child_counts() -> None:
    start = seconds("cpu")
    loop = "import time\nb = time.process_time()\nwhile time.process_time() - b < 0.2: pass"
    subprocess.run([sys.executable, "-c", loop], check=True)
    assert seconds("cpu") - start >= 0.2
