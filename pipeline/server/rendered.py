"""Rendered frames: PNG or JPEG (PS3.18 section 10.4.1.1.3, window parameter of section 8.3.5.1.4)."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from cornerstream.images.errors import ImageLoadError, UnsupportedTransferSyntaxError
from cornerstream.server.folder import FOLDER, ServedFolder
from cornerstream.server.negotiation import accepts_single
from cornerstream.server.reply import Reply
from cornerstream.server.wado_rs import frame_numbers, read_frame

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.server.index import IndexedInstance

_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


@dataclass(frozen=True, slots=True)
class Window:
    """The `window` parameter: modality units, and the VOI LUT function by its DICOM name."""

    center: float
    width: float
    function: str = "LINEAR"

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `center,width` or `center,width,function`.

        Raises:
            ValueError: It does not read so, or the function does not allow the width (PS3.3 C.11.2.1.2.1).
        """
        center, width, *function = text.split(",")
        name = function[0].lower() if function else "linear"
        if len(function) > 1 or name not in _FUNCTIONS:
            raise ValueError(f"window is center,width,function with a function of {', '.join(_FUNCTIONS)}")
        window = cls(float(center), float(width), _FUNCTIONS[name])
        if not abs(window.center) < 1e9 or not (1 if name == "linear" else 1e-9) <= window.width < 1e9:
            raise ValueError("the window is out of range")
        return window


async def retrieve_rendered(request: web.Request) -> Reply:
    """`GET …/rendered` of an instance (its first frame) or of a frame."""
    accepted = accepts_single(request.headers.get("Accept", ""), "image/jpeg", "image/png")
    if accepted is None:
        raise web.HTTPNotAcceptable(text="rendered frames come as image/jpeg or image/png")
    folder = request.app[FOLDER]
    (instance,) = folder.find(request)
    number, *more = frame_numbers(request.match_info.get("frames", "1"), instance)
    if more:
        raise web.HTTPBadRequest(text="one frame at a time is rendered")
    return await render_reply(folder, instance, number, accepted, request.query.get("window"))


async def render_reply(
    folder: ServedFolder, instance: IndexedInstance, frame_number: int, media_type: str, window: str | None
) -> Reply:
    """Render a frame, on a thread.

    Raises:
        web.HTTPBadRequest: The window does not read as one.
        web.HTTPNotFound: There is no such frame.
        web.HTTPNotAcceptable: No decoder for its transfer syntax.
        web.HTTPInternalServerError: The frame is damaged.
    """
    try:
        wanted = Window.parse(window) if window else None
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    frame = await read_frame(folder, instance, frame_number)
    image_format: Literal["png", "jpeg"] = "png" if media_type == "image/png" else "jpeg"
    try:
        body = await asyncio.to_thread(render, frame, image_format, wanted)
    except UnsupportedTransferSyntaxError as error:
        raise web.HTTPNotAcceptable(text=error.message) from error
    except ImageLoadError as error:
        raise web.HTTPInternalServerError(text=f"frame {frame_number} cannot be decoded") from error
    return Reply.of_bytes(media_type, body)


def render(frame: EncodedFrame, image_format: Literal["png", "jpeg"], window: Window | None = None) -> bytes:
    """Decode a frame and write it as a picture; blocks."""
    from PIL import Image as Picture  # noqa: PLC0415 - heavy

    from cornerstream.images.image import Image  # noqa: PLC0415
    from cornerstream.images.image_id import ImageId  # noqa: PLC0415
    from cornerstream.operators.decompress import decode_frame  # noqa: PLC0415
    from cornerstream.operators.to_rgb import convert_to_rgb  # noqa: PLC0415

    image = Image.of(convert_to_rgb(decode_frame(frame)), ImageId("rendered", frame.metadata.sop_instance_uid or "-"))
    if window is not None:
        image = replace(image, voi_lut_function=window.function)
    pixels = image.to_display(None if window is None else (window.center, window.width))
    target = io.BytesIO()
    Picture.fromarray(pixels).save(target, image_format, quality=90)
    return target.getvalue()
