"""``pesx label``: structures of a plan or of a file, labelled with a reference engine."""

from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from rich.console import Console

from pesx.cli.streams import clean_stdout
from pesx.distributed.cluster import Cluster
from pesx.distributed.pool import RayPool
from pesx.engines.make import make_engine
from pesx.engines.workers import Pool, WorkPool
from pesx.errors import ConfigError
from pesx.labelling.label import Labelled, label, label_geometries
from pesx.labelling.plan import read_plan

_FORCE_LIMIT = 30.0
_ENGINE = "gfn2"


def run(arguments: Namespace) -> int:
    """Label, say what came of it, and return the exit code."""
    console = Console(stderr=True)
    with clean_stdout():
        labelled = _label(arguments, console)
        console.print(labelled.table())
        console.print(
            f"{labelled.n_done} tasks done in {labelled.seconds:.0f} s; labels in {arguments.out}", markup=False
        )
    return 0 if labelled.n_labels else 1


def _label(arguments: Namespace, console: Console) -> Labelled:
    if (arguments.plan is None) == (arguments.frames is None):
        came = "neither" if arguments.plan is None else "both"
        raise ConfigError(f"Expected either PLAN.toml or --frames FILE.extxyz; came {came}. Give one of them.")
    for name in ("workers", "threads"):
        if (number := getattr(arguments, name)) is not None and number < 1:
            raise ConfigError(f"--{name}: expected a whole number of at least 1, came {number}.")
    with ExitStack() as held:
        cluster = held.enter_context(Cluster(arguments.ray)) if arguments.ray else None
        return _label_with(arguments, console, WorkPool if cluster is None else partial(RayPool, cluster=cluster))


def _label_with(arguments: Namespace, console: Console, make_pool: Callable[..., Pool[Any, Any]]) -> Labelled:
    n_workers = arguments.workers or (0 if arguments.ray else 1)
    pool = {"n_workers": n_workers, "n_threads": arguments.threads, "pool": make_pool}
    if arguments.plan is not None:
        _refuse_settings_of_frames(arguments)
        return label(read_plan(arguments.plan), arguments.out, **pool, console=console)
    return label_geometries(
        arguments.frames,
        make_engine(arguments.engine or _ENGINE, arguments.level),
        arguments.out,
        **pool,
        energies_only=arguments.energies_only,
        force_limit=_FORCE_LIMIT if arguments.force_limit is None else arguments.force_limit,
        console=console,
    )


def _refuse_settings_of_frames(arguments: Namespace) -> None:
    for name in ("engine", "level", "force_limit", "energies_only"):
        if getattr(arguments, name) not in (None, False):
            raise ConfigError(
                f"Expected --{name.replace('_', '-')} only beside --frames; came a plan, which has its own. Set it there."
            )
