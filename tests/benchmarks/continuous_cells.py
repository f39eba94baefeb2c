"""LTC and CfC against their authors' cells, in value and in time: training steps of a cohort of five.

Needs the peer: pip install --no-deps --target DIR ncps
Run: PYTHONPATH=src:DIR python tests/benchmarks/continuous_cells.py
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dynamark.methods.sequence.cfc import CfC
from dynamark.methods.sequence.ltc import LTC
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Run

MEMBERS, BATCH, TIME, REPEATS = 5, 8, 64, 3


def peer(kind: str, layer: Any) -> Any:
    """The authors' cell with the weights of one of our layers, in its precision."""
    try:
        from ncps.torch import CfCCell, LTCCell
        from ncps.wirings import FullyConnected
    except ImportError:
        raise SystemExit("this needs ncps: pip install --no-deps --target DIR ncps, and DIR on PYTHONPATH") from None
    with torch.no_grad():
        if kind == "cfc":
            units, backbone = layer.recurrent.shape
            cell = CfCCell(layer.inputs.weight.shape[0], units, backbone_units=backbone, backbone_layers=1)
            cell.backbone[0].weight.copy_(torch.cat([layer.inputs.weight, layer.recurrent]).mT)
            cell.backbone[0].bias.copy_(layer.inputs.bias)
            for k, name in enumerate(("ff1", "ff2", "time_a", "time_b")):
                own = slice(k * units, (k + 1) * units)
                getattr(cell, name).weight.copy_(layer.heads[:, own].mT)
                getattr(cell, name).bias.copy_(layer.bias[0, own])
        else:
            units = len(layer.leak)
            wiring = FullyConnected(units, units)
            cell = LTCCell(wiring, layer.sensory.strength.shape[0], implicit_param_constraints=True)
            own = {"gleak": layer.leak, "vleak": layer.rest, "cm": layer.capacitance}
            for prefix, part in (("", layer.recurrent), ("sensory_", layer.sensory)):
                names = {"w": "strength", "sigma": "slope", "mu": "threshold", "erev": "reversal"}
                own |= {prefix + theirs: getattr(part, ours) for theirs, ours in names.items()}
            for name, value in own.items():
                cell._params[name].copy_(value)
    return cell.to(next(layer.parameters()).dtype)


def unrolled(kind: str, cell: Any, x: Tensor, units: int) -> Tensor:
    """The authors' states [batch, time, unit], the last channel of x being the gap."""
    h, out = x.new_zeros(len(x), units), []
    for t in range(x.shape[1]):
        h = cell(x[:, t, :-1], h, x[:, t, -1:])[1]
        out.append(h)
    return torch.stack(out, dim=1)


def layers(kind: str, count: int) -> list[Any]:
    """Fresh layers of one input channel beside the gap."""
    method = CfC() if kind == "cfc" else LTC()
    return [method.layer(2, 1, TIME, torch.Generator().manual_seed(k)) for k in range(count)]


def data(dtype: torch.dtype = torch.float32) -> Tensor:
    """Inputs and gaps."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, TIME, 2, generator=draw, dtype=dtype)
    x[..., 1] = x[..., 1].abs() + 0.1
    return x


def difference(kind: str) -> float:
    """The largest difference of the outputs, in single precision."""
    (layer,), x = layers(kind, 1), data()
    units = layer.outputs.weight.shape[0]
    with torch.no_grad():
        theirs = layer.outputs(unrolled(kind, peer(kind, layer), x, units))
        return float((layer(x) - theirs).abs().max())


def ours(kind: str, members: int) -> float:
    """Seconds of a training step of so many members."""
    x, runs = data(), [Run((k,)) for k in range(members)]
    start = time.process_time()
    train(layers(kind, members), lambda m, x: m(x).square().mean(), lambda i, run: (x,), runs, Recipe(steps=2))
    return (time.process_time() - start) / 2


def theirs(kind: str, members: int) -> float:
    """The same for the authors' cells, one after another."""
    x, total = data(), 0.0
    for layer in layers(kind, members):
        cell, units = peer(kind, layer), layer.outputs.weight.shape[0]
        optimizer = torch.optim.AdamW([*cell.parameters(), *layer.outputs.parameters()])
        start = time.process_time()
        for _ in range(2):
            optimizer.zero_grad()
            functional.mse_loss(layer.outputs(unrolled(kind, cell, x, units)), x[..., :1] * 0).backward()
            optimizer.step()
        total += time.process_time() - start
    return total / 2


def main() -> None:
    """Differences and ratios."""
    torch.set_num_threads(1)
    for kind in ("cfc", "ltc"):
        print(f"{kind}: largest difference {difference(kind):.1e}")
        for members in (1, MEMBERS):
            ours(kind, members), theirs(kind, members)
            pairs = [(ours(kind, members), theirs(kind, members)) for _ in range(REPEATS)]
            a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"{kind}: {members} members, {a * 1e3:7.1f} ms a step, ncps {b * 1e3:7.1f}: {b / a:.1f} times as fast"
            )


if __name__ == "__main__":
    main()
