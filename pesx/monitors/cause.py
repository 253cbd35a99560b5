"""Why a replica left the chemistry it was started with."""

from enum import IntEnum


class Cause(IntEnum):
    """What went wrong. Stored as its number, so a number never changes its meaning."""

    BOND_BROKEN = 1
    BOND_FORMED = 2
    HYDROGEN_LOST = 3
    PROTON_TRANSFERRED = 4
    CENTRE_INVERTED = 5
    AMIDE_FLIPPED = 6
    FRAGMENTED = 7
    CLASH = 8
    HOT = 9
    ENERGY_DRIFT = 10
    NON_FINITE = 11
    UNCERTAIN = 12
    TRUNCATED = 13

    @property
    def sentence(self) -> str:
        """One sentence for a person."""
        return _SENTENCES[self]


_SENTENCES = {
    Cause.BOND_BROKEN: "A bond broke while the pieces still touch.",
    Cause.BOND_FORMED: "Two atoms that were not bonded are.",
    Cause.HYDROGEN_LOST: "A hydrogen left its atom and is bonded to none.",
    Cause.PROTON_TRANSFERRED: "A hydrogen left its atom and is bonded to another.",
    Cause.CENTRE_INVERTED: "A stereocentre or a double bond changed its form.",
    Cause.AMIDE_FLIPPED: "An amide went from trans to cis or from cis to trans.",
    Cause.FRAGMENTED: "A piece with a heavy atom is out of touch with the rest.",
    Cause.CLASH: "Two atoms are inside each other.",
    Cause.HOT: "The kinetic temperature is beyond anything the thermostat's ensemble allows.",
    Cause.ENERGY_DRIFT: "The total energy drifts where it should be conserved.",
    Cause.NON_FINITE: "Positions, velocities or energy became NaN or infinite.",
    Cause.UNCERTAIN: "The uncertainty of the energy is beyond its calibrated range.",
    Cause.TRUNCATED: "The file ends within a frame.",
}

NOT_FAILURES = frozenset({Cause.UNCERTAIN, Cause.TRUNCATED})
"""What is recorded but, unless asked for, ends no replica: neither says that the chemistry was left."""

FAILURES = frozenset(Cause) - NOT_FAILURES
"""What ends a replica unless other causes are named."""
