"""Files of pictures, read whole and opened on workers: from a body of HTTP, or from disk."""

from __future__ import annotations

from contextlib import aclosing
from io import BytesIO
from typing import TYPE_CHECKING

from cornerstream.images.errors import LimitError, TruncatedError
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.local_file import LocalFile
from cornerstream.operators.web_format import sniff
from cornerstream.operators.web_image import open_web

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from cornerstream.images.limits import Limits
    from cornerstream.operators.fetch import Body
    from cornerstream.operators.protocols import HttpResponse, Workers
    from cornerstream.operators.web_image import WebFile

_PIECE = 8 << 20
_HEAD = 132  # bytes that tell a picture from everything else, DICOM included


def open_local(path: str, limits: Limits) -> WebFile:
    """Read a local file and open it.

    Raises:
        FetchError: It cannot be read, or has changed while it was read.
        ImageLoadError: As `open_web`.
    """
    with LocalFile(path).opened() as file:
        size = file.version.size
        if size > limits.response_bytes:
            raise LimitError(f"{path} has {size} bytes, above the limit response_bytes={limits.response_bytes}")
        if size >= _HEAD:
            sniff(file.read(_HEAD, 0))
        with BytesIO() as buffer:
            while buffer.tell() < size:
                piece = file.read(min(_PIECE, size - buffer.tell()), buffer.tell())
                if not piece:
                    raise TruncatedError(f"{path} became shorter while it was read")
                buffer.write(piece)
            body = buffer.getvalue()
    return open_web(body, limits=limits)


async def read_response(response: HttpResponse, content_type: str, limits: Limits) -> bytes:
    """Read a body to its end; its bytes are held once, and what is no picture is not read on.

    Raises:
        LimitError: It is longer than `response_bytes`.
        SplitError: As `sniff`, by its beginning.
    """
    too_long = f"the body has more bytes than the limit response_bytes={limits.response_bytes}"
    if (response.content_length or 0) > limits.response_bytes:
        raise LimitError(too_long)
    with BytesIO() as buffer:  # empty once it is closed: the traceback of an error may hold it
        async with aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                if buffer.tell() + len(chunk) > limits.response_bytes:
                    raise LimitError(too_long)
                is_known = buffer.tell() >= _HEAD
                buffer.write(chunk)
                if not is_known and buffer.tell() >= _HEAD:
                    sniff(bytes(buffer.getbuffer()[:_HEAD]), content_type)
        return buffer.getvalue()


def open_bodies(workers: Workers, limits: Limits) -> Callable[[Observable[Body]], Observable[WebFile]]:
    """Read bodies whole, and prove them complete on workers.

    ::

        source   body─────────|
        result   ─────file────|

    Order is the source's, one body after the other; dispose closes the socket of the one being read, and drops the result
    of a worker.

    Args:
        workers: Where checksums are computed.
        limits: Bounds for what comes.
    """

    async def opened(body: Body) -> WebFile:
        async with body.open() as response:
            content_type = response.headers.get("Content-Type", "")
            data = await read_response(response, content_type, limits)
        return await workers.run(open_web, data, content_type, limits)

    return concat_stage(lambda body: from_coroutine(lambda: opened(body)))
