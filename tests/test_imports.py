"""Importing the package is light: what is heavy comes when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "dask",
    "imagecodecs",
    "multipart",
    "npe2",
    "openjpeg",
    "PIL",
    "pydicom",
    "pylibjpeg",
    "rich",
    "rle",
    "tenacity",
    "typer",
    "xarray",
}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    return set(run.stdout.split())


def test_package_loads_nothing_heavy() -> None:
    assert loaded_by("import cornerstream").isdisjoint(HEAVY | {"numpy", "reactivex"})


@pytest.mark.parametrize(
    "module", ["cornerstream.images", "cornerstream.loaders", "cornerstream.operators", "cornerstream.session"]
)
def test_floor_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}").isdisjoint(HEAVY)


@pytest.mark.parametrize("module", ["cornerstream.loaders.wadors", "cornerstream.loaders.dicomfile"])
def test_loaders_load_no_codec(module: str) -> None:
    assert loaded_by(f"import {module}").isdisjoint(HEAVY - {"multipart", "tenacity"})


def test_what_is_heavy_would_be_noticed() -> None:
    assert "pydicom" in loaded_by("import pydicom")
