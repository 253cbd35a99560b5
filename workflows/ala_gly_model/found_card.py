"""Write into a model's card what was found with it: what became of its minima, and how long its dynamics stays in chemistry.

pesx verify ala3 --engine gfn2 --sample 100
pesx verify ala2 --engine pyscf --level b3lyp-d4/def2-svp --sample 10
pesx audit md --out audit
python workflows/ala_gly_model/found_card.py old.safetensors --minima Ac-Ala3-NHMe=ala3 Ac-Ala2-NHMe=ala2 --out new.safetensors
python workflows/ala_gly_model/found_card.py old.safetensors --dynamics Ac-Ala3-NHMe=audit/audit.json --out new.safetensors
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pesx.errors import InputError, PesxError
from pesx.landscape.store import RunStore
from pesx.so3krates import checkpoint
from pesx.training.card import with_facts
from pesx.verification.verify import summarise

SURVIVAL = ("n", "n_failed", "watched_ps", "failures_per_ns")


def verified_minima(run: Path) -> list[dict[str, Any]]:
    """Return how many minima a run has, and what became of them, level by level.

    Raises:
        InputError: None was verified.
    """
    with RunStore.read(run) as store:
        verified, energy = store.verifications(), store.minima().energy.numpy()
    if not len(verified):
        raise InputError(f"Expected verified minima in {run}, came none. Run pesx verify on it first.")
    return [
        {"minima": len(energy), **summarise(verified, energy, level).as_json()}
        for level in np.unique(verified.level).tolist()
    ]


def survival(audit: Path) -> list[dict[str, Any]]:
    """Return how many replicas failed at each temperature, of what, and in what time.

    Raises:
        InputError: The file is no audit.
    """
    try:
        temperatures = json.loads(audit.read_text(encoding="utf-8"))["temperatures"]
        return [
            {"target_k": one["target_k"], **{key: one["survival"][key] for key in SURVIVAL}, "causes": one["causes"]}
            for one in temperatures
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Expected an audit.json of pesx audit in {audit}; came something else ({error!r}). Give another file."
        ) from error


def facts(words: Sequence[str], read: Callable[[Path], list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return what is read for each molecule from words NAME=PATH."""
    return {name: read(Path(path)) for name, _, path in (word.partition("=") for word in words)}


def main() -> None:
    """Run the command line; what is not given stays in the card as it was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--minima", nargs="+", default=[], metavar="NAME=RUN", help="molecule, and a verified run")
    parser.add_argument("--dynamics", nargs="+", default=[], metavar="NAME=FILE", help="molecule, and an audit.json")
    parser.add_argument("--out", type=Path, required=True, help="model file with the new card")
    given = parser.parse_args()
    try:
        model, card = checkpoint.load(given.model)
        found = {"minima": facts(given.minima, verified_minima), "dynamics": facts(given.dynamics, survival)}
        checkpoint.save(given.out, model, with_facts(card, **{name: one for name, one in found.items() if one}))
    except (OSError, PesxError) as error:
        raise SystemExit(f"found_card.py: {error}") from error
    print(f"Wrote {given.out}.")


if __name__ == "__main__":
    main()
