"""Joining minima: bands between pairs, searches from their maxima, ways down from what is found, all at once.

Each pair passes through the lanes: a *band*, whose maxima are followed *roughly*, then *exactly*, to stationary points. Those
with one negative mode that are new go *down* on both sides and are *polished*; both ends are looked up in the archive, or
added. Rows of all lanes of one precision are evaluated in one batch.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from pesx.connect.jobs import Joined, Search, Wanted
from pesx.connect.judge import Judge
from pesx.connect.lane import Lane, Rows
from pesx.connect.ledger import Ledger
from pesx.connect.parts import Parts, Sizes
from pesx.landscape.archive import MinimaArchive
from pesx.outcome import Outcome
from pesx.relax.modes import hessian_cost
from pesx.relax.quench import Convergence, judge
from pesx.saddles.band import candidates
from pesx.saddles.follow import Follow
from pesx.saddles.search import Saddles, saddles
from pesx.state import Evaluation, Minima, fmax, take_rows
from pesx.typing import Index, Tensor

_COMMIT_EVERY = 1.0
"""Seconds."""

_NO_TRANSITION_STATE = (Outcome.BOND_CHANGED, Outcome.CENTRE_INVERTED, Outcome.FRAGMENTED)
"""Rules that hold for transition states too; that an amide is neither cis nor trans there is in the nature of some."""


class Connecting:
    """Joins minima of a run.

    Args:
        parts: How.
        sizes: How much at a time.
        minima: Archive of the run's minima, filled.
        transition_states: Archive of its transition states, filled.
        ledger: Where results go.
    """

    def __init__(
        self,
        parts: Parts,
        sizes: Sizes,
        *,
        minima: MinimaArchive,
        transition_states: MinimaArchive,
        ledger: Ledger,
    ) -> None:
        self.parts, self.sizes, self.ledger = parts, sizes, ledger
        self.minima, self.transition_states = minima, transition_states
        self._judge = Judge(parts, minima=minima, transition_states=transition_states, ledger=ledger)
        self._n_evaluations = self.n_pairs = 0
        self._n_minima_before = len(minima)
        self._pairs: deque[Wanted] = deque()
        self._bands: dict[int, Wanted] = {}
        self._searches: dict[int, Search] = {}
        self._waiting: deque[int] = deque()
        self._n_jobs = 0
        relaxation, limit = parts.relaxation, parts.limits
        if parts.second is not None:
            limit = replace(limit, max_steps=min(limit.max_steps, parts.renew))
        self._lanes = {
            "band": Lane(parts.band.step, sizes.n_bands, lambda rows: parts.band.outcome(rows.state, rows.n_steps)),
            "rough": Lane(parts.rough.step, sizes.n_searches, partial(_followed, parts.rough, limit)),
            "exact": Lane(parts.exact.step, sizes.n_searches, partial(_followed, parts.exact, limit)),
            "down": Lane(relaxation.rough.step, 2 * sizes.n_searches, partial(_relaxed, relaxation.rough_convergence)),
            "polish": Lane(
                relaxation.polish.step, 2 * sizes.n_searches, partial(_relaxed, relaxation.polish_convergence)
            ),
        }
        self._started = self._committed = time.monotonic()

    def run(
        self,
        more: Callable[[], Sequence[Wanted]],
        *,
        stop: Callable[[Joined], str | None] = lambda _: None,
        observe: Callable[[Joined], None] = lambda _: None,
    ) -> str:
        """Join pairs until there are none, or a reason to stop, and return the reason.

        Args:
            more: Returns further pairs when all before are done; none at the end.
            stop: Returns a reason to stop, or None; asked now and then.
            observe: Told how far it is, now and then.
        """
        self._started = self._committed = time.monotonic()
        reason: str | None = None
        while reason is None:
            if not self._pairs and not self._is_busy():
                self._pairs.extend(more())
                if not self._pairs:
                    reason = "no pair of minima is left to be tried"
                    break
            self._fill()
            self._advance()
            if time.monotonic() - self._committed > _COMMIT_EVERY:
                self._commit()
                progress = self.progress()
                observe(progress)
                reason = stop(progress)
        self._commit()
        observe(self.progress())
        return reason

    def progress(self) -> Joined:
        """Return how far it is."""
        return Joined(
            n_pairs=self.n_pairs,
            n_waiting=len(self._pairs),
            n_transition_states=len(self.transition_states),
            n_minima=len(self.minima),
            n_new_minima=len(self.minima) - self._n_minima_before,
            n_evaluations=self._n_evaluations + self._judge.n_evaluations,
            outcomes=dict(self._judge.outcomes),
            seconds=time.monotonic() - self._started,
        )

    def _commit(self) -> None:
        self.ledger.commit()
        self._committed = time.monotonic()

    def _is_busy(self) -> bool:
        return bool(self._waiting) or any(len(lane) for lane in self._lanes.values())

    def _fill(self) -> None:
        """Start bands between pairs, and searches from maxima, as far as there is room."""
        n_bands = min(self._lanes["band"].n_free, len(self._pairs))
        if n_bands and len(self._waiting) < self.sizes.n_searches:
            some = [self._pairs.popleft() for _ in range(n_bands)]
            for pair in some:
                if pair.n_searches:
                    self._start_around(pair)
            if bands := [pair for pair in some if not pair.n_searches]:
                self._start_bands(bands)
        under_way = sum(len(self._lanes[name]) for name in ("rough", "exact"))
        under_way += (len(self._lanes["down"]) + len(self._lanes["polish"])) // 2
        n_searches = min(self.sizes.n_searches - under_way, len(self._waiting))
        if n_searches > 0:
            self._start_searches([self._waiting.popleft() for _ in range(n_searches)])

    def _start_bands(self, pairs: list[Wanted]) -> None:
        rows = torch.tensor([[pair.first, pair.second] for pair in pairs])
        first, second = (self.minima.positions[rows[:, side]] for side in range(2))
        path = self.parts.path(first, self.parts.aligned(second, first))
        job = self._jobs(len(pairs))
        self._bands.update(zip(job.tolist(), pairs, strict=True))
        path = path.to(self.sizes.device, self.sizes.dtype)
        ends = self.minima.energies[rows].to(self.sizes.device)
        self._lanes["band"].put(job, self.parts.band.init(path, ends))

    def _start_around(self, pair: Wanted) -> None:
        """Let searches wait that start around a minimum, each at a place of its own."""
        number = self.ledger.n_connections
        generator = torch.Generator().manual_seed(self.sizes.seed * 1_000_003 + number)
        starts, n_evaluations = self.parts.around(self.minima.positions[pair.first], pair.n_searches, generator)
        self._n_evaluations += n_evaluations
        self.ledger.add_connection(
            (pair.first, pair.second),
            pair.reason,
            outcome=Outcome.CONVERGED,
            n_maxima=pair.n_searches,
            n_evaluations=n_evaluations,
        )
        nothing = torch.zeros_like(starts[0], dtype=self.sizes.dtype, device=self.sizes.device)
        for start in starts.to(self.sizes.device, self.sizes.dtype):
            self._wait(Search(number, start, tangent=nothing, pair=(nothing, nothing)))

    def _wait(self, search: Search) -> None:
        job = int(self._jobs(1))
        self._searches[job] = search
        self._waiting.append(job)

    def _start_searches(self, jobs: list[int]) -> None:
        some = [self._searches[job] for job in jobs]
        stacked = [torch.stack(rows) for rows in zip(*((s.start, s.tangent, *s.pair) for s in some), strict=True)]
        start, tangent, step, fall = stacked
        second = None
        if self.parts.second is not None:
            second = self.parts.second(start)
            self._n_evaluations += len(start) * hessian_cost(start)
        state = self.parts.rough.init(start, mode=tangent, second=second, pair=(step, fall))
        self._lanes["rough"].put(torch.tensor(jobs, device=start.device), state)

    def _advance(self) -> None:
        """Make one step in every lane."""
        busy = {name: lane for name, lane in self._lanes.items() if len(lane)}
        done: dict[str, tuple[Rows, Index]] = {}
        for names in _by_dtype(busy):
            places = [busy[name].positions for name in names]
            now = self.parts.potential(torch.cat(places))
            self._n_evaluations += len(now.energy)
            at = 0
            for name, place in zip(names, places, strict=True):
                part = slice(at, at + len(place))
                at += len(place)
                done[name] = busy[name].advance(Evaluation(now.energy[part], now.forces[part]))
        for name, (rows, outcome) in done.items():
            if len(rows.job):
                getattr(self, f"_end_{name}")(rows, outcome)

    def _end_band(self, rows: Rows, outcome: Index) -> None:
        """Note paths, and let their maxima wait for a search."""
        found = candidates(rows.state)
        n_images = rows.seen.shape[1]
        ceiling = rows.state.energy[:, [0, -1]].amax(dim=1) + self.parts.highest
        is_low = found.energy <= ceiling[found.band]
        for row, (job, code, n_steps) in enumerate(_listed(rows.job, outcome, rows.n_steps)):
            pair = self._bands.pop(job)
            is_here = found.band == row
            maxima = (is_here & is_low).nonzero()[:, 0].tolist()
            if code == Outcome.NON_FINITE:
                maxima = []
            elif not is_here.any():
                code = int(Outcome.NO_BARRIER)
            number = self.ledger.add_connection(
                (pair.first, pair.second),
                pair.reason,
                outcome=Outcome(code),
                n_maxima=len(maxima),
                n_evaluations=n_steps * n_images,
            )
            self.n_pairs += 1
            for place in maxima:
                step = found.step[place], found.fall[place]
                self._wait(Search(number, found.positions[place], tangent=found.tangent[place], pair=step))

    def _end_rough(self, rows: Rows, outcome: Index) -> None:
        """Go on exactly with what was followed to a stationary point; give up the others."""
        there = self._spent("rough", rows, outcome)
        if not len(there.job):
            return
        state = there.state
        start = state.base.double()
        exact = self.parts.exact.init(start, mode=state.mode.view_as(start), second=state.second)
        self._lanes["exact"].put(there.job, exact)

    def _end_exact(self, rows: Rows, outcome: Index) -> None:
        """Look at stationary points: are they known, of the molecule, of index one? Then go down on both sides."""
        there = self._spent("exact", rows, outcome)
        if not len(there.job):
            return
        found = saddles(self.parts.exact, there.state, torch.ones_like(there.job), torch.zeros_like(there.job))
        keys = self.parts.sieve.guard.keys(found.positions)
        known = self.transition_states.match(found.positions, found.energy, keys)
        guarded = self.parts.sieve.guard.outcome(found.positions).tolist()
        fresh: list[int] = []
        for row, (job, number) in enumerate(_listed(there.job, known)):
            if number >= 0:
                self._judge.close(
                    self._searches.pop(job), Outcome.CONVERGED, energy=float(found.energy[row]), known=number
                )
            elif Outcome(guarded[row]) in _NO_TRANSITION_STATE:
                self._judge.close(self._searches.pop(job), Outcome(guarded[row]), energy=float(found.energy[row]))
            else:
                self._searches[job].key = keys[row]
                fresh.append(row)
        if fresh:
            self._start_down(there.job[fresh], take_rows(found, torch.tensor(fresh)))

    def _start_down(self, jobs: Index, found: Saddles) -> None:
        modes = self.parts.modes(found.positions)
        self._n_evaluations += int(modes.n_evaluations.sum())
        is_one = modes.n_negative == 1
        for row, job in enumerate(jobs.tolist()):
            search = self._searches[job]
            search.n_evaluations += int(modes.n_evaluations[row])
            search.saddle = replace(take_rows(found, torch.tensor([row])), curvature=modes.lowest[row : row + 1])
            search.log_product = float(modes.log_product[row])
            if not is_one[row]:
                self._judge.close(self._searches.pop(job), Outcome.WRONG_INDEX, energy=float(found.energy[row]))
        if not is_one.any():
            return
        direction = modes.direction[is_one]
        longest = torch.linalg.vector_norm(direction, dim=-1).amax(dim=-1)[:, None, None]
        shift = self.parts.push * direction / longest
        start = torch.cat([found.positions[is_one] + shift, found.positions[is_one] - shift])
        sides = torch.cat([2 * jobs[is_one], 2 * jobs[is_one] + 1])
        start = start.to(self.sizes.device, self.sizes.dtype)
        self._lanes["down"].put(sides, self.parts.relaxation.rough.init(start))

    def _end_down(self, rows: Rows, outcome: Index) -> None:
        """Polish what has come down, unless it is a known minimum; take that one's place."""
        self._charge(rows)
        ends = _ends(rows, outcome)
        known = self.parts.sieve.recognise(ends, self.minima, is_rough=True)
        is_fresh = (outcome == Outcome.CONVERGED) & (known < 0)
        arrived = take_rows(rows, is_fresh)
        if len(arrived.job):
            self._lanes["polish"].put(arrived.job, self.parts.relaxation.polish.init(arrived.place.double()))
        number = known.clamp(min=0).to(self.minima.energies.device)
        ends = replace(
            ends,
            positions=torch.where(
                (known < 0)[:, None, None], ends.positions, self.minima.positions[number].to(ends.positions)
            ),
            energy=torch.where(known < 0, ends.energy, self.minima.energies[number].to(ends.energy)),
        )
        self._arrive(rows.job[~is_fresh], take_rows(ends, ~is_fresh))

    def _end_polish(self, rows: Rows, outcome: Index) -> None:
        """Take note of ends; settle searches whose both ends are there."""
        self._charge(rows)
        self._arrive(rows.job, _ends(rows, outcome))

    def _arrive(self, sides: Index, ends: Minima) -> None:
        for row, side in enumerate(sides.tolist()):
            search = self._searches[side // 2]
            search.ends[side % 2] = take_rows(ends, torch.tensor([row]))
            if len(search.ends) == 2:
                self._judge.settle(self._searches.pop(side // 2))

    def _charge(self, rows: Rows) -> None:
        """Charge searches with the steps of their ways down."""
        for side, n_steps in _listed(rows.job, rows.n_steps):
            if side // 2 in self._searches:
                self._searches[side // 2].n_evaluations += n_steps

    def _spent(self, lane: str, rows: Rows, outcome: Index) -> Rows:
        """Charge searches with their steps, end those that failed, and return those that are there."""
        again: list[int] = []
        for row, (job, code, n_steps) in enumerate(_listed(rows.job, outcome, rows.n_steps)):
            search = self._searches[job]
            search.n_evaluations += n_steps
            if (
                code == Outcome.OUT_OF_STEPS
                and self.parts.second
                and search.n_evaluations < self.parts.limits.max_steps
            ):
                again.append(row)
            elif code != Outcome.CONVERGED:
                self._judge.close(self._searches.pop(job), Outcome(code), energy=float(rows.state.energy[row]))
        if again:
            self._renew(lane, take_rows(rows, torch.tensor(again)))
        return take_rows(rows, outcome == Outcome.CONVERGED)

    def _renew(self, lane: str, rows: Rows) -> None:
        """Let searches go on from where they are, with Hessians worked out anew: those brought up to date may be far off."""
        assert self.parts.second is not None
        follower = replace(getattr(self.parts, lane), jitter=0.0)
        second = self.parts.second(rows.state.base)
        for job in rows.job.tolist():
            self._searches[job].n_evaluations += hessian_cost(rows.state.base)
        self._n_evaluations += len(rows.job) * hessian_cost(rows.state.base)
        state = follower.init(rows.state.base, mode=rows.state.mode.view_as(rows.state.base), second=second)
        self._lanes[lane].put(rows.job, state)

    def _jobs(self, n: int) -> Tensor:
        first, self._n_jobs = self._n_jobs, self._n_jobs + n
        return torch.arange(first, self._n_jobs, device=self.sizes.device)


def _followed(follower: Follow, limits: Convergence, rows: Rows) -> Index:
    return follower.outcome(rows.state, rows.now, rows.n_steps, limits)


def _ends(rows: Rows, outcome: Index) -> Minima:
    """Return where ways down ended."""
    return Minima(
        positions=rows.place.double(),
        energy=rows.now.energy,
        fmax=fmax(rows.now.forces).double(),
        outcome=outcome,
        n_evaluations=rows.n_steps,
    )


def _relaxed(convergence: Convergence, rows: Rows) -> Index:
    return judge(rows.place, rows.now, rows.n_steps, convergence)


def _by_dtype(lanes: dict[str, Lane]) -> list[list[str]]:
    groups: dict[torch.dtype, list[str]] = {}
    for name, lane in lanes.items():
        groups.setdefault(lane.positions.dtype, []).append(name)
    return list(groups.values())


def _listed(*columns: Index) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


__all__ = ["Connecting"]
