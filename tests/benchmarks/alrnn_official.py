"""Milliseconds per training update and seed of almost-linear networks: the authors' PyTorch code and ours, on the same task.

Their code is read from a checkout, never copied: clone https://github.com/DurstewitzLab/ALRNN-DSR (GPL-3) somewhere and run
`python tests/benchmarks/alrnn_official.py CHECKOUT`; set OMP_NUM_THREADS=1 and leave the machine alone. Both train 20 units, two
of them rectified, on 16 windows of 200 samples of the Lorenz system, forced every 16 steps, by RAdam. CPU time, so that other
processes weigh less; the two alternate.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from dynamark.methods.recurrent import compiled, forcing
from dynamark.methods.recurrent.alrnn import AlmostLinearModel, AlmostLinearRNN
from dynamark.tasks.chaos.systems import LORENZ63, orbits
from dynamark.tasks.problems import Forecasting, Run, Trajectories

UPDATES, ROUNDS = 40, 3


def official(checkout: Path) -> dict[str, Any]:
    """Their model, their rollout with forcing, and their data set."""
    folder = next(checkout.glob("**/AL-RNN_tutorial.ipynb")).parent
    cells = json.loads((folder / "AL-RNN_tutorial.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np, "math": math}
    for text in (
        (folder / "dataset.py").read_text(),
        *(c for c in code if "class AL_RNN" in c or "def teacher_force" in c),
    ):
        exec(text, names)
    return names


def their_updates(names: dict[str, Any], data: np.ndarray) -> Callable[[], None]:
    """A call that makes `UPDATES` updates as their `train_sh` does, without its evaluation."""
    names["N"] = data.shape[1]
    model = names["AL_RNN"](20, 2, data.shape[1])
    optimizer, loss = torch.optim.RAdam(model.parameters(), lr=1e-3), torch.nn.MSELoss()
    batches = names["TimeSeriesDataset"](data.astype(np.float32), sequence_length=200, batch_size=16)

    def train() -> None:
        for _ in range(UPDATES):
            optimizer.zero_grad()
            x, y, _ = batches.sample_batch()
            result = names["predict_sequence_using_gtf"](model, x, 1, 16)
            value = loss(result[:, :, : model.N], y)
            value.backward()
            optimizer.step()
            value.item()

    return train


def our_updates(data: np.ndarray, seeds: int) -> Callable[[], None]:
    """A call that trains a cohort for `UPDATES` updates."""
    paths = Trajectories(torch.from_numpy(data)[None], dt=LORENZ63.dt)
    problems = [Forecasting(paths, paths)] * seeds

    def train() -> None:
        with mock.patch.object(AlmostLinearModel, "describe"):
            AlmostLinearRNN(updates=UPDATES).fit_forecasters(problems, [Run([i]) for i in range(seeds)])

    return train


def milliseconds(train: Callable[[], None], seeds: int) -> float:
    start = time.process_time()
    train()
    return 1000 * (time.process_time() - start) / UPDATES / seeds


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    torch.set_num_threads(1)
    paths = orbits(LORENZ63, {"a": (1, 20_000)}, np.random.default_rng(0))["a"][0]
    data = (paths - paths.mean(axis=0)) / paths.std(axis=0)
    theirs = their_updates(official(Path(sys.argv[1])), data)
    contenders: dict[str, tuple[Callable[[], None], int, bool]] = {"official": (theirs, 1, False)}
    for on in (False, True) if compiled.available() else (False,):
        for seeds in (1, 5, 16):
            name = f"ours, {'compiled' if on else 'torch'}, {seeds} seeds"
            contenders[name] = (our_updates(data, seeds), seeds, compiled)
    by_name: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS + 1):
        for name, (train, seeds, fast) in contenders.items():
            with mock.patch.object(forcing, "_engine", lambda a, on=fast: _engine(on)):
                by_name[name].append(milliseconds(train, seeds))
    base = float(np.median(by_name["official"][1:]))
    for name, times in by_name.items():
        print(
            f"{name:24} {np.median(times[1:]):7.2f} ms an update and seed, {base / np.median(times[1:]):5.1f} times as fast"
        )


def _engine(compiled: bool) -> tuple[Any, Any]:
    return (compiled.forward, compiled.backward) if compiled else (forcing._forward, forcing._backward)


if __name__ == "__main__":
    main()
