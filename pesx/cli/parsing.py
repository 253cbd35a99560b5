"""What the parsers of all commands have in common."""

import argparse
import re
from typing import NoReturn

from pesx.errors import ConfigError

_NO_VALUE = re.compile(r"argument (--[\w-]+): expected one argument")


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one sentence, like every other."""

    def error(self, message: str) -> NoReturn:
        """Refuse a call with one sentence."""
        if found := _NO_VALUE.match(message):
            # A value such as -5s looks like a flag.
            raise ConfigError(
                f"Expected a value after {found[1]}; came none. One that begins with a minus sign is written with =, "
                f"as in {found[1]}=-5. See {self.prog} --help."
            )
        raise ConfigError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


Commands = argparse._SubParsersAction  # what add_subparsers returns has no public name


def command(commands: "Commands[Parser]", name: str, text: str, *, epilog: str = "", is_sparse: bool = False) -> Parser:
    """Add a command and return its parser.

    Args:
        commands: Where to.
        name: Of the command.
        text: What it does.
        epilog: Below the flags.
        is_sparse: Whether flags that are not given are absent.
    """
    return commands.add_parser(
        name,
        help=text,
        description=text[:1].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS if is_sparse else None,
        allow_abbrev=False,
    )


def whole(text: str) -> int:
    """Read a whole number; 4e5 is one too."""
    try:
        value = float(text)
        if value == int(value):
            return int(text) if text.lstrip("+-").isdigit() else int(value)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"expected a whole number; came {text!r}")


def add_workers(group: argparse._ArgumentGroup, what: str) -> None:
    """Add --workers and --ray.

    Args:
        group: Where to.
        what: What is done with a cluster, such as ``evaluate on``.
    """
    group.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help="processes, for potentials that are engines (1); with --ray, workers (one for each device)",
    )
    group.add_argument("--ray", metavar="auto|HOST:PORT", help=f"{what} a Ray cluster (this process alone)")
