"""What every benchmark writes beside its numbers: machine, versions, command, seed; and how it shows them."""

import argparse
import json
import os
import platform
import resource
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
PACKAGES = ("pesx", "torch", "numpy", "ase", "rdkit", "e3nn", "tblite", "irmsd")


def make_parser(doc: str | None, out: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share.

    Args:
        doc: Docstring of the script.
        out: Name of the file in ``benchmarks/results`` that is written unless another is given.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser, out)
    return parser


def add_common(parser: argparse.ArgumentParser, out: str) -> None:
    """Add --out, --seed and --threads."""
    parser.add_argument("--out", type=Path, default=HERE / "results" / out, help="JSON file to write")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 for its own choice (default)")


def set_threads(n_threads: int) -> None:
    """Let torch use this many threads; 0 leaves its choice."""
    if n_threads > 0:
        torch.set_num_threads(n_threads)


def describe() -> dict[str, Any]:
    """Return machine, versions and command."""
    return {
        "command": command(sys.argv),
        "hardware": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "cores_usable": len(os.sched_getaffinity(0)),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def command(argv: Sequence[str]) -> str:
    """Return the command line; absolute paths are cut to their last part, since they mean nothing elsewhere."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in argv[1:]]
    return shlex.join(["python", f"benchmarks/{Path(argv[0]).name}", *words])


def largest_memory() -> float:
    """Return the largest resident memory of this process, MB.

    On Linux, what getrusage tells begins with the memory of the process that started this one, so it is the second choice.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def cpu_model() -> str:
    """Return the name of the processor as the system knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def write(path: Path, *, settings: dict[str, Any], results: Any) -> None:
    """Write the report of one benchmark."""
    content = {**describe(), "settings": settings, "results": results}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    print(f"\nWritten to {path.name}.")


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers to four digits."""
    cells = [list(header), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    print(f"\n{title}")
    for place, row in enumerate(cells):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if place == 0:
            print("  " + "  ".join("-" * width for width in widths))


def plain_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options for the record, without the output file; of other paths only the last part."""
    given = {name: value for name, value in vars(arguments).items() if name not in ("out", "run_part")}
    return {name: Path(value).name if _is_path(value) else value for name, value in given.items()}


def _is_path(value: object) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and Path(value).is_absolute())


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else "-" if cell is None else str(cell)


def _plain(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.tolist()
    raise TypeError(f"Expected numbers, texts and lists in a report; came {type(value).__name__}.")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
