"""The one loop of every exploration: propose, quench, archive, update; over slots that never drain.

A walker's hop passes through the slots (escape, then a rough quench), and, unless it ended in a minimum that is known, through
a second set of slots in float64, where it is polished and its index is checked. Walkers outnumber the slots a little, so
that while some are polished the others keep the slots full. Whatever is to be polished is polished at once, so there are as
many float64 slots as walkers: waiting would save no evaluation, and would drain the slots.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from pesx.explore.escape import Escape
from pesx.explore.exchange import exchange, on_ladder
from pesx.explore.ledger import Ledger
from pesx.explore.relocate import Relocate
from pesx.explore.slots import Job, Lane, Slots
from pesx.explore.stop import Progress, Stop
from pesx.explore.walkers import Explorer, Hops, Seeds, Settled, Walkers
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.sieve import Sieve
from pesx.moves.choice import Choice, Earnings
from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.relax.quench import Convergence, judge
from pesx.relax.two_stage import TwoStage
from pesx.state import Found, Minima, Modes, cat_rows, flatten, fmax, put_rows, take_rows, unflatten
from pesx.streams import Streams
from pesx.typing import Float, Index, Mask, PerReplica, Positions, Tensor

FIRST_QUENCH = -1
"""Number of the move that is no move: a quench from a seed."""

INTERRUPTED = "interrupted"
"""The reason for stopping that :meth:`Exploration.interrupt` gives."""


@dataclass(frozen=True)
class Parts:
    """What an exploration is made of.

    Attributes:
        potential: Bound to the molecule.
        explorer: Proposes hops and learns from them.
        moves: Names of the moves, by number.
        seeds: Where walkers without a minimum start.
        escape: The escape by dynamics.
        relaxation: Rough in the slots, polish in the float64 slots.
        sieve: Verdicts.
        choice: How the shares of moves follow their earnings.
        relocate: What happens to walkers that find nothing.
        modes: Second-order information at minima.
    """

    potential: Potential
    explorer: Explorer
    moves: tuple[str, ...]
    seeds: Seeds
    escape: Escape
    relaxation: TwoStage
    sieve: Sieve
    choice: Choice
    relocate: Relocate
    modes: Callable[[Positions], Modes]


@dataclass(frozen=True)
class Sizes:
    """How much happens at once.

    Attributes:
        n_walkers: Walkers.
        n_slots: Slots for replicas in one batch.
        stride: Steps between two looks at which replicas are done.
        seed: Of all random streams.
        dtype: Of the rough batch.
        device: Of both batches.
        has_ladder: Whether walkers on neighbouring temperatures exchange minima.
        commit_every: Least time between two writes, seconds.
    """

    n_walkers: int
    n_slots: int
    stride: int = 5
    seed: int = 0
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    has_ladder: bool = False
    commit_every: float = 1.0


class Exploration:
    """A search under way. :meth:`run` goes on until a reason to stop; a new object on the same store resumes it.

    Args:
        parts: The method.
        sizes: The batch.
        archive: Distinct minima; filled from the ledger on resuming.
        ledger: Where everything is recorded.
        template: Positions of any replica (N, 3), angstrom.
    """

    def __init__(
        self, parts: Parts, sizes: Sizes, *, archive: MinimaArchive, ledger: Ledger, template: Float[Tensor, "N 3"]
    ) -> None:
        self.parts, self.sizes, self.archive, self.ledger = parts, sizes, archive, ledger
        rough = template[None].to(sizes.device, sizes.dtype)
        self.slots = Slots(
            parts.potential,
            {"escape": Lane(parts.escape, rough), "quench": Lane(parts.relaxation.rough, rough)},
            sizes.n_slots,
        )
        self.polishing = Slots(
            parts.potential, {"polish": Lane(parts.relaxation.polish, rough.double())}, sizes.n_walkers
        )
        self.walkers = parts.explorer.start(template[None].expand(sizes.n_walkers, -1, -1).clone())
        self.earnings = Earnings.nothing(len(parts.moves))
        self._move = torch.full((sizes.n_walkers,), FIRST_QUENCH)
        self._queue = torch.arange(sizes.n_walkers)
        self._n_mode_evaluations = 0
        self._elapsed_before = 0.0
        self._started = time.monotonic()
        self._committed = time.monotonic()
        self._is_interrupted = False
        saved = ledger.restore(archive)
        if saved:
            self._restore(saved)

    @property
    def n_evaluations(self) -> int:
        """Force evaluations so far, over all replicas, those for Hessians included."""
        return self.slots.n_evaluations + self.polishing.n_evaluations + self._n_mode_evaluations

    def interrupt(self) -> None:
        """Make :meth:`run` end after the round under way, with the reason :data:`INTERRUPTED`; safe in a signal handler."""
        self._is_interrupted = True

    def run(self, stop: Stop, on_progress: Callable[[Progress], None] | None = None) -> str:
        """Explore until a reason to stop, and return that reason.

        Args:
            stop: Limits.
            on_progress: Called after every collection.
        """
        reason = stop.reason(self.progress())
        try:
            while reason is None:
                self._fill()
                for _ in range(self.sizes.stride):
                    self.slots.advance()
                    self.polishing.advance()
                self._collect()
                if time.monotonic() - self._committed > self.sizes.commit_every:
                    self.commit()
                progress = self.progress()
                reason = stop.reason(progress) or (INTERRUPTED if self._is_interrupted else None)
                if on_progress is not None:
                    on_progress(progress)
        finally:
            # An interrupt between two lines above leaves state and results apart, so only whole rounds are written.
            if reason is not None:
                self.commit()
        return reason

    def progress(self) -> Progress:
        """Return where the search stands."""
        window = self.parts.sieve.energy_window
        return Progress(
            n_minima=self.archive.n_within(window) if len(self.archive) else 0,
            n_stored=len(self.archive),
            lowest=self.archive.lowest,
            n_quenches=self.ledger.n_quenches,
            n_since_new=self.ledger.n_since_new,
            n_evaluations=self.n_evaluations,
            occupancy=self.slots.occupancy,
            seconds=self._elapsed_before + time.monotonic() - self._started,
            visits=self.archive.visits_within(window) if len(self.archive) else torch.zeros(0, dtype=torch.long),
            outcomes=self.ledger.outcomes,
        )

    def commit(self) -> None:
        """Write all results and the state they belong to, in one transaction."""
        self.ledger.commit(self._snapshot())
        self._committed = time.monotonic()

    def _fill(self) -> None:
        """Let waiting walkers hop, as many as there are free slots."""
        walkers, self._queue = self._queue[: self.slots.n_free], self._queue[self.slots.n_free :]
        if not len(walkers):
            return
        rows = take_rows(self.walkers, walkers)
        streams = self._streams(walkers, rows, 0)
        homeless = ~torch.isfinite(rows.energy)
        hops = self._propose(rows, walkers, homeless, streams)
        self._move[walkers] = hops.move
        self.walkers = put_rows(self.walkers, walkers, replace(rows, n_hops=rows.n_hops + 1))

        is_escape = hops.kinetic > 0
        positions = hops.positions.to(self.sizes.device, self.sizes.dtype)
        job = Job.fresh(walkers.to(self.sizes.device))
        out = (
            take_rows(job, is_escape),
            self.parts.escape.launch(positions[is_escape], hops.velocities[is_escape], hops.kinetic[is_escape]),
        )
        self.slots.lanes["escape"].put(*out)
        self.slots.lanes["quench"].put(
            take_rows(job, ~is_escape), self.parts.relaxation.rough.init(positions[~is_escape])
        )

    def _propose(self, rows: Walkers, walkers: Index, homeless: Mask, streams: Streams) -> Hops:
        """Return a seed for walkers without a minimum, a hop for the others."""
        hops = Hops(
            positions=rows.positions,
            velocities=torch.zeros_like(rows.positions),
            kinetic=torch.zeros_like(rows.energy),
            move=torch.full_like(rows.minimum, FIRST_QUENCH),
        )
        if homeless.any():
            some = homeless.nonzero()[:, 0]
            start = self.parts.seeds(walkers[some], rows.n_hops[some], streams.pick(some.tolist()))
            positions = hops.positions.clone()
            positions[some] = start.double()
            hops = replace(hops, positions=positions)
        if not homeless.all():
            some = (~homeless).nonzero()[:, 0]
            shares = self.parts.choice.shares(self.earnings)
            hop = self.parts.explorer.propose(take_rows(rows, some), shares, streams.pick(some.tolist()))
            hops = put_rows(hops, some, hop)
        return hops

    def _collect(self) -> None:
        """Take out what is done, pass it on to the next lane or to a verdict, and let the walkers learn."""
        # From the last lane to the first: what a lane passes on has not been evaluated in the next one yet.
        settled = [*self._collect_polished(), *self._collect_quenches()]
        self._collect_escapes()
        if settled:
            self._settle(cat_rows(settled))

    def _collect_escapes(self) -> None:
        lane = self.slots.lanes["escape"]
        is_done = lane.state.outcome != Outcome.RUNNING
        if is_done.any():
            job, positions, _ = lane.take(is_done)
            self.slots.lanes["quench"].put(
                Job.fresh(job.walker, job.n_evaluations), self.parts.relaxation.rough.init(positions)
            )

    def _collect_quenches(self) -> list["_Verdict"]:
        """Settle what failed or is known; queue the rest for polishing."""
        lane, sieve = self.slots.lanes["quench"], self.parts.sieve
        ended = _take_ended(lane, self.parts.relaxation.rough_convergence)
        if ended is None:
            return []
        job, minima = ended
        minima = sieve.judge(minima, self.archive, margin=sieve.rough_energy)
        known = sieve.recognise(minima, self.archive, is_rough=True)
        is_candidate = (minima.outcome == Outcome.CONVERGED) & (known < 0)
        if is_candidate.any():
            waiting = take_rows(minima, is_candidate)
            start = self.parts.relaxation.polish.init(waiting.positions.to(self.sizes.device))
            self.polishing.lanes["polish"].put(
                Job.fresh(job.walker[is_candidate], job.n_evaluations[is_candidate]), start
            )
        return [take_rows(_Verdict.of(job, minima, known), ~is_candidate)]

    def _collect_polished(self) -> list["_Verdict"]:
        """Judge again with final numbers; what is still unknown must show that it has no negative mode."""
        ended = _take_ended(self.polishing.lanes["polish"], self.parts.relaxation.polish_convergence)
        if ended is None:
            return []
        job, minima = ended
        minima = self.parts.sieve.judge(minima, self.archive)
        known = self.parts.sieve.recognise(minima, self.archive, is_rough=False)
        verdict = _Verdict.of(job, minima, known)
        unknown = ((minima.outcome == Outcome.CONVERGED) & (known < 0)).nonzero()[:, 0]
        return [self._check_index(verdict, unknown) if len(unknown) else verdict]

    def _check_index(self, verdict: "_Verdict", unknown: Index) -> "_Verdict":
        """Return the verdict with curvatures, and with WRONG_INDEX where a mode is negative."""
        positions = verdict.minima.positions[unknown].to(self.sizes.device)
        found = self.parts.modes(positions)
        self._n_mode_evaluations += int(found.n_evaluations.sum())
        outcome = verdict.minima.outcome.clone()
        outcome[unknown[(found.n_negative != 0).cpu()]] = Outcome.WRONG_INDEX
        lowest, log_product = verdict.lowest.clone(), verdict.log_product.clone()
        lowest[unknown], log_product[unknown] = found.lowest.double().cpu(), found.log_product.double().cpu()
        return replace(verdict, minima=replace(verdict.minima, outcome=outcome), lowest=lowest, log_product=log_product)

    def _settle(self, verdict: "_Verdict") -> None:
        """Archive, learn, record; in the order of the walkers, so that the order of the slots never matters."""
        verdict = take_rows(verdict, verdict.walker.argsort())
        minima, walkers = verdict.minima, verdict.walker
        keys = self.parts.sieve.guard.keys(minima.positions)
        self.archive.visit(verdict.known)
        is_open = verdict.known < 0
        candidates = replace(minima, outcome=torch.where(is_open, minima.outcome, Outcome.RUNNING))
        added = self.archive.add(candidates, keys)
        found = Found(index=torch.where(is_open, added.index, verdict.known), is_new=added.is_new)

        before = take_rows(self.walkers, walkers)
        uniform = self._streams(walkers, before, 1).uniform(3)
        settled = Settled(minima=minima, found=found, uniform=uniform[:, 0])
        after, accepted = self.parts.explorer.update(before, settled)
        after = self._stir(after, uniform)
        self.walkers = put_rows(self.walkers, walkers, after)
        self.earnings = self.parts.choice.update(self.earnings, self._move[walkers], found.is_new, minima.n_evaluations)
        self._queue = torch.cat([self._queue, walkers])
        names = ["seed" if move == FIRST_QUENCH else self.parts.moves[move] for move in self._move[walkers].tolist()]
        self.ledger.record(
            walkers=walkers,
            before=before,
            moves=names,
            minima=minima,
            found=found,
            accepted=accepted,
            keys=keys,
            lowest=verdict.lowest,
            log_product=verdict.log_product,
        )

    def _stir(self, after: Walkers, uniform: Float[Tensor, "B 3"]) -> Walkers:
        """Exchange minima along the ladder, and move walkers that find nothing."""
        if self.sizes.has_ladder:
            after = exchange(after, uniform[:, 1], on_ladder(self.parts.explorer, after))
        return self.parts.relocate(
            after,
            uniform[:, 2],
            positions=self.archive.positions,
            energy=self.archive.energies,
            visits=self.archive.visits,
        )

    def _streams(self, walkers: Index, rows: Walkers, purpose: int) -> Streams:
        """Return the streams of hops (purpose 0) or of the decisions after them (1)."""
        return Streams(self.sizes.seed, walkers.tolist(), (2 * rows.n_hops + purpose).tolist())

    def _snapshot(self) -> dict[str, Tensor]:
        seconds = self._elapsed_before + time.monotonic() - self._started
        out = {
            "move": self._move,
            "queue": self._queue,
            "n_mode_evaluations": torch.tensor(self._n_mode_evaluations),
            "seconds": torch.tensor(seconds, dtype=torch.float64),
        }
        out |= {f"walkers/{key}": tensor for key, tensor in flatten(self.walkers).items()}
        out |= {f"earnings/{key}": tensor for key, tensor in flatten(self.earnings).items()}
        out |= {f"slots/{key}": tensor for key, tensor in self.slots.snapshot().items()}
        return out | {f"polishing/{key}": tensor for key, tensor in self.polishing.snapshot().items()}

    def _restore(self, saved: dict[str, Tensor]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(name): tensor for key, tensor in saved.items() if key.startswith(name)}

        self._move, self._queue = saved["move"], saved["queue"]
        self._n_mode_evaluations = int(saved["n_mode_evaluations"])
        self._elapsed_before = float(saved["seconds"])
        self.walkers = unflatten(self.walkers, part("walkers/"))
        self.earnings = unflatten(self.earnings, part("earnings/"))
        self.slots.restore(part("slots/"))
        self.polishing.restore(part("polishing/"))


@dataclass(frozen=True)
class _Verdict:
    """What is known about the end of a hop before the archive has its say."""

    walker: Index
    minima: Minima
    known: Index
    lowest: PerReplica
    log_product: PerReplica

    @staticmethod
    def of(job: Job, minima: Minima, known: Index) -> "_Verdict":
        nothing = torch.full_like(minima.energy, torch.nan)
        return _Verdict(walker=job.walker.cpu(), minima=minima, known=known, lowest=nothing, log_product=nothing)


def _take_ended(lane: Lane, convergence: Convergence) -> tuple[Job, Minima] | None:
    """Remove the replicas that are done; return their jobs and where they ended, on the CPU in float64."""
    if not len(lane):
        return None
    outcome = judge(lane.seen, lane.now, lane.job.n_steps, convergence)
    is_done = outcome != Outcome.RUNNING
    if not is_done.any():
        return None
    job, positions, now = lane.take(is_done)
    minima = Minima(
        positions=positions.double().cpu(),
        energy=now.energy.double().cpu(),
        fmax=fmax(now.forces).double().cpu(),
        outcome=outcome[is_done].cpu(),
        n_evaluations=job.n_evaluations.cpu(),
    )
    return job, minima
