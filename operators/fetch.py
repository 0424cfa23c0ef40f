"""`fetch`: a request becomes a body that is opened when it is read; network chunks never become Rx events."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from reactivex import operators as ops

from cornerstream.images.errors import LimitError
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.concat_stage import concat_stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.protocols import Body as AnyBody
    from cornerstream.operators.protocols import HttpRequest, HttpResponse, Transport


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request that has not been sent yet; each reading sends it anew.

    Attributes:
        request: What is asked for.
        http: The transport that opens it.
    """

    request: HttpRequest
    http: Transport = field(repr=False)

    @property
    def image_id(self) -> ImageId | None:
        """The image it is for; errors name it."""
        return self.request.image_id

    def open(self) -> AbstractAsyncContextManager[HttpResponse]:
        """Send the request and wait for the header of the response; leaving closes it."""
        return self.http.open(self.request)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Send the request and read its body as it arrives; closing the generator closes the response."""
        async with self.open() as response, aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk


async def read_whole(body: AnyBody, limit: int) -> bytes:
    """Read a body to its end; its bytes are held once.

    Args:
        body: What to read.
        limit: Most bytes accepted.

    Raises:
        LimitError: There are more.
    """
    # A BytesIO grows in place, and its getvalue() does not copy. Closed, it is empty: the traceback of an error that
    # somebody keeps would hold it.
    with BytesIO() as buffer:
        async with aclosing(body.chunks()) as chunks:
            async for chunk in chunks:
                if buffer.tell() + len(chunk) > limit:
                    raise LimitError(f"the body has more than {limit} bytes", image_id=body.image_id)
                buffer.write(chunk)
        return buffer.getvalue()


def fetch(http: Transport) -> Callable[[Observable[HttpRequest]], Observable[Body]]:
    """Turn requests into bodies.

    ::

        source   request──────|
        result   body─────────|      nothing is sent before the body is read

    Order is the source's; no concurrency of its own; whoever reads the body sends the request, and closes it.

    Args:
        http: Opens the requests.
    """
    return ops.map(lambda request: Body(request, http))


def read_body(limit: int) -> Callable[[Observable[AnyBody]], Observable[bytes]]:
    """Read bodies whole.

    ::

        source   body─────────|
        result   ─────bytes───|

    Order is the source's, one body after the other; dispose closes the socket of the one being read.

    Args:
        limit: Most bytes accepted; more end in LimitError.
    """
    return concat_stage(lambda body: from_coroutine(lambda: read_whole(body, limit)))
