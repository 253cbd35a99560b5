"""Write into a model's card how long its dynamics stays in chemistry, as ``pesx audit`` has found.

pesx md --molecule examples/ala3.xyz --temperature 300 500 --replicas 32 --time 50ps --out md
pesx audit md --out audit
python workflows/ala_gly_model/dynamics_card.py model.safetensors Ac-Ala3-NHMe=audit/audit.json --out new.safetensors
"""

import argparse
import json
from pathlib import Path
from typing import Any

from pesx.errors import InputError, PesxError
from pesx.so3krates import checkpoint
from pesx.training.card import with_facts

NUMBERS = ("n", "n_failed", "watched_ps", "failures_per_ns")


def survived(path: Path) -> list[dict[str, Any]]:
    """Return how many replicas failed at each temperature, of what, and in what time.

    Raises:
        InputError: The file is no audit.
    """
    try:
        temperatures = json.loads(path.read_text(encoding="utf-8"))["temperatures"]
        return [
            {"target_k": one["target_k"], **{key: one["survival"][key] for key in NUMBERS}, "causes": one["causes"]}
            for one in temperatures
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Expected the audit.json of pesx audit in {path}; came something else ({error!r})."
        ) from error


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("audits", nargs="+", metavar="NAME=FILE", help="name of the molecule, and an audit.json")
    parser.add_argument("--out", type=Path, required=True, help="model file with the new card")
    given = parser.parse_args()
    try:
        model, card = checkpoint.load(given.model)
        found = {name: survived(Path(file)) for name, _, file in (word.partition("=") for word in given.audits)}
        checkpoint.save(given.out, model, with_facts(card, dynamics=found))
    except (OSError, PesxError) as error:
        raise SystemExit(f"dynamics_card.py: {error}") from error
    print(f"Wrote {given.out}.")


if __name__ == "__main__":
    main()
