"""Extended dynamic mode decomposition: a linear map on a dictionary of observables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dynamark.methods.fields import Order, Penalty, Range, SearchSpace, Units
from dynamark.methods.koopman.dictionaries import Dictionary, DictionaryName, DictionarySize, build, units_of_dictionary
from dynamark.methods.koopman.lifted import LiftedModel, lifted_pairs, pairs
from dynamark.tasks.numerics.koopman import compress, galerkin
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["EDMD", "MPEDMD", "linear_model"]


@dataclass(frozen=True)
class EDMD:
    """K = G^+ A, G = Psi_x* Psi_x, A = Psi_x* Psi_y: the least-squares map of features, psi(y) ~ psi(x) K.

    dictionary, size: see `dictionaries.build`; degree 3 if `size` is None.
    append: add the constant and the state to the dictionary if its span does not contain the state.
    ridge: relative to tr(G)/N. It biases K by about its value; 0 is unbiased. If cond(G) > 1e10, or if ridge is 0, K is computed
    from the triangular factor of [Psi_x Psi_y] without directions below `rcond`.
    relift: decode and lift again every `relift` steps; 0 never.

    Source: Williams, Kevrekidis, Rowley 2015, eqs. (12)-(16).
    key: williams2015
    """

    dictionary: DictionaryName = "monomials"
    size: DictionarySize = None
    append: bool = True
    ridge: Penalty = 1e-10
    rcond: Annotated[float, Range(low=0, below=1)] = 1e-10
    relift: Order = 0
    search_space: ClassVar[SearchSpace] = {
        "dictionary": ("monomials", "gaussian", "thin_plate"),
        "ridge": (1e-10, 1e-6),
        "relift": (0, 1),
    }

    @property
    def data_units(self) -> Units:
        """Raw for angles and for listed monomials such as {x1, x2, x1^2}, whose span a shift would change; else standardized."""
        return units_of_dictionary(self.dictionary)

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LiftedModel:
        """Solve one least-squares problem."""
        x, y = pairs(problem.train)
        lift = build(self.dictionary, self.size, x, run.numpy, self.append)
        matrix = galerkin(lifted_pairs(lift, x, y), self.ridge) if self.ridge > 0 else None
        if matrix is None:
            matrix = compress(lifted_pairs(lift, x, y)).least_squares(self.rcond)
        return linear_model(lift, matrix, x, self.relift)


@dataclass(frozen=True)
class MPEDMD:
    """K = R^{-1} U R, G = R* R, U the unitary polar factor of R^{-*} A R^{-1}: EDMD for measure-preserving systems.

    Every eigenvalue lies on the unit circle, whether or not the system preserves a measure, except that combinations of features
    that vanish on the data, such as cos^2 + sin^2 - 1, have eigenvalue 0. dictionary, size, append, relift: as in `EDMD`.

    Source: Colbrook 2023, The mpEDMD algorithm for data-driven computations of measure-preserving dynamical systems.
    key: colbrook2023
    """

    dictionary: DictionaryName = "monomials"
    size: DictionarySize = None
    append: bool = True
    relift: Order = 0
    search_space: ClassVar[SearchSpace] = {"dictionary": ("monomials", "gaussian", "thin_plate"), "relift": (0, 1)}

    @property
    def data_units(self) -> Units:
        """Raw for angles and for listed monomials such as {x1, x2, x1^2}, whose span a shift would change; else standardized."""
        return units_of_dictionary(self.dictionary)

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LiftedModel:
        """One factorization and one polar decomposition."""
        x, y = pairs(problem.train)
        lift = build(self.dictionary, self.size, x, run.numpy, self.append)
        matrix = compress(lifted_pairs(lift, x, y)).unitary()
        return linear_model(lift, matrix, x, self.relift)


def linear_model(lift: Dictionary, matrix: Tensor, x: Tensor, relift: int = 0) -> LiftedModel:
    """The model of a dictionary with the readout x = psi(x) C: exact if the span contains the state, else by least squares.

    parameter_count counts C as a dense matrix, even if its columns are unit vectors.
    """
    readout = lift.readout(x.shape[1])
    if readout is None:
        psi = lift(x)
        readout = torch.linalg.lstsq(psi, x.to(psi), driver="gelsd").solution

    def decode(psi: Tensor) -> Tensor:
        return (psi @ readout.to(psi)).real if psi.is_complex() else psi @ readout

    return LiftedModel(lift, matrix, decode, readout.numel() + lift.parameter_count(), relift)
