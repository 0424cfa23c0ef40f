"""Encoded frames to images in one go: what `decompress`, `to_rgb` and `to_image` do one after the other.

Where many images come at once, the ways between the stages cost more than what small ones do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.image import Image
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.decoder_table import decoder_for
from cornerstream.operators.decompress import decode_frame, is_brief, is_quick, with_threads
from cornerstream.operators.to_rgb import convert_to_rgb

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.decoder import Decoder
    from cornerstream.operators.protocols import Workers

_AS_THEY_ARE = frozenset({"MONOCHROME1", "MONOCHROME2", "RGB"})  # what needs no conversion


def decode_image(
    frame: EncodedFrame, image_id: ImageId, prefer: str | Decoder | None = None, limits: Limits = DEFAULT_LIMITS
) -> Image:
    """Decode a frame, convert it to RGB where it is in another colour space, and make an image of it.

    Args:
        frame: The complete bytes of one frame.
        image_id: The id that it is loaded by.
        prefer: As in `decode_frame`.
        limits: As in `decode_frame`.

    Raises:
        UnsupportedTransferSyntaxError: As `decode_frame`.
        DecodeError: As `decode_frame` and `convert_to_rgb`.
        LimitError: As `decode_frame`.
    """
    return Image.of(convert_to_rgb(decode_frame(frame, prefer, limits)), image_id)


def image_soon(
    frame: EncodedFrame,
    image_id: ImageId,
    workers: Workers,
    prefer: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    quick: Workers | None = None,
) -> Image | Awaitable[Image]:
    """The image of a frame at once where that takes less than the way to a worker, else what a worker will make of it.

    Args:
        frame: The complete bytes of one frame.
        image_id: The id that it is loaded by.
        workers: Where decoders run; told which of them hold the interpreter lock.
        prefer: As in `decode_frame`.
        limits: As in `decode_frame`.
        quick: Workers for small frames of quick codecs, if there are such.

    Raises:
        ImageLoadError: As `decode_image`, for what is decoded at once; UnsupportedTransferSyntaxError in any case.
    """
    decoder = decoder_for(frame.metadata.transfer_syntax_uid, prefer)
    if is_brief(frame, decoder) and frame.metadata.photometric_interpretation in _AS_THEY_ARE:
        return decode_image(frame, image_id, decoder, limits)
    if quick is not None and is_quick(frame.metadata, decoder):
        return quick.run(decode_image, frame, image_id, decoder, limits)
    frame = with_threads(frame, workers)
    return workers.run(decode_image, frame, image_id, decoder, limits, holds_lock=not decoder.releases_gil)
