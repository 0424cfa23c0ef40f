"""Frames that servers do not let go by themselves, and lists that they do not answer: over the network."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import dcmread

from cornerstream.disk import DiskCache
from cornerstream.images.errors import HttpStatusError
from cornerstream.images.limits import Limits
from cornerstream.phantom import CT_SYNTAXES, write_study
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.hostile import without_delays
from tests.support.leaks import nothing_left, turns
from tests.support.long_study import FRAMES
from tests.support.recording import Recorder
from tests.support.study import Served, served

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """Ten slices in HTJ2K, ten as explicit little endian, ten in HTJ2K again."""
    folder = tmp_path_factory.mktemp("refused")
    return write_study(folder, slices=10, size=64, cine_frames=0, syntaxes=[CT_SYNTAXES[n] for n in (2, 0, 2)])


def asked(at: Served) -> Counter[str]:
    kinds = Counter[str]()
    for one in at.ledger.served:
        path = one.url.partition("?")[0]
        kinds["frames" if "/frames/" in path else "metadata" if path.endswith("/metadata") else "instance"] += 1
    return kinds


@pytest.mark.parametrize("status", [406, 500])
async def test_a_series_whose_frames_are_refused(study: PhantomStudy, status: int) -> None:
    first, sent, second = study.series
    async with nothing_left(), served(study) as at, Session() as session:
        at.faults[f"({first.series_instance_uid}|{second.series_instance_uid})/.*/frames/"] = str(status)
        at.faults[f"{sent.series_instance_uid}/instances/[^/]*$"] = "500"
        counts = []
        for series in (first, sent, second):
            at.ledger.served.clear()
            images = [image async for image in session.stream([at.wadors(series, index) for index in range(10)])]
            for image, path in zip(images, series.files, strict=True):
                np.testing.assert_array_equal(image.pixels, dcmread(path).pixel_array)
            await at.ledger.wait_until_idle()
            counts.append(asked(at))
        assert counts[0]["frames"] <= 8 + 3
        assert counts[0]["instance"] == counts[2]["instance"] == 10
        assert (counts[1]["frames"], counts[1]["instance"]) == (10, 0)  # the metadata name its transfer syntax
        assert counts[2]["frames"] == 0
        assert session.stats().errors == 0


@pytest.mark.parametrize("how", ["stream", "prefetch", "loads"])
async def test_an_instance_of_many_frames_costs_few_refusals_and_one_download(
    long_study: PhantomStudy, how: str
) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/"] = "500"
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        if how == "stream":
            seen = [int(image.pixels[5, 5]) async for image in session.stream(ids)]
        elif how == "prefetch":
            await session.prefetch(ids)
            seen = [int((await session.load(one)).pixels[5, 5]) for one in ids]
        else:
            seen = [int(image.pixels[5, 5]) for image in await asyncio.gather(*map(session.load, ids))]
        assert seen == list(range(1, FRAMES + 1))
        await at.ledger.wait_until_idle()
        assert asked(at)["instance"] == 1
        assert asked(at)["frames"] < FRAMES // 4  # lists, and what went out before the first answer was here


async def test_an_instance_that_is_refused_as_well(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/"] = "500"
        at.faults["/instances/[^/]*$"] = "406"
        for _ in range(2):
            with pytest.raises(HttpStatusError, match=r"500.*; the other way: .*406") as caught:
                await session.load(at.wadors(long_study.series[0], 0))
            assert caught.value.status == 500
        await at.ledger.wait_until_idle()
        assert (asked(at)["frames"], asked(at)["instance"]) == (2, 2)


async def test_an_instance_that_is_not_to_be_had_now_is_asked_for_again(
    study: PhantomStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_delays(monkeypatch)
    async with nothing_left(), served(study) as at, Session() as session:
        at.faults["/frames/"] = "500"
        at.faults["/instances/[^/]*$"] = "503:2:0"
        assert (await session.load(at.wadors(study.series[0], 0))).rows == 64
        await at.ledger.wait_until_idle()
        assert (asked(at)["frames"], asked(at)["instance"]) == (1, 3)


async def test_one_bad_frame_of_an_instance_that_is_not_given_costs_only_itself(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session(limits=Limits(list_frames=1)) as session:
        at.faults["/frames/7$"] = "500"
        at.faults["/instances/[^/]*$"] = "406"
        ids = [at.wadors(long_study.series[0], index) for index in range(20)]
        found = await asyncio.gather(*map(session.load, ids), return_exceptions=True)
        assert [number for number, one in enumerate(found, 1) if isinstance(one, BaseException)] == [7]


@pytest.mark.parametrize("fault", [404, 401, 403, 410])
async def test_a_status_about_something_else_is_no_reason(study: PhantomStudy, fault: int) -> None:
    async with nothing_left(), served(study) as at, Session() as session:
        at.faults["/frames/"] = str(fault)
        with pytest.raises(HttpStatusError) as caught:
            await session.load(at.wadors(study.series[0], 0))
        assert caught.value.status == fault
        await at.ledger.wait_until_idle()
        assert asked(at)["instance"] == 0


@pytest.mark.parametrize("fault", ["hold", "hold-body:100000", "hold-body:700000"])
async def test_cancelled_in_the_second_way_the_socket_is_closed(long_study: PhantomStudy, fault: str) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/"] = "500"
        at.faults["/instances/[^/]*$"] = fault
        uid = long_study.series[0].sop_instance_uids[0]
        loads = [session.load(at.wadors(long_study.series[0], index)) for index in (150, 180)]
        watches = [Recorder(load.observable) for load in loads]
        await at.ledger.wait_until(lambda ledger: any(one.url.endswith(uid) for one in ledger.open))
        if fault != "hold":
            await turn_until(lambda: session.stats().bytes_received > 50_000)
        loads[0].cancel()
        await turns()
        assert [one.url.endswith(uid) for one in at.ledger.open] == [True]
        loads[1].cancel()
        await at.ledger.wait_until_idle()
        await turn_until(lambda: not session.stats().tasks)
        assert [one.outcome for one in at.ledger.served if one.url.endswith(uid)] == ["client gone"]
        assert [(watch.values, watch.error) for watch in watches] == [([], None)] * 2
        assert session._made is not None
        resources = session._made.resources
        assert (len(resources.refusals), len(resources.files), len(resources.lists)) == (0, 0, 0)
        assert (resources.held.nbytes, session.stats().open_requests, session.stats().tasks) == (0, 0, 0)


async def test_frames_come_out_of_an_instance_before_it_is_complete(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/"] = "500"
        at.faults["/instances/[^/]*$"] = "hold-body:400000"
        image = await session.load(at.wadors(long_study.series[0], 2))
        assert int(image.pixels[5, 5]) == 3
        assert image.image_id.scheme == "wadors"


async def test_a_stream_of_a_long_instance_pauses_its_download_where_little_may_be_kept(
    long_study: PhantomStudy,
) -> None:
    async with nothing_left(), served(long_study) as at, Session(cache_bytes=400_000) as session:
        at.faults["/frames/"] = "500"
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        seen = [int(image.pixels[5, 5]) async for image in session.stream(ids)]
        assert seen == list(range(1, FRAMES + 1))
        await at.ledger.wait_until_idle()
        assert asked(at)["instance"] <= 2  # once more for frames that were refused while the first went past them


async def test_an_instance_is_kept_on_disk_as_well(study: PhantomStudy, tmp_path: Path) -> None:
    async with nothing_left(), served(study) as at:
        at.faults["/frames/"] = "500"
        for _ in range(2):
            at.ledger.served.clear()
            async with Session(disk_cache=DiskCache(tmp_path)) as session:
                image = await session.load(at.wadors(study.series[0], 0))
                np.testing.assert_array_equal(image.pixels, dcmread(study.series[0].files[0]).pixel_array)
            await at.ledger.wait_until_idle()
        assert (asked(at)["frames"], asked(at)["instance"]) == (1, 0)


async def test_of_a_server_without_lists_an_instance_of_many_frames_comes_whole(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/[0-9]+,"] = "404"
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        assert [int(image.pixels[5, 5]) async for image in session.stream(ids)] == list(range(1, FRAMES + 1))
        await at.ledger.wait_until_idle()
        assert asked(at)["instance"] == 1
        assert asked(at)["frames"] < FRAMES // 4  # refused lists, and those it took to tell


async def test_without_lists_and_whole_instances_frames_come_one_by_one(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/[0-9]+,"] = "404"
        at.faults["/instances/[^/]*$"] = "406"
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        assert [int(image.pixels[5, 5]) async for image in session.stream(ids)] == list(range(1, FRAMES + 1))
        await at.ledger.wait_until_idle()
        assert asked(at)["instance"] <= 8  # those that were under way when the first was refused


async def test_one_frame_of_a_server_without_lists_is_asked_for_alone(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/[0-9]+,"] = "404"
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        async for _ in session.stream(ids, keep=False):
            pass
        before = asked(at)["instance"]
        assert int((await session.load(ids[149])).pixels[5, 5]) == 150
        await at.ledger.wait_until_idle()
        assert asked(at)["instance"] == before == 1


async def test_an_instance_that_comes_whole_for_want_of_lists_is_left_midway(long_study: PhantomStudy) -> None:
    async with nothing_left(), served(long_study) as at, Session() as session:
        at.faults["/frames/[0-9]+,"] = "404"
        at.faults["/instances/[^/]*$"] = "hold-body:300000"
        ids = [at.wadors(long_study.series[0], index) for index in range(FRAMES)]
        seen: list[object] = []
        subscription = session.stream(ids, keep=False).subscribe(seen.append)
        await at.ledger.wait_until(
            lambda ledger: any("/frames/" not in one.url and "/metadata" not in one.url for one in ledger.open)
        )
        subscription.dispose()
        before = len(seen)
        await at.ledger.wait_until_idle()
        await turn_until(lambda: not session.stats().tasks)
        assert len(seen) == before
        assert at.ledger.served[-1].outcome == "client gone"
        stats = session.stats()
        assert (stats.running, stats.tasks, stats.open_requests, stats.queued_requests, stats.queued_work) == (0,) * 5
        assert stats.cached_bytes == 0
