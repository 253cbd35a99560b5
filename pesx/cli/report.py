"""``pesx report``: one HTML file about a run."""

from argparse import Namespace
from pathlib import Path

from pesx.analysis.frames import frames_of
from pesx.analysis.report import write_report
from pesx.cli.streams import say
from pesx.cli.train import load_labels
from pesx.errors import ConfigError
from pesx.landscape.store import RunStore
from pesx.threads import one_thread_each
from pesx.training.dataset import merge
from pesx.typing import Float, Tensor

_MEGABYTE = 1e6


def run(arguments: Namespace) -> int:
    """Write the page, and return the exit code."""
    folder = Path(arguments.run)
    out = folder / "report.html" if arguments.out is None else Path(arguments.out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"Expected -o with a file that ends in .html; came {out.name!r}. Rename it.")
    if arguments.level is not None and not arguments.data:
        raise ConfigError("Expected --level beside --data; came alone. Leave it out, or give the data.")
    with one_thread_each():
        path = write_report(folder, out, frames=_frames(folder, arguments))
    say(f"Wrote {path} ({path.stat().st_size / _MEGABYTE:.1f} MB). Open it in a browser; it needs no network.")
    return 0


def _frames(folder: Path, arguments: Namespace) -> Float[Tensor, "F N 3"] | None:
    """Read the training frames of the molecule of the run; None where no data are given."""
    if not arguments.data:
        return None
    with RunStore.read(folder) as store:
        molecule = store.molecule
    frames: Tensor = frames_of(molecule, merge([load_labels(path, arguments.level) for path in arguments.data]))
    return frames
