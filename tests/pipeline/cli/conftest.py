"""The command line as it is typed, and a server for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest
from typer.testing import CliRunner

from cornerstream.cli.app import app
from cornerstream.server import ServerAddress, server_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

    from cornerstream.phantom import PhantomStudy


class Typed(Protocol):
    def __call__(self, *arguments: object) -> Result: ...


@pytest.fixture
def typed() -> Typed:
    """Runs a command in this process."""
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="package")
def pacs(small_study: PhantomStudy) -> Iterator[ServerAddress]:
    """The small study, served by another process."""
    with server_process(small_study.folder, faults=True) as address:
        yield address
