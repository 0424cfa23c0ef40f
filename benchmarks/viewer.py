"""What the scenarios of a viewer share: a series behind a link, and sessions that have listed it."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bench_dicomweb import frame_urls
from benchmarks.floors import raw_decoder
from benchmarks.observed import observed_server
from benchmarks.peers import rows_of, sorted_by_position
from cornerstream import Session
from cornerstream.phantom import CT_SYNTAXES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from benchmarks.common import Bench, Pixels
    from benchmarks.observed import ObservedServer, Seen
    from cornerstream.phantom import PhantomSeries, PhantomStudy
    from cornerstream.series import Series

SLICES = 300


@dataclass(frozen=True, slots=True)
class Viewed:
    """A series of 300 slices of 512 × 512 × 16 bits, explicit little endian, behind a link.

    Attributes:
        server: The server, with its ledger.
        urls: The address of every frame, in order.
        decode: The bare codec.
    """

    server: ObservedServer
    study: PhantomStudy
    phantom: PhantomSeries
    urls: list[str]
    decode: Callable[[bytes], Pixels]

    @asynccontextmanager
    async def session(self, index: int = 0) -> AsyncIterator[tuple[Session, Series]]:
        """A fresh session that has listed the series and shown one image: its connections and imports are warm."""
        async with Session() as session:
            (series,) = await session.study(self.server.dicomweb, self.study.study_instance_uid)
            await session.load(series[index], keep=False)
            yield session, series

    @property
    def places(self) -> dict[str, int]:
        """The index of every SOP Instance UID; a request for more than one instance has the index -1."""
        return {"": -1} | {uid: index for index, uid in enumerate(self.phantom.sop_instance_uids)}

    @staticmethod
    def instance_of(one: Seen) -> str:
        """The SOP Instance UID in a request's path, if it has one."""
        return one.url.partition("?")[0].partition("/instances/")[2].partition("/")[0]

    def bytes_by_index(self) -> dict[int, int]:
        """Bytes that went over the link for each index, by the server's ledger."""
        places = self.places
        found: dict[int, int] = {}
        for one in self.server.pixels():
            index = places.get(self.instance_of(one), -1)
            found[index] = found.get(index, 0) + one.bytes_sent
        return found


@contextmanager
def viewed(bench: Bench) -> Iterator[Viewed]:
    """Serve the series."""
    study = bench.study(slices=SLICES, size=512, cine_frames=0, syntaxes=CT_SYNTAXES[:1])
    phantom = sorted_by_position(study.series[0])
    with observed_server(study.folder, quick=bench.quick) as server:
        urls = frame_urls(server.dicomweb, study.study_instance_uid, phantom)
        yield Viewed(server, study, phantom, urls, raw_decoder(phantom.transfer_syntax_uid, rows_of(phantom)))
