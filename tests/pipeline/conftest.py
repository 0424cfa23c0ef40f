"""What several tests of the engine start from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.session import Session
from tests.support.fakes import HeldLoader, registry_of
from tests.support.long_study import write_long_study

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cornerstream.phantom import PhantomStudy


@pytest.fixture
async def held() -> HeldLoader:
    """The loader of `held:` image ids."""
    return HeldLoader()


@pytest.fixture
async def session(held: HeldLoader) -> AsyncGenerator[Session, None]:
    """A session on the test's loop; no task of it is left."""
    async with Session(registry=registry_of(held=held)) as session:
        yield session
    assert session._made is not None
    assert session._made.tasks == set()


@pytest.fixture
async def nothing_fails_in_the_loop() -> AsyncGenerator[None, None]:
    """What a callback raises is only logged; here it fails the test."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    yield
    assert not failures


@pytest.fixture(scope="session")
def long_study(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """One instance of many frames; never written to."""
    return write_long_study(tmp_path_factory.mktemp("long"))
