import torch

from pesx.analysis.frames import frames_of
from pesx.analysis.implied import Quenching, implied_minima
from pesx.explore.presets import molecule_parts
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.registry import make_potential

SMALL = Quenching(dtype=torch.float64, n_rows=4)


class Counted:
    """A potential that counts the structures it is asked about."""

    def __init__(self, potential):
        self.potential, self.n = potential, 0

    def __call__(self, positions):
        self.n += len(positions)
        return self.potential(positions)


def quenched(folder, molecule, surface, frames, *, seen=None):
    potential = Counted(make_potential(surface, molecule)[0])
    parts, archive = molecule_parts(potential, molecule, n_seeds=0)
    with RunStore.read(folder) as store:
        minima = store.minima()

    def note(done, total):
        if seen is not None:
            seen.append((done, total))

    out = implied_minima(parts, archive, minima, frames=frames, kept=folder / "kept.npz", how=SMALL, on_progress=note)
    return out, potential.n


def test_frames_end_in_what_was_found_and_in_what_was_not(run_folder, molecule, surface, data):
    folder = run_folder(3.1, 1.0)
    frames = frames_of(molecule, data(3.0, -1.0))
    seen = []
    implied, _ = quenched(folder, molecule, surface, frames, seen=seen)
    assert implied.n_found == 2
    assert implied.minimum.tolist() == [0, 0, 0, 2, 2, 2]
    assert implied.counts.tolist() == [3, 0, 3]
    assert (implied.outcome == int(Outcome.CONVERGED)).all()
    # The third is the mirror image of the second.
    assert abs(implied.energy[2] - implied.energy[1]) < 1e-5
    assert seen == [(0, 6), (4, 6), (6, 6)]


def test_nothing_is_quenched_twice(run_folder, molecule, surface, data):
    folder = run_folder(3.1, 1.0)
    first = frames_of(molecule, data(3.0, -1.0))
    before, n_first = quenched(folder, molecule, surface, first)
    again, n_again = quenched(folder, molecule, surface, first)
    assert n_first > n_again == 0
    assert again.minimum.tolist() == before.minimum.tolist()
    more, n_more = quenched(folder, molecule, surface, torch.cat([first, first[:1], first[:1] + 0.01]))
    assert 0 < n_more < n_first
    assert more.minimum.tolist() == [*before.minimum.tolist(), 0, 0]


def test_what_the_run_has_found_since_is_no_longer_another_minimum(run_folder, molecule, surface, data, tmp_path):
    frames = frames_of(molecule, data(3.0, -1.0))
    folder = run_folder(3.1)
    quenched(folder, molecule, surface, frames)
    (folder / "landscape.db").rename(tmp_path / "old.db")
    (folder / "config.toml").unlink()
    run_folder(3.1, 1.0, -1.0)
    implied, n = quenched(folder, molecule, surface, frames)
    assert n == 0
    assert implied.minimum.tolist() == [0, 0, 0, 2, 2, 2]
    assert len(implied.energy) == 3


def test_a_frame_of_other_chemistry_ends_nowhere(run_folder, molecule, surface, data):
    frames = frames_of(molecule, data(3.0, 1.0))[2:]
    frames[0, 3] += 30.0
    frames[1] = torch.nan
    implied, _ = quenched(run_folder(3.1), molecule, surface, frames)
    assert implied.minimum[1] == -1
    assert implied.outcome[1] != int(Outcome.CONVERGED)
    assert implied.minimum[2:].tolist() == [1, 1]
