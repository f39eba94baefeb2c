"""All flows by name."""

from __future__ import annotations

from collections.abc import Mapping

from dynamark.tasks.chaos.flow import Flow
from dynamark.tasks.chaos.flows_classic import CLASSIC
from dynamark.tasks.chaos.flows_hyper import HIGHER
from dynamark.tasks.chaos.flows_sprott import SPROTT

__all__ = ["FLOWS"]

FLOWS: Mapping[str, Flow] = {**CLASSIC, **HIGHER, **SPROTT}
