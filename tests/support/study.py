"""A small study on a server whose every request is remembered."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.server.app import create_app
from cornerstream.server.faults import FAULTS
from cornerstream.server.ledger import LEDGER, Ledger
from cornerstream.server.running import ServerAddress, running_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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


@asynccontextmanager
async def served(study: PhantomStudy) -> AsyncIterator[Served]:
    """Serve a study on this loop, with faults on request."""
    app = create_app(study.folder, faults=True)
    try:
        async with running_app(app) as address:
            yield Served(study, address, app[LEDGER], app[FAULTS].rules)
    finally:  # the server reads files on the loop's own threads; what they still read is not a load's
        await asyncio.get_running_loop().shutdown_default_executor()
