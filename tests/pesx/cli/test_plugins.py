import json
from typing import get_args

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.explore.presets import Method, cluster_parts, molecule_parts
from pesx.potentials.lennard_jones import LennardJones
from pesx.registry import POTENTIALS


def test_every_name_that_is_known(pesx):
    roles = json.loads(pesx("plugins", "--json").out)
    assert set(POTENTIALS) | {"gfn2", "gfn1"} < set(roles["potentials"])
    assert {"gfn2", "gfn1", "pyscf"} < set(roles["engines"])
    assert tuple(roles["methods"]) == get_args(Method)


@pytest.mark.parametrize("source", ["LJ7", "CC(=O)NCCC"])
def test_every_move_of_the_presets(pesx, source):
    torch.manual_seed(0)
    molecule = read_molecule(source)
    make = molecule_parts if len(molecule.bonds) else cluster_parts
    options = {"amides": "allow", "n_seeds": 0} if len(molecule.bonds) else {}
    parts, _ = make(LennardJones(), molecule, **options)
    assert set(parts.moves) <= set(json.loads(pesx("plugins", "--json").out)["moves"])


def test_a_list_for_people(pesx):
    lines = pesx("plugins").out.splitlines()
    assert "potentials:" in lines
    assert any(line.startswith("  lennard-jones ") for line in lines)
