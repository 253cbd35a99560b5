"""Whether a structure still is the molecule of the input: bonds, fragments, handedness, amides."""

from collections.abc import Iterable
from typing import Literal, get_args

import torch

from pesx.chemistry.perceive import BOND_FACTOR, CIS, TRANS, classify_torsions, perceive, radii
from pesx.chemistry.symmetry import heavy_automorphisms
from pesx.errors import ConfigError
from pesx.geometry.torsion import torsion_angles, triple_products
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.typing import Bool, Float, Index, Int, Mask, Positions, Tensor

BROKEN_FACTOR = 1.5
"""A bond of the input is broken beyond this times the sum of covalent radii; between this and 1.2 it may breathe."""

DEAD_ZONE = 0.1
"""Triple products smaller than this (of 0.77 in an ideal tetrahedron) have no handedness."""

Amides = Literal["keep", "allow"]
"""Whether an amide must stay cis or trans as in the input."""

AMIDE_POLICIES: tuple[str, ...] = get_args(Amides)

_CLOSER_THAN_INPUT = 0.95
_AMIDE_LETTERS = "tcx"
_OTHER_LETTER = {"R": "S", "S": "R", "+": "-", "-": "+"}


class MolecularGuard:
    """Checks structures against the chemistry of the input.

    Violations in order of precedence: NON_FINITE, FRAGMENTED, BOND_CHANGED, CENTRE_INVERTED (stereocentres, and double
    bonds that changed between cis and trans), AMIDE_FLIPPED.

    Args:
        molecule: With bonds, and with the handedness and amides that are to be kept in its positions.
        amides: ``keep`` counts an amide that left the class of the input as a violation; ``allow`` only tells such
            structures apart in their keys.
    """

    def __init__(self, molecule: Molecule, amides: str = "keep") -> None:
        if amides not in AMIDE_POLICIES:
            raise ConfigError(f"Expected amides to be one of {AMIDE_POLICIES}; came {amides!r}. Choose one of them.")
        self.molecule = molecule
        self.amides = amides
        self._topology = perceive(molecule)
        radius = radii(molecule.numbers)
        self._reach = radius[:, None] + radius
        self._is_bonded = torch.zeros(molecule.n_atoms, molecule.n_atoms, dtype=torch.bool)
        self._is_bonded[molecule.bonds[:, 0], molecule.bonds[:, 1]] = True
        self._is_bonded |= self._is_bonded.T.clone()
        # Close pairs of small cages lie hardly beyond 1.2 in the input; a vibration must not bond them.
        start = self._ratios(molecule.positions[None])[0]
        self._formed_below = torch.clamp(_CLOSER_THAN_INPUT * start, max=BOND_FACTOR).fill_diagonal_(-torch.inf)
        self._amide_orders = _exchanges(self._topology.amides, heavy_automorphisms(molecule))

    def outcome(self, positions: Positions) -> Index:
        """Return CONVERGED, or the code of the first violation, per replica."""
        is_finite = torch.isfinite(positions).flatten(1).all(dim=1)
        ratio = self._ratios(positions)
        is_bonded = self._is_bonded.to(positions.device)
        is_broken = ((ratio > BROKEN_FACTOR) & is_bonded).flatten(1).any(dim=1)
        is_formed = ((ratio < self._formed_below.to(ratio)) & ~is_bonded).flatten(1).any(dim=1)
        in_pieces = is_broken.clone()  # only what lost a bond can have fallen apart
        in_pieces[is_broken] = ~is_connected(ratio[is_broken] < BROKEN_FACTOR)
        code = torch.full((len(positions),), int(Outcome.CONVERGED), device=positions.device)
        for violated, outcome in (
            (self._has_flipped_amide(positions), Outcome.AMIDE_FLIPPED),
            (self._has_inverted_centre(positions), Outcome.CENTRE_INVERTED),
            (is_broken | is_formed, Outcome.BOND_CHANGED),
            (in_pieces, Outcome.FRAGMENTED),
            (~is_finite, Outcome.NON_FINITE),
        ):
            code = torch.where(violated, int(outcome), code)
        return code

    def keys(self, positions: Positions) -> list[str]:
        """Return handedness and amides of each replica, such as ``SSS|tttc``.

        Letters are R and S (+ and - where the rules give neither, ? for a flat centre), then t, c or x (twisted) per
        amide, then t, c or x per double bond where there are any. Amides that the molecule's symmetry exchanges are
        written in the order that comes first in the alphabet.
        """
        topology = self._topology
        signs = self._signed(positions)
        # A value that is not finite has no handedness either.
        signs = torch.where(signs.abs() >= DEAD_ZONE, signs.sign(), 0.0).nan_to_num().long()
        parts = signs, self._classes(positions, topology.amides), self._classes(positions, topology.double_bonds)
        # Many structures have the same chemistry: it is spelt once.
        codes = [tuple(code) for code in torch.cat(parts, dim=1).tolist()]
        spelt = {code: self._spelt(code) for code in set(codes)}
        return [spelt[code] for code in codes]

    def _spelt(self, code: tuple[int, ...]) -> str:
        """Return the key of the signs of centres, the classes of amides and those of double bonds."""
        letters = self._topology.letters
        first, last = len(letters), len(letters) + len(self._topology.amides)
        signs, amides, doubles = code[:first], code[first:last], code[last:]
        centres = "".join(_letter(own, sign) for own, sign in zip(letters, signs, strict=True))
        key = centres + "|" + min(_spell(amides[place] for place in order) for order in self._amide_orders.tolist())
        return key + ("|" + _spell(doubles) if doubles else "")

    def _ratios(self, positions: Positions) -> Float[Tensor, "B N N"]:
        """Return distances over sums of covalent radii."""
        return torch.cdist(positions, positions) / self._reach.to(positions)

    def _signed(self, positions: Positions) -> Float[Tensor, "B S"]:
        """Return triple products, positive where the handedness is that of the input."""
        centres = self._topology.centres.to(positions.device)
        return triple_products(positions, centres) * self._topology.handedness.to(positions)

    def _classes(self, positions: Positions, quads: Int[Tensor, "T 4"]) -> Int[Tensor, "B T"]:
        return classify_torsions(torsion_angles(positions, quads.to(positions.device)))

    def _has_inverted_centre(self, positions: Positions) -> Mask:
        doubles = self._classes(positions, self._topology.double_bonds)
        start = self._topology.double_bond_classes.to(positions.device)
        # CIS and TRANS sum to one whichever comes first; a twisted double bond is strained, not another molecule.
        has_switched = (doubles + start == CIS + TRANS).any(dim=1)
        return (self._signed(positions) < -DEAD_ZONE).any(dim=1) | has_switched

    def _has_flipped_amide(self, positions: Positions) -> Mask:
        if self.amides == "allow":
            return torch.zeros(len(positions), dtype=torch.bool, device=positions.device)
        start = self._topology.amide_classes.to(positions.device)
        return (self._classes(positions, self._topology.amides) != start).any(dim=1)


def is_connected(is_near: Bool[Tensor, "B N N"]) -> Mask:
    """Return whether each graph, given by its adjacency, is in one piece."""
    n_atoms = is_near.shape[-1]
    reached = (is_near | torch.eye(n_atoms, dtype=torch.bool, device=is_near.device)).float()
    for _ in range(max(1, (n_atoms - 1).bit_length())):
        reached = (reached @ reached > 0).float()
    return (reached > 0).flatten(1).all(dim=1)


def _letter(own: str, sign: int) -> str:
    return {1: own, 0: "?", -1: _OTHER_LETTER[own]}[sign]


def _spell(classes: Iterable[int]) -> str:
    return "".join(_AMIDE_LETTERS[value] for value in classes)


def _exchanges(amides: Int[Tensor, "A 4"], orders: Int[Tensor, "P N"]) -> Int[Tensor, "Q A"]:
    """Return the distinct orders of the amides under the automorphisms of the molecule."""
    place = {(c, n): index for index, (_, c, n, _) in enumerate(amides.tolist())}
    bonds = [(c, n) for _, c, n, _ in amides.tolist()]
    found = {tuple(place[order[c], order[n]] for c, n in bonds) for order in orders.tolist()}
    return torch.tensor(sorted(found), dtype=torch.int64).reshape(len(found), len(bonds))
