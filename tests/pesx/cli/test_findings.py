import io
import json

import torch
from rich.console import Console

from pesx.cli.findings import Listing, Report
from pesx.explore.stop import Progress
from pesx.landscape.records import StoredMinima
from pesx.outcome import Outcome
from pesx.units import KCAL_PER_MOL


def minima(*energies, keys=None):
    n = len(energies)
    return StoredMinima(
        positions=torch.zeros(n, 2, 3, dtype=torch.float64),
        energy=torch.tensor(energies, dtype=torch.float64),
        fmax=torch.zeros(n, dtype=torch.float64),
        lowest_curvature=torch.full((n,), torch.nan, dtype=torch.float64),
        log_product=torch.full((n,), torch.nan, dtype=torch.float64),
        quench=torch.arange(n),
        visits=torch.arange(1, n + 1),
        keys=keys or [""] * n,
    )


def report(listing):
    progress = Progress(
        n_minima=len(listing.rows),
        n_stored=len(listing.minima),
        lowest=min(listing.minima.energy.tolist(), default=float("inf")),
        n_quenches=4,
        n_since_new=0,
        n_evaluations=100,
        occupancy=1.0,
        seconds=2.0,
        visits=listing.minima.visits,
        outcomes={int(Outcome.CONVERGED): 3, int(Outcome.BOND_CHANGED): 1},
    )
    return Report("used the 4 quenches allowed", "runs/x-1", "pesx explore --resume", progress, listing)


def shown(report):
    out = io.StringIO()
    report.show(Console(file=out, width=100, markup=False))
    return out.getvalue()


def test_minima_in_the_window_lowest_first():
    listing = Listing.of(minima(-1.0, -3.0, -2.5), window=1.0, is_reduced=False)
    assert listing.rows == [1, 2]
    assert [record["energy"] for record in listing.records()] == [-3.0, -2.5]
    assert listing.records(1)[0]["lowest_curvature"] is None
    assert [record["relative_energy"] for record in listing.records()] == [0.0, 0.5 / KCAL_PER_MOL]


def test_reduced_units_stay_plain():
    listing = Listing.of(minima(-3.0, -2.5), window=None, is_reduced=True)
    assert [record["relative_energy"] for record in listing.records()] == [0.0, 0.5]


def test_nothing_to_list_is_an_empty_list():
    assert Listing.of(minima(), window=None, is_reduced=True).records(5) == []


def test_a_person_reads_everything():
    text = shown(
        report(Listing.of(minima(*[-3.0 + i for i in range(12)], keys=["S|t"] * 12), window=None, is_reduced=False))
    )
    assert "used the 4 quenches allowed" in text
    assert "S|t" in text
    assert "and 2 more" in text
    assert Outcome.BOND_CHANGED.sentence in text
    assert "biased low" in text
    assert "Go on with:  pesx explore --resume" in text


def test_nothing_found_is_still_a_report():
    listing = Listing.of(minima(), window=1.0, is_reduced=False)
    content = json.loads(json.dumps(report(listing).as_json(), allow_nan=False))
    assert content["lowest"] is None
    assert content["energies"] == []
    assert "none yet" in shown(report(listing))
