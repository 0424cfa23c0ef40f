"""Checks of what a loader refuses: errors are typed, name the image, and are not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageIdError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.testing.case import ConformanceError, owed
from cornerstream.testing.running import on_own_loop
from cornerstream.testing.spies import Spy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cornerstream.images.image import Image
    from cornerstream.session import Session
    from cornerstream.testing.case import LoaderCase


@on_own_loop
async def errors_are_typed_and_name_the_image(case: LoaderCase) -> None:
    """An image that is not there is an error of the tree in `cornerstream.images.errors`, and names the image id."""
    if case.missing:
        spy = Spy(case.load)
        async with case.session(spy) as session:
            case.prepare(session)
            _check_error(
                await _refused(session, ImageId.parse(case.missing)), ImageId.parse(case.missing), spy, case.sources
            )


@on_own_loop
async def failures_are_not_kept(case: LoaderCase) -> None:
    """Whoever asks again, after a failure, has a load of its own."""
    if case.missing:
        spy = Spy(case.load)
        async with case.session(spy) as session:
            case.prepare(session)
            missing = ImageId.parse(case.missing)
            first, second = await _refused(session, missing), await _refused(session, missing)
            owed(spy.calls == 2, f"two loads that failed asked it {spy.calls} times")
            owed(first is not second, "it sent the same error twice: the second load did not try")
            owed(not session.cached(missing), "an image that failed is cached")


@on_own_loop
async def frames_out_of_range_are_refused(case: LoaderCase) -> None:
    """The frame behind the last one, and one far away, are typed errors, not another frame; frame 0 does not parse."""
    spy = Spy(case.load)
    async with case.session(spy) as session:
        case.prepare(session)
        for number in (case.number_of_frames + 1, 2**31 - 1):
            image_id = case.parsed.with_frame(number)
            _check_error(await _refused(session, image_id), image_id, spy, case.sources)
        try:
            case.parsed.with_frame(0)
        except ImageIdError:
            return
        raise ConformanceError("frame 0 is an image id")


async def _refused(session: Session, image_id: ImageId) -> ImageLoadError:
    try:
        image: Image = await session.load(image_id)
    except ImageLoadError as error:
        return error
    raise ConformanceError(f"{image_id.shown} is not there, and it loaded {image}")


def _check_error(error: ImageLoadError, image_id: ImageId, spy: Spy, sources: Iterable[str]) -> None:
    at_once = [raised for raised in spy.raised if not isinstance(raised, ImageIdError)]
    owed(not at_once, f"it raised {at_once} when it was called; errors are for subscribers to hear")
    sent = spy.raised or spy.heard[-1].errors
    owed(sent, "it completed without an image and without an error")
    # Through the session whatever a loader raises is an ImageLoadError; the class itself says nothing of what went wrong.
    typed = isinstance(sent[-1], ImageLoadError) and type(sent[-1]) is not ImageLoadError
    owed(typed, f"its error is {type(sent[-1]).__name__}, none of cornerstream.images.errors")
    named = None if error.image_id is None else ImageId.parse(error.image_id)
    allowed = {image_id, *map(ImageId.parse, sources)}
    if named is None or named not in allowed:
        raise ConformanceError(f"its error names {named and named.shown}, not {image_id.shown}")
    owed(str(error).startswith(named.shown), "the message of its error does not begin with the image id")
