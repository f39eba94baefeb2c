"""Causal convolution of many short sequences, with compiled products of their transforms and the gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from scipy.fft import next_fast_len
from torch import Tensor

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.convolution import causal_convolution, channelwise_convolution

__all__ = ["convolved"]


def convolved(
    x: Float[Tensor, "*batch time channel"], kernel: Float[Tensor, "lag channel dim"], mixes: bool
) -> Float[Tensor, "*batch time out"]:
    """y_t = sum_{i <= t} x_{t-i} K_i; without `mixes`, dim is 1 and output c depends on channel c only.

    Equal to `causal_convolution` and `channelwise_convolution`, whose gradients keep several copies of all transforms.
    """
    time = x.shape[-2]
    if not (compiling.available() and x.device.type == "cpu" and x.dtype == kernel.dtype and len(kernel) >= time):
        return causal_convolution(x, kernel) if mixes else channelwise_convolution(x, kernel[..., 0])
    # Groups of channels that mix: one of all channels, or one of each channel.
    sequences = x.reshape(1, -1, time, x.shape[-1]).mT
    responses = kernel[:time].permute(1, 2, 0)[None]
    sequences = sequences[:, :, None] if mixes else sequences[:, :, :, None]
    responses = responses[:, None] if mixes else responses[:, :, None]
    y: Tensor = _Convolution.apply(sequences, responses)[0]  # type: ignore[no-untyped-call]
    return y.flatten(2, 3).mT.reshape(*x.shape[:-1], -1)


class _Convolution(torch.autograd.Function):
    """Several members: x [member, batch, group, channel, time], K [member, group, channel, dim, time]."""

    @staticmethod
    def forward(x: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        time = x.shape[-1]
        size = next_fast_len(2 * time - 1, real=True)
        inputs, response = torch.fft.rfft(x, size), torch.fft.rfft(kernel, size)
        product = inputs.new_empty(*x.shape[:3], kernel.shape[3], inputs.shape[-1])
        _multiply(*map(_array, (inputs, response, product)))
        return torch.fft.irfft(product, size)[..., :time].contiguous(), inputs, response

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*output[1:])
        ctx.time = inputs[0].shape[-1]
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """With Y = X K, the transforms of the gradients are sum_d G conj(K) and sum over the batch of G conj(X)."""
        inputs, response = ctx.saved_tensors
        if gradients[0] is None:
            return None, None
        size = next_fast_len(2 * ctx.time - 1, real=True)
        pull = torch.fft.rfft(gradients[0], size)
        to_x = to_kernel = None
        if ctx.needs_input_grad[0]:
            by_input = torch.empty_like(inputs)
            _multiply_back(*map(_array, (pull, response, by_input)))
            to_x = torch.fft.irfft(by_input, size)[..., : ctx.time]
        if ctx.needs_input_grad[1]:
            by_response = torch.zeros_like(response)
            _correlate(*map(_array, (pull, inputs, by_response)))
            to_kernel = torch.fft.irfft(by_response, size)[..., : ctx.time]
        return to_x, to_kernel

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Any, Any]:
        size = info.batch_size
        parts = (
            part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs, in_dims, strict=True)
        )
        out = _Convolution.apply(*(part.flatten(0, 1) for part in parts))  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(0, (size, -1)) for part in out), (0, 0, 0)


def _array(x: Tensor) -> Any:
    """Real and imaginary parts as neighbors: loops over pairs vectorize."""
    return torch.view_as_real(x.detach().contiguous()).numpy()


@compiling.kernel
def _multiply(inputs: Any, response: Any, product: Any) -> None:  # pragma: no cover - compiled
    members, batch, groups, outputs, _, _ = product.shape
    for m in range(members):
        for n in range(batch):
            for g in range(groups):
                for d in range(outputs):
                    out = product[m, n, g, d]
                    _product(inputs[m, n, g, 0], response[m, g, 0, d], out)
                    for c in range(1, inputs.shape[3]):
                        _add_product(inputs[m, n, g, c], response[m, g, c, d], out)


@compiling.kernel
def _multiply_back(pull: Any, response: Any, by_input: Any) -> None:  # pragma: no cover - compiled
    members, batch, groups, channels, _, _ = by_input.shape
    for m in range(members):
        for n in range(batch):
            for g in range(groups):
                for c in range(channels):
                    out = by_input[m, n, g, c]
                    _product_conjugate(pull[m, n, g, 0], response[m, g, c, 0], out)
                    for d in range(1, pull.shape[3]):
                        _add_product_conjugate(pull[m, n, g, d], response[m, g, c, d], out)


@compiling.kernel
def _correlate(pull: Any, inputs: Any, by_response: Any) -> None:  # pragma: no cover - compiled
    members, groups, channels, outputs, _, _ = by_response.shape
    for m in range(members):
        for n in range(inputs.shape[1]):
            for g in range(groups):
                for c in range(channels):
                    for d in range(outputs):
                        _add_product_conjugate(pull[m, n, g, d], inputs[m, n, g, c], by_response[m, g, c, d])


@compiling.kernel
def _product(a: Any, b: Any, out: Any) -> None:  # pragma: no cover - compiled
    for f in range(len(out)):
        x, y, u, v = a[f, 0], a[f, 1], b[f, 0], b[f, 1]
        out[f, 0], out[f, 1] = x * u - y * v, x * v + y * u


@compiling.kernel
def _add_product(a: Any, b: Any, out: Any) -> None:  # pragma: no cover - compiled
    for f in range(len(out)):
        x, y, u, v = a[f, 0], a[f, 1], b[f, 0], b[f, 1]
        out[f, 0] += x * u - y * v
        out[f, 1] += x * v + y * u


@compiling.kernel
def _product_conjugate(a: Any, b: Any, out: Any) -> None:  # pragma: no cover - compiled
    for f in range(len(out)):
        x, y, u, v = a[f, 0], a[f, 1], b[f, 0], b[f, 1]
        out[f, 0], out[f, 1] = x * u + y * v, y * u - x * v


@compiling.kernel
def _add_product_conjugate(a: Any, b: Any, out: Any) -> None:  # pragma: no cover - compiled
    for f in range(len(out)):
        x, y, u, v = a[f, 0], a[f, 1], b[f, 0], b[f, 1]
        out[f, 0] += x * u + y * v
        out[f, 1] += y * u - x * v
