"""Decoded frames to images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex import operators as ops

from cornerstream.images.image import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.image_id import ImageId


def to_image(image_id: ImageId) -> Callable[[Observable[DecodedFrame]], Observable[Image]]:
    """Make a complete image of each decoded frame; nothing is copied, the pixels become read-only.

    ::

        frames   ──a──|
        images   ──A──|

    Order and time are the source's; synchronous; dispose is the source's.

    Args:
        image_id: The id that the frame is loaded by.
    """

    def image(frame: DecodedFrame) -> Image:
        return Image.of(frame, image_id)

    return ops.map(image)
