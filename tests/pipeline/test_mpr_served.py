"""Planes of a study on a DICOMweb server: the slices' requests are those of any load, and end as theirs do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.metadata import ImageQuality
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left, turns
from tests.support.study import served

if TYPE_CHECKING:
    from cornerstream.images.image import Image
    from cornerstream.phantom import PhantomStudy


async def test_planes_of_a_server_are_those_of_the_files(small_study: PhantomStudy) -> None:
    async with nothing_left(), served(small_study) as at, Session(max_requests=2, max_workers=1) as session:
        remote, *_ = await session.study(at.address.dicomweb, small_study.study_instance_uid)
        files = await session.folder(small_study.folder)
        (local,) = [one for one in files if one.series_instance_uid == remote.series_instance_uid]
        for plane in ("axial", "coronal"):
            planes, expected = session.mpr(remote, plane), session.mpr(local, plane)
            number = len(planes) // 2
            a, b = await session.load(planes[number]), await session.load(expected[number])
            np.testing.assert_array_equal(a.pixels, b.pixels)
            assert a.image_position_patient == b.image_position_patient
        assert all(session.cached(image_id) for image_id in remote)


async def test_cancelled_at_any_turn_no_request_is_left(small_study: PhantomStudy) -> None:
    async with nothing_left(), served(small_study) as at, Session(cache_bytes=0) as session:
        remote, *_ = await session.study(at.address.dicomweb, small_study.study_instance_uid)
        image_id = session.mpr(remote, "coronal")[30]
        for moment in range(0, 60, 3):
            load = session.load(image_id)
            heard: list[Image] = []
            load.observable.subscribe(heard.append)
            await turns(moment)
            load.cancel()
            count = len(heard)
            assert session.stats().running == 0
            await at.ledger.wait_until_idle()
            await turn_until(lambda: not (session.stats().open_requests or session.stats().queued_requests))
            assert len(heard) == count
        assert (await session.load(image_id)).quality is ImageQuality.COMPLETE
