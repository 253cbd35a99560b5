"""``pesx select``: the structures that are worth an accurate label."""

from argparse import Namespace
from pathlib import Path

from pesx.cli.streams import clean_stdout, say
from pesx.errors import ConfigError
from pesx.labelling.select import Selection, select, write_chosen


def run(arguments: Namespace) -> int:
    """Choose, write the file, and return the exit code."""
    if Path(arguments.out).suffix not in (".extxyz", ".xyz"):
        raise ConfigError(f"--out: expected the name of an extxyz file, came {arguments.out!r}. Let it end in .extxyz.")
    settings = Selection(
        arguments.choose,
        n_between=arguments.between,
        n_thermal=arguments.thermal,
        temperature=arguments.temperature,
        force_limit=arguments.force_limit,
        seed=arguments.seed,
    )
    with clean_stdout():
        chosen = select(arguments.files, settings, model=arguments.model)
    write_chosen(chosen, arguments.out)
    for one in chosen:
        say(
            f"{one.molecule.name}: {len(one.frames)} of {one.n_candidates} structures; none is farther than "
            f"{one.radius:.3g} from a chosen one."
        )
    say(f"Wrote {arguments.out}.")
    return 0
