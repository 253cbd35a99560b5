import platform

import torch

from pesx.versions import version_of, versions


def test_versions_are_those_of_the_packages() -> None:
    # The version in the metadata may leave out what follows a plus sign.
    assert torch.__version__.startswith(version_of("torch").partition("+")[0])


def test_what_is_not_installed_is_left_out_but_for_pesx() -> None:
    assert version_of("no-such-package") == "not installed"
    found = versions("torch", "no-such-package")
    assert list(found) == ["python", "pesx", "torch"]
    assert found["python"] == platform.python_version()
