"""Claims on what commuting transition matrices of a linear controlled differential equation cannot represent."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_MIXING = {"block2": "blocks of 2", "block4": "blocks of 4", "wh": "Walsh-Hadamard maps", "dense": "dense maps"}

L31 = Claim(
    paper="cirone2024",
    kind=THEOREM,
    statement="A linear CDE with random diagonal maps does not represent the Levy area of its path, nor with forcing a sum of "
    "third order; block-diagonal and dense maps represent both.",
    needs=[Experiment("lds/levy_area", seeds=5)],
    checks=[
        Check("least nmse of the Levy area, diagonal maps without forcing", smallest("area_diag"), Above(0.9)),
        *(
            Check(f"largest nmse of the Levy area, {label} without forcing", largest(f"area_{name}"), Below(0.05))
            for name, label in _MIXING.items()
        ),
        Check("least nmse of S(1,1,2) - S(1,2,1), diagonal maps with forcing", smallest("third_diag"), Above(0.9)),
        *(
            Check(f"largest nmse of S(1,1,2) - S(1,2,1), {label} with forcing", largest(f"third_{name}"), Below(0.1))
            for name, label in _MIXING.items()
        ),
    ],
    controls=[
        Check("nmse of the Levy area, diagonal maps with forcing", median("forced_diag"), None),
        Check("nmse of the sum of third order in Stratonovich form, diagonal maps", median("stratonovich_diag"), None),
    ],
    note="Diagonal maps with forcing, as in Mamba, represent the Levy area: the sum of third order separates them. Sums are of "
    "left points; in Stratonovich form that sum contains S(0,2)/2, which diagonal maps with forcing represent.",
    registered="0.1.0",
)
