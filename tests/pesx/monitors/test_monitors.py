import pytest
import torch

from pesx.chemistry import molecule_from_smiles
from pesx.errors import ConfigError
from pesx.monitors import Frame, Monitors
from pesx.state import flatten, put_rows, take_rows, unflatten


def thermal(molecule, n, spread=0.03):
    generator = torch.Generator().manual_seed(0)
    return molecule.positions + spread * torch.randn(n, molecule.n_atoms, 3, generator=generator, dtype=torch.float64)


def test_nothing_is_told_of_a_molecule_that_shakes(ala3, watch):
    assert watch.scanned(ala3, thermal(ala3, 60)) == []


@pytest.mark.parametrize("smiles", ["O", "C", "[H][H]", "C#N", "OO"])
def test_small_molecules(smiles, watch):
    molecule = molecule_from_smiles(smiles)
    assert watch.scanned(molecule, thermal(molecule, 20)) == []


def test_cuts_change_nothing(ala3):
    """Wild motion, in which everything begins and ends all the time: the same events however it is cut."""
    monitors = Monitors(ala3, persistence=0.02)
    x = thermal(ala3, 120, spread=0.0)
    generator = torch.Generator().manual_seed(3)
    x += 0.12 * torch.randn(x.shape, generator=generator, dtype=torch.float64).cumsum(dim=0)
    x[50, 3] = torch.nan
    time = torch.arange(120, dtype=torch.float64) * 0.01
    found = []
    for size in (120, 1, 17):
        watch, events = monitors.start(Frame(x[:1], time[:1])), []
        for k in range(0, 120, size):
            watch, new = monitors.scan(watch, Frame(x[k : k + size], time[k : k + size]))
            events += new
        found.append([event.as_json() for event in events])
    assert len(found[0]) > 20
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_watch_is_a_value(ala3):
    """Rows can be taken and put, and a checkpoint of its tensors gives it back."""
    monitors = Monitors(ala3, drift_limit=1.0)
    x = thermal(ala3, 4)
    frame = Frame(x, torch.zeros(4, dtype=torch.float64), energy=torch.zeros(4, dtype=torch.float64))
    watch, _ = monitors.look(monitors.start(frame, 300.0), frame)
    assert watch.n_frames.tolist() == [1] * 4
    again = unflatten(monitors.start(frame), flatten(watch))
    assert all(
        torch.equal(a, b) or a.isnan().all()
        for a, b in zip(flatten(again).values(), flatten(watch).values(), strict=True)
    )
    fresh = put_rows(watch, torch.tensor([2]), take_rows(monitors.start(frame, 500.0), torch.tensor([2])))
    assert fresh.n_frames.tolist() == [1, 1, 0, 1]
    assert fresh.target.tolist() == [300.0, 300.0, 500.0, 300.0]


def test_undecided(ala3):
    monitors = Monitors(ala3)
    x = thermal(ala3, 30)
    x[12:, 20] += 4.0
    time = torch.arange(30, dtype=torch.float64) * 0.01
    watch = monitors.start(Frame(x[:1], time[:1]))
    watch, _ = monitors.scan(watch, Frame(x[:15], time[:15]))
    assert monitors.undecided_from(watch) == 12
    watch, events = monitors.scan(watch, Frame(x[15:], time[15:]))
    assert [event.frame for event in events] == [12]
    assert events[0].told == 22
    assert monitors.undecided_from(watch) is None


@pytest.mark.parametrize("settings", [{"persistence": -1.0}, {"drift_limit": 0.0}, {"uncertainty_limit": -1.0}])
def test_bad_settings(settings, ala3):
    with pytest.raises(ConfigError, match="Expected Monitors"):
        Monitors(ala3, **settings)
