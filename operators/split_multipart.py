"""`split_multipart`: multipart responses into their parts (RFC 2387); the rules of the framing are in `multipart`."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.multipart import MultipartSplitter
from cornerstream.operators.protocols import into_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.parts import Part
    from cornerstream.operators.protocols import HttpResponse

_BETWEEN = 1 << 12  # bytes read between parts that say their length: what belongs to the next one is copied


class OpenableBody(Protocol):
    """A body whose response header can be had, as `fetch` makes them."""

    @property
    def image_id(self) -> ImageId | None:
        """The image it is for; errors name it."""
        ...

    def open(self) -> AbstractAsyncContextManager[HttpResponse]:
        """Send the request and wait for the header of the response."""
        ...


async def parts_of(body: OpenableBody, limits: Limits = DEFAULT_LIMITS) -> AsyncGenerator[Part, None]:
    """Open a body and give its parts as they complete; see `MultipartSplitter` for the errors."""
    try:
        async with body.open() as response:
            splitter = MultipartSplitter(response.headers.get("Content-Type", ""), limits)
            try:
                async with aclosing(_steps(response, splitter)) as steps:
                    async for parts in steps:
                        for part in parts:
                            yield part
            finally:
                splitter.discard()
    except ImageLoadError as error:
        if body.image_id is not None:
            error.about(body.image_id)
        raise


async def _steps(response: HttpResponse, splitter: MultipartSplitter) -> AsyncGenerator[list[Part], None]:
    """Feed a splitter with a body, and give what each step completes."""
    into = into_of(response)
    if into is None:
        async with aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                yield splitter.feed(chunk)
    else:
        between = memoryview(bytearray(_BETWEEN))
        while count := await into(room := splitter.room() or between):
            parts = splitter.feed(bytes(between[:count])) if room is between else splitter.wrote(count)
            if parts:
                yield parts
    yield splitter.close()


def split_multipart(limits: Limits = DEFAULT_LIMITS) -> Callable[[Observable[OpenableBody]], Observable[Part]]:
    """Split responses into their parts, each as soon as it is complete.

    ::

        source   body────────────────────|
        result   ───part──part──part─────|     the last one when the closing boundary is proven

    Order is the response's, one response after the other; dispose closes the socket of the one being read.

    Args:
        limits: Bounds of parts and their headers.
    """
    return concat_stage(lambda body: from_async_generator(lambda: parts_of(body, limits)))
