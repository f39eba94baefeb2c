"""Claims about recurrent and linear baselines of chaotic forecasting."""

from __future__ import annotations

from dataclasses import replace

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment, Runs
from dynamark.runners.claims.quantities import largest, median, ratio, smallest
from dynamark.runners.claims.relations import Above, Below

_RIVALS = ("lstm_tbptt", "lem")


def _trained(method: str, updates: int) -> Runs:
    fields = {"alpha": None} if method == "shplrnn" else {}
    return Runs("chaos/lorenz63", method, fields, {"noise": 0.05, "updates": updates}, tier="standard", seeds=5)


_X36 = [_trained(method, 20_000) for method in ("shplrnn", *_RIVALS)]

X36 = Claim(
    paper="hess2023",
    kind=EMPIRICAL,
    statement="A shallow network with adaptive forcing reconstructs the noisy Lorenz attractor better than an LSTM and an LEM.",
    needs=_X36,
    checks=[
        Check(
            f"D_stsp, shallow over {rival}",
            ratio("d_stsp", {"method": "shplrnn"}, {"method": rival}, paired=False),
            Below(1.0),
        )
        for rival in _RIVALS
    ],
    controls=[Check(f"D_stsp of {rival}", median("d_stsp", {"method": rival}), None) for rival in _RIVALS],
    published="an ECG: 4.3 against 15.2 (LSTM) and 16.3 (LEM)",
    looks=(1, 4),
    convergence=[replace(need, task_fields={**need.task_fields, "updates": 40_000}) for need in _X36],
    note="Order of the paper's table on the noisy Lorenz system; between LSTM and LEM nothing is claimed. Equal numbers of "
    "updates, each method with its own default rate.",
    registered="0.1.0",
)

X37 = Claim(
    paper="toner2024",
    kind=THEOREM,
    statement="Least-squares DLinear is linear regression; NLinear is regression with weights that sum to one, and commutes with "
    "shifts.",
    needs=[Experiment("chaos/direct_linear_forms", seeds=5)],
    checks=[
        Check("difference of the weights of DLinear and linear regression", largest("plain_gap"), Below(1e-8)),
        Check("difference of the weights of NLinear and constrained regression", largest("last_gap"), Below(1e-8)),
        Check("distance of NLinear's change under a shift from the shift", largest("last_shift"), Below(1e-10)),
    ],
    fair_controls=[
        Check(
            "distance of the linear forecast's change under a shift from the shift",
            smallest("plain_shift"),
            Above(1e-10),
        ),
        Check("difference of the weights with and without the constraint", smallest("between"), Above(1e-8)),
    ],
    note="A noisy recurrence of two lags, windows of 30, 8 values ahead, moving average over 25 samples, no penalty.",
    registered="0.1.0",
)
