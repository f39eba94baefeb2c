"""Claims about pretrained forecasters: so far on their adapter, since nobody has run one here."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

X38 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="A univariate zero-shot forecaster sees the context alone, channel by channel, whatever the training data.",
    needs=[Experiment("chaos/zero_shot_adapter", {"context": context}, seeds=3) for context in (512, 2048)],
    checks=[
        Check("change of a forecast when channels are permuted", largest("permuted_gap"), Below(1e-6)),
        Check("change of a forecast when the weights are read again", largest("repeated_gap"), Below(0.0)),
        Check("change of a forecast with other training data", largest("training_gap"), Below(0.0)),
        Check("change of a forecast with samples before the window", largest("window_gap"), Below(0.0)),
        Check("change of one channel's forecast with other channels", largest("channel_effect"), Below(1e-6)),
    ],
    fair_controls=[
        Check("largest forecast over largest observation", smallest("reach"), Above(0.01)),
        Check("share of draws that differ from the median", smallest("spread"), Above(0.5)),
    ],
    controls=[Check("change of a forecast when it is rolled patch by patch", median("rolled_gap"), None)],
    note="A decoder of one layer and random weights, contexts of 512 and 2048 samples, with a network in float32. "
    "Rolling patch by patch scales every call by its own context, so that its forecasts differ.",
    registered="0.1.0",
)
