"""Overlay planes out of the groups 6000 to 601E (PS3.3 C.9.2 and C.9.3): described at once, unpacked when asked for.

Nothing here raises: an overlay that contradicts itself is kept with its fault, and the image does without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import SplitError
from cornerstream.images.overlay import Overlay
from cornerstream.operators.attributes import integer, numbers, text
from cornerstream.operators.keywords import OVERLAY_GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.images.limits import Limits
    from cornerstream.operators.attributes import Attributes
# Made once: most instances have no overlay, and finding that out must cost them nothing to speak of.
_NAMES = tuple((group, f"OverlayRows{group:04X}", f"OverlayData{group:04X}") for group in OVERLAY_GROUPS)


def read_overlays(attributes: Attributes, limits: Limits, image: Mapping[str, Any]) -> tuple[Overlay, ...]:
    """The overlays of an instance, in the order of their groups; empty for a group without rows and without data.

    Args:
        attributes: The data set.
        limits: `frame_pixels` bounds rows × columns of an overlay, `frames` its frames.
        image: Rows, columns, samples and bits of the image, by their names in `FrameMetadata`.
    """
    found = []
    for group, rows, data in _NAMES:
        bits, fault = _data(attributes, data)
        if bits is not None or fault or attributes.values(rows):
            found.append(_overlay(attributes, group, limits, image, bits, fault))
    return tuple(found)


def overlays_of_frame(overlays: tuple[Overlay, ...], frame_number: int) -> tuple[Overlay, ...]:
    """The overlays that lie over one frame, each at the right one of its own frames.

    One that has no Number of Frames in Overlay above 1 and names no Image Frame Origin lies over every frame, and so
    does an embedded one; all others lie over as many frames as they have, from their origin on (frame 1 if there is none).

    Args:
        overlays: Of the instance.
        frame_number: Counts from 1.
    """
    placed = (_at(overlay, frame_number) for overlay in overlays)
    return tuple(overlay for overlay in placed if overlay is not None)


def _at(overlay: Overlay, frame_number: int) -> Overlay | None:
    if overlay.embedded or (overlay.number_of_frames == 1 and overlay.image_frame_origin is None):
        return overlay
    index = frame_number - (1 if overlay.image_frame_origin is None else overlay.image_frame_origin)
    return replace(overlay, frame_index=index) if 0 <= index < overlay.number_of_frames else None


def _overlay(
    attributes: Attributes, group: int, limits: Limits, image: Mapping[str, Any], data: bytes | None, fault: str
) -> Overlay:
    def number(keyword: str) -> int | None:
        return integer(attributes, f"{keyword}{group:04X}")

    def words(keyword: str) -> str:
        return text(attributes, f"{keyword}{group:04X}")

    frame_origin = number("ImageFrameOrigin")
    origin = [int(value) for value in numbers(attributes, f"OverlayOrigin{group:04X}") if value is not None]
    overlay = Overlay(
        group=group,
        rows=number("OverlayRows") or 0,
        columns=number("OverlayColumns") or 0,
        origin=(origin[0], origin[1]) if len(origin) == 2 else (1, 1),
        type=words("OverlayType").upper(),
        subtype=words("OverlaySubtype"),
        label=words("OverlayLabel"),
        description=words("OverlayDescription"),
        number_of_frames=number("NumberOfFramesInOverlay") or 1,
        image_frame_origin=frame_origin if frame_origin and frame_origin > 0 else None,  # frames count from 1
        # With data of its own it is not embedded, whatever is written: many writers copy the image's Bits Allocated.
        bits_allocated=1 if data is not None or fault else number("OverlayBitsAllocated") or 1,
        bit_position=0 if data is not None or fault else number("OverlayBitPosition") or 0,
        data=data,
    )
    fault = fault or _fault(overlay, limits, image)
    # Whatever stands behind the bits that are described is not held, and nothing at all where there is no mask.
    return replace(overlay, fault=fault, data=None if fault or data is None else data[: _bytes_of(overlay)])


def _data(attributes: Attributes, keyword: str) -> tuple[bytes | None, str]:
    """The packed bits, first pixel in the lowest bit of the first byte; or why they cannot be had."""
    try:
        found = attributes.data(keyword)
    except SplitError as error:
        return None, error.message
    if found is None:
        return None, ""
    data, big_endian = found
    if not big_endian:
        return data, ""
    if len(data) % 2:
        return None, f"{len(data)} bytes of Overlay Data are not the 16-bit words of an OW element"
    return np.frombuffer(data, ">u2").astype("<u2").tobytes(), ""


def _fault(overlay: Overlay, limits: Limits, image: Mapping[str, Any]) -> str:
    """What is wrong with the description; empty if nothing is."""
    size = f"{overlay.rows} × {overlay.columns}"
    if overlay.rows < 1 or overlay.columns < 1 or overlay.number_of_frames < 1:
        return f"it is said to be {overlay.number_of_frames} × {size} bits"
    if overlay.rows * overlay.columns > limits.frame_pixels:
        return f"it has {size} bits, over {limits.frame_pixels} (limits.frame_pixels)"
    if overlay.number_of_frames > limits.frames:
        return f"it has {overlay.number_of_frames} frames, over {limits.frames} (limits.frames)"
    if overlay.embedded:
        return _embedded_fault(overlay, image)
    needed = _bytes_of(overlay)
    if overlay.data is not None and len(overlay.data) < needed:
        return f"Overlay Data have {len(overlay.data)} bytes; {overlay.number_of_frames} × {size} bits need {needed}"
    return ""


def _bytes_of(overlay: Overlay) -> int:
    return -(-overlay.rows * overlay.columns * overlay.number_of_frames // 8)


def _embedded_fault(overlay: Overlay, image: Mapping[str, Any]) -> str:
    if overlay.bits_allocated != image["bits_allocated"] or image["samples_per_pixel"] != 1:
        return (
            f"it is embedded in words of {overlay.bits_allocated} bits, and the image has {image['samples_per_pixel']} "
            f"sample(s) of {image['bits_allocated']} bits a pixel"
        )
    if (overlay.rows, overlay.columns) != (image["rows"], image["columns"]):
        return f"it is embedded, and has {overlay.rows} × {overlay.columns} bits instead of the image's rows × columns"
    lowest = image["high_bit"] - image["bits_stored"] + 1
    if not 0 <= overlay.bit_position < image["bits_allocated"] or lowest <= overlay.bit_position <= image["high_bit"]:
        return f"bit {overlay.bit_position} of the pixel words belongs to the pixel's own value, or is none of them"
    return ""
