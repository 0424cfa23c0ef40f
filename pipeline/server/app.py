"""The embedded DICOMweb server: an aiohttp application over a folder.

::

    GET /dicom-web/studies?PatientID=…                     search (qido)
    GET /dicom-web/studies/{study}/series/{series}/…       files, metadata, frames, rendered frames (wado_rs, …)
    GET /wado?requestType=WADO&objectUID=…                 one file, or one rendered frame (wado_uri)
    GET /files/{path}                                      any file of the folder, with Range
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from cornerstream.server import faults as fault_kinds
from cornerstream.server import metadata, qido, rendered, wado_rs, wado_uri
from cornerstream.server.folder import FOLDER, ServedFolder
from cornerstream.server.guard import refuse_foreign_names
from cornerstream.server.ledger import LEDGER, Ledger, record
from cornerstream.server.reply import LINK, CutError, Link, Reply, drop_empty_content_type, end_connection, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[Reply]]

BASE_PATH = "/dicom-web"
_REMEMBERED = 100_000
_STUDY = BASE_PATH + "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"

_ROUTES: tuple[tuple[str, Handler], ...] = (
    (BASE_PATH + "/studies", qido.search_studies),
    (BASE_PATH + "/series", qido.search_series),
    (BASE_PATH + "/instances", qido.search_instances),
    (_STUDY + "/series", qido.search_series),
    (_STUDY + "/instances", qido.search_instances),
    (_SERIES + "/instances", qido.search_instances),
    (_STUDY, wado_rs.retrieve_instances),
    (_SERIES, wado_rs.retrieve_instances),
    (_INSTANCE, wado_rs.retrieve_instances),
    (_STUDY + "/metadata", metadata.retrieve_metadata),
    (_SERIES + "/metadata", metadata.retrieve_metadata),
    (_INSTANCE + "/metadata", metadata.retrieve_metadata),
    (_INSTANCE + "/bulkdata/{path:.+}", metadata.retrieve_bulkdata),
    (_INSTANCE + "/frames/{frames}", wado_rs.retrieve_frames),
    (_INSTANCE + "/frames/{frames}/rendered", rendered.retrieve_rendered),
    (_INSTANCE + "/rendered", rendered.retrieve_rendered),
    ("/wado", wado_uri.retrieve_object),
    ("/files/{path:.+}", wado_uri.retrieve_file),
)


def create_app(
    folder: Path | str, *, faults: bool = False, latency_seconds: float = 0.0, bytes_per_second: float | None = None
) -> web.Application:
    """Make the application; the folder is read when it starts.

    Args:
        folder: Its DICOM files are served.
        faults: Let requests ask for faults, and remember how every request ended; for tests only.
        latency_seconds: Wait before every answer.
        bytes_per_second: Bytes of all answers' bodies together.
    """
    app = web.Application(middlewares=[record, refuse_foreign_names])
    app[FOLDER] = ServedFolder(folder)
    app[LEDGER] = Ledger(_REMEMBERED if faults else 0)
    app[LINK] = Link(latency_seconds, bytes_per_second)
    if faults:
        app[fault_kinds.FAULTS] = fault_kinds.FaultBook()
    app.on_response_prepare.append(drop_empty_content_type)
    app.cleanup_ctx.append(_scanned)
    app.add_routes([web.get(path, _endpoint(handler)) for path, handler in _ROUTES])
    return app


async def _scanned(app: web.Application) -> AsyncIterator[None]:
    await app[FOLDER].scan()
    yield


def _endpoint(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(request.app[LINK].latency_seconds)
        book = request.app.get(fault_kinds.FAULTS)
        fault = book.of(request) if book is not None else None
        if fault is None:
            return await send(request, await handler(request))
        try:
            reply = await fault_kinds.instead(request, fault)
        except CutError as cut:
            end_connection(request, cut)
            return web.StreamResponse()
        if reply is None:
            reply = await fault_kinds.change(await handler(request), fault)
        return await send(request, reply)

    return answer
