"""A server with faults over the small phantom study, and a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from blockbuster import blockbuster_ctx

from cornerstream.server import FAULTS, LEDGER, ServerAddress, running_app
from tests.support.study import app_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from cornerstream.phantom import PhantomSeries, PhantomStudy
    from cornerstream.server.faults import FaultBook
    from cornerstream.server.ledger import Ledger


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Served:
    """The server, what it knows, and what is in it."""

    address: ServerAddress
    ledger: Ledger
    faults: FaultBook
    study: PhantomStudy
    client: aiohttp.ClientSession

    def series_url(self, number: int) -> str:
        uid = self.study.series[number].series_instance_uid
        return f"{self.address.dicomweb}/studies/{self.study.study_instance_uid}/series/{uid}"

    def instance_url(self, number: int, index: int = 0) -> str:
        return f"{self.series_url(number)}/instances/{self.study.series[number].sop_instance_uids[index]}"

    def series(self, number: int) -> PhantomSeries:
        return self.study.series[number]

    async def get(self, url: str, **headers: str) -> Answer:
        """GET, the underscores of header names standing for hyphens."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.get(url, headers=fields) as response:
            body = await response.read()
            return Answer(response.status, response.headers, response.headers.get("Content-Type", ""), body)


@pytest.fixture(autouse=True)
def _the_loop_is_not_blocked() -> Iterator[None]:
    """A blocking call of the server on the loop is an error, wherever a test comes upon it."""
    with blockbuster_ctx("cornerstream.server"):
        yield


@pytest.fixture
async def served(small_study: PhantomStudy) -> AsyncIterator[Served]:
    app = app_of(small_study, faults=True)
    async with running_app(app) as address, aiohttp.ClientSession(auto_decompress=False) as client:
        yield Served(address, app[LEDGER], app[FAULTS], small_study, client)
