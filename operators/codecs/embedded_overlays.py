"""Overlays in the bits of a pixel word that its value does not use (PS3.3 C.9.2 until 2004, retired; PS3.5 8.1.1).

Only native and RLE frames have whole words. What they hold beside the value is gone once the value is cut out, so it is
taken before, one bit a pixel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.overlay import Overlay


def take_embedded(frame: EncodedFrame, words: NDArray[np.generic]) -> EncodedFrame:
    """The frame, its metadata's embedded overlays filled from the words; the same frame if it has none.

    Args:
        frame: Names the overlays.
        words: Unsigned, one a pixel, in the machine's byte order, as they were before anything was masked.
    """
    overlays = frame.metadata.overlays
    if not any(overlay.embedded for overlay in overlays):
        return frame
    filled = tuple(_filled(overlay, words) for overlay in overlays)
    return replace(frame, metadata=replace(frame.metadata, overlays=filled))


def _filled(overlay: Overlay, words: NDArray[np.generic]) -> Overlay:
    if not overlay.embedded or overlay.fault:
        return overlay
    bits = np.bitwise_and(words, words.dtype.type(1 << overlay.bit_position)) != 0
    return replace(overlay, data=np.packbits(bits, bitorder="little").tobytes())
