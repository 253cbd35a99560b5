"""Databases of PATHSAMPLE: min.data and ts.data, with their structures in points.min and points.ts.

Numbers of minima and transition states count from 1 there, as lines do.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pesx.errors import RunFolderError, WrongFolderError
from pesx.landscape.network import Network, StationaryPoints, count_text, moment_columns
from pesx.landscape.records import Array

_UNITS = """\
min.data    one line per minimum, in the order of points.min; minimum k of pesx is line k + 1
  column 1    energy, {energy}
  column 2    {log_product}
  column 3    {order}
  columns 4-6 principal moments of inertia, {inertia}, ascending
ts.data     one line per transition state, in the order of points.ts{below}
  columns 1-3 as in min.data; column 2 is of the positive eigenvalues
  columns 4-5 lines of its two minima in min.data
  columns 6-8 as columns 4-6 of min.data
"""

_POINTS = """\
points.*    {n_atoms} x 3 coordinates per point, {length}, float64, little-endian, no record marks
"""

_TEMPERATURES = """\
Temperatures given to PATHSAMPLE are kT in {energy}.
"""

_NO_FREQUENCIES = """\
0 for all, because the frequencies of some points are not known: of a molecule with more than 12 atoms
              a search with a learned potential computes the lowest mode alone. Vibrations do not count then: energies
              and barriers mean what they say, equilibrium populations and rates do not. pesx thermo computes and stores
              the frequencies; export again after it"""

_UNIT_LINE = "energy unit: "
_N_MINIMUM_COLUMNS, _N_TRANSITION_STATE_COLUMNS = 6, 8


def read_pathsample(folder: Path | str, *, unit: str = "") -> Network:
    """Read a database of PATHSAMPLE.

    Logarithms of products that are 0 for all points are taken as not known. A folder without ts.data has no transition states.
    Points have the properties ``inertia_1`` to ``inertia_3``, and lines for numbers.

    Args:
        folder: With min.data and ts.data.
        unit: Of its energies; that of ``units.txt``, which pesx writes, where empty.

    Raises:
        WrongFolderError: There is no min.data.
        RunFolderError: A line of a file cannot be read.
    """
    folder = Path(folder)
    if not (folder / "min.data").is_file():
        raise WrongFolderError(f"Expected a PATHSAMPLE database at {folder}; it has no min.data. Check the path.")
    minima = _table(folder / "min.data", _N_MINIMUM_COLUMNS, "6 (energy, log product, order, three moments)")
    path = folder / "ts.data"
    form = "8 (energy, log product, order, two minima, three moments)"
    found = (
        _table(path, _N_TRANSITION_STATE_COLUMNS, form, n_minima=len(minima)) if path.is_file() else np.empty((0, 8))
    )
    logs = np.concatenate([minima[:, 1], found[:, 1]])
    unknown = None if logs.any() else np.nan
    first, second = found[:, 3:5].astype(np.int64).T - 1
    return Network.build(
        _points(minima, 3, unknown), _points(found, 5, unknown), first=first, second=second, unit=unit or _unit(folder)
    )


def read_points(path: Path | str, n_points: int) -> Array:
    """Read the structures of a points.min or points.ts, shape (points, atoms, 3).

    Args:
        path: The file.
        n_points: How many lines the table that belongs to it has.

    Raises:
        RunFolderError: The file is not there, or its size does not fit that number.
    """
    try:
        values = np.fromfile(path, dtype="<f8")
    except OSError as error:
        raise RunFolderError(f"Expected structures in {path}; {error.strerror}. Check the path.") from error
    if (n_points and values.size % (3 * n_points)) or (values.size and not n_points):
        raise RunFolderError(
            f"Expected {n_points} structures in {path}; its {values.size} numbers are not so many times 3 N. "
            "Restore the file from a copy."
        )
    n_atoms = values.size // (3 * n_points) if n_points else 0
    return values.reshape(n_points, n_atoms, 3).astype(np.float64)


def write_pathsample(
    network: Network,
    folder: Path | str,
    *,
    points: tuple[Array, Array] | None = None,
    lengths: tuple[str, str] = ("", ""),
    operations: str = "",
) -> None:
    """Write a database of PATHSAMPLE, with units.txt that says what is in it.

    Minima must not have been left out, or numbers would no longer be lines. Without moments of inertia among the properties,
    these are written as 0.

    Args:
        network: Any.
        folder: Made where missing.
        points: Structures of minima and of transition states, in the order of the network.
        lengths: Unit of lengths, and of moments of inertia.
        operations: Which operations the orders of point groups count, for people.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    logs = np.concatenate([network.minima.log_product, network.transition_states.log_product])
    # Frequencies of some points only would weigh these against the others by nothing but their being there.
    is_known = bool(np.isfinite(logs).all())
    ends = np.stack([network.first, network.second], axis=1) + 1
    _write_table(folder / "min.data", network.minima, is_known, np.empty((len(network.minima), 0), dtype=np.int64))
    _write_table(folder / "ts.data", network.transition_states, is_known, ends)
    length, inertia = lengths
    energy = network.unit or "the unit of the source"
    what = f"log of the product of the eigenvalues of the mass-weighted Hessian{f', {energy}/({length}^2 u)' * bool(length)}"
    n_below = network.left_out.n_below
    text = f"{_UNIT_LINE}{network.unit}\n" * bool(network.unit) + _UNITS.format(
        energy=energy,
        log_product=what if is_known else _NO_FREQUENCIES,
        order=f"order of the point group{f', {operations}' if operations else '; 1 where pesx does not know it'}",
        inertia=inertia or "in the units of the source (0: not known)",
        below=f"; without {count_text(n_below, 'transition state')} below one of the minima" if n_below else "",
    )
    if points is not None:
        for name, positions in zip(("points.min", "points.ts"), points, strict=True):
            (folder / name).write_bytes(positions.astype("<f8").tobytes())
        text += _POINTS.format(n_atoms=points[0].shape[1], length=length)
    (folder / "units.txt").write_text(text + _TEMPERATURES.format(energy=energy), encoding="utf-8")


def _write_table(path: Path, points: StationaryPoints, is_known: bool, ends: Array) -> None:
    log_product = points.log_product if is_known else np.zeros(len(points))
    none = np.zeros(len(points))
    moments = np.stack([points.properties.get(f"inertia_{axis}", none) for axis in (1, 2, 3)], axis=1)
    rows = zip(
        points.energy.tolist(),
        log_product.tolist(),
        points.order.tolist(),
        ends.tolist(),
        moments.tolist(),
        strict=True,
    )
    with path.open("w", encoding="utf-8") as file:
        for energy, log, order, pair, inertia in rows:
            numbers = "".join(f" {number:9d}" for number in (order, *pair))
            file.write(f"{energy:20.10f} {log:20.10f}{numbers} {' '.join(f'{moment:18.8f}' for moment in inertia)}\n")


def _table(path: Path, n_columns: int, form: str, *, n_minima: int | None = None) -> Array:
    rows = []
    for place, words in _lines(path):
        try:
            if len(words) != n_columns:
                raise ValueError(f"{len(words)} columns")
            # Fortran writes exponents with a D.
            row = [float(word.replace("D", "e").replace("d", "e")) for word in words]
        except ValueError as error:
            raise RunFolderError(
                f"Expected {form} numbers in {place}; came {error}. Restore the file from a copy, or correct the line."
            ) from error
        if not (row[2] % 1 == 0 and row[2] >= 1):
            raise RunFolderError(f"Expected the order of a point group in {place}; came {words[2]}. Correct the line.")
        if n_minima is not None and not all(end % 1 == 0 and 1 <= end <= n_minima for end in row[3:5]):
            raise RunFolderError(
                f"Expected two of the minima 1 to {n_minima} in {place}; came {words[3]} and {words[4]}. "
                "Restore min.data and ts.data of the same database."
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), n_columns)


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Give each line that is not empty as words, with its place for messages."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if words := line.split():
                    yield f"line {number} of {path}", words
    except UnicodeDecodeError as error:
        raise RunFolderError(f"Expected text in {path}; came something else. Restore the file from a copy.") from error


def _points(table: Array, n_before: int, unknown: float | None) -> StationaryPoints:
    return StationaryPoints.of(
        table[:, 0],
        log_product=table[:, 1] if unknown is None else np.full(len(table), unknown),
        order=table[:, 2].astype(np.int64),
        number=np.arange(1, len(table) + 1),
        properties=moment_columns(table[:, n_before:]),
    )


def _unit(folder: Path) -> str:
    path = folder / "units.txt"
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.removeprefix(_UNIT_LINE) if first.startswith(_UNIT_LINE) else ""
