"""Claims on online learning of asymmetric linear systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, UNTRAINED, Check, Claim, Runs
from dynamark.runners.claims.quantities import median, ratio
from dynamark.runners.claims.relations import Below

# SF20: regression on twenty filters for real poles and three taps.
_REAL, _LAGS = {"features": "spectral"}, {"features": "arx", "order": 12}


def _stream(method: str, fields: Mapping[str, Any], angle: float) -> Runs:
    task = {"spectrum": "asym", "beta": angle, "length": 1024, "order": 128}
    return Runs("lds/regret", method, fields, task, "standard", 5)


def _of(method: str, angle: float, **fields: Any) -> dict[str, Any]:
    return {"method": method, "task.beta": angle} | {f"method.{name}": value for name, value in fields.items()}


_OWN = _of("usp_wedge", 0.01, degree=5)
_BARE = {"angle": 0.01, "degree": 0, "filters": 16}  # ceil(angle T / pi) + 12 filters, no polynomial

L44 = Claim(
    paper="marsden2025",
    kind=EMPIRICAL,
    statement="Filters of a wedge with preconditioning have sublinear regret on systems whose poles are nearly real.",
    needs=[
        *(_stream("usp_wedge", {"angle": angle, "degree": 5}, angle) for angle in (0.01, 0.05, 1.0)),
        *(_stream("vaw", _REAL, angle) for angle in (0.01, 0.05)),
        _stream("usp_wedge", _BARE, 0.01),
        _stream("usp", {"degree": 5}, 0.01),
        _stream("vaw", _LAGS, 0.01),
    ],
    checks=[
        Check("exponent of the regret, angles up to 0.01", median("exponent", _OWN), Below(0.9)),
        Check(
            "regret as a multiple of that of filters for real poles, angles up to 0.01",
            ratio("regret", _OWN, _of("vaw", 0.01, features="spectral")),
            Below(0.2),
        ),
    ],
    controls=[
        Check("regret, angles up to 0.01", median("regret", _OWN), None),
        Check("exponent of the regret, angles up to 0.05", median("exponent", _of("usp_wedge", 0.05)), None),
        Check(
            "regret as a multiple of that of filters for real poles, angles up to 0.05",
            ratio("regret", _of("usp_wedge", 0.05), _of("vaw", 0.05, features="spectral")),
            None,
        ),
        Check(
            "regret of wedge filters without the polynomial", median("regret", _of("usp_wedge", 0.01, degree=0)), None
        ),
        Check("regret of 24 taps with the polynomial", median("regret", _of("usp", 0.01)), None),
        Check("regret of 12 lags of inputs and outputs", median("regret", _of("vaw", 0.01, features="arx")), None),
        Check("exponent outside the class, angles up to 1", median("exponent", _of("usp_wedge", 1.0)), None),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    note=f"{PILOT} This concerns the factor 5, which fails a polynomial of the wrong sign; its exponent alone would pass.",
    registered="0.1.0",
)
