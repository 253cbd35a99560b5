"""Times of molecules as people write them: 50ps, 0.5fs, 1/ps."""

import re

from pesx.errors import ConfigError

_FS = {"fs": 1.0, "ps": 1e3, "ns": 1e6, "us": 1e9}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_DURATION = re.compile(rf"\s*({_NUMBER})\s*(fs|ps|ns|us)\s*", re.I)
_RATE = re.compile(rf"\s*({_NUMBER})\s*/\s*(fs|ps|ns|us)\s*", re.I)


def read_duration(text: str, *, name: str, example: str = "50ps") -> float:
    """Return a time in fs.

    Args:
        text: Such as ``50ps`` or ``0.5fs``.
        name: Of the setting, for messages.
        example: For messages.

    Raises:
        ConfigError: It is no number with a unit of time.
    """
    if not (match := _DURATION.fullmatch(text)):
        raise ConfigError(
            f"Expected {name} as a number with fs, ps, ns or us; came {text!r}. Write for example {example}."
        )
    return float(match[1]) * _FS[match[2].lower()]


def read_rate(text: str, *, name: str) -> float:
    """Return a rate in 1/ps.

    Args:
        text: Such as ``1/ps``.
        name: Of the setting, for messages.

    Raises:
        ConfigError: It is no number over a unit of time.
    """
    if not (match := _RATE.fullmatch(text)):
        raise ConfigError(f"Expected {name} as a number over fs, ps, ns or us; came {text!r}. Write for example 1/ps.")
    return float(match[1]) * _FS["ps"] / _FS[match[2].lower()]


__all__ = ["read_duration", "read_rate"]
