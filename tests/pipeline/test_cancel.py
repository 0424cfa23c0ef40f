"""Cancel is disposal: whatever a load is doing, disposing it stops that and leaves nothing."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

import pytest

from cornerstream.phantom import write_study
from cornerstream.ranks import Rank, RankCell
from cornerstream.session import Session
from tests.support.cancelling import HeldThreads, connecting, turn_until, unanswered
from tests.support.leaks import nothing_left
from tests.support.study import Served, served

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.images.image import Image
    from cornerstream.load import Load
    from cornerstream.phantom import PhantomStudy

ROUTES = ("wadors", "wadouri")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    return write_study(tmp_path_factory.mktemp("study"), slices=8, size=64, cine_frames=6)


class Watch:
    """A subscriber that notes everything, and when it was told to expect no more."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.images: list[Image] = []
        self.errors: list[Exception] = []
        self.late = 0
        self._cancelled = False
        load.observable.subscribe(self._on_next, self._on_error, self._on_completed)

    def cancel(self) -> None:
        self.load.cancel()
        self._cancelled = True

    def _on_next(self, image: Image) -> None:
        self.late += self._cancelled
        self.images.append(image)

    def _on_error(self, error: Exception) -> None:
        self.late += self._cancelled
        self.errors.append(error)

    def _on_completed(self) -> None:
        self.late += self._cancelled


async def settled(session: Session, at: Served) -> None:
    """The server has no open request, and the session no load, slot, task or work."""
    await at.ledger.wait_until_idle()
    assert session._made is not None
    engine = session._made
    await turn_until(lambda: not engine.tasks and not engine.workers.busy)
    stats = session.stats()
    assert (stats.running, stats.open_requests, stats.queued_requests) == (0, 0, 0)
    assert (stats.busy_workers, stats.queued_work, stats.tasks) == (0, 0, 0)
    assert len(engine.resources.files) == 0
    assert engine.resources.values == {}
    assert len(engine.resources.lists) == 0


def image_id(at: Served, route: str, index: int, fault: str = "") -> str:
    if route == "wadors":
        return at.wadors(at.study.series[1], index, f"?fault={fault}" if fault else "")
    return at.wadouri(at.study.series[1], index, f"&fault={fault}" if fault else "")


@pytest.mark.parametrize("route", ROUTES)
async def test_while_queued(study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(study) as at, Session(max_requests=1) as session:
        holder = Watch(session.load(image_id(at, route, 0, "hold")))
        await at.ledger.wait_until(lambda ledger: len(ledger.open) == 1)
        queued = Watch(session.load(image_id(at, route, 1)))
        await turn_until(lambda: session.stats().queued_requests > 0)
        seen = len(at.ledger.open) + len(at.ledger.served)
        queued.cancel()
        holder.cancel()
        await settled(session, at)
        assert len(at.ledger.served) <= seen + 1  # the metadata of the holder may have been asked for in between
        assert not any(f"/{study.series[1].sop_instance_uids[1]}" in one.url for one in at.ledger.served)
        assert (queued.late, holder.late) == (0, 0)


@pytest.mark.parametrize("route", ROUTES)
async def test_while_connecting(route: str) -> None:
    path = "/studies/1/series/2/instances/3/frames/1" if route == "wadors" else "/x.dcm"
    with unanswered() as port:
        async with nothing_left(), Session() as session:
            others = connecting(port)
            watch = Watch(session.load(f"{route}:http://127.0.0.1:{port}{path}"))
            await turn_until(lambda: connecting(port) > others)
            assert session.stats().tasks > 0
            watch.cancel()
            await turn_until(lambda: session.stats().tasks == 0)
            assert connecting(port) == others
            assert (watch.late, watch.images, watch.errors) == (0, [], [])
            assert (session.stats().open_requests, session.stats().running) == (0, 0)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", ["hold", "hold-body:0", "hold-body:700", "drip:10:0.05"])
async def test_while_the_server_answers(study: PhantomStudy, route: str, fault: str) -> None:
    async with nothing_left(), served(study) as at, Session() as session:
        watch = Watch(session.load(image_id(at, route, 0, fault)))
        sent = 700 if "700" in fault else 0
        await at.ledger.wait_until(lambda ledger: any(one.bytes_sent >= sent for one in ledger.open))
        assert session.stats().tasks > 0  # else that none is left would prove nothing
        watch.cancel()
        await settled(session, at)
        assert "client gone" in {one.outcome for one in at.ledger.served}
        assert (watch.late, watch.images, watch.errors) == (0, [], [])
        assert session.stats().cached_bytes == 0
        assert not session.cached(watch.load.image_id)


@pytest.mark.parametrize("route", ROUTES)
async def test_while_queued_for_a_worker(study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(study) as at, Session(max_workers=1) as session:
        go = threading.Event()
        warm = await session.load(image_id(at, route, 0))  # its metadata no longer needs a worker
        assert warm.rows == 64
        blocker = asyncio.ensure_future(session.workers.run(go.wait, 30, rank=RankCell(Rank())))
        await turn_until(lambda: session.stats().busy_workers == 1)
        watch = Watch(session.load(image_id(at, route, 0).replace("frames/1", "frames/1?again=1") + "&again=1"))
        await turn_until(lambda: session.stats().queued_work > 0)
        watch.cancel()
        await turn_until(lambda: session.stats().queued_work == 0)
        go.set()
        assert await blocker
        await settled(session, at)
        assert (watch.late, watch.images, watch.errors) == (0, [], [])
        assert not session.cached(watch.load.image_id)


@pytest.mark.parametrize("route", ROUTES)
async def test_while_decoding(study: PhantomStudy, route: str) -> None:
    """A running decode cannot be interrupted: it keeps its slot, and its result is dropped."""
    executor = HeldThreads()
    executor.hold()
    async with nothing_left(), served(study) as at, Session(executor=executor, max_workers=1) as session:
        watch = Watch(session.load(image_id(at, route, 0)))
        await turn_until(lambda: executor.begun)
        watch.cancel()
        await turn_until(lambda: session.stats().running == 0)
        assert session.stats().busy_workers == 1
        executor.release()
        await settled(session, at)
        assert (watch.late, watch.images, watch.errors) == (0, [], [])
        assert session.stats().cached_bytes == 0
        executor.shutdown()


@pytest.mark.parametrize("route", ROUTES)
async def test_two_hundred_at_random_moments(study: PhantomStudy, route: str) -> None:
    chance = random.Random(11)
    faults = ["", "", "", "hold", "hold-body:300", "drip:50:0.001", "503:1:0"]
    async with nothing_left(), served(study) as at, Session(max_requests=6) as session:
        watches: list[Watch] = []
        for index in range(200):
            fault = chance.choice(faults)
            text = image_id(at, route, index % 8, fault)
            watches.append(Watch(session.load(f"{text}{'&' if '?' in text else '?'}load={index}")))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            if chance.random() < 0.7:
                chance.choice(watches).cancel()
        for watch in watches:
            watch.cancel()
        await settled(session, at)
        assert sum(watch.late for watch in watches) == 0
        assert [watch.errors for watch in watches if watch.errors] == []
        finished = [watch for watch in watches if watch.images]
        held = sum(watch.images[0].nbytes for watch in finished)
        assert session.stats().cached_bytes <= held


@pytest.mark.parametrize("route", ROUTES)
async def test_one_of_two_leaves(study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(study) as at, Session() as session:
        text = image_id(at, route, 0, "drip:500:0.001")
        leaver, stayer = Watch(session.load(text)), Watch(session.load(text))
        await at.ledger.wait_until(lambda ledger: any(one.bytes_sent for one in ledger.open))
        leaver.cancel()
        image = await session.load(text)
        assert stayer.images == [image]
        assert (leaver.images, leaver.errors, leaver.late) == ([], [], 0)
        await settled(session, at)


async def test_a_multi_frame_file_goes_on_for_those_who_stay(study: PhantomStudy) -> None:
    cine = study.series[-1]
    async with nothing_left(), served(study) as at, Session() as session:
        ids = [at.wadouri(cine, index, "&fault=drip:2000:0.001") for index in range(6)]
        watches = [Watch(session.load(one)) for one in ids]
        await at.ledger.wait_until(lambda ledger: any(one.bytes_sent for one in ledger.open))
        for watch in watches[::2]:
            watch.cancel()
        for index in (1, 3, 5):
            assert (await session.load(ids[index])).frame_number == index + 1
        assert [len(watch.images) for watch in watches] == [0, 1, 0, 1, 0, 1]
        await settled(session, at)
        assert len(at.ledger.served) == 1  # one download for all


async def test_closing_the_session_cancels_what_runs(study: PhantomStudy) -> None:
    async with nothing_left(), served(study) as at:
        session = Session()
        async with session:
            watches = [Watch(session.load(image_id(at, "wadors", index, "hold"))) for index in range(8)]
            waiting = asyncio.ensure_future(session.load(image_id(at, "wadouri", 0, "hold"))._last())
            await at.ledger.wait_until(lambda ledger: len(ledger.open) >= 8)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await at.ledger.wait_until_idle()
        assert sum(len(watch.images) + len(watch.errors) + watch.late for watch in watches) == 0
        with pytest.raises(RuntimeError, match="closed"):
            session.load("wadouri:http://127.0.0.1/x")


def test_blocking_use_from_threads(study: PhantomStudy, tmp_path: Path) -> None:
    before = threading.active_count()
    with Session() as session:
        series = session.folder(study.folder)[0]
        assert session.load(series[0]).result(30).rows == 64
        loads = [session.load(image_id) for image_id in series]
        threads = [threading.Thread(target=load.cancel) for load in loads]
        for load in loads:
            load.observable.subscribe(lambda _: None)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert threading.active_count() == before
