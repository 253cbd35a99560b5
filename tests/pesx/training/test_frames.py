from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.training.dataset import Dataset
from pesx.training.frames import FrameTable, find_pairs
from pesx.training.loss import LossSettings
from pesx.training.reference import References
from pesx.training.step import energy_and_forces, loss_of

CUTOFF = 3.0


@pytest.fixture
def table(make_frames):
    molecules = (make_frames([1, 8, 1], 5, 0), make_frames([6, 1, 1, 1, 1, 8, 7, 1, 1], 4, 1))
    return FrameTable(Dataset(molecules), {"toy": References(dict.fromkeys((1, 6, 7, 8), -10.0), 4)}, cutoff=CUTOFF)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return So3krates(So3kratesSettings(features=24, n_layers=2, n_heads=4, degrees=(1, 2), cutoff=CUTOFF, n_radial=8))


def test_pairs_are_those_within_the_cutoff(make_frames):
    molecule = make_frames([6] * 9, 3, 2)
    pairs, counts = find_pairs(molecule, CUTOFF)
    distance = np.linalg.norm(molecule.positions[:, :, None] - molecule.positions[:, None], axis=-1)
    expected = [[(i, j) for i in range(9) for j in range(i + 1, 9) if apart[i, j] < CUTOFF] for apart in distance]
    assert [tuple(pair) for pair in pairs.T.tolist()] == [pair for frame in expected for pair in frame]
    assert counts.tolist() == [len(frame) for frame in expected]


def test_references_are_taken_from_the_energies(table):
    batch = table.batch(np.array([0, 5]))
    expected = [table.molecules[0].energy[0] + 30, table.molecules[1].energy[0] + 90]
    np.testing.assert_allclose(batch.energy, expected, rtol=1e-6)


@pytest.mark.parametrize("batch_pairs", [1, 40, 10_000])
def test_packing_keeps_every_frame_and_both_limits(table, batch_pairs):
    order = np.random.default_rng(0).permutation(len(table))
    batches = list(table.packed(order, batch_frames=4, batch_pairs=batch_pairs))
    np.testing.assert_array_equal(np.concatenate(batches), order)
    assert all(len(batch) <= 4 for batch in batches)
    assert all(table.n_pairs[batch].sum() <= batch_pairs or len(batch) == 1 for batch in batches)


@pytest.mark.parametrize("chosen", [[0], [1, 6], [8, 0, 7, 2], [5, 6, 7, 8]])
def test_padding_changes_neither_loss_nor_gradient(table, model, chosen):
    padding = table.padding(batch_frames=4, batch_pairs=150)
    results = []
    for pad in (None, padding):
        batch = table.batch(np.array(chosen), pad)
        model.zero_grad()
        energy, forces = energy_and_forces(model, batch.graph, create_graph=True)
        loss = loss_of(LossSettings(), batch, energy=energy, forces=forces, energy_weight=0.3)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        results.append((loss.detach(), gradient))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-4)


def test_padding_changes_nothing_with_charges_and_long_range_either(table):
    charged = tuple(replace(m, charge=q, multiplicity=2) for m, q in zip(table.molecules, (1, -1), strict=True))
    table = FrameTable(
        Dataset(charged), {"toy": References(dict.fromkeys((1, 6, 7, 8), -10.0), 4)}, cutoff=table.cutoff
    )
    options = dict.fromkeys(("charge_embedding", "spin_embedding", "zbl", "electrostatics", "dispersion"), True)
    torch.manual_seed(0)
    settings = So3kratesSettings(elements=(1, 6, 7, 8), features=24, n_layers=2, degrees=(1, 2), cutoff=3.0, **options)
    model, chosen = So3krates(settings), np.array([5, 0, 7])
    plain, padded = (table.batch(chosen, pad) for pad in (None, table.padding(batch_frames=4, batch_pairs=150)))
    assert plain.graph.charge.tolist() == [float(charged[table.molecule[frame]].charge) for frame in chosen]
    assert plain.graph.n_unpaired.tolist() == [1.0] * 3
    results = [energy_and_forces(model, batch.graph, create_graph=False) for batch in (plain, padded)]
    (energy, forces), (padded_energy, padded_forces) = results
    torch.testing.assert_close(padded_energy[:3].detach(), energy.detach(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(padded_forces[: len(forces)], forces, rtol=1e-4, atol=1e-3)
    assert padded_energy.isfinite().all()
    assert padded_forces.isfinite().all()


def test_every_pass_sees_every_frame_once_in_another_order(table):
    first, second = (table.order(seed=1, epoch=epoch, together=4) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(len(table)))
    assert list(first) != list(second)


def test_frames_with_relative_energies_follow_each_other(make_frames):
    molecules = (make_frames([1, 8, 1], 40, 0), replace(make_frames([6, 1, 1], 8, 1), is_relative=True))
    table = FrameTable(Dataset(molecules), {"toy": References(dict.fromkeys((1, 6, 8), -10.0), 3)}, cutoff=CUTOFF)
    order = table.order(seed=3, epoch=0, together=4)
    assert sorted(order) == list(range(48))
    places = np.flatnonzero(table.molecule[order] == 1)
    assert np.diff(places)[[0, 1, 2, 4, 5, 6]].tolist() == [1] * 6
    assert len(set(order[places])) == 8


def test_only_differences_of_relative_energies_count(make_frames, model):
    relative = replace(make_frames([1, 8, 1], 5, 0), is_relative=True)
    absolute, losses = make_frames([6, 1, 1], 5, 1), []
    for shift in (0.0, 100.0):
        moved = (replace(relative, energy=relative.energy + shift), absolute)
        table = FrameTable(Dataset(moved), {"toy": References(dict.fromkeys((1, 6, 8), -10.0), 3)}, cutoff=CUTOFF)
        batch = table.batch(np.array([1, 7, 3, 4]), table.padding(batch_frames=4, batch_pairs=150))
        energy, forces = energy_and_forces(model, batch.graph, create_graph=False)
        spread = torch.zeros_like(energy)
        spread[[0, 2, 3]] = shift
        losses += [
            loss_of(LossSettings(), batch, energy=energy + more, forces=forces, energy_weight=1.0).item()
            for more in (0.0, spread)
        ]
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)


def test_atoms_pull_with_their_force_weight(make_frames, model):
    whole = make_frames([1, 8, 1], 3, 0)
    references, losses = {"toy": References(dict.fromkeys((1, 8), -10.0), 2)}, []
    for weight in ([[1, 1, 1]] * 3, [[1, 1, 1], [0, 0, 0], [0, 0, 0]], [[0, 2, 0], [0, 0, 0], [0, 0, 0]]):
        weighted = replace(whole, force_weight=np.array(weight, dtype=np.float32))
        batch = FrameTable(Dataset((weighted,)), references, cutoff=CUTOFF).batch(np.arange(3))
        energy, forces = energy_and_forces(model, batch.graph, create_graph=False)
        losses.append(loss_of(LossSettings(), batch, energy=energy, forces=forces, energy_weight=0.0).item())
        off = (forces - batch.forces).square().sum(-1)
        each = torch.sqrt(off + 1e-4) - 0.01
        expected = (each * torch.tensor(weight).flatten()).mean()
        assert losses[-1] == pytest.approx(expected.item(), rel=1e-5)
    assert len(set(losses)) == 3


@pytest.mark.parametrize("label", ["energy", "forces"])
def test_a_missing_label_pulls_nothing_and_weakens_no_other(make_frames, model, label):
    whole = make_frames([1, 8, 1], 4, 0)
    values = getattr(whole, label).copy()
    values[1:] = np.nan
    references = {"toy": References(dict.fromkeys((1, 8), -10.0), 2)}
    partly = FrameTable(Dataset((replace(whole, **{label: values}),)), references, cutoff=CUTOFF).batch(np.arange(4))
    alone = FrameTable(Dataset((whole,)), references, cutoff=CUTOFF).batch(np.arange(1))
    settings = LossSettings(force_weight=1.0 if label == "forces" else 1e-9)
    losses = []
    for batch in (partly, alone):
        energy, forces = energy_and_forces(model, batch.graph, create_graph=False)
        weight = 1.0 if label == "energy" else 0.0
        losses.append(loss_of(settings, batch, energy=energy, forces=forces, energy_weight=weight).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_each_frame_is_answered_by_the_head_of_its_level(make_frames):
    molecules = (make_frames([1, 8, 1], 3, 0), replace(make_frames([1, 8, 1], 3, 0), level="other"))
    references = {level: References({1: zero, 8: zero}, 2) for level, zero in (("other", 0.0), ("toy", -10.0))}
    table = FrameTable(Dataset(molecules), references, cutoff=CUTOFF)
    torch.manual_seed(0)
    settings = So3kratesSettings(features=24, n_layers=1, degrees=(1, 2), cutoff=CUTOFF, levels=table.levels)
    model = So3krates(settings)
    batch = table.batch(np.array([4, 1]))
    assert batch.level.tolist() == [0, 1]
    np.testing.assert_allclose(batch.energy, [molecules[1].energy[1], molecules[0].energy[1] + 30], rtol=1e-6)
    both = model.interaction_energies(batch.graph, batch.level)
    for place, level in enumerate((0, 1)):
        alone = model.interaction_energies(table.batch(np.array([4, 1])[[place]]).graph, level)
        torch.testing.assert_close(both[place : place + 1], alone)


def test_padded_batches_have_one_shape(table):
    padding = table.padding(batch_frames=4, batch_pairs=150)
    order = np.arange(len(table))
    shapes = set()
    for chosen in table.packed(order, batch_frames=4, batch_pairs=150):
        graph = table.batch(chosen, padding).graph
        shapes.add((graph.positions.shape, graph.pair_i.shape, graph.n_molecules, graph.width))
        assert torch.unique(graph.slot).numel() == graph.slot.numel()
        assert graph.slot.max() < graph.n_molecules * graph.width
    assert len(shapes) == 1


def test_forces_are_minus_the_gradient(table, model):
    model.double()
    graph = table.batch(np.array([1, 7])).graph
    positions = graph.positions.double()
    _, forces = energy_and_forces(model, replace(graph, positions=positions), create_graph=False)
    direction = torch.randn(positions.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    h = 1e-4
    with torch.no_grad():
        up, down = (
            model.interaction_energies(replace(graph, positions=positions + s * h * direction)) for s in (1, -1)
        )
    assert (-(up - down).sum() / (2 * h)).item() == pytest.approx((forces * direction).sum().item(), rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.75, 0.9])
def test_the_target_level_has_its_share_of_a_pass(make_frames, toy_references, share):
    few, many = make_frames([1, 8, 1], 3, 0), replace(make_frames([1, 8, 1], 20, 1), level="other")
    references = toy_references | {"other": toy_references["toy"]}
    table = FrameTable(Dataset((many, few)), references, cutoff=CUTOFF)
    order = table.order(seed=1, epoch=0, together=4, target_share=share)
    times = np.bincount(order, minlength=23)
    assert set(times[:20]) == {1}
    assert len(set(times[20:])) == 1
    assert np.mean(order >= 20) >= share
    fewer = times[20:] - 1
    assert fewer[0] == 0 or fewer.sum() / (20 + fewer.sum()) < share
    assert np.array_equal(order, table.order(seed=1, epoch=0, together=4, target_share=share))


def test_no_share_is_the_order_of_one_level(toy_table):
    plain = toy_table.order(seed=1, epoch=2, together=4)
    assert np.array_equal(plain, toy_table.order(seed=1, epoch=2, together=4, target_share=0.5))
