"""`split_frames` over bodies and bytes."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest
import reactivex as rx

from cornerstream.images.errors import (
    SplitError,
    TruncatedError,
)
from cornerstream.operators.split_frames import split_frames, split_part10
from tests.support.part10 import (
    JPEG_2000,
    JPEG_LS,
    encapsulated,
    item,
    native,
    table,
    with_items,
)
from tests.support.splitting import F1, F2, IMAGE_ID, data_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cornerstream.images.frames import EncodedFrame


class Chunks:
    """A body whose chunks a test holds; notes openings and closings."""

    image_id = IMAGE_ID

    def __init__(self, chunks: Sequence[bytes], fail: Exception | None = None, hold_after: int | None = None) -> None:
        self._chunks, self._fail, self._hold_after = chunks, fail, hold_after
        self.opened = self.closed = 0
        self.held = asyncio.Event()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        self.opened += 1
        try:
            for index, chunk in enumerate(self._chunks):
                if index == self._hold_after:
                    self.held.set()
                    await asyncio.Event().wait()
                yield chunk
            if self._fail:
                raise self._fail
        finally:
            self.closed += 1


def halves(body: bytes) -> list[bytes]:
    return [body[: len(body) // 2], body[len(body) // 2 :]]


async def collect(source: rx.Observable[object]) -> list[bytes]:
    done = asyncio.get_running_loop().create_future()
    found: list[bytes] = []
    source.pipe(split_frames()).subscribe(  # type: ignore[arg-type]  # mixed sources on purpose
        lambda frame: found.append(bytes(frame.data)), done.set_exception, lambda: done.set_result(None)
    )
    await done
    return found


async def test_empty_one_and_many_bodies() -> None:
    one, two = Chunks(halves(encapsulated([F1, F2]))), Chunks(halves(native(bytes(8))))
    assert await collect(rx.empty()) == []
    assert await collect(rx.just(one)) == [F1, F2]
    assert await collect(rx.from_iterable([one, two, native(b"12345678")])) == [F1, F2, bytes(8), b"12345678"]
    assert (one.opened, one.closed, two.closed) == (2, 2, 1)


async def test_errors_of_source_body_and_splitting_end_it() -> None:
    with pytest.raises(LookupError):
        await collect(rx.throw(LookupError("source")))
    reset = TruncatedError("reset")
    body = Chunks(halves(encapsulated([F1, F2])), fail=reset)
    with pytest.raises(TruncatedError, match="reset"):
        await collect(rx.just(Chunks([body._chunks[0]], fail=reset)))
    for bad in (b"junk" * 50, Chunks([b"junk" * 50])):
        with pytest.raises(SplitError):
            await collect(rx.just(bad))


async def test_a_cut_body_gives_its_complete_frames_then_the_error() -> None:
    body = encapsulated([F1, F2])
    found: list[bytes] = []
    failed = asyncio.get_running_loop().create_future()
    source = rx.just(Chunks([body[:-10]]))
    source.pipe(split_frames()).subscribe(lambda frame: found.append(bytes(frame.data)), failed.set_result)
    error = await failed
    assert isinstance(error, TruncatedError)
    assert error.image_id == IMAGE_ID
    assert found == [F1]


async def test_dispose_midway_closes_the_open_body_and_opens_no_other() -> None:
    body = encapsulated([F1, F2])
    first, second = Chunks(halves(body), hold_after=1), Chunks(halves(body))
    signals: list[object] = []
    subscription = (
        rx.from_iterable([first, second])
        .pipe(split_frames())
        .subscribe(signals.append, signals.append, lambda: signals.append("completed"))
    )
    await first.held.wait()
    subscription.dispose()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (first.opened, first.closed, second.opened) == (1, 1, 0)
    assert signals == []


async def test_a_tiny_bare_data_set_comes_at_the_end_of_any_iterator() -> None:
    class Plain:
        """An async iterator that is no generator: there is nothing to close."""

        image_id = None
        left = 1

        def chunks(self) -> Plain:
            return self

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return bare

    values = {0x10: b"\1\0", 0x11: b"\2\0", 0x100: b"\x08\0"}
    bare = b"".join(struct.pack("<HHI", 0x28, element, 2) + value for element, value in values.items())
    modality = struct.pack("<HHI", 0x08, 0x60, 2) + b"OT"
    grey = struct.pack("<HHI", 0x28, 0x04, 12) + b"MONOCHROME2 "
    bare = modality + grey + bare + struct.pack("<HHI", 0x7FE0, 0x10, 2) + b"px"
    assert len(bare) < 132
    assert await collect(rx.just(Plain())) == [b"px"]


async def test_a_body_is_cold() -> None:
    body = Chunks(halves(encapsulated([F1, F2])))
    source = rx.just(body).pipe(split_frames())
    assert body.opened == 0
    del source


async def test_timings_say_when_a_frame_had_come() -> None:
    found: list[EncodedFrame] = []
    done = asyncio.Event()
    rx.just(Chunks(halves(encapsulated([F1, F2])))).pipe(split_frames()).subscribe(found.append, on_completed=done.set)
    await done.wait()
    assert 0 < found[0].timings["fetch"] <= found[1].timings["fetch"]


@pytest.mark.parametrize("uid", [JPEG_LS, JPEG_2000])
def test_markers_of_other_codestreams(uid: str) -> None:
    start = {JPEG_LS: b"\xff\xd8\xff\xf7", JPEG_2000: b"\xff\x4f\xff\x51"}[uid]
    frames = [start + bytes([index]) * 20 + b"\xff\xd9" for index in range(3)]
    pieces = [item(part) for frame in frames for part in (frame[:10], frame[10:])]
    assert data_of(split_part10(with_items([table(), *pieces], frames=3, transfer_syntax_uid=uid))) == frames
