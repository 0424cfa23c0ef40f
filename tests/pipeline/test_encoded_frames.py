"""Encoded frames outlive their images: shown again, an image costs a decode and no request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from reactivex.subject import Subject

from cornerstream.cache import ByteCache
from cornerstream.encoded_frames import FrameTier, detached, is_smaller, size_of
from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import FrameMetadata
from cornerstream.operators.decompress import decompress
from cornerstream.operators.to_image import to_image
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.session import Session
from tests.support.fakes import registry_of
from tests.support.leaks import nothing_left
from tests.support.study import served

if TYPE_CHECKING:
    from cornerstream.loaders.context import LoadContext
    from cornerstream.phantom import PhantomStudy

IMAGE_ID = ImageId.parse("x:1")
METADATA = FrameMetadata(
    transfer_syntax_uid="1.2.840.10008.1.2.5",
    rows=100,
    columns=100,
    photometric_interpretation="MONOCHROME2",
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
)


def frame(size: int = 1000, **changes: Any) -> EncodedFrame:
    return EncodedFrame(replace(METADATA, **changes), bytes(size), {"fetch": 1.0})


def tier(total: int = 1 << 20, *, keeps: bool = True) -> FrameTier:
    return FrameTier(ByteCache(total, size_of), lambda _: keeps)


@pytest.mark.parametrize(
    ("size", "changes", "smaller"),
    [
        (1000, {}, True),
        (15_000 - 1024, {}, True),
        (15_001 - 1024, {}, False),
        (20_000, {}, False),
        (20_000, {"samples_per_pixel": 3}, True),
        (7000, {"bits_allocated": 8}, False),
        (1250, {"bits_allocated": 1}, True),  # its pixels are a byte each
    ],
)
def test_a_frame_is_kept_where_it_is_smaller_than_its_pixels(size: int, changes: dict[str, int], smaller: bool) -> None:
    assert is_smaller(frame(size, **changes)) is smaller
    frames = tier()
    frames.put(IMAGE_ID, frame(size, **changes))
    assert frames.cache.nbytes == (size + 1024) * smaller


def test_a_kept_frame_holds_its_own_bytes_only() -> None:
    whole = bytearray(range(200)) * 5000
    view = memoryview(whole)[100:1100]
    kept = detached(replace(frame(), data=view))
    assert isinstance(kept.data, bytes)
    assert kept.data == bytes(view)
    assert kept.timings == {}


def test_a_kept_frame_comes_without_its_source() -> None:
    frames, source, heard = tier(), Subject[EncodedFrame](), list[object]()
    asked = frames.first(IMAGE_ID, source, RankCell(), with_its_file=False)
    asked.subscribe(heard.append, heard.append, lambda: heard.append("completed"))
    sent = frame()
    source.on_next(sent)
    source.on_completed()
    assert heard == [sent, "completed"]
    heard.clear()
    asked.subscribe(heard.append, heard.append, lambda: heard.append("completed"))
    kept, end = heard
    assert isinstance(kept, EncodedFrame)
    assert (kept.data, end) == (sent.data, "completed")
    assert not source.observers
    frames.discard(IMAGE_ID)
    assert frames.cache.nbytes == 0


def test_an_error_and_a_dispose_reach_their_ends() -> None:
    frames, source, heard = tier(), Subject[EncodedFrame](), list[object]()
    asked = frames.first(IMAGE_ID, source, RankCell(), with_its_file=False)
    asked.subscribe(heard.append, heard.append).dispose()
    assert not source.observers
    error = DecodeError("no")
    frames.first(IMAGE_ID, rx.throw(error), RankCell(), with_its_file=False).subscribe(heard.append, heard.append)
    assert heard == [error]
    assert len(frames.cache) == 0


@pytest.mark.parametrize(("keeps", "with_its_file", "number_of_frames"), [(False, False, 1), (True, True, 2)])
def test_what_is_not_to_be_kept_is_not(keeps: bool, with_its_file: bool, number_of_frames: int) -> None:
    frames = tier(keeps=keeps)
    source = rx.just(frame(number_of_frames=number_of_frames))
    frames.first(IMAGE_ID, source, RankCell(), with_its_file=with_its_file).subscribe()
    assert len(frames.cache) == 0


@pytest.mark.parametrize(("lane", "kept"), [(Lane.INTERACTION, True), (Lane.PREFETCH, False)])
def test_a_frame_loaded_ahead_evicts_nothing_nearer(lane: Lane, kept: bool) -> None:
    frames = tier(2 * 2024)
    ids = tuple(ImageId.parse(f"x:{number}") for number in range(10))
    for near in ids[:2]:
        frames.put(near, frame())
    frames.cache.look("viewport", ids, 0)
    rank = RankCell(Rank(lane))
    frames.first(ids[9], rx.just(frame()), rank, with_its_file=False).subscribe()
    assert (ids[9] in frames.cache) is kept


# In a session


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
async def test_an_evicted_image_costs_a_decode_and_no_request(small_study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(small_study) as at, Session() as session:
        native, jpeg2000 = (getattr(at, route)(small_study.series[index], 0) for index in (0, 1))
        before = {address: await session.load(address) for address in (native, jpeg2000)}
        figures, engine = session.stats(), session._engine
        assert figures.cached_bytes == sum(image.nbytes for image in before.values())
        assert [ImageId.parse(address) in engine.resources.frames.cache for address in before] == [False, True]
        engine.cache.clear()
        again = await session.load(jpeg2000)
        assert np.array_equal(again.pixels, before[jpeg2000].pixels)
        assert "fetch" not in again.timings
        assert (session.stats().requests, session.stats().frame_hits) == (figures.requests, 1)
        await session.load(native)
        assert session.stats().requests > figures.requests


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
async def test_images_that_are_not_kept_leave_no_frames(small_study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(small_study) as at, Session() as session:
        address = getattr(at, route)(small_study.series[1], 0)
        await session.load(address, keep=False)
        await session.load(address, out=np.zeros((64, 64), np.uint16))
        figures = session.stats()
        assert (figures.cached_bytes, figures.frame_bytes) == (0, 0)


async def test_a_frame_that_cannot_be_decoded_is_asked_for_again() -> None:
    asked = 0

    def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        nonlocal asked
        asked += 1
        frames = context.resources.encoded(image_id, rx.just(frame()))
        return ImageLoadObject(image_id, frames.pipe(decompress(context.workers), to_image(image_id)))

    async with Session(registry=registry_of(x=load)) as session:
        for _ in range(2):
            with pytest.raises(DecodeError):
                await session.load(IMAGE_ID)
            assert session.stats().frame_bytes == 0
        assert (asked, session.stats().frame_hits) == (2, 0)


async def test_closing_leaves_no_frame(small_study: PhantomStudy) -> None:
    async with served(small_study) as at, Session() as session:
        await session.load(at.wadors(small_study.series[1], 0))
        engine = session._engine
        assert engine.resources.frames.cache.nbytes > 0
    assert engine.budget.nbytes == 0


async def test_an_image_whose_frame_is_kept_does_not_wait_for_its_series(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ImageId] = []

    def load(image_id: ImageId, _: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, rx.throw(DecodeError("not here")))

    async with Session(registry=registry_of(x=load)) as session:
        resources = session._engine.resources
        monkeypatch.setattr(resources.series, "ride", lambda image_id, *_: asked.append(image_id))
        for kept in (False, True):
            if kept:
                resources.frames.cache.put(IMAGE_ID, frame())
            with pytest.raises(DecodeError):
                await session.load(IMAGE_ID)
        assert asked == [IMAGE_ID]
