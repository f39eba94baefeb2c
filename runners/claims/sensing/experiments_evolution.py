"""Evolution strategies on handwritten digits: perturbations of rank one against perturbations of full rank."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from dynamark.methods.lowrank.evolution import EvolutionStrategy
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.digits import Digits

__all__ = ["EvolvedDigits"]


@dataclass(frozen=True)
class EvolvedDigits:
    """Test errors of a perceptron 64-`hidden`-10 after as many generations of EGGROLL with rank 1 and with full noise.

    Both from the same start, with the same batches, rate and sigma, none of them tuned. Scores, in points of the test images:
    `error_<noise>_<population>` and `gap_<population>` = rank 1 less full; `seconds`, CPU time of rank 1 over that of full noise
    at the largest population.
    Source: Sarkar, Fellows, Duque, et al., Evolution strategies at the hyperscale, 2025.
    """

    populations: tuple[int, ...] = (64, 512)
    hidden: int = 32
    generations: int = 200
    batch: int = 256
    sigma: float = 0.1
    rate: float = 0.02

    def measure(self, run: Run) -> Scores:
        """Each population with both kinds of noise."""
        task = Digits()
        problem, labels = task.problem(0), torch.from_numpy(task.data(0)["test_labels"].astype(int))  # a fixed split
        assert problem.query is not None
        small = replace(problem, widths=(64, self.hidden, 10))
        scores, taken = {}, {}
        for population in self.populations:
            for noise in ("low_rank", "full"):
                method = EvolutionStrategy(
                    self.rate,
                    1e6,
                    self.batch,
                    population,
                    self.sigma,
                    noise=noise,
                )
                start = time.process_time()
                network = method.fit_network(small, Run(run.entropy, budget=self.generations))
                taken[noise, population] = time.process_time() - start
                wrong = network.logits(problem.query.inputs).argmax(1) != labels
                scores[f"error_{noise}_{population}"] = 100 * float(wrong.double().mean())
            scores[f"gap_{population}"] = scores[f"error_low_rank_{population}"] - scores[f"error_full_{population}"]
        largest = max(self.populations)
        return Scores(scores | {"seconds": taken["low_rank", largest] / taken["full", largest]})
