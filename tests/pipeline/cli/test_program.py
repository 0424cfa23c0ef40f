from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image as Pillow

import cornerstream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.cli.conftest import Typed

_HEAVY = {"PIL", "aiohttp", "aiohttp.web", "imagecodecs", "openjpeg", "pydicom", "rich", "typer", "numpy", "reactivex"}


def imported_by(code: str) -> set[str]:
    """The heavy modules that a program imports."""
    program = f"import sys\n{code}\nprint(*({_HEAVY!r} & set(sys.modules)), sep=',', file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stderr.strip().split(",")) - {""}


def test_the_package_is_imported_without_anything_heavy() -> None:
    assert imported_by("import cornerstream") == set()


def test_the_session_is_imported_without_codecs_and_command_line() -> None:
    heavy = imported_by("from cornerstream import Session, load_image")
    assert not heavy & {"PIL", "aiohttp.web", "imagecodecs", "openjpeg", "rich", "typer"}


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["demo", "--help"], ["--version"]])
def test_help_is_quick(arguments: list[str]) -> None:
    heavy = imported_by(f"from cornerstream.cli.app import app\ntry: app({arguments!r})\nexcept SystemExit: pass")
    assert heavy <= {"typer", "rich"}


def test_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cornerstream", "--version"], capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == (f"cornerstream {cornerstream.__version__}\n", "")


def test_the_demonstration(typed: Typed, tmp_path: Path) -> None:
    result = typed("demo", "--slices", "12", "--seconds", "0.5", "--keep", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[-1] == f"Montage: {tmp_path / 'montage.png'}"
    figures = {line[:36].strip(): line[36:].split()[0] for line in lines if "left" in line or "images streamed" in line}
    assert figures == {"images streamed": "96", "sockets left": "0", "tasks left": "0", "threads left": "0"}
    with Pillow.open(tmp_path / "montage.png") as picture:
        assert picture.width > 1000
        assert picture.height > 1000
        colours = picture.getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 10_000  # greys and the cine's colours, not an empty sheet
