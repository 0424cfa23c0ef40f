"""Web images through a session: over HTTP and from disk, shared, retried, cancelled."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.cli.load import parse_image_id
from cornerstream.images.errors import (
    DecodeError,
    FetchError,
    HttpStatusError,
    ImageIdError,
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
)
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.session import Session
from tests.support.cancelling import HeldThreads, turn_until
from tests.support.leaks import nothing_left, turns
from tests.support.pictures import SIGNATURE, chunk, grey_png, ihdr, noise, png, saved, smooth
from tests.support.raw_server import Step, head, ok, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future
    from pathlib import Path

    from cornerstream.load import Load
    from tests.support.raw_server import RawServer, Script

PNG = grey_png(6, 7)
PAGES = [noise((4, 5), 8, seed) for seed in range(3)]
IS_PNG = "Content-Type: image/png"


def tiff() -> bytes:
    """A picture of three pages."""
    from PIL import Image  # noqa: PLC0415 - its maker

    first, *more = map(Image.fromarray, PAGES)
    return saved(first, "TIFF", save_all=True, append_images=more)


class Watch:
    """A subscriber that notes what it hears, and what after it wanted no more."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.heard: list[Any] = []
        self.late: list[Any] = []
        self._over = False
        load.observable.subscribe(self._hear, self._hear, lambda: self._hear("completed"))

    def cancel(self) -> None:
        self.load.cancel()
        self._over = True

    def _hear(self, signal: object) -> None:
        (self.late if self._over else self.heard).append(signal)


@asynccontextmanager
async def world(*scripts: Script, **options: Any) -> AsyncIterator[tuple[RawServer, Session]]:
    """A server, a session, and nothing left behind of either."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(nothing_left())
        server = await stack.enter_async_context(raw_server(*scripts))
        yield server, await stack.enter_async_context(Session(**options))


async def settled(session: Session) -> None:
    """No load, no request, no work and no shared fetch is under way."""
    engine = session._made
    assert engine is not None
    await turn_until(lambda: not engine.tasks and not engine.workers.busy)
    stats = session.stats()
    assert (stats.running, stats.open_requests, stats.queued_requests, stats.queued_work) == (0, 0, 0, 0)
    assert engine.resources.values == {}


@pytest.mark.parametrize("prefix", ["", "web:"])
async def test_over_http(prefix: str) -> None:
    async with world((ok(PNG, IS_PNG),)) as (server, session):
        image_id = prefix + server.url("/scan.jpg?size=full")
        image = await session.load(image_id)
        assert image.pixels.shape == (6, 7)
        assert str(image.image_id) == image_id
        assert server.targets == ["/scan.jpg?size=full"]
        assert server.fields[0]["accept"].startswith("image/png")
        assert session.cached(image_id)


async def test_pages_that_are_wanted_together_cost_one_request() -> None:
    async with world((ok(tiff(), "Content-Type: image/tiff"),)) as (server, session):
        loads = [session.load(server.url(f"/a.tif?frame={number}")) for number in (1, 2, 3)]
        progress: list[Any] = []
        loads[2].progress.subscribe(progress.append)
        images = await asyncio.gather(*loads)
        for image, pixels in zip(images, PAGES, strict=True):
            np.testing.assert_array_equal(image.pixels, pixels)
        assert server.targets == ["/a.tif"]
        assert progress[-1].bytes_received == len(tiff())
        with pytest.raises(ImageIdError, match="has 3"):
            await session.load(server.url("/a.tif?frame=4"))
        assert len(server.targets) == 1


@pytest.mark.parametrize(
    "broken",
    [
        (head(503, "Content-Length: 0"),),
        (ok(PNG)[:-20], Step.CLOSE),
        (ok(PNG[:-20]),),
        (b"HTTP/1.0 200 OK\r\n\r\n" + PNG[:-1], Step.CLOSE),
        (Step.RESET,),
    ],
)
async def test_what_broke_or_came_short_is_asked_for_again(broken: Script) -> None:
    async with world(broken, (ok(PNG),)) as (server, session):
        assert (await session.load(server.url("/a.png"))).rows == 6
        assert len(server.targets) == 2


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ((ok(PNG, "Content-Type: image/jpeg"),), SplitError, "says image/jpeg, the bytes are PNG"),
        ((ok(b"<!DOCTYPE html>", "Content-Type: text/html"),), SplitError, "<!DOCTYPE html>"),
        ((ok(bytes(128) + b"DICM" + bytes(99), "Content-Type: application/dicom"),), SplitError, "wadouri:"),
        ((head(404, "Content-Length: 0"),), HttpStatusError, "404"),
        ((ok(SIGNATURE + ihdr(30_000, 30_000, 16, 6) + chunk(b"IDAT", b"")),), LimitError, "frame_pixels"),
        ((ok(PNG[:60] + b"\0" + PNG[61:]),), SplitError, "checksum"),
    ],
)
async def test_what_is_refused_is_not_asked_for_again(
    script: Script, error: type[ImageLoadError], message: str
) -> None:
    async with world(script) as (server, session):
        with pytest.raises(error, match=message) as caught:
            await session.load(server.url("/a.png"))
        assert str(caught.value).startswith(server.url("/a.png"))
        assert len(server.targets) == 1
        assert not session.cached(server.url("/a.png"))


@pytest.mark.parametrize("begins", [bytes(128) + b"DICM", b"<!DOCTYPE html>" * 9])
async def test_what_is_no_picture_is_not_read_on(begins: bytes) -> None:
    async with world((head(200, f"Content-Length: {1 << 30}") + begins, Step.HANG)) as (server, session):
        with pytest.raises(SplitError):
            await session.load(server.url("/large"))
        await server.left.wait()


async def test_a_cut_file_ends_in_an_error_after_some_attempts() -> None:
    async with world((ok(PNG[:-3], IS_PNG),)) as (server, session):
        with pytest.raises(TruncatedError, match="3 bytes too early"):
            await session.load(server.url("/a.png"))
        assert len(server.targets) == 4


async def test_a_body_above_the_limit_is_left() -> None:
    async with world((ok(PNG),), limits=Limits(response_bytes=50)) as (server, session):
        with pytest.raises(LimitError, match="response_bytes"):
            await session.load(server.url("/a.png"))


async def test_from_disk_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(PNG)
    async with nothing_left(), Session() as session:
        for image_id in (f"web:{path}", path.as_uri(), f"web:{path.as_uri()}"):
            assert (await session.load(image_id, keep=False)).pixels.shape == (6, 7)
        path.write_bytes(grey_png(2, 3, chunk(b"tEXt", b"t\0another size")))
        assert (await session.load(f"web:{path}", keep=False)).pixels.shape == (2, 3)
        path.unlink()
        with pytest.raises(FetchError, match="No such file"):
            await session.load(f"web:{path}", keep=False)


async def test_pixels_where_they_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(noise((5, 6, 1), 16), 16, 0))
    volume = np.zeros((2, 5, 6), np.uint16)
    async with nothing_left(), Session() as session:
        image = await session.load(f"web:{path}", out=volume[1])
        assert np.shares_memory(image.pixels, volume)
        np.testing.assert_array_equal(volume[1], noise((5, 6), 16))
        assert (await session.load(f"web:{path}", dtype=np.float32)).pixels.dtype == np.float32
        with pytest.raises(DecodeError, match="do not fit"):
            await session.load(f"web:{path}", dtype=np.uint8)


async def test_in_processes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(noise((5, 6, 4)), 8, 6))
    async with Session(isolated=True, max_workers=1) as session:
        image = await session.load(f"web:{path}")
    np.testing.assert_array_equal(image.pixels, noise((5, 6, 4))[..., :3])
    assert image.alpha is not None
    assert not image.alpha.flags.writeable


@pytest.mark.parametrize(
    "script",
    [
        (Step.HANG,),
        (head(200, f"Content-Length: {len(PNG)}"), Step.HANG),
        (ok(PNG)[:-9], Step.HANG),
    ],
)
async def test_cancelled_while_the_server_answers(script: Script) -> None:
    async with world(script) as (server, session):
        watch = Watch(session.load(server.url("/a.png")))
        await server.asked.wait()
        assert session.stats().tasks > 0
        watch.cancel()
        await server.left.wait()
        await settled(session)
        assert (watch.heard, watch.late, session.stats().cached_bytes) == ([], [], 0)
        assert not session.cached(server.url("/a.png"))


@pytest.mark.parametrize("step", [0, 1])
async def test_cancelled_on_a_worker(step: int) -> None:
    """While the file is proven, and while it is decoded: the worker ends, and its result is dropped."""
    executor = HeldThreads()
    async with world((ok(PNG),), executor=executor, max_workers=1) as (server, session):
        if step:
            await session.load(server.url("/a.png"), keep=False)  # its file is kept, and need not be proven again
        begun = executor.begun
        executor.hold()
        watch = Watch(session.load(server.url("/a.png")))
        await turn_until(lambda: executor.begun > begun)
        watch.cancel()
        await turn_until(lambda: session.stats().running == 0)
        assert session.stats().busy_workers == 1
        executor.release()
        await settled(session)
        assert (watch.heard, watch.late) == ([], [])
        assert not session.cached(server.url("/a.png"))
        executor.shutdown()


class HoldsOne(HeldThreads):
    """Holds the nth call."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._left -= 1
        if not self._left:
            self.hold()
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_cancelled_while_a_local_file_is_looked_at_read_or_decoded(tmp_path: Path, call: int) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(smooth(9, 9), "JPEG"))
    executor = HoldsOne(call)
    async with nothing_left(), Session(executor=executor, max_workers=1) as session:
        watch = Watch(session.load(f"web:{path}"))
        await turn_until(lambda: executor.begun == call)
        watch.cancel()
        executor.release()
        await settled(session)
        assert (watch.heard, watch.late, executor.begun) == ([], [], call)
        assert not session.cached(f"web:{path}")
        executor.shutdown()


async def test_one_of_two_pages_leaves() -> None:
    body = ok(tiff())
    async with world((body[:-9], Step.WAIT, body[-9:])) as (server, session):
        leaver, stayer = (Watch(session.load(server.url(f"/a.tif?frame={number}"))) for number in (1, 2))
        await server.asked.wait()
        leaver.cancel()
        server.go.set()
        await turn_until(lambda: "completed" in stayer.heard)
        np.testing.assert_array_equal(stayer.heard[0].pixels, PAGES[1])
        assert (leaver.heard, leaver.late, len(server.targets)) == ([], [], 1)
        await settled(session)


async def test_cancelled_at_every_turn_of_the_loop() -> None:
    async with world((ok(PNG),)) as (server, session):
        watches = []
        for moment in range(30):
            watch = Watch(session.load(server.url(f"/{moment}.png"), keep=False))
            watches.append(watch)
            await turns(moment)
            watch.cancel()
            assert watch.heard in ([], [*watch.heard[:1], "completed"])
        await settled(session)
        assert [watch.late for watch in watches] == [[]] * 30
        assert session.stats().cached_bytes == 0


def test_the_command_line_knows_pictures(tmp_path: Path) -> None:
    picture, other = tmp_path / "picture.dcm", tmp_path / "other.png"
    picture.write_bytes(PNG)
    other.write_bytes(bytes(128) + b"DICM")
    assert parse_image_id(str(picture)) == ImageId.parse(f"web:{picture}")
    assert parse_image_id(f"{picture}?frame=2") == ImageId.parse(f"web:{picture}?frame=2")
    assert parse_image_id(str(other)) == ImageId.parse(f"dicomfile:{other}")
