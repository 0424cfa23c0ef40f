"""A session whose loads the test holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.session import Session
from tests.support.fakes import HeldLoader, registry_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


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
