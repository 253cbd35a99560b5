"""What holds for all tests."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Use one thread: the tests are small, and threads only get into each other's way."""
    torch.set_num_threads(1)
