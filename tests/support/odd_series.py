"""Whole series over the network: a session that always takes them, and a server whose answers are as a test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cornerstream.link import LinkEstimate
from cornerstream.server.running import running_app
from cornerstream.session import Session
from tests.support.study import app_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cornerstream.phantom import PhantomStudy

DICOM = 'multipart/related; type="application/dicom"; boundary=b'


@asynccontextmanager
async def fast_session(**options: Any) -> AsyncIterator[Session]:
    """A session whose links are fast, however busy this machine is."""
    async with Session(**options) as session:
        rules = session._engine.resources.series._rules
        rules.link, rules.clock = lambda _: (LinkEstimate(), 7), lambda: 0.0
        yield session


class OddSeries:
    """A server that answers the retrieval of its series as the test says.

    Args:
        study: What it serves; all else comes from there as it should.
        pieces: Of the answer; an empty one waits for `go`.
        kind: Content-Type of the answer.

    Attributes:
        asked: Retrievals.
        left: Set when a client left one before its end.
    """

    def __init__(self, study: PhantomStudy, *pieces: bytes, kind: str = DICOM) -> None:
        self.study = study
        self.asked = 0
        self.left = asyncio.Event()
        self.go = asyncio.Event()
        self.ids: list[str] = []
        self._pieces = pieces
        self._kind = kind

    @asynccontextmanager
    async def running(self) -> AsyncIterator[OddSeries]:
        app = app_of(self.study)

        @web.middleware
        async def answer(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._answer(request, handler)

        app.middlewares.insert(0, answer)
        series = self.study.series[0]
        async with running_app(app) as address:
            base = f"{address.dicomweb}/studies/{self.study.study_instance_uid}/series/{series.series_instance_uid}"
            self.ids = [f"wadors:{base}/instances/{uid}/frames/1" for uid in series.sop_instance_uids]
            yield self
        await asyncio.get_running_loop().shutdown_default_executor()

    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.endswith(self.study.series[0].series_instance_uid):
            response: web.StreamResponse = await handler(request)
            return response
        self.asked += 1
        response = web.StreamResponse(headers={"Content-Type": self._kind})
        try:
            await response.prepare(request)
            for piece in self._pieces:
                if piece:
                    await response.write(piece)
                else:
                    await self.go.wait()
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response
