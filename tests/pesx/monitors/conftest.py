"""Molecules and frames to watch."""

from pathlib import Path

import pytest
import torch

from pesx.chemistry import molecule_from_smiles, read_molecule
from pesx.monitors import Frame, Monitors


@pytest.fixture(scope="session")
def ala3():
    return read_molecule(Path(__file__).parents[3] / "examples/ala3.xyz")


@pytest.fixture(scope="session")
def butene():
    return molecule_from_smiles("C/C=C/C")


def path_of(molecule, n, *, step=0.01):
    """The molecule at rest, n frames 10 fs apart."""
    return molecule.positions.repeat(n, 1, 1), torch.arange(n, dtype=torch.float64) * step


def scanned(molecule, positions, *, step=0.01, target=None, known=None, **settings):
    """Events of one replica over frames, judged at once, frame by frame, and as rows of a batch at the same times."""
    monitors = Monitors(molecule, **settings)
    time = torch.arange(len(positions), dtype=torch.float64) * step
    known = known or {}
    whole = Frame(positions, time, **known)
    watch = monitors.start(Frame(positions[:1], time[:1]), target)
    _, at_once = monitors.scan(watch, whole)
    one_by_one, beside = [], []
    both = monitors.start(Frame(positions[:1].repeat(2, 1, 1), time[:1].repeat(2)), target)
    for k in range(len(positions)):
        part = {name: value[k : k + 1] for name, value in known.items()}
        watch, events = monitors.look(watch, Frame(positions[k : k + 1], time[k : k + 1], **part))
        one_by_one += events
        still = torch.stack([molecule.positions.to(positions), positions[k]])
        twice = {name: torch.cat([value[:1], value[k : k + 1]]) for name, value in known.items()}
        both, events = monitors.look(both, Frame(still, time[k : k + 1].repeat(2), **twice))
        beside += events
    assert [event.as_json() for event in one_by_one] == [event.as_json() for event in at_once]
    assert [event.as_json() | {"replica": 0} for event in beside if event.replica == 1] == [
        event.as_json() for event in at_once
    ]
    return at_once


def told(events):
    return [(event.frame, event.cause) for event in events]


@pytest.fixture
def watch():
    """The functions above."""

    class Tools:
        scanned = staticmethod(scanned)
        told = staticmethod(told)
        path_of = staticmethod(path_of)

    return Tools
