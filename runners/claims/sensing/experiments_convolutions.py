"""Dynamical low-rank training of a small convolutional network on handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.methods.lowrank.convolution import ConvolutionalNetwork, train_full, train_low_rank
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.digits import Digits

__all__ = ["ConvolutionalDigits"]


def _error(
    network: ConvolutionalNetwork, images: Float[Tensor, "sample 1 8 8"], labels: Int[Tensor, " sample"]
) -> float:
    """Points of error."""
    return 100 * float((network.logits(images).argmax(1) != labels).double().mean())


@dataclass(frozen=True)
class ConvolutionalDigits:
    """What rank-adaptive dynamical low-rank training of a convolutional network saves, and what it loses against full matrices.

    8 x 8 digits; convolutions 3 x 3 to 8 and to 16 channels, max-pooling by 2, dense layers 256-64-10: 18,346 parameters. The
    second convolution (16 x 72, rank up to 8) and the first dense layer (64 x 256, rank up to 32) have low rank; the others are
    full and counted. He's start, gradient descent with one rate and one batch size for all. Single precision.

    Scores, for each theta ("_20" is .2): `saved`, the share of the parameters; `lost`, points of test error above full matrices
    after as many epochs; `lost_gradients`, after half of the epochs, at as many gradients as full matrices; `rank_convolution`
    and `rank_dense`; `change_half` and `compression_half`, changes of test error and of `saved` since half of the epochs;
    `last_loss`, the mean cross-entropy of the last epoch, and `loss_half` that at half of the epochs. `error_full`,
    `full_change_half`, `full_last_loss`, `full_loss_half`: of full matrices. `rank_shuffled`, the sum of both ranks with shuffled
    training labels at theta = `shuffled`, `rank_gain`, this sum minus the sum with true labels, and `loss_shuffled`.

    Source: Schotthöfer, Zangrando, Kusch, Ceruti and Tudisco, Low-rank lottery tickets, NeurIPS 2022, convolutions.
    """

    epochs: float = 200.0
    rate: float = 0.1
    batch: int = 128
    thetas: tuple[float, ...] = (0.2, 0.3)
    shuffled: float = 0.2
    caps: tuple[int, int] = (8, 32)

    def measure(self, run: Run) -> Scores:
        """One start of full matrices, of each theta, and of shuffled labels."""
        task = Digits()
        problem = task.problem(0)
        assert problem.query is not None
        images = problem.query.inputs.float().view(-1, 1, 8, 8)
        labels = torch.from_numpy(task.data(0)["test_labels"].astype(int))  # a fixed split
        problem = replace(problem, inputs=problem.inputs.float())
        mixed = replace(problem, labels=problem.labels[torch.randperm(len(problem.labels), generator=run.generator)])
        caps = dict(zip((1, 2), self.caps, strict=True))
        budget = {"rate": self.rate, "epochs": self.epochs, "batch": self.batch}

        full = train_full(problem, Run(run.entropy), **budget)  # type: ignore[arg-type]  # batch is an integer
        half, error = (_error(network, images, labels) for network in full.networks)
        scores = {"error_full": error, "full_change_half": error - half}
        scores |= {"full_loss_half": full.losses[0], "full_last_loss": full.losses[1]}
        ranks = {}
        for theta in self.thetas:
            low = train_low_rank(problem, Run(run.entropy), theta, caps=caps, **budget)  # type: ignore[arg-type]
            before, last = low.networks
            errors, name = [_error(network, images, labels) for network in low.networks], f"{round(100 * theta)}"
            ranks[theta] = [last.factors[layer][1].shape[0] for layer in caps]
            scores |= {
                f"saved_{name}": last.compression(),
                f"lost_{name}": errors[1] - error,
                f"lost_gradients_{name}": errors[0] - error,
                f"rank_convolution_{name}": float(ranks[theta][0]),
                f"rank_dense_{name}": float(ranks[theta][1]),
                f"change_half_{name}": errors[1] - errors[0],
                f"compression_half_{name}": last.compression() - before.compression(),
                f"last_loss_{name}": low.losses[1],
                f"loss_half_{name}": low.losses[0],
            }
        random = train_low_rank(mixed, Run(run.entropy), self.shuffled, caps=caps, **budget)  # type: ignore[arg-type]
        total = float(sum(random.networks[-1].factors[layer][1].shape[0] for layer in caps))
        gain = total - sum(ranks[self.shuffled])
        return Scores(scores | {"rank_shuffled": total, "rank_gain": gain, "loss_shuffled": random.losses[-1]})
