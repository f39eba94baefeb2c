"""The progress bar of a command, with the remaining time that the predicted seconds of its runs give."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from dynamark.runners.plan.cohorts import Cohort
from dynamark.runners.plan.hours import Seconds

__all__ = ["Progress", "remaining"]

# Seconds for which the predicted rate counts against the measured one, so that the first cohort alone decides little.
_PRIOR = 10.0
_FORMAT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


def remaining(left: float, done: float, elapsed: float, workers: int) -> float:
    """Seconds until the end: left / v, at the rate v = (done + workers * p) / (elapsed + p) with p = 10 s.

    left, done: predicted seconds of the cohorts that are left and of those that are done. elapsed: seconds since the start.
    The rate is that of the work done so far; at the start it is one predicted second per second and worker.
    """
    return left * (elapsed + _PRIOR) / (done + workers * _PRIOR)


class Progress:
    """A bar on standard error, where that is a terminal, or in a notebook."""

    def __init__(
        self,
        cohorts: Sequence[Cohort],
        shown: bool,
        seconds: Seconds | None,
        workers: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """seconds: the prediction; None leaves out the remaining time. workers: None stands for the number of cores."""
        from tqdm import tqdm

        # disable=None hides the bar unless stderr is a terminal; a notebook is no terminal but shows the bar.
        disable = (False if _in_notebook() else None) if shown else True
        total = sum(len(cohort.runs) for cohort in cohorts)
        self._bar: Any = tqdm(total=total, unit="run", disable=disable, bar_format=_FORMAT)
        self._seconds = seconds
        self._workers = workers or os.cpu_count() or 1
        self._left = 0.0 if seconds is None else sum(map(seconds.of_cohort, cohorts))
        self._done = 0.0
        self._clock = clock
        self._start = clock()

    def update(self, cohort: Cohort) -> None:
        """Count a cohort as done."""
        if self._seconds is not None:
            predicted = self._seconds.of_cohort(cohort)
            self._left, self._done = max(self._left - predicted, 0.0), self._done + predicted
        self._bar.set_postfix_str(", ".join(filter(None, [self.left, cohort.label])), refresh=False)
        self._bar.update(len(cohort.runs))

    @property
    def left(self) -> str:
        """The remaining time in words; empty without a prediction and at the end."""
        if self._left <= 0:
            return ""
        elapsed = self._clock() - self._start
        return f"about {_words(remaining(self._left, self._done, elapsed, self._workers))} left"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
