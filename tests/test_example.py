"""The example distribution is built, installed beside cornerstream, found by its entry points, and passes its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "examples" / "cornerstream-example"
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index")


def run(*command: str, folder: Path, **environment: str) -> str:
    """What a program of this Python says."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed example in `site` and its tests in `tests`."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source")  # building writes into the folder of the sources
    wheel = run("-c", BUILD, str(folder), folder=source).split()[-1]
    assert wheel == "cornerstream_example-0.1.0-py3-none-any.whl"
    run(*PIP, "--target", str(folder / "site"), str(folder / wheel), folder=folder)
    shutil.move(source / "tests", folder / "tests")
    shutil.rmtree(source)
    return folder


def test_its_tests_pass(installed: Path) -> None:
    """With no plug-in of pytest, and without this repository's tests."""
    said = run(
        *("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"),
        folder=installed,
        PYTHONPATH=str(installed / "site"),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert " passed" in said


def test_it_is_found_by_its_entry_points(installed: Path) -> None:
    np.save(installed / "a.npy", np.arange(12, dtype=np.uint8).reshape(3, 4))
    code = "import cornerstream as cs; print(cs.load_image('npy:a.npy').result(20).pixels.sum())"
    assert run("-c", code, folder=installed, PYTHONPATH=str(installed / "site")) == "66\n"
    shown = [
        " ".join(run("-m", "cornerstream", command, folder=installed, PYTHONPATH=str(installed / "site")).split())
        for command in ("loaders", "codecs")
    ]
    assert "npy: cornerstream_example.npy:load cornerstream-example 0.1.0" in shown[0]
    assert "Example Deflated Differences example-delta (cornerstream-example" in shown[1]


def test_it_is_not_found_where_it_is_not_installed() -> None:
    assert "cornerstream-example" not in run("-m", "cornerstream", "loaders", folder=ROOT)
