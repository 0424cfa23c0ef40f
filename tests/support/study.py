"""A small study on a server whose every request is remembered."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from cornerstream.server.app import create_app
from cornerstream.server.faults import FAULTS
from cornerstream.server.folder import FOLDER, ServedFolder
from cornerstream.server.index import FolderIndex, scan_folder
from cornerstream.server.ledger import LEDGER, Ledger
from cornerstream.server.running import ServerAddress, running_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from cornerstream.phantom import PhantomSeries, PhantomStudy


@dataclass(frozen=True, slots=True)
class Served:
    """A running server and the study it serves.

    Attributes:
        faults: Fault by regular expression; see `FaultBook.rules`.
    """

    study: PhantomStudy
    address: ServerAddress
    ledger: Ledger
    faults: dict[str, str] = field(default_factory=dict)

    def wadors(self, series: PhantomSeries, index: int, query: str = "") -> str:
        """Image id of a frame; of a multi-frame instance, `index` counts its frames."""
        one = len(series.sop_instance_uids) == 1
        uid = series.sop_instance_uids[0 if one else index]
        number = index + 1 if one else 1
        return (
            f"wadors:{self.address.dicomweb}/studies/{self.study.study_instance_uid}/series/{series.series_instance_uid}"
            f"/instances/{uid}/frames/{number}{query}"
        )

    def wadouri(self, series: PhantomSeries, index: int, query: str = "") -> str:
        """Image id of a frame, by WADO-URI; `query` begins with `&`."""
        one = len(series.sop_instance_uids) == 1
        uid = series.sop_instance_uids[0 if one else index]
        frame = f"&frame={index + 1}" if one else ""
        return (
            f"wadouri:{self.address.wado}?requestType=WADO&studyUID={self.study.study_instance_uid}"
            f"&seriesUID={series.series_instance_uid}&objectUID={uid}&contentType=application/dicom{query}{frame}"
        )


class _KnownFolder(ServedFolder):
    """Its headers are read once for the servers of all tests, unless a file of it has changed: hundreds start."""

    async def scan(self) -> None:
        self.index = await asyncio.to_thread(self._known)
        self.root = self.index.folder

    def _known(self) -> FolderIndex:
        stats = ((path, path.stat()) for path in sorted(self.root.rglob("*")))
        return _index_of(self.root, tuple((path, stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in stats))


@lru_cache(maxsize=8)
def _index_of(folder: Path, files: tuple[tuple[Path, int, int, int], ...]) -> FolderIndex:
    return scan_folder(folder)


def app_of(study: PhantomStudy, *, faults: bool = False) -> web.Application:
    """The server's application over a study; it starts without reading again what another one has read."""
    app = create_app(study.folder, faults=faults)
    app[FOLDER] = _KnownFolder(study.folder)
    return app


@asynccontextmanager
async def served(study: PhantomStudy) -> AsyncIterator[Served]:
    """Serve a study on this loop, with faults on request."""
    app = app_of(study, faults=True)
    try:
        async with running_app(app) as address:
            yield Served(study, address, app[LEDGER], app[FAULTS].rules)
    finally:  # the server reads files on the loop's own threads; what they still read is not a load's
        await asyncio.get_running_loop().shutdown_default_executor()
