"""The only reader of run folders for analysis."""

import json
from pathlib import Path
from typing import Any

from pesx.errors import RunFolderError
from pesx.landscape.records import Connections, Searches, StoredTransitionStates, Verifications
from pesx.landscape.store import Quenches, RunStore, StoredMinima, Violations
from pesx.molecule import Molecule


class Run:
    """Everything a run folder holds, as of the moment it was opened; the run may still be going on.

    Args:
        folder: Run folder.

    Raises:
        RunFolderError: The folder holds no run, or one that cannot be read.

    Attributes:
        folder: Run folder.
        molecule: What was explored.
        minima: Distinct minima in order of number; may be none.
        quenches: Every quench in order of number; may be none.
        violations: Structures outside the chemistry of the molecule.
        transition_states: Those that ``pesx connect`` found.
        connections: Pairs of minima that it tried to join.
        searches: Its searches.
        verifications: Minima that ``pesx verify`` relaxed.
        meta: Texts kept in the database.
        energy_unit: Of all energies: ``eV``, or ``epsilon`` in reduced units.
        provenance: Versions, settings and hardware as the run wrote them down; empty where it has not yet.
    """

    folder: Path
    molecule: Molecule
    minima: StoredMinima
    quenches: Quenches
    violations: Violations
    transition_states: StoredTransitionStates
    connections: Connections
    searches: Searches
    verifications: Verifications
    meta: dict[str, str]
    energy_unit: str
    provenance: dict[str, Any]

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RunFolderError(f"Expected a run folder at {self.folder}; there is no such folder. Check the path.")
        with RunStore.read(self.folder) as store, store.snapshot():
            self.molecule = store.molecule
            self.minima = store.minima()
            self.quenches = store.quenches()
            self.violations = store.violations()
            self.transition_states = store.transition_states()
            self.connections = store.connections()
            self.searches = store.searches()
            self.verifications = store.verifications()
            self.meta = store.meta
            self.energy_unit = store.energy_unit
        self.provenance = _provenance(self.folder / "provenance.json")

    @property
    def name(self) -> str:
        """Name of the molecule, or its formula."""
        return self.molecule.name or self.molecule.formula

    def require_minima(self) -> StoredMinima:
        """Return the minima.

        Raises:
            RunFolderError: The run has found none yet.
        """
        if not len(self.minima):
            raise RunFolderError(
                f"Expected minima in {self.folder}; the run has made {len(self.quenches)} quenches and found none yet. "
                "Let it run longer; if there are many quenches, look at their outcomes."
            )
        return self.minima


def _provenance(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(
            f"Expected JSON in {path}; line {getattr(error, 'lineno', 1)} is not. Restore the file, or remove it."
        ) from error
    if not isinstance(content, dict):
        raise RunFolderError(f"Expected a JSON object in {path}; came something else. Restore the file, or remove it.")
    return content
