"""The one loop of every exploration: propose, let the bench work hops out, archive, update.

Walkers outnumber the slots of the bench a little, so that while some hops are polished the others keep the slots full.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from pesx.explore.bench import Bench, Checked, Ended, LocalBench, Stages, checked_together
from pesx.explore.exchange import exchange, on_ladder
from pesx.explore.ledger import Ledger
from pesx.explore.relocate import Relocate
from pesx.explore.stop import Progress, Stop
from pesx.explore.walkers import Explorer, Hops, Seeds, Settled, Walkers
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.sieve import Sieve
from pesx.moves.choice import Choice, Earnings
from pesx.outcome import Outcome
from pesx.state import Found, Minima, cat_rows, flatten, put_rows, take_rows, unflatten
from pesx.streams import Streams
from pesx.typing import Float, Index, Mask, PerReplica, Tensor

FIRST_QUENCH = -1
"""Number of the move that is no move: a quench from a seed."""

INTERRUPTED = "interrupted"
"""The reason for stopping that :meth:`Exploration.interrupt` gives."""


@dataclass(frozen=True)
class Parts:
    """What an exploration is made of.

    Attributes:
        stages: What happens to a hop.
        explorer: Proposes hops and learns from them.
        moves: Names of the moves, by number.
        seeds: Where walkers without a minimum start.
        sieve: Verdicts.
        choice: How the shares of moves follow their earnings.
        relocate: What happens to walkers that find nothing.
    """

    stages: Stages
    explorer: Explorer
    moves: tuple[str, ...]
    seeds: Seeds
    sieve: Sieve
    choice: Choice
    relocate: Relocate


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
        commit_every: Least time between two writes, seconds; 0 for one after every round.
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
        bench: Where hops are worked out; in this process, unless said otherwise.
    """

    def __init__(
        self,
        parts: Parts,
        sizes: Sizes,
        *,
        archive: MinimaArchive,
        ledger: Ledger,
        template: Float[Tensor, "N 3"],
        bench: Bench | None = None,
    ) -> None:
        self.parts, self.sizes, self.archive, self.ledger = parts, sizes, archive, ledger
        self.bench = bench or local_bench(parts.stages, sizes, template)
        self.walkers = parts.explorer.start(template[None].expand(sizes.n_walkers, -1, -1).clone())
        self.earnings = Earnings.nothing(len(parts.moves))
        self._move = torch.full((sizes.n_walkers,), FIRST_QUENCH)
        self._queue = torch.arange(sizes.n_walkers)
        self._open: list[_Verdict] = []
        self._elapsed_before = 0.0
        self._started = time.monotonic()
        self._is_interrupted = False
        saved = ledger.restore(archive)
        if saved:
            self._restore(saved)

    @property
    def n_evaluations(self) -> int:
        """Force evaluations so far, over all replicas, those for Hessians included."""
        return self.bench.n_evaluations

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
                self.bench.advance()
                self._collect()
                if self.ledger.is_due(self.sizes.commit_every):
                    self.commit()
                progress = self.progress()
                ended = stop.reason(progress) or (INTERRUPTED if self._is_interrupted else None)
                if ended is not None:
                    self._finish_checks()
                    progress = self.progress()
                reason = ended
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
            occupancy=self.bench.occupancy,
            seconds=self._elapsed_before + time.monotonic() - self._started,
            visits=self.archive.visits_within(window) if len(self.archive) else torch.zeros(0, dtype=torch.long),
            outcomes=self.ledger.outcomes,
        )

    def commit(self) -> None:
        """Write all results and the state they belong to, in one transaction."""
        self.ledger.commit(self._snapshot())

    def _fill(self) -> None:
        """Let waiting walkers hop, as many as there are free slots."""
        self._grow()
        walkers, self._queue = self._queue[: self.bench.n_free], self._queue[self.bench.n_free :]
        if not len(walkers):
            return
        rows = take_rows(self.walkers, walkers)
        streams = self._streams(walkers, rows, 0)
        homeless = ~torch.isfinite(rows.energy)
        hops = self._propose(rows, walkers, homeless, streams)
        self._move[walkers] = hops.move
        self.walkers = put_rows(self.walkers, walkers, replace(rows, n_hops=rows.n_hops + 1))
        self.bench.start(walkers, hops)

    def _grow(self) -> None:
        """Add walkers where the bench has become larger; not to a ladder, whose rungs are given out at the start."""
        n_more = walkers_for(self.bench.n_slots) - len(self._move)
        if n_more <= 0 or self.sizes.has_ladder:
            return
        first = len(self._move)
        place = self.walkers.positions[:1].expand(n_more, -1, -1).clone()
        self.walkers = cat_rows([self.walkers, self.parts.explorer.start(place)])
        self._move = torch.cat([self._move, torch.full((n_more,), FIRST_QUENCH)])
        self._queue = torch.cat([self._queue, torch.arange(first, first + n_more)])

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
        """Take out what is done, pass it on to the next stage or to a verdict, and let the walkers learn."""
        # From the last stage to the first: what one passes on has not been worked on in the next yet.
        settled = []
        if (ended := self.bench.take_polished()) is not None:
            settled.append(self._judge_polished(ended))
        if (ended := self.bench.take_quenched()) is not None:
            settled.append(self._judge_quenched(ended))
        if (checked := self.bench.take_checked()) is not None:
            settled.append(self._judge_checked(checked))
        if settled:
            self._settle(cat_rows(settled))
        self._forget(self.bench.take_lost())

    def _judge_quenched(self, ended: Ended) -> "_Verdict":
        """Let be polished what converged and is not known; return the verdict on the rest."""
        sieve = self.parts.sieve
        minima = sieve.judge(ended.minima, self.archive, margin=sieve.rough_energy)
        known = sieve.recognise(minima, self.archive, is_rough=True)
        is_candidate = (minima.outcome == Outcome.CONVERGED) & (known < 0)
        if is_candidate.any():
            self.bench.polish(take_rows(Ended(ended.job, minima), is_candidate))
        return take_rows(_Verdict.of(ended.job.walker, minima, known), ~is_candidate)

    def _judge_polished(self, ended: Ended) -> "_Verdict":
        """Judge again with final numbers; let be checked for negative modes what is still unknown."""
        minima = self.parts.sieve.judge(ended.minima, self.archive)
        known = self.parts.sieve.recognise(minima, self.archive, is_rough=False)
        verdict = _Verdict.of(ended.job.walker, minima, known)
        is_unknown = (minima.outcome == Outcome.CONVERGED) & (known < 0)
        if is_unknown.any():
            waiting = take_rows(verdict, is_unknown)
            self._open.append(waiting)
            self.bench.check(waiting.walker, waiting.minima.positions)
        return take_rows(verdict, ~is_unknown)

    def _judge_checked(self, checked: Checked) -> "_Verdict":
        """Return verdicts with curvatures, and with WRONG_INDEX where a mode is negative."""
        waiting = cat_rows(self._open)
        rows = (waiting.walker[None] == checked.walker[:, None]).nonzero()[:, 1]
        self._close(checked.walker)
        verdict, modes = take_rows(waiting, rows), checked.modes
        outcome = torch.where(modes.n_negative.cpu() != 0, Outcome.WRONG_INDEX.value, verdict.minima.outcome)
        return replace(
            verdict,
            minima=replace(verdict.minima, outcome=outcome),
            lowest=modes.lowest.double().cpu(),
            log_product=modes.log_product.double().cpu(),
        )

    def _finish_checks(self) -> None:
        """Let polished ends that wait to be checked together be checked now, so that what was found is written down."""
        self.bench.finish_checks()
        if (checked := self.bench.take_checked()) is not None:
            self._settle(self._judge_checked(checked))

    def _close(self, walkers: Index) -> None:
        """Wait no longer for the checks of walkers."""
        left = [take_rows(verdict, ~torch.isin(verdict.walker, walkers)) for verdict in self._open]
        self._open = [verdict for verdict in left if len(verdict.walker)]

    def _forget(self, walkers: Index) -> None:
        """Let walkers hop anew from where they were."""
        if len(walkers):
            self._close(walkers)
            self._queue = torch.cat([self._queue, walkers])

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
            "seconds": torch.tensor(seconds, dtype=torch.float64),
        }
        out |= {f"walkers/{key}": tensor for key, tensor in flatten(self.walkers).items()}
        out |= {f"earnings/{key}": tensor for key, tensor in flatten(self.earnings).items()}
        return out | self.bench.snapshot()

    def _restore(self, saved: dict[str, Tensor]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(name): tensor for key, tensor in saved.items() if key.startswith(name)}

        self._move, self._queue = saved["move"], saved["queue"]
        self._elapsed_before = float(saved["seconds"])
        self.walkers = unflatten(self.walkers, part("walkers/"))
        self.earnings = unflatten(self.earnings, part("earnings/"))
        at_home = torch.ones(len(self._move), dtype=torch.bool)
        at_home[self._queue] = at_home[self.bench.restore(saved)] = False
        self._forget(at_home.nonzero()[:, 0])


@dataclass(frozen=True)
class _Verdict:
    """What is known about the end of a hop before the archive has its say."""

    walker: Index
    minima: Minima
    known: Index
    lowest: PerReplica
    log_product: PerReplica

    @staticmethod
    def of(walker: Index, minima: Minima, known: Index) -> "_Verdict":
        nothing = torch.full_like(minima.energy, torch.nan)
        return _Verdict(walker=walker, minima=minima, known=known, lowest=nothing, log_product=nothing)


def walkers_for(n_slots: int) -> int:
    """Return how many walkers keep slots full: a quarter of them can be polished while the others are there."""
    return n_slots + max(4, n_slots // 3)


def local_bench(stages: Stages, sizes: Sizes, template: Float[Tensor, "N 3"]) -> LocalBench:
    """Return the bench in this process.

    Args:
        stages: What happens to a hop.
        sizes: How much at once.
        template: Positions of any replica, angstrom.
    """
    return LocalBench(
        stages,
        template,
        n_slots=sizes.n_slots,
        n_polishing=sizes.n_walkers,
        n_checking=checked_together(sizes.n_slots, sizes.device),
        stride=sizes.stride,
        dtype=sizes.dtype,
        device=sizes.device,
    )
