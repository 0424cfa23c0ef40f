"""Streams over loads that the test holds: orders, several series, failures, bounds."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx

from cornerstream.images.errors import FetchError, ObserverError
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.phantom import write_study
from cornerstream.series import Listing, Series
from cornerstream.session import Session
from cornerstream.stream_window import ImageFailure
from tests.support.cancelling import turn_until
from tests.support.fakes import HeldLoader, make_image, registry_of
from tests.support.leaks import turns
from tests.support.memory import MIB, growth_of
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cornerstream.image_stream import Placed
    from cornerstream.images.image import Image

IDS = [f"held:{index}" for index in range(10)]
IMAGE_BYTES = 8 * 8 * 2


def series(name: str, count: int, image_bytes: int = 0) -> Series:
    ids = tuple(ImageId.parse(f"held:{name}{index}") for index in range(count))
    return Series(ids, series_instance_uid=name, image_bytes=image_bytes)


A, B = series("a", 3), series("b", 2)


def names(values: Sequence[Image | ImageFailure]) -> list[str]:
    return [str(value.image_id).removeprefix("held:") for value in values]


# Orders


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("middle_out", [2, 3, 1, 4, 0]),
        ([4, 0], [4, 0]),
        (range(1, 3), [1, 2]),
        (lambda one: reversed(range(len(one))), [4, 3, 2, 1, 0]),
    ],
)
async def test_orders(session: Session, held: HeldLoader, order: Any, expected: list[int]) -> None:
    held.release(*IDS)
    stream = session.stream(IDS[:5], order=order, ahead=2)
    assert [int(name) for name in names([image async for image in stream])] == expected
    assert len(stream) == len(expected)
    assert [int(name.removeprefix("held:")) for name in held.started] == expected


async def test_by_arrival_images_come_as_they_are_there(session: Session, held: HeldLoader) -> None:
    images: list[Image] = []
    done = asyncio.Event()
    session.stream(IDS[:5], order="arrival", ahead=3).subscribe(images.append, None, done.set)
    await held.until_started(3)
    held.release(IDS[2])
    await held.until_started(4)
    await turns()
    assert names(images) == ["2"]
    held.release(IDS[3], IDS[1])
    await held.until_started(5)
    held.release(*IDS)
    await done.wait()
    assert sorted(names(images)) == ["0", "1", "2", "3", "4"]
    assert names(images)[0] == "2"


async def test_by_arrival_a_slow_reader_holds_the_loads_back(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    async with aclosing(session.stream(IDS, order="arrival", ahead=2).__aiter__()) as images:
        await anext(images)
        await turns(40)
        assert len(held.started) == 3
    assert session.stats().running == 0


# Several series


async def test_a_study_series_after_series(session: Session, held: HeldLoader) -> None:
    held.release(*(str(one) for one in (*A, *B)))
    stream = session.stream([A, B])
    placed = [(one.place.series, one.place.index, one.value.image_id) async for one in stream.placed]
    assert placed == [(one, index, one[index]) for one in (A, B) for index in range(len(one))]
    interleaved = session.stream([A, B], interleaved=True)
    assert names([image async for image in interleaved]) == ["a0", "b0", "a1", "b1", "a2"]


async def test_a_listing_is_awaited_when_the_stream_begins(session: Session, held: HeldLoader) -> None:
    held.release(*(str(one) for one in (*A, *B)))
    listed = asyncio.Event()

    async def find() -> list[Series]:
        await listed.wait()
        return [A, B]

    stream = session.stream(Listing(session._engine.host, find), errors="yield")
    images: list[Image | ImageFailure] = []
    done = asyncio.Event()
    stream.subscribe(images.append, None, done.set)
    await turns()
    assert stream.progress_now.images_total is None
    assert held.started == []
    listed.set()
    await done.wait()
    assert names(images) == ["a0", "a1", "a2", "b0", "b1"]
    assert stream.progress_now.images_total == len(stream) == 5


async def test_left_while_it_is_listed(session: Session) -> None:
    async def find() -> list[Series]:
        await asyncio.Event().wait()
        return []

    subscription = session.stream(Listing(session._engine.host, find)).subscribe()
    await turns()
    subscription.dispose()
    await turns()
    assert session.stats().tasks == 0


async def test_a_study_of_a_server(tmp_path: Path) -> None:
    study = write_study(tmp_path, slices=2, size=16, cine_frames=2)
    async with served(study) as at, Session() as session:
        base = at.wadors(study.series[0], 0).removeprefix("wadors:").partition("/studies/")[0]
        found = await session.studies(base)
        images = [image async for image in session.stream(found[0])]
        expected = {one.series_instance_uid for one in study.series}
    assert {image.series_instance_uid for image in images} == expected
    assert len(images) == sum(len(one.sop_instance_uids) for one in study.series[:-1]) + 2


async def test_what_cannot_be_streamed(session: Session) -> None:
    with pytest.raises(TypeError, match="not of both"):
        session.stream([A, "held:1"])  # type: ignore[arg-type]  # what a caller without types may pass
    with pytest.raises(ValueError, match="one series"):
        session.stream([A, B], out=np.zeros((5, 8, 8), np.uint16))
    with pytest.raises(ValueError, match="raise, yield or skip"):
        session.stream(A, errors="hide")  # type: ignore[call-overload]  # likewise
    with pytest.raises(ValueError, match="ahead_bytes at least 1"):
        session.stream(A, ahead_bytes=0)
    assert [image async for image in session.stream([])] == []


async def test_a_volume_is_filled_by_index_whatever_the_order(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    out = np.full((4, 8, 8), 7, np.uint16)
    stream = session.stream(IDS[:4], order=[3, 1], out=out)
    assert len([image async for image in stream]) == 2
    assert [int(plane.max()) for plane in out] == [7, 0, 7, 0]


# Failures


@pytest.mark.parametrize("order", ["position", "arrival"])
async def test_failures_as_values(session: Session, held: HeldLoader, order: Any) -> None:
    held.fail("held:a1", FetchError("gone"))
    held.release("held:a0", "held:a2")
    values = [value async for value in session.stream(A, order=order, errors="yield")]
    assert sorted(names(values)) == ["a0", "a1", "a2"]
    failures = [value for value in values if isinstance(value, ImageFailure)]
    assert [(str(one.image_id), one.index, one.series, str(one.error)) for one in failures] == [
        ("held:a1", 1, A, "held:a1: gone")
    ]


async def test_failures_left_out(session: Session, held: HeldLoader) -> None:
    held.fail("held:a0", FetchError("gone"))
    held.release("held:a1", "held:a2")
    assert names([image async for image in session.stream(A, errors="skip")]) == ["a1", "a2"]


@pytest.mark.parametrize("order", ["position", "arrival"])
async def test_the_first_failure_ends_a_run_and_what_is_ahead(session: Session, held: HeldLoader, order: Any) -> None:
    held.fail("held:a0", FetchError("gone"))
    with pytest.raises(FetchError, match="held:a0: gone"):
        _ = [image async for image in session.stream(A, order=order)]
    assert session.stats().running == 0


async def test_an_on_next_that_raises_is_named(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    errors: list[Exception] = []
    heard = asyncio.Event()

    def refuse(one: Placed[Image]) -> None:
        raise ValueError("mine")

    def on_error(error: Exception) -> None:
        errors.append(error)
        heard.set()

    session.stream(IDS).placed.subscribe(refuse, on_error)
    await heard.wait()
    assert isinstance(errors[0], ObserverError)
    assert str(errors[0]).startswith("held:0: on_next raised")
    assert session.stats().running == 0


# Bounds


async def test_bytes_ahead_are_bounded_by_what_the_series_says(session: Session, held: HeldLoader) -> None:
    stream = session.stream(series("a", 10, IMAGE_BYTES), ahead=8, ahead_bytes=3 * IMAGE_BYTES)
    subscription = stream.subscribe()
    await turns(10)
    assert len(held.started) == 1  # the first has a head start, for a moment
    await turn_until(lambda: len(held.started) > 1)
    await turns(30)
    assert len(held.started) == 3
    subscription.dispose()


async def test_the_first_image_is_handed_over_before_another_is_begun(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    begun: list[int] = []
    subscription = session.stream(IDS, ahead=8).subscribe(lambda _: begun.append(len(held.started)))
    await turns(60)
    subscription.dispose()
    assert begun[0] == 1
    assert len(begun) == len(IDS)


async def test_a_stream_left_in_its_head_start_begins_nothing_more(session: Session, held: HeldLoader) -> None:
    subscription = session.stream(IDS, ahead=8).subscribe(lambda _: None)
    await turns(10)
    subscription.dispose()
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.021, passed.set)  # behind the end of the head start
    await passed.wait()
    assert len(held.started) == 1


async def test_bytes_ahead_are_bounded_by_what_has_come(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    async with aclosing(session.stream(IDS, ahead=2, ahead_bytes=IMAGE_BYTES + 1).__aiter__()) as images:
        for taken in range(1, 6):
            await anext(images)
            await turns(30)
            assert len(held.started) <= max(2, taken + 1) + (taken == 1)
    assert len(held.started) < 10


async def test_images_smaller_than_the_series_says_make_room(session: Session, held: HeldLoader) -> None:
    held.release("held:a0", "held:a1")
    stream = session.stream(series("a", 10, 4 * IMAGE_BYTES), ahead=8, ahead_bytes=8 * IMAGE_BYTES)
    subscription = stream.subscribe(lambda _: None)
    await turns(60)
    assert len(held.started) == 4  # two were taken, two are ahead
    subscription.dispose()


async def test_room_is_made_while_the_reader_still_waits(session: Session, held: HeldLoader) -> None:
    subscription = session.stream(series("a", 10, 4 * IMAGE_BYTES), ahead=8, ahead_bytes=9 * IMAGE_BYTES).subscribe(
        lambda _: None
    )
    await held.until_started(2)
    await turns()
    assert len(held.started) == 2
    held.release("held:a1")  # a quarter of what was expected, and the first is not here
    await held.until_started(3)
    subscription.dispose()


async def test_as_much_may_be_ahead_as_one_likes_and_be_there_already(
    session: Session, held: HeldLoader, caplog: pytest.LogCaptureFixture
) -> None:
    """Each makes room for the next at once, since it is smaller than the series says: not one inside of the other."""
    known = series("a", 2000, 4 * IMAGE_BYTES)
    held.release(*map(str, known))
    await session.prefetch(known)
    assert len([image async for image in session.stream(known, ahead=2000)]) == 2000
    assert not caplog.records


async def test_one_load_may_always_be_ahead(session: Session, held: HeldLoader) -> None:
    held.release(*(f"held:a{index}" for index in range(4)))
    assert len([image async for image in session.stream(series("a", 4, 10**9), ahead_bytes=1)]) == 4


async def test_images_that_are_not_to_be_kept(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    _ = [image async for image in session.stream(IDS, keep=False)]
    assert session.stats().cached_bytes == 0


class Full:
    """A loader whose images take two mebibytes each, and really do."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, image_id: ImageId, _: object) -> ImageLoadObject:
        return ImageLoadObject(image_id, rx.defer(lambda _: rx.just(self._make(image_id))))

    def _make(self, image_id: ImageId) -> Image:
        self.made += 1
        return replace(make_image(image_id, 1024), pixels=np.full((1024, 1024), self.made, np.uint16))


def slow_reader(mark: Callable[[], None], kept: int) -> int:
    """Read a thousand images, waiting for an event before each; the most that were made and not read at a time."""

    async def read() -> int:
        full, taken, most = Full(), 0, 0
        async with Session(registry=registry_of(held=full), cache_bytes=kept) as session:
            await session.load("held:first")
            mark()
            async for image in session.stream([f"held:{index}" for index in range(1000)], ahead=8):
                assert image.rows == 1024
                taken += 1
                most = max(most, full.made - 1 - taken)
                go_on = asyncio.Event()
                asyncio.get_running_loop().call_soon(go_on.set)
                await go_on.wait()
            assert taken == 1000
            return most

    return asyncio.run(read())


def test_a_slow_reader_of_a_large_series_holds_memory_still() -> None:
    budget = 64 * MIB
    growth = growth_of(slow_reader, budget)
    assert growth.result <= 8
    assert growth.nbytes <= budget + 64 * MIB
