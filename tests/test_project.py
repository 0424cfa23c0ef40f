"""The project as a whole: its names, its tables, what is installed, and the examples in its docstrings."""

from __future__ import annotations

import doctest
import tomllib
from importlib import import_module, resources
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import cornerstream
from cornerstream.loaders import BUILT_IN
from tests.support.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = PROJECT["tool"]["setuptools"]["package-dir"]
MODULES = sorted(
    package if path.stem == "__init__" else f"{package}.{path.stem}"
    for package, folder in FOLDERS.items()
    for path in (ROOT / folder).glob("*.py")
    if path.stem != "__main__"  # importing it runs the command line
)


def test_every_module_is_found() -> None:
    assert {"cornerstream.session", "cornerstream.images.image_id", "cornerstream.operators.codecs.rle"} <= set(MODULES)


@pytest.mark.parametrize("exported", cornerstream.__all__)
def test_exported_name_imports(exported: str) -> None:
    assert getattr(cornerstream, exported) is not None


def test_exports_are_sorted_and_listed() -> None:
    assert list(cornerstream.__all__) == sorted(cornerstream.__all__)
    assert dir(cornerstream) == list(cornerstream.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cornerstream.nothing


@pytest.mark.parametrize("module", MODULES)
def test_all_of_a_module_is_there(module: str) -> None:
    names = getattr(import_module(module), "__all__", [])
    assert [name for name in names if not hasattr(import_module(module), name)] == []
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_docstring(module: str) -> None:
    assert (import_module(module).__doc__ or "").strip()


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_hold(module: str) -> None:
    assert doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS).failed == 0


def test_some_docstrings_have_examples() -> None:
    finder = doctest.DocTestFinder()
    assert sum(len(test.examples) for module in MODULES for test in finder.find(import_module(module))) > 0


def test_loaders_are_in_alphabetical_order() -> None:
    schemes = [scheme for scheme, _ in BUILT_IN]
    assert schemes == sorted(set(schemes))


@pytest.mark.parametrize("target", [target for _, target in BUILT_IN])
def test_loader_imports(target: str) -> None:
    module, _, name = target.partition(":")
    assert callable(getattr(import_module(module), name))


def test_package_says_that_it_is_typed() -> None:
    assert (resources.files("cornerstream") / "py.typed").is_file()
    assert PROJECT["tool"]["setuptools"]["package-data"]["cornerstream"] == ["py.typed"]


def test_every_package_is_listed_and_mapped() -> None:
    roots = {Path(folder).parts[0] for folder in FOLDERS.values()}
    folders = {str(path.parent.relative_to(ROOT)) for root in roots for path in (ROOT / root).rglob("*.py")}
    assert set(FOLDERS.values()) == folders
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == set(FOLDERS)


def test_version_is_said_once() -> None:
    assert cornerstream.__version__ == PROJECT["project"]["version"] == version("cornerstream")


def test_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="cornerstream")
    assert callable(command.load())


def test_no_folder_shadows_the_package() -> None:
    assert not (ROOT / "cornerstream").exists()


def test_nothing_under_the_gpl_is_required() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    required = [*PROJECT["project"]["dependencies"], *(one for extra in extras for one in extra)]
    assert not [one for one in required if one.startswith(("pylibjpeg-libjpeg", "aiostream"))]
