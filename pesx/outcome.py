"""Why a replica stopped, or that it has not."""

from enum import IntEnum


class Outcome(IntEnum):
    """The state of one replica. Stored as its number, so a number never changes its meaning."""

    RUNNING = 0
    CONVERGED = 1
    OUT_OF_STEPS = 2
    NON_FINITE = 3
    RUNAWAY = 4
    BOND_CHANGED = 5
    CENTRE_INVERTED = 6
    AMIDE_FLIPPED = 7
    FRAGMENTED = 8
    WRONG_INDEX = 9
    OUTSIDE_WINDOW = 10
    SUSPICIOUS_ENERGY = 11
    NO_BARRIER = 12
    BELOW_MINIMUM = 13

    @property
    def sentence(self) -> str:
        """One sentence for a person."""
        return _SENTENCES[self]

    @property
    def is_violation(self) -> bool:
        """Whether the structure left the chemistry of the input; such structures are kept outside the main set."""
        return self in _VIOLATIONS


_SENTENCES = {
    Outcome.RUNNING: "Still on its way.",
    Outcome.CONVERGED: "A converged minimum with the chemistry of the input.",
    Outcome.OUT_OF_STEPS: "Did not converge within the steps allowed.",
    Outcome.NON_FINITE: "Energy or forces became NaN or infinite.",
    Outcome.RUNAWAY: "Energy, forces or extent went beyond any chemistry.",
    Outcome.BOND_CHANGED: "A bond of the input broke or a new one formed.",
    Outcome.CENTRE_INVERTED: "A stereocentre or a double bond changed its form.",
    Outcome.AMIDE_FLIPPED: "An amide bond left its cis or trans form.",
    Outcome.FRAGMENTED: "The structure fell into pieces.",
    Outcome.WRONG_INDEX: "Converged to a stationary point with a negative mode, not to a minimum.",
    Outcome.OUTSIDE_WINDOW: "Converged above the energy window.",
    Outcome.SUSPICIOUS_ENERGY: "Converged so far below all others that the potential itself is suspect.",
    Outcome.NO_BARRIER: "The path between two minima has no maximum.",
    Outcome.BELOW_MINIMUM: "A transition state below one of the minima it leads to.",
}

_VIOLATIONS = frozenset(
    {
        Outcome.BOND_CHANGED,
        Outcome.CENTRE_INVERTED,
        Outcome.AMIDE_FLIPPED,
        Outcome.FRAGMENTED,
        Outcome.SUSPICIOUS_ENERGY,
    }
)
