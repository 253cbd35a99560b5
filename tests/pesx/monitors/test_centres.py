from pesx.chemistry import molecule_from_smiles, perceive
from pesx.guards.molecular import DEAD_ZONE as OF_GUARDS
from pesx.monitors import Cause
from pesx.monitors.centres import DEAD_ZONE


def test_dead_zone_as_where_minima_are_judged():
    assert DEAD_ZONE == OF_GUARDS


def test_mirror_image_inverts_every_centre(ala3, watch):
    positions, _ = watch.path_of(ala3, 15)
    positions[3:, :, 0] *= -1
    events = watch.scanned(ala3, positions)
    assert watch.told(events) == [(3, Cause.CENTRE_INVERTED)] * 3
    assert {event.atoms[0] for event in events} == set(perceive(ala3).centres[:, 0].tolist())
    assert all(event.value < -DEAD_ZONE for event in events)


def test_a_flat_centre_is_not_inverted(ala3, watch):
    """A stereocentre, with its hydrogen, in the plane of its three other neighbours has no handedness, and is no event."""
    alpha, *others = perceive(ala3).centres[0].tolist()
    near = [a + b - alpha for a, b in ala3.bonds.tolist() if alpha in (a, b)]
    hydrogen = next(a for a in near if ala3.numbers[a] == 1)
    positions, _ = watch.path_of(ala3, 15)
    shift = ala3.positions[others].mean(dim=0) - ala3.positions[alpha]
    positions[3:, [alpha, hydrogen]] += shift
    assert watch.scanned(ala3, positions) == []


def test_molecule_without_centres(watch):
    methane = molecule_from_smiles("C")
    positions, _ = watch.path_of(methane, 15)
    positions[3:, :, 0] *= -1
    assert watch.scanned(methane, positions) == []
