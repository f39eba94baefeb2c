"""The transform with its work arrays allocated once has the bits of the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.numerics.fourier import fourier
from dynamark.tasks.numerics.fourier_plan import FourierPlan


@pytest.mark.parametrize("n", [2, 4, 8, 64])
def test_the_bits_are_those_of_the_transform(n: int) -> None:
    plan = FourierPlan(n, 3)
    for seed in range(2):
        x = np.random.default_rng(seed).standard_normal((2, n, 3))
        plan.source[:] = x
        assert np.array_equal(plan(), fourier(x))
        assert np.array_equal(plan.source, x)


@pytest.mark.parametrize("n", [1, 3, 48])
def test_other_lengths_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        FourierPlan(n, 1)
