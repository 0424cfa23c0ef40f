"""The README's code runs as it stands, and its tables are those of the registries."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from benchmarks.__main__ import NAMES as BENCHMARKS
from cornerstream.cli.app import app
from cornerstream.images.limits import Limits
from cornerstream.loaders import BUILT_IN
from cornerstream.operators.decoder_table import transfer_syntaxes
from cornerstream.server import server_process
from tests.support.documents import ROOT, Block, blocks
from tools.tables import TABLES, limits_table, scheme_table, transfer_syntax_table, with_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy

README = ROOT / "README.md"
SERVER = "http://127.0.0.1:8042"  # where the README has the embedded server
PYTHON_BLOCKS = [block for block in blocks(README) if block.language == "python"]


@pytest.fixture(scope="module")
def origin(small_study: PhantomStudy) -> Iterator[str]:
    with server_process(small_study.folder) as address:
        yield address.origin


@pytest.fixture
def folder(tmp_path: Path, small_study: PhantomStudy) -> Path:
    (tmp_path / "scans").symlink_to(small_study.folder)
    return tmp_path


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=str)
def test_code_runs(block: Block, origin: str, folder: Path) -> None:
    code = block.code.replace(SERVER, origin)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


def test_first_example_streams_a_whole_series(origin: str, folder: Path, small_study: PhantomStudy) -> None:
    code = PYTHON_BLOCKS[0].code.replace(SERVER, origin)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=50, check=True
    )
    first, *streamed, second, last = run.stdout.splitlines()
    assert first.startswith("<Image wadors:")
    assert len(streamed) == small_study.series[0].frames
    assert second != last
    assert second.startswith("<Image wadors:")
    assert last.startswith("<Image wadors:")


def test_first_example_has_about_fifteen_lines() -> None:
    lines = [line for line in PYTHON_BLOCKS[0].code.splitlines() if line.strip()]
    assert 10 <= len(lines) <= 16


def test_phantom_command_runs(tmp_path: Path) -> None:
    (command,) = re.findall(r'^python -c "(.*)"$', README.read_text(encoding="utf-8"), re.MULTILINE)
    assert "slices=40" in command
    smaller = command.replace("slices=40", "slices=2, size=64, cine_frames=2")
    subprocess.run([sys.executable, "-c", smaller], cwd=tmp_path, timeout=50, check=True)
    assert len(list((tmp_path / "scans").rglob("*.dcm"))) == 7


@pytest.mark.parametrize("document", TABLES)
def test_tables_are_those_of_the_code(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert with_tables(document, text) == text, f"the tables of {document} are out of date; run `make format`"


def test_every_limit_is_explained() -> None:
    assert all(f"| `{one.name}` |" in limits_table() for one in fields(Limits))


def test_tables_name_everything_registered() -> None:
    schemes, syntaxes = scheme_table(), transfer_syntax_table()
    assert all(f"`{scheme}:`" in schemes for scheme, _ in BUILT_IN)
    assert all(f"`{syntax.uid}`" in syntaxes for syntax in transfer_syntaxes())


def test_out_of_date_table_is_noticed() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables("README.md", text.replace("| `wadors:` |", "| `wado:` |")) == text


def test_missing_place_of_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="schemes"):
        with_tables("README.md", "# no tables")


def test_make_targets_it_names_exist() -> None:
    named = set(re.findall(r"(?:^ +|`)make ([a-z-]+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "test"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_every_benchmark_has_its_command() -> None:
    named = re.findall(r"--only ([a-z]+)", README.read_text(encoding="utf-8"))
    assert sorted(named) == sorted(BENCHMARKS)


def test_commands_it_names_are_all_there_are() -> None:
    named = re.findall(r"^\| `cornerstream ([a-z]+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert named == [command.callback.__name__ for command in app.registered_commands if command.callback]
