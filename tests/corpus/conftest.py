"""The servers of the corpus, and its report: `pytest tests/corpus --corpus-report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cornerstream.session import Session
from tests.corpus.report import Report
from tests.corpus.served import Served, served_corpus
from tests.support.corpus import corpus_root

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--corpus-report", action="store_true", help="print one line a file of the corpus, and the count")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = Report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_REPORT]
    if config.getoption("--corpus-report", default=False) and rows.rows:
        terminalreporter.section("corpus report")
        for line in rows.lines():
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _corpus_is_here(request: pytest.FixtureRequest) -> None:
    """What is marked `corpus` skips without one, and fails in CI."""
    if request.node.get_closest_marker("corpus"):
        corpus_root()


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """Where the rows are collected."""
    return request.config.stash[_REPORT]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """All files on servers."""
    corpus_root()
    async with served_corpus(tmp_path_factory.mktemp("corpus")) as places:
        yield places


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session() -> AsyncIterator[Session]:
    """One session for all files."""
    async with Session() as session:
        yield session
