"""Write into a model's card what became of the minima that ``pesx explore`` found with it, relaxed at other levels of theory.

pesx verify ala3 --engine gfn2 --sample 100
pesx verify ala2 --engine pyscf --level b3lyp-d4/def2-svp --sample 10
python workflows/ala_gly_model/minima_card.py model.safetensors Ac-Ala3-NHMe=ala3 Ac-Ala2-NHMe=ala2 --out new.safetensors
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from pesx.errors import InputError, PesxError
from pesx.landscape.store import RunStore
from pesx.so3krates import checkpoint
from pesx.training.card import with_facts
from pesx.verification.verify import summarise


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


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN", help="name of the molecule, and the run folder")
    parser.add_argument("--out", type=Path, required=True, help="model file with the new card")
    given = parser.parse_args()
    try:
        model, card = checkpoint.load(given.model)
        found = {name: verified_minima(Path(run)) for name, _, run in (word.partition("=") for word in given.runs)}
        checkpoint.save(given.out, model, with_facts(card, minima=found))
    except (OSError, PesxError) as error:
        raise SystemExit(f"minima_card.py: {error}") from error
    print(f"Wrote {given.out}.")


if __name__ == "__main__":
    main()
