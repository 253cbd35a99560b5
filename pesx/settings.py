"""The settings of an exploration: what can be asked for, what is chosen where nothing was, and their file."""

from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

from pesx.config import from_table, read_toml, to_table, to_toml
from pesx.errors import ConfigError, RunFolderError
from pesx.explore.presets import Method
from pesx.explore.stop import Stop
from pesx.files import write_whole
from pesx.guards.molecular import Amides
from pesx.identity.molecular import Mirror
from pesx.landscape.store import RunStore
from pesx.registry import REDUCED, choose_device
from pesx.units import KCAL_PER_MOL

Precision = Literal["auto", "float32", "float64"]

_NO_LIMIT = "0 is no limit."
_RANGES: dict[str, tuple[float, float, str]] = {
    "n_minima": (1, inf, "Ask for one or more."),
    "replicas": (0, 2**20, "0 suits the machine."),
    "max_evaluations": (0, inf, _NO_LIMIT),
    "max_quenches": (0, inf, _NO_LIMIT),
    "max_time": (0, inf, _NO_LIMIT),
    "patience": (0, inf, _NO_LIMIT),
    "ladder": (1, 10**6, "1 is no ladder."),
    "seed": (0, 2**64 - 1, "Any number in this range will do."),
    "workers": (0, 2**16, "0 suits the machine."),
}
"""Least and largest value of each number among the settings, and advice."""


@dataclass(frozen=True)
class ExploreSettings:
    """What a user can set. What is left at its default is chosen to suit the molecule and the machine.

    Attributes:
        molecule: Structure file, SMILES, or a name such as LJ13.
        n_minima: Distinct minima inside the energy window to stop at.
        method: How to explore.
        potential: See :func:`pesx.registry.make_potential`.
        model: Model file of a learned potential; None for the one in the package.
        replicas: Replicas in one batch; 0 to suit the machine.
        energy_window: Height above the lowest minimum up to which minima are stored, eV (well depths for clusters).
        mirror: Whether mirror images are distinct minima or the same.
        amides: Whether amides may turn between cis and trans; the key of each minimum spells which it has.
        max_evaluations: Force evaluations to stop at, over all replicas; 0 for no limit.
        max_quenches: Quenches to stop at; 0 for no limit.
        max_time: Seconds to stop at; 0 for no limit.
        patience: Stop after this many quenches without a new minimum, per minimum found; 0 for never.
        charge: Total charge, e; None for what the input says.
        multiplicity: Spin multiplicity; None for what the input says.
        ladder: Ratio of the highest to the lowest temperature of basin hopping with replica exchange; 1 for none.
        seed: Of everything random.
        device: auto, cpu, cuda, ...
        precision: Of the rough quenches; the stored minima are float64 always.
        workers: Processes, for potentials that are engines; with ``ray``, workers in all. 0 is one process, or one worker
            for each device of the cluster.
        ray: Address of a Ray cluster to spread the work over, or auto; empty for this process alone.
    """

    molecule: str
    n_minima: int = 100
    method: Method = "mixed"
    potential: str = "so3krates"
    model: str | None = None
    replicas: int = 0
    energy_window: float | None = None
    mirror: Mirror = "distinct"
    amides: Amides = "allow"
    max_evaluations: int = 0
    max_quenches: int = 0
    max_time: float = 0.0
    patience: float = 30.0
    charge: int | None = None
    multiplicity: int | None = None
    ladder: float = 1.0
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    workers: int = 0
    ray: str = ""

    def __post_init__(self) -> None:
        for name, (least, most, advice) in _RANGES.items():
            value = getattr(self, name)
            # Every comparison with NaN is false.
            if not least <= value <= most:
                range_ = f"of at least {least}" if most == inf else f"from {least} to {most}"
                raise ConfigError(f"Expected {name} ({_flag(name)}) {range_}; came {value}. {advice}")
        if self.energy_window is not None and not self.energy_window > 0:
            raise ConfigError(
                f"Expected energy_window (--energy-window) above 0; came {self.energy_window}. inf is no window."
            )

    @property
    def stop(self) -> Stop:
        """The limits of the search."""
        return Stop(
            n_minima=self.n_minima,
            max_evaluations=self.max_evaluations or None,
            max_quenches=self.max_quenches or None,
            max_seconds=self.max_time if 0 < self.max_time < inf else None,
            patience=self.patience or inf,
        )


LIMITS = ("n_minima", "max_evaluations", "max_quenches", "max_time", "patience", "workers", "device", "ray")
"""Settings that may differ when a run is resumed; any other would make it another run."""


DEFAULT_WINDOW = 20.0 * KCAL_PER_MOL
"""20 kcal/mol in eV: what matters at room temperature, and the minima that lie on the ways between."""


def is_reduced(settings: ExploreSettings) -> bool:
    """Return whether the energies of this run have no unit."""
    return settings.potential in REDUCED


def read_settings(folder: Path) -> ExploreSettings:
    """Return the settings a run was started with.

    Raises:
        RunFolderError: The folder has no readable config.toml.
    """
    try:
        return from_table(ExploreSettings, read_toml(folder / "config.toml"))
    except ConfigError as error:
        raise RunFolderError(f"Expected the settings of a run in {folder / 'config.toml'}: {error}") from error


_AUTOMATIC = {"replicas": 0, "precision": "auto"}
"""Values that leave a choice to pesx, and so do not contradict what it has chosen before; None does everywhere."""


def settled(settings: ExploreSettings, *, n_gpus: int | None = None) -> ExploreSettings:
    """Return the settings with everything chosen that was left to suit the molecule and the machine.

    Args:
        settings: What was asked for.
        n_gpus: Of the cluster, if the work is done there; None for this machine.

    Raises:
        ConfigError: The device does not exist, or the potential cannot use it.
    """
    is_learned = settings.potential == "so3krates"
    if not is_learned and settings.device not in ("auto", "cpu"):
        raise ConfigError(
            f"Expected --device auto or cpu for the potential {settings.potential!r}; came {settings.device!r}. Leave it "
            "out: of the potentials by name so3krates alone runs on a GPU, and one of your own moves positions there and "
            "results back itself."
        )
    device = "cpu"
    if is_learned and n_gpus is None:
        device = choose_device(settings.device)
    elif is_learned:
        device = settings.device if settings.device != "auto" else "cuda" if n_gpus else "cpu"
    window = settings.energy_window
    if window is None:
        window = inf if is_reduced(settings) else DEFAULT_WINDOW
    return replace(
        settings,
        replicas=settings.replicas or (32 if device == "cpu" else 512),
        energy_window=window,
        device=device,
        # Only learned potentials gain from float32.
        precision=settings.precision if settings.precision != "auto" else "float32" if is_learned else "float64",
    )


def with_limits(stored: ExploreSettings, limits: dict[str, Any], store: RunStore) -> ExploreSettings:
    """Return the settings of a run with the limits asked for.

    Raises:
        ConfigError: A setting is unknown or out of range, or another than before and no limit.
    """
    molecule = store.molecule
    own = replace(stored, charge=molecule.charge, multiplicity=molecule.multiplicity)
    wanted = from_table(ExploreSettings, limits, base=own)
    for name in sorted(limits.keys() - {*LIMITS, "model"}):
        was, came = getattr(own, name), getattr(wanted, name)
        if came not in (was, _AUTOMATIC.get(name)):
            raise ConfigError(
                f"Expected {_flag(name)} {was}, which {store.folder} was made with; came {came}. Leave it out to go on "
                "with that run, or start a new one in another folder."
            )
    return replace(stored, **{name: getattr(wanted, name) for name in limits if name in (*LIMITS, "model")})


def write_settings(settings: ExploreSettings, folder: Path) -> None:
    """Write RUN/config.toml."""
    write_whole(folder / "config.toml", to_toml(to_table(settings), heading="All settings of this run."))


def _flag(name: str) -> str:
    """Return how a setting is written on the command line."""
    return "--" + name.replace("_", "-")
