"""The Ray cluster: the one that is there, the one at an address, or one on this machine."""

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any, Self

from pesx.errors import ConfigError, MissingExtraError

AUTO = "auto"
"""The cluster that this machine belongs to, or else one of this machine alone."""

_ANSWER = 10.0
"""Seconds in which a cluster has to answer."""


class Cluster:
    """A connection to Ray, the one that this process has, or else one to an address; closed after use.

    Args:
        address: :data:`AUTO`, or host and port of a cluster.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: No cluster answers there.
    """

    def __init__(self, address: str = AUTO) -> None:
        # Nothing about anybody's work is to be sent anywhere.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray reads this when it is imported; afterwards its parts would not agree.
        if "ray" not in sys.modules and _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "distributed") from error
        self.ray: Any = ray
        # Whoever is connected already, in a notebook say, stays so.
        self._is_own = not ray.is_initialized()
        if not self._is_own:
            return
        if address != AUTO:
            _require_answer(address)
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            try:
                ray.init(address=address, **quiet)
            except ConnectionError:
                if address != AUTO:
                    raise
                ray.init(address="local", include_dashboard=False, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(_no_cluster(address, error)) from error

    def n_devices(self, kind: str) -> int:
        """Return how many devices the cluster has now.

        Args:
            kind: cuda for GPUs, anything else for processor cores.
        """
        return int(self.ray.cluster_resources().get("GPU" if kind.startswith("cuda") else "CPU", 0))

    def close(self) -> None:
        """Let go of the cluster; one that was started here ends."""
        if self._is_own:
            self.ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _has_token() -> bool:
    """Return whether this machine has the token with which newer versions of Ray guard a cluster."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")
    return "RAY_AUTH_TOKEN" in os.environ or Path(named).expanduser().is_file()


def _require_answer(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(_no_cluster(address, error)) from error


def _no_cluster(address: str, error: Exception) -> str:
    return (
        f"Expected a Ray cluster at {address!r}; none answers ({error}). Start one with 'ray start --head', give its "
        "address as host:port, or use --ray auto."
    )


__all__ = ["AUTO", "Cluster"]
