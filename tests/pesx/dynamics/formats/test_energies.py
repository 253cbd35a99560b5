import csv
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pesx.dynamics.formats.energies import Energies
from pesx.dynamics.snapshot import Track


def test_each_frame_is_a_line_with_named_columns(track: Callable[..., Track]) -> None:
    table = Energies()
    given = replace(track(3), conserved=np.array([-1.5, np.nan, -1.7]))
    rows = list(csv.DictReader((table.header() + table.encode(given)).decode().splitlines()))
    assert [float(row["time_ps"]) for row in rows] == pytest.approx([0.0, 0.1, 0.2])
    assert float(rows[1]["total_ev"]) == pytest.approx(-999 + 1.1)
    assert float(rows[2]["temperature_k"]) == 302
    assert [row["conserved_ev"] for row in rows] == ["-1.5000000000", "", "-1.7000000000"]
