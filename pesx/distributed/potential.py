"""A potential whose batches are shared among the workers of a Ray cluster.

For steps that one process makes for all replicas, as those of molecular dynamics: every evaluation goes out in equal parts and
comes back whole, with the bits of one process where the devices are alike. Worth it where an evaluation takes much longer
than the way to a worker and back, about two milliseconds.
"""

from collections.abc import Callable
from typing import Any

import torch

from pesx.distributed.cluster import Cluster
from pesx.distributed.plan import PotentialPlan
from pesx.errors import EngineError, PesxError
from pesx.molecule import Molecule
from pesx.protocols import Potential
from pesx.registry import Source, let_go, make_potential
from pesx.state import Evaluation, cat_rows
from pesx.typing import Positions

_MOST_TRIES = 3
"""Workers that a part of a batch may cost before it is taken for the fault of what is in it."""


class _PotentialWorker:
    """What runs as an actor."""

    def __init__(self, make: Callable[[], Potential]) -> None:
        torch.set_num_threads(1)
        self._potential = make()

    def evaluate(self, positions: Positions) -> Evaluation:
        now = self._potential(positions)
        return Evaluation(now.energy.cpu(), now.forces.cpu())


class RayPotential:
    """Workers that evaluate together (a :class:`~pesx.protocols.Potential`); closed after use.

    Args:
        cluster: Where workers live.
        make: Makes the potential of a worker, in its process.
        n_workers: How many; 0 for one on each device of the cluster.
        device: Of the workers, such as cpu or cuda.
    """

    def __init__(
        self, cluster: Cluster, make: Callable[[], Potential], *, n_workers: int = 0, device: str = "cpu"
    ) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._make = self._ray.put(make)
        gpus = {"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1}
        self._hire = self._ray.remote(_PotentialWorker).options(max_restarts=0, **gpus).remote
        n_workers = n_workers or max(1, cluster.n_devices(device))
        self._actors = [self._hire(self._make) for _ in range(n_workers)]

    def __call__(self, positions: Positions) -> Evaluation:
        """Evaluate positions, angstrom.

        Raises:
            EngineError: Workers die over a part again and again.
        """
        parts = positions.detach().cpu().tensor_split(max(1, min(len(positions), len(self._actors))))
        sent = [actor.evaluate.remote(part.clone()) for actor, part in zip(self._actors, parts, strict=False)]
        whole = cat_rows([self._received(place, sent[place], part) for place, part in enumerate(parts)])
        return Evaluation(whole.energy.to(positions.device), whole.forces.to(positions.device))

    def _received(self, place: int, reference: Any, part: Positions) -> Evaluation:
        """Return what a worker has answered; in place of one that dies another is asked."""
        for _ in range(_MOST_TRIES):
            try:
                answer: Evaluation = self._ray.get(reference)
                return answer
            except self._ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, PesxError):
                    raise error.cause from error
                raise
            except self._ray.exceptions.RayError as error:
                told = " ".join(str(error).split())
            self._actors[place] = self._hire(self._make)
            reference = self._actors[place].evaluate.remote(part.clone())
        raise EngineError(f"Expected workers that live; {_MOST_TRIES} died over one part of a batch. The last: {told}")

    def close(self) -> None:
        """End the workers, and let go of the cluster."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        self._cluster.close()


def potential_on(
    address: str, name: str, molecule: Molecule, *, model: str | None = None, device: str = "cpu", n_workers: int = 0
) -> tuple[Potential, Source]:
    """Return a potential, here or on a cluster; see :func:`pesx.registry.make_potential`.

    Args:
        address: Of the cluster; empty for this process.
        name: Of the potential.
        molecule: What it is bound to.
        model: Model file, for ``so3krates`` only.
        device: Where a learned potential runs in this process; on a cluster, the GPUs if it has any.
        n_workers: Processes of an engine, or workers of the cluster; 0 for one, or for one on each device.

    Raises:
        ConfigError: No cluster answers there.
        InputError: No potential has this name, or it does not fit the molecule.
    """
    if not address:
        return make_potential(name, molecule, model=model, device=device, n_workers=max(1, n_workers))
    potential, source = make_potential(name, molecule, model=model)
    let_go(potential)
    cluster = Cluster(address)
    there = "cuda" if name == "so3krates" and cluster.n_devices("cuda") else "cpu"
    plan = PotentialPlan.of(name, model, source.digest, molecule=molecule, device=there)
    return RayPotential(cluster, plan, n_workers=n_workers, device=there), source


__all__ = ["RayPotential", "potential_on"]
