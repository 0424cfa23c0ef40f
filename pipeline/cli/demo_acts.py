"""What the demonstration does with its study: stream it, prefetch and change its mind."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.cli.demo_figures import Act, Loads, Streamed
from cornerstream.cli.progress import image_progress

if TYPE_CHECKING:
    from cornerstream.cli.gallery import Gallery
    from cornerstream.series import Series
    from cornerstream.session import Session
    from cornerstream.stats import SessionStats


async def stream_series(session: Session, series: Series, gallery: Gallery, number: int) -> Streamed:
    """Stream a series in order, with a bar.

    Raises:
        ImageLoadError: An image failed.
    """
    streamed = Streamed(series)
    before, begun = session.stats().bytes_received, perf_counter()
    with image_progress(series.series_description, len(series), session, streamed) as advance:
        async for image in session.stream(series):
            streamed.first_image = streamed.first_image or perf_counter() - begun
            gallery.look(image, streamed.images, len(series), number)
            streamed.nbytes += image.nbytes
            streamed.sop_instance_uids.append(image.sop_instance_uid)
            advance()
    streamed.seconds = perf_counter() - begun
    streamed.received = session.stats().bytes_received - before
    return streamed


async def prefetch_halfway(session: Session, streamed: Streamed) -> Act:
    """Prefetch a whole series from its middle, and cancel it when half of it is there."""
    series = streamed.series
    before = session.stats()
    with image_progress("prefetch", len(series), session, Streamed(series)) as advance:
        prefetch = session.prefetch(series, around=len(series) // 2)
        told = 0
        while (there := prefetch.total - prefetch.remaining) < prefetch.total // 2:
            for _ in range(told, there):
                advance()
            told = there
            await asyncio.sleep(0.005)
        prefetch.dispose()
        begun = perf_counter()
        while _is_busy(session.stats()):  # noqa: ASYNC110 - the figures are read, nothing rings when they change
            await asyncio.sleep(0.0005)
        settled = perf_counter() - begun
    loads = Loads.between(before, session.stats(), streamed.bytes_per_image)
    complete = not loads.errors and prefetch.total == len(series)
    return Act("prefetch", prefetch.total, loads, settled, complete)


def _is_busy(stats: SessionStats) -> bool:
    """Responses are open, or decoders at work: those that run when they are cancelled come to their end."""
    return bool(stats.running or stats.open_requests or stats.busy_workers or stats.queued_work)
