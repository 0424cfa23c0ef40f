"""EXIF orientation: read out of a TIFF structure, and applied to pixels (CIPA DC-008, tag 274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORIENTATION, _SHORT = 274, 3
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_MOST_ENTRIES = 1024


def read_orientation(exif: bytes) -> int:
    """The orientation that EXIF data says, 1 to 8; 1 where it says none, or cannot be read.

    A camera's broken EXIF block is no reason to refuse its picture.

    Args:
        exif: From the byte order mark on; the `Exif` signature in front of it is allowed.
    """
    data = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(data[:4])
    if order is None:
        return 1

    def number(position: int, length: int) -> int:
        return int.from_bytes(data[position : position + length], order)

    directory = number(4, 4)
    for index in range(min(number(directory, 2), _MOST_ENTRIES)):
        entry = directory + 2 + 12 * index
        if len(data) < entry + 12:
            break
        if number(entry, 2) == _ORIENTATION and number(entry + 2, 2) == _SHORT:
            return known_orientation(number(entry + 8, 2))
    return 1


def known_orientation(found: int) -> int:
    """1 to 8; any other value says nothing, which is 1."""
    return found if 1 <= found <= 8 else 1


def oriented(pixels: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Pixels as they are meant to be seen; C-contiguous, and the same array for orientation 1.

    Args:
        pixels: Rows × columns, or rows × columns × samples.
        orientation: 2 to 4 mirror or turn by 180°; 5 to 8 swap rows and columns as well.
    """
    if orientation == 1:
        return pixels
    turned = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    # Which of the axes that are seen now runs backwards.
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(turned[::down, ::across])
