"""Sessions: on the caller's loop, on a thread of their own, by default; and what they leave behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex import operators as ops

import cornerstream as cs
from cornerstream.images.errors import UnknownSchemeError
from cornerstream.images.load_object import Progress
from cornerstream.loop_host import LoopHost
from cornerstream.ranks import RankCell
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, make_image, registry_of
from tests.support.leaks import nothing_left, turns
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject
    from cornerstream.loaders.context import LoadContext
    from cornerstream.phantom import PhantomStudy


@pytest.fixture
def file_id(small_study: PhantomStudy) -> str:
    return f"dicomfile:{small_study.series[0].files[0]}"


async def test_on_the_running_loop(file_id: str) -> None:
    async with nothing_left(), Session() as session:
        thread = threading.current_thread()
        threads: list[threading.Thread] = []
        load = session.load(file_id)
        load.observable.subscribe(lambda _: threads.append(threading.current_thread()))
        await load
        await turns()
        assert threads == [thread]


def test_on_a_thread_of_its_own(file_id: str) -> None:
    before = threading.active_count()
    with Session() as session:
        image = session.load(file_id).result(20)
        assert image.rows == 64
        assert session.load(file_id).result(20) is image
    assert threading.active_count() == before
    session.close()  # once more does nothing


def test_without_either_and_closed_by_hand(file_id: str) -> None:
    session = Session()
    session.close()
    session = Session()
    assert session.load(file_id).result(20).rows == 64
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.load(file_id)
    with pytest.raises(RuntimeError, match="closed"):
        session.__enter__()


async def test_awaited_from_another_loop(file_id: str) -> None:
    with Session() as session:
        assert (await session.load(file_id)).rows == 64
        load = session.load(file_id)
        assert [image.rows async for image in load] == [64]


async def test_blocking_beside_another_loop_as_in_a_notebook(file_id: str) -> None:
    with Session() as session:
        assert session.load(file_id).result(20).rows == 64
        assert len(session.folder(file_id.removeprefix("dicomfile:"))[0]) == 1
    async with Session() as session:
        with pytest.raises(RuntimeError, match="await load"):
            session.load(file_id).result(20)


async def test_closing_on_its_own_loop_must_be_awaited() -> None:
    async with Session() as session:
        with pytest.raises(RuntimeError, match=r"await session\.aclose"):
            session.close()


def test_a_blocked_result_ends_when_the_session_does() -> None:
    held = HeldLoader()
    session = Session(registry=registry_of(held=held))
    load = session.load("held:a")
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            load.result(30)
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    session._engine.host.block(held.until_started(1))
    session.close()
    thread.join(30)
    assert len(outcome) == 1


def test_a_result_that_takes_too_long_leaves_no_load() -> None:
    held = HeldLoader()
    with Session(registry=registry_of(held=held)) as session:
        with pytest.raises(TimeoutError, match="held:a"):
            session.load("held:a").result(0.05)
        session._engine.host.block(held.until_ended(1))
        assert session.stats().running == 0


async def test_progress_counts_the_bytes(small_study: PhantomStudy) -> None:
    async with served(small_study) as at, Session() as session:
        load = session.load(at.wadouri(small_study.series[0], 0, "&fault=drip:4000:0"))
        heard: list[Progress] = []
        load.progress.subscribe(heard.append)
        await load
        size = small_study.series[0].files[0].stat().st_size
        assert heard[-1] == Progress(size, size)
        received = [progress.bytes_received for progress in heard]
        assert received == sorted(received)
        assert len(received) > 1
        assert session.stats().bytes_received == size


async def test_observe_on_the_workers(file_id: str) -> None:
    async with nothing_left(), Session() as session:
        names: list[str] = []
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(done.set)

        session.load(file_id).observable.pipe(
            ops.observe_on(session.workers), ops.map(lambda _: threading.current_thread().name)
        ).subscribe(names.append, None, tell)
        await done.wait()
        assert len(names) == 1
        assert names[0].startswith("cornerstream-worker")


async def test_what_a_thread_schedules_while_the_session_closes_does_not_begin() -> None:
    ran: list[str] = []
    async with nothing_left():
        async with Session(max_workers=1) as session:
            workers, running, go = session.workers, asyncio.Event(), threading.Event()
            loop = asyncio.get_running_loop()

            def first(*_: object) -> None:
                loop.call_soon_threadsafe(running.set)
                go.wait(20)
                workers.schedule(lambda *_: ran.append("too late"))

            workers.schedule(first)
            await running.wait()
            loop.call_soon(go.set)  # after closing has begun
        await turns()
    assert not ran


async def test_the_worker_scheduler_schedules_and_disposes() -> None:
    async with nothing_left(), Session(max_workers=1) as session:
        ran: list[str] = []
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def append(name: str) -> Callable[..., None]:
            def action(*_: object) -> None:
                ran.append(name)

            return action

        late = session.workers.schedule_relative(60.0, append("late"))
        gone = session.workers.schedule(append("gone"))
        gone.dispose()

        def now(*_: object) -> None:
            ran.append("now")
            loop.call_soon_threadsafe(done.set)

        session.workers.schedule_absolute(session.workers.now, now)
        await done.wait()
        late.dispose()
        assert ran == ["now"]


async def test_an_executor_of_the_callers_is_used_and_left_open(file_id: str) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        async with Session(executor=executor) as session:
            assert (await session.load(file_id)).rows == 64
            name = await session.workers.run(lambda: threading.current_thread().name, rank=RankCell())
            assert name.startswith("mine")
        assert executor.submit(abs, -1).result() == 1


# The module's own functions


def just(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    return cs.ImageLoadObject(image_id, rx.just(make_image(image_id)))


def test_register_load_unregister() -> None:
    cs.register_image_loader("just", just)
    try:
        assert cs.load_image("just:x").result(10).image_id == cs.ImageId.parse("just:x")
        assert not cs.default_session().cached("just:x")
        cs.load_and_cache_image("just:x").result(10)
        assert cs.default_session().cached("just:x")
    finally:
        cs.unregister_image_loader("just")
    with pytest.raises(UnknownSchemeError):
        cs.load_image("just:y").result(10)
    assert cs.register_unknown_image_loader(just) is None
    assert cs.load_image("whatever:y").result(10).rows == 8
    assert cs.register_unknown_image_loader(None) is just


async def test_the_default_session_of_a_loop() -> None:
    cs.register_image_loader("just", just)
    try:
        image = await cs.load_image("just:x")
        assert image.rows == 8
        assert cs.default_session() is cs.default_session()
        assert cs.default_session()._engine.host.loop is asyncio.get_running_loop()
    finally:
        cs.unregister_image_loader("just")


SCRIPT = """
import asyncio, threading, warnings
import cornerstream as cs
async def main():
    image = await cs.load_image({id!r})
    return image.rows
assert asyncio.run(main()) == 64
assert asyncio.run(main()) == 64
assert cs.load_image({id!r}).result(20).rows == 64
print("fine")
"""


def test_default_sessions_end_with_their_loop_and_with_the_interpreter(file_id: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.format(id=file_id)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


# The loop host


def test_a_loop_host_of_its_own_thread() -> None:
    host = LoopHost()
    heard: list[int] = []
    for number in range(100):
        host.call(heard.append, number)

    async def get() -> list[int]:
        return list(heard)

    assert host.block(get()) == list(range(100))
    host.stop()
    host.stop()
    host.call(heard.append, 7)  # nobody is there to be told
    assert len(heard) == 100


async def test_blocking_on_ones_own_loop_is_refused() -> None:
    host = LoopHost(asyncio.get_running_loop())

    async def nothing() -> None:
        """Do nothing."""

    with pytest.raises(RuntimeError, match="await"):
        host.block(nothing())
    assert await host.run(asyncio.sleep(0, "value")) == "value"


async def test_a_listing_is_awaited_or_read(small_study: PhantomStudy) -> None:
    async with Session() as session:
        listing = session.folder(small_study.folder)
        with pytest.raises(RuntimeError, match="await"):
            len(listing)
        series = await listing
        assert len(listing) == len(series) == 4
        assert listing[0] is series[0]
        assert [len(one) for one in listing[:2]] == [6, 6]


def test_what_a_folder_skips_is_told(small_study: PhantomStudy, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(small_study.series[0].files[0].read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").write_text("not looked at")
    with Session() as session:
        listing = session.folder(tmp_path)
        assert [len(one) for one in listing] == [1]
        assert list(listing.skipped) == [str(tmp_path / "notes.txt")]
        assert session.load(listing[0][0]).result(20).rows == 64


def images_of(session: Session, series: cs.Series) -> list[Image]:
    return list(session.stream(series))


def test_a_path_with_everything_in_it(small_study: PhantomStudy, tmp_path: Path) -> None:
    odd = tmp_path / "a b?c#d&frame=2%20é"
    odd.mkdir()
    (odd / "x?frame=7").write_bytes(small_study.series[0].files[0].read_bytes())
    with Session() as session:
        (series,) = session.folder(odd)
        assert [image.rows for image in images_of(session, series)] == [64]
        again = cs.ImageId.parse(str(series[0]))
        assert again == series[0]
        assert session.load(str(series[0])).result(20).rows == 64


async def test_another_decoder_on_request(small_study: PhantomStudy) -> None:
    """The second implementation holds the interpreter lock, so that it runs in processes; its pixels are the same."""
    file_id = f"dicomfile:{small_study.series[1].files[0]}"
    async with Session() as session:
        usual = await session.load(file_id)
    async with nothing_left(), Session(prefer_decoder="pylibjpeg-openjpeg", max_workers=1) as session:
        other = await session.load(file_id)
        assert session._engine.workers._pools.processes is not None
    assert (other.pixels == usual.pixels).all()
    with pytest.raises(ValueError, match="no decoder is named 'mine'"):
        Session(prefer_decoder="mine")
