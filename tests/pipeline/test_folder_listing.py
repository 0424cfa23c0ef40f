"""Listings of folders: progress, cancelling at any time, one listing for all who wait."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.folder_headers import HeaderReader
from cornerstream.images.errors import FetchError
from cornerstream.listing_progress import ListingProgress
from cornerstream.session import Session
from tests.support.leaks import nothing_left
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cornerstream.folder_headers import Header
    from cornerstream.operators.byte_source import ByteSource

FILES = 200


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two series in folders of their own, and some files that are none."""
    for number in range(FILES):
        path = tmp_path / f"series{number % 2}" / f"{number:03}.dcm"
        path.parent.mkdir(exist_ok=True)
        image = native(bytes(8), SeriesInstanceUID=f"1.2.{number % 2}", InstanceNumber=FILES - number)
        path.write_bytes(b"junk" if number % 20 == 7 else image)
    return tmp_path


class Held:
    """Headers are read when the door is open; counts the batches that begin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.door = threading.Event()
        self.begun = threading.Semaphore(0)
        self.batches = 0
        read = HeaderReader.read

        def held(reader: HeaderReader, sources: Sequence[ByteSource]) -> list[Header]:
            self.batches += 1
            self.begun.release()
            assert self.door.wait(20)
            return read(reader, sources)

        monkeypatch.setattr(HeaderReader, "read", held)

    async def until_begun(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.begun.acquire, timeout=20)


async def test_progress_goes_from_nothing_to_all(scans: Path) -> None:
    async with Session() as session:
        listing = session.folder(scans)
        told: list[ListingProgress] = []
        ended = asyncio.Event()
        listing.progress.subscribe(told.append, on_completed=ended.set)
        assert told == [ListingProgress()]
        series = await listing
        await ended.wait()
        late: list[ListingProgress] = []
        listing.progress.subscribe(late.append, on_completed=lambda: late.append(ListingProgress(-1)))
    assert [len(one) for one in series] == [FILES // 2, FILES // 2 - FILES // 20]
    assert told[-1] == listing.progress_now == ListingProgress(FILES, FILES, FILES // 20)
    assert late == [told[-1], ListingProgress(-1)]
    assert [one.files_total for one in told[:2]] == [None, None]
    done = [one.files_done for one in told]
    assert done == sorted(done)
    assert len(told) > 10
    assert len(listing.skipped) == FILES // 20


@pytest.mark.parametrize("way", ["task", "cancel", "close"])
async def test_cancelled_midway_nothing_more_is_read(way: str, scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    async with nothing_left():
        session = Session(max_workers=1)
        listing = session.folder(scans)
        waiting = asyncio.ensure_future(listing._wait())
        await held.until_begun(1)
        if way == "task":
            waiting.cancel()
        elif way == "cancel":
            listing.cancel()
        else:
            asyncio.get_running_loop().call_later(0, held.door.set)  # closing waits for what runs
            await session.aclose()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(10):  # it is not the door that ends it
                await waiting
        begun = held.batches
        held.door.set()
        await session.aclose()
        assert held.batches == begun <= 2
        assert listing.progress_now.files_done == 0


async def test_a_cancelled_listing_stays_cancelled(scans: Path) -> None:
    async with Session() as session:
        listing = session.folder(scans)
        listing.cancel()
        for _ in range(2):
            with pytest.raises(asyncio.CancelledError):
                await listing
        assert len(await session.folder(scans)) == 2


def test_cancel_from_another_thread(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    with Session(max_workers=1) as session, ThreadPoolExecutor(1) as pool:
        listing = session.folder(scans)
        waiting = pool.submit(listing.result)
        assert held.begun.acquire(timeout=20)
        listing.cancel()
        with pytest.raises(CancelledError):
            waiting.result(20)
        held.door.set()


async def test_two_who_wait_share_a_listing_and_one_may_leave(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    async with nothing_left(), Session(max_workers=1) as session:
        listing = session.folder(scans)
        first, second = (asyncio.ensure_future(listing._wait()) for _ in range(2))
        await held.until_begun(1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.door.set()
        assert len(await second) == 2
        assert held.batches == -(-FILES // 16)


async def test_a_listing_that_failed_may_be_waited_for_again(tmp_path: Path) -> None:
    async with nothing_left(), Session() as session:
        listing = session.folder(tmp_path / "later")
        with pytest.raises(FetchError, match="no folder"):
            await listing
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "a.dcm").write_bytes(native(bytes(8)))
        assert len(await listing) == 1


def broken(progress: ListingProgress) -> None:
    if progress.files_total is not None:
        raise ZeroDivisionError


async def test_a_subscriber_that_raises_disturbs_nobody(scans: Path) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with Session() as session:
        listing = session.folder(scans)
        listing.progress.subscribe(broken)
        assert len(await listing) == 2
    assert [type(one["exception"]) for one in reported] == [ZeroDivisionError]


async def test_series_are_the_same_however_many_workers(scans: Path) -> None:
    found = []
    for workers in (1, 3):
        async with Session(max_workers=workers) as session:
            found.append([one.image_ids for one in await session.folder(scans)])
    assert found[0] == found[1]
