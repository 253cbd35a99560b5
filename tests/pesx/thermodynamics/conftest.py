"""The run of a Lennard-Jones cluster of six atoms: two minima, and what joins them."""

import pytest

from pesx.connect.rounds import RoundSettings
from pesx.pathways import ConnectSettings, Pathways
from pesx.run import ExploreSettings, Run


@pytest.fixture(scope="session")
def lj6_folder(tmp_path_factory):
    """Not to be written to. Octahedron (Oh) and capped trigonal bipyramid (C2v)."""
    folder = tmp_path_factory.mktemp("lj6") / "run"
    settings = ExploreSettings("LJ6", n_minima=2, potential="lennard-jones", mirror="merge", seed=1)
    with Run.start(settings, folder) as run:
        run.go()
    with Pathways.open(folder, ConnectSettings(pairs=RoundSettings(n_around=0))) as pathways:
        pathways.go()
    return folder
