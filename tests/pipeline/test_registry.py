from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import reactivex as rx

from cornerstream.images.errors import ImageIdError, UnknownSchemeError
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.loaders import BUILT_IN
from cornerstream.loaders.wadouri import load as load_wadouri
from cornerstream.operators.plug_ins import PlugInError
from cornerstream.registry import ENTRY_POINTS, LoaderRegistry
from tests.support.distributions import write_distribution

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.loaders.context import LoadContext


def mine(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    return ImageLoadObject(image_id, rx.empty())


def loader_of(registry: LoaderRegistry, text: str) -> object:
    return registry.loader_for(ImageId.parse(text))


def test_the_table_of_built_in_loaders_is_in_order_and_imports() -> None:
    assert list(BUILT_IN) == sorted(BUILT_IN)
    for scheme, _ in BUILT_IN:
        assert callable(LoaderRegistry().loader_for(ImageId(scheme, "x")))


def test_dicomweb_is_another_name_of_wadouri() -> None:
    assert loader_of(LoaderRegistry(), "dicomweb:http://h/x") is loader_of(LoaderRegistry(), "wadouri:http://h/x")


def test_a_registered_loader_wins_until_it_is_taken_back() -> None:
    registry = LoaderRegistry()
    registry.register("WadoURI", mine)
    assert loader_of(registry, "wadouri:http://h/x") is mine
    assert registry.schemes()["wadouri"].endswith(":mine")
    registry.unregister("wadouri")
    assert loader_of(registry, "wadouri:http://h/x") is load_wadouri
    registry.unregister("wadouri")


def test_the_loader_for_unknown_schemes() -> None:
    registry = LoaderRegistry()
    with pytest.raises(UnknownSchemeError, match=f"known: {', '.join(scheme for scheme, _ in BUILT_IN)}"):
        loader_of(registry, "other:x")
    assert registry.register_unknown(mine) is None
    assert loader_of(registry, "other:x") is mine
    assert loader_of(registry, "wadouri:http://h/x") is load_wadouri
    assert registry.register_unknown(None) is mine
    with pytest.raises(UnknownSchemeError):
        loader_of(registry, "other:x")


@pytest.mark.parametrize("scheme", ["", "1a", "a b", "a:b", "ä"])
def test_a_scheme_that_is_none(scheme: str) -> None:
    with pytest.raises(ImageIdError):
        LoaderRegistry().register(scheme, mine)


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another distribution, with a loader that works and one that does not import."""
    package = tmp_path / "plug_in_for_tests"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "good.py").write_text("def load(image_id, context):\n    return 'good'\n")
    (package / "bad.py").write_text("import a_module_that_is_nowhere\n")
    info = tmp_path / "plug_in_for_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-in-for-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[cornerstream.loaders]\ngood = plug_in_for_tests.good:load\nbad = plug_in_for_tests.bad:load\n"
        "wadouri = plug_in_for_tests.good:load\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plug_ins")
def test_entry_points_of_other_distributions() -> None:
    registry = LoaderRegistry()
    assert registry.schemes()["good"] == "plug_in_for_tests.good:load"
    assert "plug_in_for_tests.good" not in sys.modules  # imported when its scheme is first asked for
    assert getattr(loader_of(registry, "good:x"), "__module__", "") == "plug_in_for_tests.good"
    assert loader_of(registry, "wadouri:http://h/x") is load_wadouri  # what is built in is not taken over in silence
    with pytest.raises(
        UnknownSchemeError, match=r"bad = plug_in_for_tests\.bad:load of plug-in-for-tests 1\.0 does not import"
    ) as caught:
        loader_of(registry, "bad:x")
    assert isinstance(caught.value.__cause__, PlugInError)
    assert isinstance(caught.value.__cause__.__cause__, ModuleNotFoundError)
    registry.register("bad", mine)
    assert loader_of(registry, "bad:x") is mine


@pytest.mark.usefixtures("plug_ins")
def test_a_scheme_that_two_distributions_claim(tmp_path: Path) -> None:
    points = {ENTRY_POINTS: {"good": "plug_in_for_tests.bad:load", "Number": "plug_in_for_tests:__path__"}}
    write_distribution(tmp_path, "another", "2.0", {}, points)
    registry = LoaderRegistry()
    claims = r"good = \S+ of another 2\.0 and by good = \S+ of plug-in-for-tests 1\.0; say which"
    with pytest.raises(UnknownSchemeError, match=claims):
        loader_of(registry, "good:x")
    registry.register("good", mine)
    assert loader_of(registry, "good:x") is mine
    with pytest.raises(UnknownSchemeError, match=r"of another 2\.0 is no loader: \w+ cannot be called"):
        loader_of(registry, "number:x")
