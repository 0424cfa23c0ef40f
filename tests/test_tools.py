"""The project's own tools find what they look for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """`first` imports `second`, and `second` imports `first` for type checkers only."""
    folder = tmp_path / "circular"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "first.py").write_text("import circular.second\n")
    (folder / "second.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import circular.first\n"
    )
    return folder


def check_cycles(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check_cycles.py"), folder.name],
        env={"PYTHONPATH": str(folder.parent)}, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def test_imports_for_type_checkers_are_no_cycle(package: Path) -> None:
    run = check_cycles(package)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_cycle_is_named(package: Path) -> None:
    (package / "second.py").write_text("def late() -> None:\n    import circular.first\n")
    run = check_cycles(package)
    assert run.returncode == 1
    assert {"circular.first", "circular.second"} <= set(run.stderr.split())


def venv(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "venv.sh"), *arguments],
        env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def fake_python(folder: Path, *, version: str = "3.11", ensurepip: bool = False) -> Path:
    """A program that answers what `venv.sh` asks a Python, and makes no environment."""
    fake = folder / "python3"
    fake.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"    *ensurepip*) exit {0 if ensurepip else 1} ;;\n"
        f"    *exit*) exit {0 if version >= '3.11' else 1} ;;\n"
        f"    *version_info*) echo {version} ;;\n"
        "    --version) echo Python ;;\n"
        "    *) exit 1 ;;\n"
        "esac\n"
    )
    fake.chmod(0o755)
    return fake


def test_no_new_enough_python_is_said(tmp_path: Path) -> None:
    run = venv(str(tmp_path / "venv"), ".", PYTHON=str(fake_python(tmp_path, version="3.10")))
    assert run.returncode == 1
    assert "is no Python 3.11 or newer" in run.stderr


def test_uv_makes_the_environment_where_ensurepip_is_missing(tmp_path: Path) -> None:
    python, uv = fake_python(tmp_path), tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    uv.chmod(0o755)
    venv(str(tmp_path / "venv"), ".", PYTHON=str(python), PATH=f"{tmp_path}:/usr/bin:/bin")
    asked = (tmp_path / "asked").read_text().split()
    assert asked[0] == "venv"
    assert "--seed" in asked
    assert str(python) in asked
