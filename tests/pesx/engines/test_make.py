import importlib.util

import pytest

from pesx.engines import AseEngine, PyscfEngine, XtbEngine, make_engine
from pesx.errors import InputError, MissingExtraError


def test_engines_by_name() -> None:
    assert make_engine("gfn2") == XtbEngine("gfn2")
    assert make_engine("gfn1", "GFN1-xTB").level == "GFN1-xTB"
    assert make_engine("pyscf", "pbe/def2-svp") == PyscfEngine("pbe/def2-svp")
    assert make_engine("package.module:maker", "LDA") == AseEngine("package.module:maker", "LDA")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="gfn2, gfn1, pyscf"):
        make_engine("gfn3")


def test_a_level_must_fit() -> None:
    with pytest.raises(InputError, match="GFN2-xTB"):
        make_engine("gfn2", "b3lyp/def2-svp")


@pytest.mark.parametrize(("name", "package"), [("gfn2", "tblite"), ("pyscf", "pyscf")])
def test_names_the_extra_of_a_missing_program(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    for module in ("xtb", "pyscf"):
        monkeypatch.setattr(f"pesx.engines.{module}.find_spec", lambda asked: None if asked == package else find(asked))
    with pytest.raises(MissingExtraError, match=rf"'{package}'.*pesx\[label\]"):
        make_engine(name)
