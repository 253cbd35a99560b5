"""Checks for authors of plug-ins: does a potential, a stepper or a move keep its contract?

Give the part and some typical positions; a report says all that is wrong, and ``raise_if_wrong`` makes a test of it::

    def test_my_potential() -> None:
        check_potential(MyPotential(), positions).raise_if_wrong()

Positions are best float64, four replicas or more, all different, away from any symmetry and from stationary points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from pesx.errors import ContractError, InputError
from pesx.protocols import Move, Potential, Stepper, StepperState
from pesx.state import Evaluation, flatten, take_rows
from pesx.streams import Streams
from pesx.typing import Int, Positions, Tensor

S = TypeVar("S", bound=StepperState)


@dataclass(frozen=True)
class Finding:
    """One broken promise.

    Attributes:
        check: Name of the check.
        message: What was expected, what came, what to do.
    """

    check: str
    message: str


@dataclass(frozen=True)
class Report:
    """What the checks of one part found.

    Attributes:
        subject: What was checked.
        findings: Everything that is wrong; empty if all is well.
    """

    subject: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def raise_if_wrong(self) -> None:
        """Raise with all findings, if there are any.

        Raises:
            ContractError: Something is wrong.
        """
        if self.findings:
            lines = "\n".join(f"  {finding.check}: {finding.message}" for finding in self.findings)
            raise ContractError(f"{self.subject} breaks its contract:\n{lines}")


def check_potential(
    potential: Potential,
    positions: Positions,
    *,
    numbers: Int[Tensor, "N"] | None = None,
    is_free: bool = True,
    tolerance: float = 1e-5,
    repeat_tolerance: float = 1e-9,
) -> Report:
    """Check a potential: form, forces, invariance, exchange of like atoms, independence of replicas, repeatability.

    Args:
        potential: Bound to the molecule of the positions.
        positions: Typical structures, angstrom.
        numbers: Atomic numbers; the exchange of like atoms is checked if they are given. Leave them out for a potential
            with fixed bonds, where like atoms differ.
        is_free: Whether the energy must not change under translation and rotation; false for an external field.
        tolerance: Relative error allowed in the forces and under rotation and exchange.
        repeat_tolerance: Relative difference allowed between a row alone and in a batch, and between two calls.
    """
    _require_rows(positions)
    checks: list[Callable[[], list[Finding]]] = [
        lambda: _forces_are_slopes(potential, positions, tolerance),
        lambda: _rows_are_alone(potential, positions, repeat_tolerance),
        lambda: _repeats(potential, positions, repeat_tolerance),
    ]
    if is_free:
        checks.append(lambda: _is_invariant(potential, positions, tolerance))
    if numbers is not None:
        checks.append(lambda: _exchanges(potential, positions, numbers, tolerance))
    findings = _form(potential, positions.double()) + _form(potential, positions.float())
    findings = findings or [finding for check in checks for finding in check()]
    return Report(f"The potential {type(potential).__name__}", tuple(findings))


def check_stepper(
    stepper: Stepper[S], potential: Potential, positions: Positions, *, n_steps: int = 20, goes_down: bool = True
) -> Report:
    """Check a stepper: a state of tensors by replica, no change of the old state, rows independent to the last bit.

    Args:
        stepper: A relaxer or an integrator.
        potential: To drive it with; every replica is told the same numbers alone and in the batch.
        positions: Where to start, angstrom.
        n_steps: Steps taken.
        goes_down: Whether each replica's energy must have fallen after the steps, as in a relaxer.
    """
    _require_rows(positions)
    state = stepper.init(positions)
    findings = [
        Finding("state", f"expected the {len(positions)} replicas as first axis of {name}, came {tuple(tensor.shape)}.")
        for name, tensor in flatten(state).items()
        if tensor.shape[:1] != positions.shape[:1]
    ]
    if state.positions.shape != positions.shape or state.positions.dtype != positions.dtype:
        findings.append(Finding("state", f"expected positions like those given, came {_form_of(state.positions)}."))
    findings = findings or _steps(stepper, potential, positions, n_steps, goes_down)
    return Report(f"The stepper {type(stepper).__name__}", tuple(findings))


def check_move(move: Move, positions: Positions, *, seed: int = 0) -> Report:
    """Check a move: form, finite positions, the same result for the same streams, rows independent.

    Args:
        move: From minima to positions to quench.
        positions: Typical minima, angstrom.
        seed: Of the streams.
    """
    _require_rows(positions)
    n_replicas = len(positions)

    def moved(rows: range, hop: int) -> Positions:
        streams = Streams(seed, list(rows), [hop] * len(rows), dtype=positions.dtype, device=positions.device)
        part = positions[rows.start : rows.stop]
        return move(part, positions.new_ones(len(rows)), streams)

    given, first = positions.clone(), moved(range(n_replicas), 0)
    findings = []
    if _form_of(first) != _form_of(positions):
        findings.append(Finding("form", f"expected {_form_of(positions)}, came {_form_of(first)}."))
    elif not torch.isfinite(first).all():
        findings.append(Finding("finite", "some of the new positions are NaN or infinite."))
    elif not torch.equal(given, positions):
        findings.append(Finding("purity", "the move changed the positions it was given; make a new tensor."))
    else:
        if not torch.equal(first, moved(range(n_replicas), 0)):
            findings.append(Finding("repeat", "the same streams gave two results; draw from the streams only."))
        if torch.equal(first, moved(range(n_replicas), 1)):
            findings.append(Finding("random", "other streams gave the same result; draw from the streams."))
        alone = moved(range(n_replicas - 1, n_replicas), 0)
        if not torch.allclose(alone, first[-1:], rtol=0.0, atol=1e-6):
            findings.append(Finding("rows", "a replica alone moved differently than in the batch; draw per replica."))
    return Report(f"The move {type(move).__name__}", tuple(findings))


def _steps(
    stepper: Stepper[S], potential: Potential, positions: Positions, n_steps: int, goes_down: bool
) -> list[Finding]:
    one, kept = torch.arange(1), torch.arange(len(positions) - 1)
    state, alone, spoilt = stepper.init(positions), stepper.init(positions[:1]), stepper.init(positions)
    first = now = potential(positions)
    for _ in range(n_steps):
        now = potential(state.positions)
        before = {name: tensor.clone() for name, tensor in flatten(state).items()}
        after = stepper.step(state, now)
        if not _same(flatten(state), before):
            return [Finding("purity", "a step changed the state it was given; make new tensors.")]
        if not _same(flatten(stepper.step(state, now)), flatten(after)):
            return [Finding("repeat", "the same state and evaluation gave two results; keep no hidden state.")]
        alone = stepper.step(alone, take_rows(now, one))
        spoilt = stepper.step(spoilt, _spoil_last(now))
        state = after
    findings = []
    if not _same(flatten(take_rows(state, one)), flatten(alone)):
        findings.append(
            Finding("rows", "a replica alone moved differently than in the batch; reduce over no replicas.")
        )
    if not _same(flatten(take_rows(state, kept)), flatten(take_rows(spoilt, kept))):
        findings.append(Finding("rows", "a replica with NaN forces changed others; reduce over no replicas."))
    if goes_down and not (now.energy < first.energy).all():
        findings.append(Finding("downhill", f"the energy of some replica had not fallen after {n_steps} steps."))
    return findings


def _require_rows(positions: Positions) -> None:
    if positions.ndim != 3 or positions.shape[-1] != 3 or len(positions) < 2:
        raise InputError(f"expected positions (B, N, 3) of two replicas or more, came {tuple(positions.shape)}.")


def _form_of(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype} on {tensor.device}"


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name].nan_to_num(), b[name].nan_to_num()) for name in a)


def _spoil_last(now: Evaluation) -> Evaluation:
    energy, forces = now.energy.clone(), now.forces.clone()
    energy[-1], forces[-1] = torch.nan, torch.nan
    return Evaluation(energy, forces)


def _form(potential: Potential, positions: Positions) -> list[Finding]:
    now = potential(positions)
    one_each = positions[:, 0, 0]
    # float64 first: the message names it. The positions' own dtype will do where energies are small.
    allowed = {
        "energy": (now.energy, (one_each.double(), one_each)),
        "forces": (now.forces, (positions,)),
    }
    wrong = [
        Finding(
            "form",
            f"expected {name} {_form_of(models[0])} for positions {_form_of(positions)}, came {_form_of(value)}; "
            "return that.",
        )
        for name, (value, models) in allowed.items()
        if _form_of(value) not in map(_form_of, models)
    ]
    if not wrong and not (torch.isfinite(now.energy).all() and torch.isfinite(now.forces).all()):
        wrong.append(Finding("finite", f"energy or forces are not finite at typical positions in {positions.dtype}."))
    return wrong


_STEP = 1e-3
"""Displacement of the differences, angstrom; the four-point rule errs by its fourth power."""
_N_DIRECTIONS = 4


def _forces_are_slopes(potential: Potential, positions: Positions, tolerance: float) -> list[Finding]:
    positions = positions.double()
    forces = potential(positions).forces
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for _ in range(_N_DIRECTIONS):
        along = torch.randn(positions.shape, generator=generator, dtype=torch.float64).to(positions.device)
        ahead, behind, far_ahead, far_behind = (
            potential(positions + factor * _STEP * along).energy for factor in (1.0, -1.0, 2.0, -2.0)
        )
        slope = (8.0 * (ahead - behind) - (far_ahead - far_behind)) / (12.0 * _STEP)
        size = forces.square().sum((1, 2)).sqrt() * along.square().sum((1, 2)).sqrt()
        worst = max(worst, float(((slope + (forces * along).sum((1, 2))).abs() / (size + tolerance)).max()))
    if worst <= tolerance:
        return []
    advice = "forces must be minus the gradient of this very energy, smooth and in float64 when the positions are"
    return [Finding("forces", f"they differ from differences of the energy by {worst:.1e} of their size; {advice}.")]


def _unlike(a: Evaluation, b: Evaluation, tolerance: float) -> str:
    """Return what differs between two evaluations of the same thing, or an empty text."""
    energy = float(((a.energy - b.energy).abs() / (1.0 + b.energy.abs())).nan_to_num(torch.inf).max())
    scale = 1.0 + b.forces.abs().amax((1, 2), keepdim=True)
    forces = float(((a.forces - b.forces).abs() / scale).nan_to_num(torch.inf).max())
    if max(energy, forces) <= tolerance:
        return ""
    return f"relative difference {energy:.1e} in the energy and {forces:.1e} in the forces, allowed {tolerance:.1e}"


def _is_invariant(potential: Potential, positions: Positions, tolerance: float) -> list[Finding]:
    positions = positions.double()
    generator = torch.Generator().manual_seed(1)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    turn = (turn * torch.linalg.det(turn).sign()).to(positions.device)
    now = potential(positions)
    shifted = potential(positions + positions.new_tensor([1.7, -0.9, 2.3]))
    turned = potential(positions @ turn.T)
    findings = []
    if told := _unlike(shifted, now, tolerance):
        findings.append(Finding("translation", f"{told}; use differences of positions only."))
    if told := _unlike(turned, Evaluation(now.energy, now.forces @ turn.T), tolerance):
        findings.append(Finding("rotation", f"{told}; use is_free=False for an external field."))
    return findings


def _exchanges(
    potential: Potential, positions: Positions, numbers: Int[Tensor, "N"], tolerance: float
) -> list[Finding]:
    positions = positions.double()
    order = torch.arange(len(numbers))
    for number in set(numbers.tolist()):
        like = (numbers == number).nonzero().flatten().cpu()
        order[like] = like.roll(1)
    now = potential(positions)
    there = potential(positions[:, order])
    told = _unlike(there, Evaluation(now.energy, now.forces[:, order]), tolerance)
    return [Finding("exchange", f"{told}, when like atoms change places.")] if told else []


def _rows_are_alone(potential: Potential, positions: Positions, tolerance: float) -> list[Finding]:
    positions = positions.double()
    now = potential(positions)
    one, kept = torch.arange(1), torch.arange(len(positions) - 1)
    findings = []
    if told := _unlike(potential(positions[:1]), take_rows(now, one), tolerance):
        findings.append(Finding("rows", f"a row alone is not what it is in a batch: {told}."))
    spoilt = positions.clone()
    spoilt[-1] = torch.nan
    try:
        beside = potential(spoilt)
    except Exception as error:  # whatever it raises is the fault looked for
        return [*findings, Finding("rows", f"a row of NaN raised {error!r}; return NaN in that row instead.")]
    if told := _unlike(take_rows(beside, kept), take_rows(now, kept), tolerance):
        findings.append(Finding("rows", f"a row of NaN changed the others: {told}."))
    if torch.isfinite(beside.energy[-1]) and torch.isfinite(beside.forces[-1]).all():
        findings.append(Finding("rows", "a row of NaN came back finite; return NaN, so that it can be set aside."))
    return findings


def _repeats(potential: Potential, positions: Positions, tolerance: float) -> list[Finding]:
    positions = positions.double()
    given = positions.clone()
    told = _unlike(potential(positions), potential(positions), tolerance)
    findings = [Finding("repeat", f"two calls differ: {told}; keep no hidden state.")] if told else []
    if not torch.equal(given, positions):
        findings.append(Finding("purity", "the potential changed the positions it was given."))
    return findings
