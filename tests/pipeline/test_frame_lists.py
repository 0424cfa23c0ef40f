"""Requests for several frames over the network: few, cancelled at the socket, and right with a server that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left
from tests.support.long_study import FRAMES
from tests.support.study import Served, served

if TYPE_CHECKING:
    from cornerstream.phantom import PhantomStudy
    from tests.support.orthanc import Orthanc


def frame_requests(at: Served) -> list[str]:
    return [one.url for one in at.ledger.served if "/frames/" in one.url]


@pytest.mark.parametrize("how", ["stream", "prefetch"])
async def test_all_frames_of_an_instance_take_few_requests(long_study: PhantomStudy, how: str) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        if how == "stream":
            seen = [(image.frame_number, int(image.pixels[5, 5])) async for image in session.stream(ids)]
            assert seen == [(number, number) for number in range(1, FRAMES + 1)]
        else:
            await session.prefetch(ids)
            assert all(session.cached(one) for one in ids)
        await at.ledger.wait_until_idle()
        assert len(frame_requests(at)) == (3 if how == "stream" else 2)  # a stream's first image comes alone


async def test_leaving_a_stream_closes_the_socket_of_what_it_had_asked_for_ahead(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        images = aiter(session.stream(ids))
        assert (await anext(images)).frame_number == 1
        await images.aclose()
        await at.ledger.wait_until_idle()
        await turn_until(lambda: not session.stats().tasks)
        assert session._made is not None
        assert len(session._made.resources.lists) == 0
        stats = session.stats()
        assert (stats.running, stats.open_requests, stats.queued_requests) == (0, 0, 0)
        assert len(frame_requests(at)) <= 2


@pytest.mark.orthanc
async def test_orthanc_sends_frames_in_the_order_asked_for(orthanc: Orthanc, long_study: PhantomStudy) -> None:
    orthanc.upload(long_study.series[0].files)
    series = long_study.series[0]
    base = (
        f"wadors:{orthanc.dicomweb}/studies/{long_study.study_instance_uid}/series/{series.series_instance_uid}"
        f"/instances/{series.sop_instance_uids[0]}/frames/"
    )
    order = [*range(FRAMES, 0, -3), *range(1, FRAMES, 3)]
    async with Session() as session:
        seen = [int(image.pixels[5, 5]) async for image in session.stream([f"{base}{number}" for number in order])]
        assert seen == order
        assert session.stats().requests <= 5
