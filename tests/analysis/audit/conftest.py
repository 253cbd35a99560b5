from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.analysis.audit.audit import AuditSettings, audit_trajectory, groups
from pesx.analysis.audit.observables import Observer
from pesx.analysis.audit.report import AuditReport
from pesx.chemistry import molecule_from_smiles
from pesx.monitors import Frame, Monitors


class Given:
    """Frames as a trajectory: what the audit reads."""

    def __init__(self, name, frame):
        self.path, self.frame = Path(name), frame

    def pieces(self):
        yield self.frame


@pytest.fixture(scope="module")
def dipeptides():
    """Two trajectories of dipeptide at 300 K, one of which loses a hydrogen, and one at 500 K; a reference beside them."""
    molecule = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)NC")
    generator = torch.Generator().manual_seed(0)

    def trajectory(name, n, *, breaks=None):
        x = molecule.positions + 0.03 * torch.randn(n, molecule.n_atoms, 3, generator=generator, dtype=torch.float64)
        v = 0.01 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        if breaks is not None:
            x[breaks:, -1] += 6.0
        return Given(name, Frame(x, 0.002 * torch.arange(n, dtype=torch.float64), v))

    def audited(given, target):
        settings = AuditSettings(observe_every=0.0)
        return audit_trajectory(given, Monitors(molecule), Observer(molecule), settings, target=target)

    members = [
        audited(trajectory("a.dcd", 300), 1e6),
        audited(trajectory("b.dcd", 300, breaks=120), 1e6),
        audited(trajectory("c.dcd", 300), 2e6),
    ]
    reference = audited(trajectory("r.dcd", 200), None)
    return AuditReport(molecule, "hand", groups(members, molecule), reference, np.array([100.0, 1500.0, 3000.0]))
