"""The engine `ray`: every cohort is one Ray task, which runs it in the isolated local engine of its node.

Needs the extra `dynamark[ray]`. Without an address it starts a local cluster, and ends it with the command. Data is generated on
each node from its task; only the plan, plug-ins and scores travel. The command alone writes rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from dynamark.errors import UserError, one_line
from dynamark.runners.execute.executor import Needs, Settings
from dynamark.runners.execute.remote import Gone, Remote

__all__ = ["ray"]


def ray(settings: Settings, address: str | None = None, gpu: float = 1.0) -> Remote:
    """The engine.

    address: of a running cluster, "host:port" or "auto"; a local one is started without it.
    gpu: the share of a GPU that each cohort gets with `--device cuda`.
    """
    needs = settings.needs(gpu)
    return Remote(_Pool(settings, needs, address), settings, needs)


ray.sandboxes = True  # type: ignore[attr-defined]


def _solve(parcel: str) -> str:
    """On a node: the outcomes of a parcel. The processes of the local engine stay for the next task of this Ray worker."""
    from dynamark.runners.execute.node import Lost, standing

    try:
        return standing().solve(parcel)
    except Lost as error:
        return f"lost {error}"


class _Pool:
    """The workers of a Ray cluster."""

    def __init__(self, settings: Settings, needs: Needs, address: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise UserError("engine 'ray' needs Ray; install it with: pip install 'dynamark[ray]'") from None
        self._ray: Any = ray
        self._own = not ray.is_initialized()
        if self._own:
            try:
                ray.init(
                    address=address,
                    num_cpus=settings.workers if address is None else None,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UserError(f"no Ray cluster at {address}: {one_line(str(error), 150)}") from None
        self._most = settings.workers
        # Ray itself tries nothing again: what is lost is counted in one place.
        options = {"num_cpus": needs.cores, "num_gpus": needs.gpu, "max_retries": 0}
        self._task = ray.remote(**options)(_solve)
        self._running: list[Any] = []

    def room(self) -> int:
        """As many as workers are asked for; else as the cluster has cores, which may change, and one that waits."""
        cores = int(self._ray.cluster_resources().get("CPU", 1)) + 1
        return (self._most or cores) - len(self._running)

    def start(self, parcel: str, needs: Needs) -> Hashable:
        """A Ray task."""
        reference: Hashable = self._task.remote(parcel)
        self._running.append(reference)
        return reference

    def answers(self, seconds: float) -> Sequence[tuple[Hashable, str | Gone]]:
        """What is done; a task whose worker or node is gone is an error of Ray."""
        ready, self._running = self._ray.wait(self._running, num_returns=1, timeout=seconds)
        return [(reference, self._answer(reference)) for reference in ready]

    def _answer(self, reference: Any) -> str | Gone:
        try:
            answer = str(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return Gone(f"Ray: {type(error).__name__}")
        return Gone(answer.removeprefix("lost ")) if answer.startswith("lost ") else answer

    def close(self) -> None:
        """Cancel what runs; end the cluster if this engine connected to it."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        if self._own:
            self._ray.shutdown()
