"""EDMD restricted to the eigenpairs that are verified on held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from dynamark.methods.fields import Penalty, Positive, SearchSpace, Units
from dynamark.methods.koopman.dictionaries import DictionaryName, DictionarySize, default_size, units_of_dictionary
from dynamark.methods.koopman.edmd import EDMD
from dynamark.methods.koopman.lifted import pairs
from dynamark.methods.koopman.modal import ModalModel
from dynamark.tasks.numerics.koopman import pair_residuals
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["ResDMD"]

_DEGREE = 5  # default degree of polynomials


@dataclass(frozen=True)
class ResDMD:
    """The eigenpairs (lambda, phi) of EDMD with |phi(y) - lambda phi(x)| <= threshold |phi(x)| over validation pairs (x, y).

    If no eigenpair qualifies, the one with the least residual is used. Modes m_j are fitted by x ~ sum_j phi_j(x) m_j, least
    squares on the training states; forecasts x_n = Re sum_j phi_j(x_0) lambda_j^n m_j use verified eigenpairs only.
    dictionary, size, append, ridge: as in `EDMD`, with degree 5 if `size` is None.

    Source: Colbrook and Townsend 2024, algorithm 2, but with residuals on held-out pairs: those on training pairs are optimistic.
    key: colbrook2024
    """

    dictionary: DictionaryName = "monomials"
    size: DictionarySize = None
    append: bool = True
    ridge: Penalty = 1e-10
    threshold: Positive = 0.05
    search_space: ClassVar[SearchSpace] = {
        "dictionary": ("monomials", "gaussian"),
        "threshold": (0.05, 0.01, 0.2, 0.5),
        "ridge": (1e-10, 1e-6),
    }

    @property
    def data_units(self) -> Units:
        """As in `EDMD`."""
        return units_of_dictionary(self.dictionary)

    def fit_forecaster(self, problem: Forecasting, run: Run) -> ModalModel:
        """EDMD, one residual per eigenpair, and least squares on the selected eigenfunctions."""
        size = default_size(self.dictionary, problem.train.dim, _DEGREE) if self.size is None else self.size
        lifted = EDMD(self.dictionary, size, self.append, self.ridge).fit_forecaster(problem, run)
        x, y = (part[:, None] for part in pairs(problem.validation))
        values = lifted.eigenvalues()
        residual = torch.nan_to_num(
            pair_residuals(lifted.eigenfunctions(x), lifted.eigenfunctions(y), values), nan=torch.inf
        )
        selected = residual <= max(self.threshold, float(residual.min()))
        run.fact("verified", int((residual <= self.threshold).sum()))

        def functions(states: torch.Tensor) -> torch.Tensor:
            return lifted.eigenfunctions(states[:, None])[:, selected]

        states = pairs(problem.train)[0]
        phi = functions(states)
        modes = torch.linalg.lstsq(phi, states.to(phi), driver="gelsd").solution
        stored = 2 * len(values) * int(selected.sum()) + lifted.stored
        return ModalModel(values[selected], functions, modes, stored)
