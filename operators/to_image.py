"""Decoded frames to images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.image import Image
from cornerstream.operators.map_stage import map_stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget


def to_image(
    image_id: ImageId, target: PixelTarget | None = None
) -> Callable[[Observable[DecodedFrame]], Observable[Image]]:
    """Make a complete image of each decoded frame; the pixels become read-only, and are copied to a target only.

    ::

        frames   ──a──|
        images   ──A──|

    Order and time are the source's; synchronous; dispose is the source's.

    Args:
        image_id: The id that the frame is loaded by.
        target: Where the pixels are wanted, if they are not there already.
    """

    def made(frame: DecodedFrame) -> Image:
        image = Image.of(frame, image_id)
        return image if target is None else image.placed(target)

    return map_stage(made)
