"""What a transition state joins: both ends looked up or added, and all of it noted."""

from collections import Counter

from pesx.connect.jobs import Search
from pesx.connect.ledger import FoundMinimum, FoundTransitionState, Ledger
from pesx.connect.parts import Parts
from pesx.landscape.archive import MinimaArchive
from pesx.outcome import Outcome
from pesx.state import Minima, cat_rows, take_rows


class Judge:
    """Decides on searches that have ended, and notes the decision.

    Args:
        parts: Rules and modes.
        minima: Archive of the run's minima.
        transition_states: Archive of its transition states.
        ledger: Where decisions go.
    """

    def __init__(
        self, parts: Parts, *, minima: MinimaArchive, transition_states: MinimaArchive, ledger: Ledger
    ) -> None:
        self._parts, self._ledger = parts, ledger
        self._minima, self._transition_states = minima, transition_states
        self.outcomes: Counter[Outcome] = Counter()
        self.n_evaluations = 0

    def settle(self, search: Search) -> None:
        """Decide what a transition state joins."""
        assert search.saddle is not None
        sieve, energy = self._parts.sieve, float(search.saddle.energy)
        ends = sieve.judge(cat_rows([search.ends[0], search.ends[1]]), self._minima)
        wrong = [code for code in ends.outcome.tolist() if code != Outcome.CONVERGED]
        if wrong:
            return self.close(search, Outcome(wrong[0]), energy=energy)
        if not self._add_unknown(ends):
            return self.close(search, Outcome.WRONG_INDEX, energy=energy)
        first, second = sieve.recognise(ends, self._minima, is_rough=False).tolist()
        if first < 0 or second < 0:
            return self.close(search, Outcome.WRONG_INDEX, energy=energy)
        if energy < float(self._minima.energies[[first, second]].max()):
            return self.close(search, Outcome.BELOW_MINIMUM, energy=energy)
        saddle = search.saddle
        stored = Minima(saddle.positions, saddle.energy, saddle.fmax, saddle.outcome, saddle.n_evaluations)
        added = self._transition_states.add(stored, [search.key])
        if not added.is_new.item():  # another search was faster
            return self.close(search, Outcome.CONVERGED, energy=energy, known=int(added.index))
        new = FoundTransitionState(
            positions=saddle.positions[0].cpu(),
            energy=energy,
            fmax=float(saddle.fmax),
            curvature=float(saddle.curvature),
            log_product=search.log_product,
            first=first,
            second=second,
            key=search.key,
        )
        return self.close(search, Outcome.CONVERGED, energy=energy, new=new)

    def close(
        self,
        search: Search,
        outcome: Outcome,
        *,
        energy: float,
        known: int = -1,
        new: FoundTransitionState | None = None,
    ) -> None:
        """Note how a search ended; see :meth:`pesx.connect.ledger.Ledger.add_search`."""
        self.outcomes[outcome] += 1
        self._ledger.add_search(
            search.connection,
            outcome=outcome,
            energy=energy,
            n_evaluations=search.n_evaluations,
            known=known,
            new=new,
        )

    def _add_unknown(self, ends: Minima) -> bool:
        """Add ends that are new minima; return whether all are minima at all."""
        known = self._parts.sieve.recognise(ends, self._minima, is_rough=False)
        fresh = take_rows(ends, known < 0)
        if not len(fresh.energy):
            return True
        modes = self._parts.modes(fresh.positions)
        self.n_evaluations += int(modes.n_evaluations.sum())
        if (modes.n_negative != 0).any():
            return False
        keys = self._parts.sieve.guard.keys(fresh.positions)
        added = self._minima.add(fresh, keys)
        for row in added.is_new.nonzero()[:, 0].tolist():
            self._ledger.add_minimum(
                FoundMinimum(
                    positions=fresh.positions[row].cpu(),
                    energy=float(fresh.energy[row]),
                    fmax=float(fresh.fmax[row]),
                    lowest_curvature=float(modes.lowest[row]),
                    log_product=float(modes.log_product[row]),
                    n_evaluations=int(fresh.n_evaluations[row]),
                    key=keys[row],
                )
            )
        return True


__all__ = ["Judge"]
