from dataclasses import replace
from pathlib import Path

import pytest

from pesx.errors import ConfigError
from pesx.labelling.plan import Dynamics, Molecules, Plan, Relaxations, read_plan

WORKFLOW = Path(__file__).parents[3] / "workflows" / "ala_gly_model"


def _write(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_a_plan_from_a_file(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        'engine = "gfn1"\nseed = 3\nmix = {scanned = 1.0}\ndynamics = {interval = 7}\n'
        '[[molecules]]\nsequences = ["Ala"]\nsmiles = {ethanol = "CCO"}\nframes = 10\n',
    )
    plan = read_plan(path)
    assert (plan.engine, plan.seed) == ("gfn1", 3)
    assert plan.dynamics == replace(Plan.dynamics, interval=7)
    assert plan.molecules[0].by_name() == {"Ac-Ala-NHMe": "CC(=O)N[C@@H](C)C(=O)NC", "ethanol": "CCO"}


MOLECULE = '[[molecules]]\nframes = 1\nsequences = ["Ala"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1\n" + MOLECULE, "sead"),
        (MOLECULE + "frame = 1\n", "frame"),
        ("mix = {guessed = 1.0}\n" + MOLECULE, "guessed"),
        ("mix = {scanned = 0.0}\n" + MOLECULE, "at least one above 0"),
        ("thermal = {temprature = 1}\n" + MOLECULE, "temprature"),
        ("thermal = {timestep = 0.0}\n" + MOLECULE, "timestep above 0"),
        ("thermal = {timestep = nan}\n" + MOLECULE, "timestep above 0"),
        ("dynamics = {temperatures = [300.0, nan]}\n" + MOLECULE, "temperatures > 0"),
        ("relaxations = {force_limit = nan}\n" + MOLECULE, "force_limit above 0"),
        ("force_limit = nan\n" + MOLECULE, "force_limit above 0"),
        ("mix = {scanned = nan}\n" + MOLECULE, "shares >= 0"),
        ("mix = {simulated = 1.0}\n" + MOLECULE, "if and only if"),
        ("energies_only = true\n" + MOLECULE, "for they need forces"),
        ("model = 'a.safetensors'\n" + MOLECULE, "if and only if"),
        (MOLECULE + MOLECULE, "twice"),
        ("seed = 1", "molecules"),
        ("seed = ", "TOML"),
        ("[[molecules]]\nframes = 0\nsequences = ['Ala']", "frames of at least 1"),
        ("[[molecules]]\nframes = 1", "sequences or smiles"),
        ("[[molecules]]\nsequences = ['Ala']", "frames"),
    ],
)
def test_mistakes_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_plan(_write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        read_plan(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "make",
    [lambda: Dynamics(temperatures=()), lambda: Dynamics(n_frames=0), lambda: Relaxations(force_limit=0.0)],
)
def test_settings_out_of_range(make) -> None:
    with pytest.raises(ConfigError):
        make()


def test_text_tells_plans_apart() -> None:
    plan = Plan((Molecules(5, ("Ala",)),))
    assert plan.to_json() == Plan((Molecules(5, ("Ala",)),)).to_json()
    assert plan.to_json() != replace(plan, seed=1).to_json()


def test_the_training_plan_never_sees_the_held_out_sequence() -> None:
    train, test = (read_plan(WORKFLOW / f"{name}.toml") for name in ("label", "label_test"))
    names = {name: group.frames for group in train.molecules for name in group.by_name()}
    assert len(names) == 25
    assert not any("Gly-Ala-Gly" in name for name in names)
    assert 13000 < sum(names.values()) < 15500
    assert train.seed != test.seed
    assert "Ac-Gly-Ala-Gly-NHMe" in {name for group in test.molecules for name in group.by_name()}
