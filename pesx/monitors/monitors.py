"""All definitions together: they watch replicas while they run, and trajectories afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from pesx.chemistry.perceive import Topology, perceive
from pesx.config import require
from pesx.molecule import Molecule
from pesx.monitors.bonds import BrokenBonds, FormedBonds, formation_limits
from pesx.monitors.calm import Calm
from pesx.monitors.cause import FAILURES, Cause
from pesx.monitors.centres import Centres
from pesx.monitors.cis_trans import CisTrans
from pesx.monitors.clashes import Clashes
from pesx.monitors.definition import Definition
from pesx.monitors.drift import Drift, Line, extend, no_line
from pesx.monitors.finite import NonFinite
from pesx.monitors.fragments import Fragments
from pesx.monitors.frame import Event, Frame
from pesx.monitors.heat import Heat, kinetic_temperature
from pesx.monitors.hydrogens import LostHydrogens, TransferredProtons, terminal_hydrogens
from pesx.monitors.lasting import Lasting, follow, nothing_on
from pesx.monitors.uncertainty import Uncertainty
from pesx.monitors.view import Pairs, View, all_pairs, distances
from pesx.typing import Float, Index, PerReplica, Tensor


@dataclass(frozen=True)
class Watch:
    """What monitors remember of each replica.

    Attributes:
        n_frames: Frames seen.
        target: Temperature of the thermostat, K; NaN where there is none.
        line: Of the total energy.
        finite: The others are what is on, by definition.
    """

    n_frames: Index
    target: PerReplica
    line: Line
    finite: Lasting
    fragments: Lasting
    clashes: Lasting
    protons: Lasting
    hydrogens: Lasting
    broken: Lasting
    formed: Lasting
    centres: Lasting
    doubles: Lasting
    amides: Lasting
    heat: Lasting
    drift: Lasting
    uncertainty: Lasting


@dataclass(frozen=True, eq=False)
class Monitors:
    """What is watched in a molecule.

    Attributes:
        molecule: With bonds, and with the handedness and the amides that are to be kept in its positions.
        persistence: How long a bond must be broken or formed, a hydrogen away, a centre inverted, an amide flipped, a piece
            out of touch or an uncertainty too large to count, ps; and with more than 0, in two frames at least.
        failures: What ends a replica; the rest is recorded only. Taking ``AMIDE_FLIPPED`` out is the policy that lets amides
            flip.
        drift_limit: Of the total energy, meV per atom and ps; None where it is not conserved anyway.
        uncertainty_limit: eV; None where there is none.
        n_fixed: Degrees of freedom that do not move: 6 without drift and rotation.
    """

    molecule: Molecule
    persistence: float = 0.1
    failures: frozenset[Cause] = FAILURES
    drift_limit: float | None = None
    uncertainty_limit: float | None = None
    n_fixed: int = 6

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self, at_least_zero=("persistence", "n_fixed"))
        for name in ("drift_limit", "uncertainty_limit"):
            if getattr(self, name) is not None:
                require(self, above_zero=(name,))

    @property
    def n_freedom(self) -> int:
        """Degrees of freedom that move."""
        return max(1, 3 * self.molecule.n_atoms - self.n_fixed)

    @cached_property
    def _pairs(self) -> Pairs:
        return all_pairs(self.molecule)

    @cached_property
    def _topology(self) -> Topology:
        return perceive(self.molecule)

    @cached_property
    def _limits(self) -> Float[Tensor, "Q"]:
        reference = distances(self.molecule.positions[None], self._pairs)[0] / self._pairs.reach
        return formation_limits(reference, self._pairs)

    @cached_property
    def _calm(self) -> Calm:
        topology = self._topology
        return Calm(
            self._pairs,
            self._limits,
            topology.centres,
            topology.handedness,
            torch.cat([topology.amides, topology.double_bonds]),
            torch.cat([topology.amide_classes, topology.double_bond_classes]),
        )

    @cached_property
    def _definitions(self) -> Mapping[str, Definition]:
        """The definitions by the names of their states, in the order in which they are told within a frame."""
        molecule, pairs, names, persistence = self.molecule, self._pairs, _names(self.molecule), self.persistence
        topology = self._topology
        atoms, owners = terminal_hydrogens(molecule)
        bonds = pairs.number[atoms, owners]
        others = _others(pairs, atoms, owners)
        hydrogens = (pairs, atoms, owners, bonds, others, names, persistence)
        owned = torch.full((molecule.n_atoms,), -1, dtype=torch.int64)
        owned[atoms] = bonds
        of_heavy = pairs.bonded[~torch.isin(pairs.bonded, bonds)]
        doubles = Cause.CENTRE_INVERTED, "double bond", topology.double_bonds, topology.double_bond_classes
        amides = Cause.AMIDE_FLIPPED, "amide", topology.amides, topology.amide_classes
        definitions: dict[str, Definition] = {
            "finite": NonFinite(),
            "fragments": Fragments(molecule, pairs, persistence),
            "clashes": Clashes(pairs, names),
            "protons": TransferredProtons(*hydrogens),
            "hydrogens": LostHydrogens(*hydrogens),
            "broken": BrokenBonds(pairs, of_heavy, names, persistence),
            "formed": FormedBonds(pairs, self._limits, owned[pairs.atoms[pairs.free]], names, persistence),
            "centres": Centres(pairs, topology.centres, topology.handedness, names, persistence),
            "doubles": CisTrans.watching(*doubles, names=names, persistence=persistence),
            "amides": CisTrans.watching(*amides, names=names, persistence=persistence),
            "heat": Heat(self.n_freedom),
        }
        if self.drift_limit is not None:
            definitions["drift"] = Drift(self.drift_limit)
        if self.uncertainty_limit is not None:
            definitions["uncertainty"] = Uncertainty(self.uncertainty_limit, persistence)
        return definitions

    def start(self, frame: Frame, target: PerReplica | float | None = None) -> Watch:
        """Return the state before any frame; give the first frame to :meth:`look` too.

        Args:
            frame: The first frame, for the number of replicas and the device.
            target: Temperature of the thermostat of each replica, K; without one no replica is judged hot.
        """
        n, device = len(frame.positions), frame.positions.device
        targets = torch.full((n,), torch.nan, dtype=torch.float64, device=device)
        if target is not None:
            targets = targets.copy_(torch.as_tensor(target, dtype=torch.float64))
        known = self._definitions
        sizes = {name: known[name].n_things if name in known else 1 for name in _LASTING}
        states = {name: nothing_on(n, size, device) for name, size in sizes.items()}
        return Watch(torch.zeros(n, dtype=torch.int64, device=device), targets, no_line(n, device), **states)

    def look(self, watch: Watch, frame: Frame) -> tuple[Watch, list[Event]]:
        """Look at B replicas at one time; return what is remembered, and what is to be told of this frame.

        Args:
            watch: Of :meth:`start` or of the look before.
            frame: One row per row of the watch.
        """
        return self._advance(watch, frame, n_steps=1)

    def scan(self, watch: Watch, frame: Frame) -> tuple[Watch, list[Event]]:
        """Look at successive frames of one replica; the same as looking at each.

        Args:
            watch: With one row.
            frame: One row per time, ascending.
        """
        return self._advance(watch, frame, n_steps=len(frame.positions))

    def undecided_from(self, watch: Watch) -> int | None:
        """Return the first frame from which something is on that has not lasted yet; None if there is no such thing."""
        states = [getattr(watch, name) for name in self._definitions]
        frames = torch.cat([state.frame[torch.isfinite(state.since) & ~state.is_told] for state in states])
        return int(frames.min()) if len(frames) else None

    def _advance(self, watch: Watch, frame: Frame, *, n_steps: int) -> tuple[Watch, list[Event]]:
        n_replicas = len(watch.n_frames)
        shape = (n_steps, n_replicas)
        time = frame.time.to(torch.float64).reshape(shape)
        numbers = watch.n_frames + torch.arange(n_steps, device=time.device)[:, None]
        line, slope = watch.line, torch.full_like(time, torch.nan)
        if frame.energy is not None:
            line, slope = extend(line, time, frame.energy.to(torch.float64).reshape(shape))
        view = self._view(frame, watch.target.expand(shape).flatten(), slope.flatten())
        names = _SCALARS if self._is_calm(watch, view) else _LASTING
        states: dict[str, Any] = {}
        events: list[tuple[int, Event]] = []
        for name in (name for name in names if name in self._definitions):
            definition = self._definitions[name]
            signs = definition.signs(view)
            states[name], told = follow(
                getattr(watch, name),
                signs.begins.reshape(*shape, -1),
                signs.ends.reshape(*shape, -1),
                time=time,
                frame=numbers,
                persistence=definition.persistence,
            )
            for step, replica, thing, number, since in told:
                found = definition.find(view, step * n_replicas + replica, thing)
                last = int(numbers[step, replica])
                event = Event(
                    replica, number, since, definition.cause, found.atoms, found.value, found.sentence, told=last
                )
                events.append((step, event))
        after = replace(watch, n_frames=watch.n_frames + n_steps, line=line, **states)
        # By the frame in which they are told; within one, in the order of the definitions.
        return after, [event for _, event in sorted(events, key=lambda item: item[0])]

    def _is_calm(self, watch: Watch, view: View) -> bool:
        """Return whether nothing of geometry is on and nothing begins; only asked where the answer is cheap."""
        if view.positions.device.type != "cpu":
            return False
        states = [getattr(watch, name) for name in _LASTING if name not in _SCALARS]
        if any(bool(torch.isfinite(state.since).any()) for state in states):
            return False
        return bool(self._calm.rows(view.positions).all())

    def _view(self, frame: Frame, target: PerReplica, slope: PerReplica) -> View:
        unknown = torch.full_like(slope, torch.nan)
        temperature = frame.temperature
        if temperature is None and frame.velocities is not None:
            temperature = kinetic_temperature(frame.velocities, self.molecule.masses, self.n_freedom)
        is_finite = _is_finite(frame.positions)
        for known in (frame.velocities, frame.energy):
            is_finite = is_finite if known is None else is_finite & _is_finite(known)
        return View(
            frame.positions,
            self._pairs,
            temperature=unknown if temperature is None else temperature,
            target=target,
            drift=1e3 * slope / self.molecule.n_atoms,
            uncertainty=unknown if frame.uncertainty is None else frame.uncertainty,
            is_finite=is_finite,
        )


_SCALARS = ("finite", "heat", "drift", "uncertainty")
"""Definitions that need no distances."""

_LASTING = (
    "finite",
    "fragments",
    "clashes",
    "protons",
    "hydrogens",
    "broken",
    "formed",
    "centres",
    "doubles",
    "amides",
    "heat",
    "drift",
    "uncertainty",
)


def _is_finite(value: Tensor) -> Tensor:
    return torch.isfinite(value.flatten(1) if value.ndim > 1 else value[:, None]).all(dim=1)


def _names(molecule: Molecule) -> tuple[str, ...]:
    """Return symbol and number, from 0, of each atom."""
    return tuple(f"{symbol}{number}" for number, symbol in enumerate(molecule.symbols))


def _others(pairs: Pairs, atoms: Tensor, owners: Tensor) -> Tensor:
    """Return the pairs of each hydrogen with every atom but itself and its own."""
    n_atoms = len(pairs.number)
    rows = [
        [int(pairs.number[atom, other]) for other in range(n_atoms) if other not in (atom, owner)]
        for atom, owner in zip(atoms.tolist(), owners.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), max(0, n_atoms - 2))


__all__ = ["Monitors", "Watch"]
