"""Checks of what a loader delivers: images of rising quality, the right pixels, each frame, again and elsewhere."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import ImageIdError, ImageLoadError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import ImageQuality
from cornerstream.testing.case import ConformanceError, owed
from cornerstream.testing.leftovers import Leftovers, other_tasks, turns, until
from cornerstream.testing.running import leaving_nothing, on_own_loop
from cornerstream.testing.spies import Captured, Heard, Spy, context_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.testing.case import LoaderCase


@on_own_loop
async def returns_an_image_load_object(case: LoaderCase) -> None:
    """It returns an ImageLoadObject of the id it was asked for, also where the image is not there: errors are signals.

    Only what no image id of its scheme can be it may refuse at once, with an ImageIdError.
    """
    captured = Captured()
    async with case.session(captured) as session:
        case.prepare(session)
        context, _, subscription = await context_of(session, case, captured)
        for text in filter(None, (case.image_id, case.missing)):
            image_id = type(case.parsed).parse(text)
            _check_returned(case, image_id, context)
        subscription.dispose()


@on_own_loop
async def is_cold(case: LoaderCase) -> None:
    """Nothing starts before somebody subscribes: no request, no call of a worker, no task, thread or descriptor."""
    captured = Captured()
    async with case.session(captured) as session:
        case.prepare(session)
        context, counted, subscription = await context_of(session, case, captured)
        tasks, leftovers = other_tasks(), Leftovers()
        loaded = case.load(case.parsed, context)
        await turns()
        owed(not counted.count, f"it asked for {counted.count} requests or workers before anybody subscribed")
        started = other_tasks() - tasks
        owed(not started, f"it started {len(started)} tasks before anybody subscribed")
        leftovers.check_now()
        del loaded
        subscription.dispose()


@on_own_loop
async def each_subscription_is_a_load(case: LoaderCase) -> None:
    """Two subscriptions of one image load object are two loads, and disposing one does not disturb the other."""
    captured = Captured()
    async with case.session(captured) as session:
        case.prepare(session)
        context, _, subscription = await context_of(session, case, captured)
        loaded = case.load(case.parsed, context)
        first, second, left = Heard(), Heard(), Heard()
        loaded.subscribe(first)
        loaded.subscribe(second)
        loaded.subscribe(left).dispose()
        for heard in (first, second):
            owed(await until(heard.ended.is_set, case.seconds), "one of two subscriptions did not come to an end")
            _check_signals(heard)
            check_pixels(heard.images[-1], case.pixels, case.tolerance)
        subscription.dispose()


@on_own_loop
async def quality_rises_to_complete(case: LoaderCase) -> None:
    """It emits 1..n images of rising quality, the last one complete, then completes, and then is silent."""
    spy = Spy(case.load)
    async with case.session(spy) as session:
        case.prepare(session)
        heard = Heard()
        session.load(case.image_id).subscribe(heard)
        owed(await until(heard.ended.is_set, case.seconds), "it did not come to an end")
        await turns()
        for one in (heard, *spy.heard):
            _check_signals(one)
        owed(not spy.late, f"it sent {len(spy.late)} signals after its end")


@on_own_loop
async def pixels_are_right(case: LoaderCase) -> None:
    """The complete image has the expected pixels, read-only, in the expected dtype, and the id it was asked for."""
    async with case.session() as session:
        case.prepare(session)
        image = await session.load(case.image_id)
        check_pixels(image, case.pixels, case.tolerance)
        owed(image.image_id == case.parsed, f"the image says that it is {image.image_id.shown}")
        shown = image.to_display()
        owed(shown.dtype == np.uint8, f"shown, its pixels are {shown.dtype}")
        owed(shown.shape[:2] == image.pixels.shape[:2], f"shown, it has the shape {shown.shape}")


@on_own_loop
async def frames_are_right(case: LoaderCase) -> None:
    """Each frame number gives its own frame, asked for together or alone."""
    async with case.session() as session:
        case.prepare(session)
        ids = [case.parsed.with_frame(number) for number in range(1, len(case.frames) + 1)]
        images = await asyncio.gather(*(session.load(image_id) for image_id in ids))
        for number, (image, pixels) in enumerate(zip(images, case.frames, strict=True), start=1):
            owed(image.frame_number == number, f"frame {number} says that it is frame {image.frame_number}")
            check_pixels(image, pixels, case.tolerance)
    if len(case.frames):  # which may be one array
        async with case.session() as session:
            case.prepare(session)
            check_pixels(await session.load(ids[-1]), case.frames[-1], case.tolerance)


@on_own_loop
async def loads_again(case: LoaderCase) -> None:
    """What the cache has let go is loaded again, and is the same."""
    spy = Spy(case.load)
    async with case.session(spy, cache_bytes=0) as session:
        case.prepare(session)
        for count in (1, 2, 3):
            image = await session.load(case.image_id, keep=False)
            check_pixels(image, case.pixels, case.tolerance)
            owed(spy.calls == count, f"{count} loads asked it {spy.calls} times")


@on_own_loop
async def pixels_go_where_they_are_wanted(case: LoaderCase) -> None:
    """`out=` and `dtype=` are obeyed, a shape that does not fit is refused, and nobody else's image is touched."""
    async with case.session() as session:
        case.prepare(session)
        plain = await session.load(case.image_id)
        out = np.zeros_like(case.pixels)
        image = await session.load(case.image_id, out=out)
        owed(np.shares_memory(image.pixels, out), "the pixels of a load with out= are not in that memory")
        check_pixels(image, case.pixels, case.tolerance)
    async with case.session() as session:  # nothing cached: its decoder writes into the memory, if it can
        case.prepare(session)
        again = np.zeros_like(case.pixels)
        check_pixels(await session.load(case.image_id, out=again), case.pixels, case.tolerance)
        again[:] = 0
        wide = await session.load(case.image_id, dtype=np.float64)
        owed(wide.pixels.dtype == np.float64, f"with dtype=float64 its pixels are {wide.pixels.dtype}")
        owed(_near(wide.pixels, case.pixels, case.tolerance), "with dtype=float64 its pixels are others")
        check_pixels(await session.load(case.image_id), case.pixels, case.tolerance)
        try:
            await session.load(case.image_id, out=np.zeros((1, 1), case.pixels.dtype))
        except ImageLoadError:
            pass
        else:
            owed(case.pixels.shape == (1, 1), "it loaded into memory of another shape")
        check_pixels(plain, case.pixels, case.tolerance)


@leaving_nothing
def works_from_a_thread(case: LoaderCase) -> None:
    """It loads in a session whose loop is in another thread, for one who waits."""
    with case.session() as session:
        case.prepare(session)
        image = session.load(case.image_id).result(case.seconds)
        check_pixels(image, case.pixels, case.tolerance)


def check_pixels(image: Image, expected: NDArray[np.generic], tolerance: float) -> None:
    """Refuse an image whose pixels are others."""
    found = image.pixels
    owed(found.shape == expected.shape, f"the pixels have the shape {found.shape}, not {expected.shape}")
    owed(found.dtype == expected.dtype, f"the pixels are {found.dtype}, not {expected.dtype}")
    owed(_near(found, expected, tolerance), f"the pixels are not the expected ones (within {tolerance:g})")
    owed(not found.flags.writeable, "the pixels can be written to")


def _check_returned(case: LoaderCase, image_id: ImageId, context: LoadContext) -> None:
    try:
        loaded: object = case.load(image_id, context)
    except ImageIdError:
        owed(image_id != case.parsed, f"it refused {image_id.shown}")
        return
    except Exception as error:
        raise ConformanceError(f"it raised {error!r} when it was called; errors are for subscribers to hear") from error
    if not isinstance(loaded, ImageLoadObject):
        raise ConformanceError(f"it returned {type(loaded).__name__}, not an ImageLoadObject")
    owed(loaded.image_id == image_id, f"it returned the load of {loaded.image_id.shown}, not of {image_id.shown}")


def _near(found: NDArray[np.generic], expected: NDArray[np.generic], tolerance: float) -> bool:
    if not tolerance:
        return np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
    return np.allclose(found.astype(np.float64), expected.astype(np.float64), rtol=0, atol=tolerance, equal_nan=True)


def _check_signals(heard: Heard) -> None:
    owed(not heard.errors, f"it failed: {heard.errors!r}")
    owed(heard.images, "it completed without an image")
    qualities = [image.quality for image in heard.images]
    rising = all(before <= after for before, after in pairwise(qualities))
    owed(rising, f"its quality falls: {[quality.name for quality in qualities]}")
    owed(qualities[-1] is ImageQuality.COMPLETE, f"its last image is {qualities[-1].name}, not COMPLETE")
    owed(heard.completed == 1, f"it completed {heard.completed} times")
    owed(not heard.late, f"it sent {len(heard.late)} signals after its end")
