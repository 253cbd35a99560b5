import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def precision():
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("precision", FOLDER / "precision.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


def test_rounding_to_seven_bits_is_bfloat16(precision):
    numbers = torch.randn(1000, generator=torch.manual_seed(0))
    assert torch.equal(precision.rounded(numbers, 7), numbers.bfloat16().float())
    off = (precision.rounded(numbers, 10) - numbers).abs() / numbers.abs()
    assert 2.0**-12 < off.max() <= 2.0**-11


def test_products_and_only_they_are_rounded(precision):
    a, b = torch.randn(2, 5, 5, generator=torch.manual_seed(0))
    with precision.RoundedFactors(7):
        product, total, double = a @ b, a + b, a.double() @ b.double()
    torch.testing.assert_close(product, a.bfloat16().float() @ b.bfloat16().float(), rtol=0, atol=1e-6)
    assert torch.equal(total, a + b)
    assert torch.equal(double, a.double() @ b.double())


@pytest.mark.slow
def test_a_small_run_gives_all_that_is_asked_for(tmp_path):
    out = tmp_path / "out.json"
    words = ["--starts", "1", "--precisions", "float32", "--threads", "1", "--out", out]
    subprocess.run([sys.executable, FOLDER / "precision.py", *words], check=True)
    found = json.loads(out.read_text())["results"]["float32"]
    assert found["converged"] == found["same_minimum"] == 1
    assert found["largest_force_error"] < 1e-3
