"""Zero-shot forecasters: channels, rolling, draws and errors, with a small model of random weights made here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.pretrained.chronos import Chronos
from dynamark.methods.pretrained.patches import PatchDecoder, PatchTransformer, Sizes
from dynamark.methods.pretrained.zero_shot import Pretrained, ZeroShotModel, interpolated
from dynamark.runners.run import run
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def paths(count: int = 2, time: int = 40, dim: int = 3) -> Trajectories:
    generator = torch.Generator().manual_seed(1)
    return Trajectories(torch.randn(count, time, dim, generator=generator, dtype=torch.float64).cumsum(1))


class Ramp:
    """Quantiles last + step - 1, last + step, last + step + 1: continues each channel by a line of slope one."""

    levels = (0.1, 0.5, 0.9)

    def quantiles(self, series: Tensor, horizon: int) -> Tensor:
        ahead = series[:, -1:] + torch.arange(1.0, horizon + 1)
        return torch.stack([ahead - 1, ahead, ahead + 1], dim=-1)

    def parameter_count(self) -> int:
        return 7


def fitted(method: Pretrained, data: Trajectories | None = None) -> ZeroShotModel:
    train = data or paths()
    return method.fit_forecaster(Forecasting(train, train, 40), Run())


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.manual_seed(0)
    path = tmp_path / "weights.pt"
    PatchTransformer(Sizes(patch=8, width=8)).save(path)
    return str(path)


@pytest.mark.parametrize("stride", [1, 4, 100])
def test_channels_and_trajectories_are_continued_each_on_its_own_however_often_it_is_rolled(stride: int) -> None:
    context = paths()
    forecast = ZeroShotModel(Ramp(), 16, stride).forecast(context, 10)
    expected = context.observations[:, -1:] + torch.arange(1.0, 11)[None, :, None]
    torch.testing.assert_close(forecast, expected)


def test_draws_follow_the_quantiles_and_a_roll_continues_the_draw() -> None:
    context = paths()
    one = ZeroShotModel(Ramp(), 16, 100).sample(context, 5, 4000, torch.Generator().manual_seed(0))
    assert one.shape == (2, 4000, 5, 3)
    centered = one - context.observations[:, None, -1:] - torch.arange(1.0, 6)[:, None]
    assert float(centered.abs().max()) <= 1 + 1e-9
    assert float(centered.mean().abs()) < 0.01
    # Uniform between the quantiles, with a tenth of the draws at either end: variance 0.8/3 + 0.2.
    assert float(centered.var()) == pytest.approx(0.8 / 3 + 0.2, rel=0.03)
    rolled = ZeroShotModel(Ramp(), 16, 1).sample(context, 5, 4000, torch.Generator().manual_seed(0))
    spread = (rolled - rolled.mean(1, keepdim=True)).var(1).mean((0, 2))
    torch.testing.assert_close(spread / spread[0], torch.arange(1.0, 6).double(), rtol=0.1, atol=0)


def test_the_quantile_function_is_linear_between_levels_and_constant_beyond() -> None:
    quantiles = torch.tensor([[[0.0, 1.0, 3.0]]], dtype=torch.float64)
    for level, value in ((0.05, 0.0), (0.1, 0.0), (0.3, 0.5), (0.5, 1.0), (0.7, 2.0), (0.95, 3.0)):
        at = torch.tensor([[level]], dtype=torch.float64)
        assert float(interpolated(quantiles, (0.1, 0.5, 0.9), at)) == pytest.approx(value)
        assert float(interpolated(quantiles.flip(-1), (0.1, 0.5, 0.9), at)) == pytest.approx(value)  # crossed
    assert float(interpolated(quantiles[..., :1], (0.5,), at)) == 0.0


def test_weights_from_a_file_forecast_the_same_each_time_and_do_not_depend_on_training_data(weights: str) -> None:
    context = paths()
    first = fitted(PatchDecoder(weights=weights)).forecast(context, 30)
    other = fitted(PatchDecoder(weights=weights), paths(1, 99)).forecast(context, 30)
    assert first.shape == (2, 30, 3)
    assert torch.equal(first, other)
    order = [2, 0, 1]
    turned = fitted(PatchDecoder(weights=weights)).forecast(Trajectories(context.observations[..., order]), 30)
    torch.testing.assert_close(turned, first[..., order], rtol=0, atol=1e-6)


def test_a_forecast_moves_and_scales_with_the_data(weights: str) -> None:
    context, model = paths(), fitted(PatchDecoder(weights=weights))
    moved = model.forecast(Trajectories(5 + 3 * context.observations), 10)
    torch.testing.assert_close(moved, 5 + 3 * model.forecast(context, 10), rtol=1e-4, atol=1e-4)


def test_attention_is_causal_and_a_patch_sees_what_is_before_it() -> None:
    torch.manual_seed(0)
    model = PatchTransformer(Sizes(patch=4, width=8, layers=2)).eval()
    series = torch.randn(1, 16)
    tokens = model.embed(series.unflatten(1, (-1, 4)))
    changed = tokens.clone()
    changed[:, -1] += 1.0
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4)
    outs = [model.blocks(t, mask=mask, is_causal=True) for t in (tokens, changed)]
    torch.testing.assert_close(outs[0][:, :-1], outs[1][:, :-1])
    assert not torch.allclose(outs[0][:, -1], outs[1][:, -1])


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (PatchDecoder(), "no weights are given; give weights='PATH'"),
        (PatchDecoder(weights="absent.pt"), r"the weights 'absent.pt' do not exist; .*docs/zero-shot.md"),
        (Chronos(weights="absent"), "the weights 'absent' do not exist"),
    ],
)
def test_missing_weights_are_said_with_the_remedy(method: Pretrained, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fitted(method)


def test_a_file_of_something_else_is_refused_and_no_code_in_it_runs(tmp_path: Path) -> None:
    for name, content in (("text.pt", None), ("other.pt", {"weights": {}}), ("code.pt", {"sizes": print})):
        path = tmp_path / name
        path.write_text("text") if content is None else torch.save(content, path)
        with pytest.raises(UserError, match="does not hold a PatchTransformer") as error:
            fitted(PatchDecoder(weights=str(path)))
        assert "\n" not in str(error.value)


def test_chronos_says_which_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chronos", None)
    with pytest.raises(UserError, match=r"pip install 'dynamark\[zeroshot\]'"):
        fitted(Chronos(weights=str(tmp_path)))


def test_chronos_is_asked_for_quantiles_offline_and_with_a_fixed_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    class Pipeline:
        inner_model = torch.nn.Linear(3, 2)

        @classmethod
        def from_pretrained(cls, path: str, **options: Any) -> Pipeline:
            calls.append({"path": path, **options})
            return cls()

        def predict_quantiles(
            self, context: Tensor, prediction_length: int, quantile_levels: list[float]
        ) -> tuple[Tensor, Tensor]:
            noise = torch.randn(len(context), 1, 1)  # a model that samples
            levels = torch.tensor(quantile_levels) - 0.5
            middle = (context[:, -1:, None] + noise).expand(-1, prediction_length, 1)
            return middle + levels, middle[..., 0]

    monkeypatch.setitem(sys.modules, "chronos", SimpleNamespace(BaseChronosPipeline=Pipeline))
    model, state = fitted(Chronos(weights=str(tmp_path))), torch.get_rng_state()
    first, second = (model.forecast(paths(), 7) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert calls[0]["local_files_only"] is True
    assert first.shape == (2, 7, 3)
    assert model.parameter_count() == 8


def test_the_track_runs_a_pretrained_method_from_the_command_line_spec(weights: str, tmp_path: Path) -> None:
    spec = f"zs=dynamark.methods.pretrained.patches:PatchDecoder(weights='{weights}', leak='none')"
    report = run(
        "zeroshot-chaos",
        task="chaos/zero_shot(flow='rossler')",
        method=[spec, "context_parroting"],
        seeds=1,
        store=tmp_path / "store",
        engine="inline",
    )
    assert report.statuses == {"ok": 2}, report.failed
