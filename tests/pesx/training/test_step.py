from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.training.loss import LossSettings
from pesx.training.settings import TrainingSettings
from pesx.training.step import energy_and_forces, loss_of, make_loss_step

FRAMES = np.array([0, 3, 7])
SETTINGS = TrainingSettings(n_steps=1)


def test_perfect_predictions_lose_nothing_and_others_something(toy_table):
    batch = toy_table.batch(FRAMES)
    perfect = {"energy": batch.energy, "forces": batch.forces}
    assert float(loss_of(LossSettings(), batch, **perfect, energy_weight=1.0)) == pytest.approx(0, abs=1e-7)
    for name in perfect:
        worse = perfect | {name: perfect[name] + 0.1}
        assert float(loss_of(LossSettings(), batch, **worse, energy_weight=1.0)) > 0.01


def test_the_energy_weight_weighs_the_energy_alone(toy_table):
    batch = toy_table.batch(FRAMES)
    off = {"energy": batch.energy + 1.0, "forces": batch.forces + 1.0}
    none, one, two = (float(loss_of(LossSettings(), batch, **off, energy_weight=weight)) for weight in (0.0, 1.0, 2.0))
    assert none > 0
    assert two - one == pytest.approx(one - none, rel=1e-5)
    assert one > none


def test_forces_are_minus_the_gradient_and_can_be_differentiated_again(toy_table, toy_model):
    toy_model.double()
    graph = toy_table.batch(FRAMES).graph
    graph = replace(graph, positions=graph.positions.double())
    _, forces = energy_and_forces(toy_model, graph, create_graph=False)
    assert not forces.requires_grad
    step = torch.zeros_like(graph.positions)
    step[4, 1] = 1e-5
    up, down = (toy_model.interaction_energies(replace(graph, positions=graph.positions + s * step)) for s in (1, -1))
    assert float((down - up).sum().detach()) / 2e-5 == pytest.approx(float(forces[4, 1]), abs=1e-5)
    _, forces = energy_and_forces(toy_model, graph, create_graph=True)
    forces.square().sum().backward()
    assert any(weight.grad is not None and weight.grad.abs().max() > 0 for weight in toy_model.parameters())


def test_the_plain_step_is_the_loss_of_the_frames(toy_table, toy_model):
    step = make_loss_step(toy_model, SETTINGS, toy_table)
    assert "plain" in step.how
    batch = toy_table.batch(FRAMES)
    energy, forces = energy_and_forces(toy_model, batch.graph, create_graph=False)
    expected = loss_of(SETTINGS.loss, batch, energy=energy.detach(), forces=forces, energy_weight=0.3)
    assert float(step(FRAMES, 0.3).detach()) == pytest.approx(float(expected), rel=1e-5)


def test_a_step_along_the_gradient_lowers_the_loss(toy_table, toy_model):
    step = make_loss_step(toy_model, SETTINGS, toy_table)
    before = step(FRAMES, 0.3)
    before.backward()
    with torch.no_grad():
        for weight in toy_model.parameters():
            if weight.grad is not None:
                weight -= 1e-5 * weight.grad
    assert float(step(FRAMES, 0.3).detach()) < float(before.detach())


def test_without_a_compiler_the_plain_step_steps_in(toy_table, toy_model, monkeypatch):
    # What a machine without a C++ compiler has.
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    step = make_loss_step(toy_model, replace(SETTINGS, compile=True), toy_table)
    assert "compiler failed" in step.how
    assert step.padding is None
    assert torch.isfinite(step(FRAMES, 0.3).detach())
