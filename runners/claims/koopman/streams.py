"""Claims about world models that learn online: whether the order of a stream matters."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, UNTRAINED, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median
from dynamark.runners.claims.relations import Above, Below


def _features(updates: int = 3) -> list[Experiment]:
    return [Experiment("koopman/random_feature_stream", {"updates": updates}, seeds=5)]


K30 = Claim(
    paper="liu2024",
    kind=THEOREM,
    statement="Recursive least squares on random features is follow-the-leader: in any order it ends at the ridge regression on "
    "all pairs.",
    needs=_features(),
    checks=[Check("largest difference of a prediction to batch ridge regression", largest("gap"), Below(1e-6))],
    controls=[Check("test error, sorted", median("rls"), None)],
    published="regret O(log T)",
    note="400 random Fourier features, P_0 = 10^6 I, 6000 pairs of the pendulum in blocks of ten, sorted by angle and shuffled.",
    registered="0.1.0",
)

K31 = Claim(
    paper="liu2024",
    kind=EMPIRICAL,
    statement="On a sorted stream an online network forgets and least squares on random features does not.",
    needs=_features(),
    checks=[
        Check("test error of least squares, sorted over shuffled", median("rls_ratio"), Below(1.1)),
        Check("test error of the network, sorted over shuffled", median("network_ratio"), Above(5)),
    ],
    controls=[Check("test error of the network, sorted", median("network"), None)],
    published="figures",
    looks=(1, 3),
    convergence=_features(6),
    note="The network takes three steps of Adam on each block of ten pairs.",
    registered="0.1.0",
)

K49 = Claim(
    paper="liu2024",
    kind=EMPIRICAL,
    statement="One pass of block updates on locality sensitive sparse features does not forget: sorted, it is as accurate "
    "as ridge regression on all pairs.",
    needs=[Experiment("koopman/sparse_stream", seeds=3)],
    checks=[
        Check("test error, sorted over shuffled", median("sorted_over_shuffled"), Below(1.2)),
        Check("test error, sorted over exact ridge regression", median("sorted_over_exact"), Below(1.2)),
        Check("test error, shuffled over exact ridge regression", median("shuffled_over_exact"), Below(1.2)),
    ],
    fair_controls=[
        Check(
            "test error, sums decayed by .99 a pair over sums kept, sorted", median("forgotten_over_sorted"), Above(5)
        )
    ],
    controls=[
        Check("test error of exact ridge regression", median("exact"), None),
        Check("|w - w_exact|/|w_exact|, sorted", median("distance"), None),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    note="2000 pairs of the pendulum, 50 projections, five bins. A block update is no follow-the-leader: weights still differ "
    "from those of ridge regression. The control by an online network is K31.",
    registered="0.1.0",
)
