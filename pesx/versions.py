"""Which versions made a result: for records, and for ``pesx --version``."""

import platform
from importlib.metadata import PackageNotFoundError, version


def version_of(package: str) -> str:
    """Return the version of an installed package, ``not installed`` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, of pesx, and of those of the packages that are installed."""
    found = {package: version_of(package) for package in packages}
    known = {package: number for package, number in found.items() if number != "not installed"}
    return {"python": platform.python_version(), "pesx": version_of("pesx")} | known
