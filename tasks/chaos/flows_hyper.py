"""Chaotic flows in four and more dimensions, several of them with two positive exponents."""

from __future__ import annotations

from collections.abc import Mapping

from dynamark.tasks.chaos.flow import Flow

__all__ = ["HIGHER"]

HIGHER: Mapping[str, Flow] = {
    "hyper_jha": Flow(
        "x' = a*(y - x) + w; y' = b*x - x*z - y; z' = x*y - c*z; w' = d*w - x*z",
        "a=10 b=28 c=2.667 d=1.3",
        period=0.85645,
        substeps=2,
        start=(13.0231, 19.3889, 22.9678, 0.987),
        lyapunov=(0.3552, 0.2192, 0.0, -12.94),
        error=0.007,
        published=0.387,
        reference="Gilpin 2021",
        source="Jia 2007",
    ),
    "hyper_wang": Flow(
        "x' = a*(y - x); y' = b*x - x*z + w; z' = -c*z + e*x**2; w' = -d*x",
        "a=10 b=40 c=2.5 d=10.6 e=4",
        period=0.64815,
        substeps=2,
        start=(-1.2154, -4.3394, 39.414, -34.8199),
        lyapunov=(1.185, 0.1079, 0.0, -13.78),
        error=0.01,
        published=1.29,
        reference="Gilpin 2021",
        source="Wang et al. 2009",
    ),
    "lorenz_coupled": Flow(
        (
            "x' = a*(y - x); "
            "y' = r*x - x*z - y; "
            "z' = x*y - b*z; "
            "u' = a*(v - u) + e*(x - u); "
            "v' = s*u - u*w - v; "
            "w' = u*v - b*w"
        ),
        "a=10 b=2.667 r=35 s=1.15 e=2.85",
        period=1.6207,
        substeps=4,
        start=(7.0921, 10.1174, 25.7084, 2.169, 0.9612, 0.8955),
        lyapunov=(1.052, 0.0, -1.2, -1.814, -13.5, -14.72),
        error=0.002,
        published=1.03,
        reference="Gilpin 2021",
        source="two coupled systems of Lorenz 1963",
    ),
    "lorenz_stenflo": Flow(
        "x' = a*(y - x) + d*w; y' = c*x - x*z - y; z' = x*y - b*z; w' = -x - a*w",
        "a=2 b=0.7 c=26 d=1.5",
        period=3.8877,
        substeps=4,
        start=(2.3076, 3.9251, 21.1721, -1.4102),
        lyapunov=(0.3816, 0.0, -2.695, -3.387),
        error=0.001,
        published=0.381,
        reference="Gilpin 2021",
        source="Stenflo 1996",
    ),
    "lotka_volterra4": Flow(
        (
            "x' = x*(1 - x - 1.09*y - 1.52*z); "
            "y' = 0.72*y*(1 - y - 0.44*z - 1.36*w); "
            "z' = 1.53*z*(1 - 2.33*x - z - 0.47*w); "
            "w' = 1.27*w*(1 - 1.21*x - 0.51*y - 0.35*z - w)"
        ),
        "",
        period=35.0,
        substeps=2,
        start=(0.3013, 0.4586, 0.1307, 0.3557),
        lyapunov=(0.02048, 0.0, -0.275, -1.029),
        error=0.0002,
        published=0.0203,
        reference="Vano et al. 2006",
        source="Vano et al. 2006",
    ),
}
