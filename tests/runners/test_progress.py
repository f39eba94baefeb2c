"""The remaining time of a progress bar."""

from __future__ import annotations

import pytest
from support import entry

from dynamark.runners.plan.cohorts import Cohort, cohorts
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.hours import Seconds
from dynamark.runners.plan.suite import Suite
from dynamark.runners.progress import Progress, remaining


def test_remaining_starts_with_the_prediction_and_ends_with_the_measured_rate() -> None:
    assert remaining(100.0, 0.0, 0.0, 2) == pytest.approx(50.0)
    # Twice as slow as predicted for 1,000 s on two workers: one predicted second in a second.
    assert remaining(100.0, 1000.0, 1000.0, 2) == pytest.approx(100.0, rel=0.02)


class Fixed(Seconds):
    """A prediction of ten seconds for each cohort."""

    def __init__(self) -> None:
        super().__init__([])

    def of_cohort(self, cohort: Cohort) -> float:
        return 10.0


def test_the_bar_tells_what_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dynamark.runners.progress._in_notebook", lambda: True)
    now = [0.0]
    three = entry(("koopman/duffing",), ("dmd", "persistence", "training_mean"), "tiny", 2)
    planned = cohorts(expand(Suite("s", "", (three,))).runs)
    with Progress(planned, True, Fixed(), 1, lambda: now[0]) as bar:
        assert bar.left == "about 60 s left"
        now[0] = 190.0
        bar.update(planned[0])
        assert bar.left == "about 8 min left"  # 50 * (190 + 10) / (10 + 10) = 500 s
        bar.update(planned[1])
        bar.update(planned[2])
        for cohort in planned[3:]:
            bar.update(cohort)
        assert bar.left == ""
    with Progress(planned, True, None, 1) as bar:
        assert bar.left == ""
    assert "training_mean on koopman/duffing" in capsys.readouterr().err
