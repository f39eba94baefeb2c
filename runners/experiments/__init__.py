"""Measurements that claims need and no task and method give: identities, bounds, convergence orders; one file a family.

An experiment is a frozen dataclass of plain fields with `measure(run) -> Scores`, planned, isolated, keyed and journaled like
any run. Randomness comes from `run.generator` and `run.numpy` alone.
"""
