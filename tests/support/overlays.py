"""Data sets with overlay planes, made in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.part10 import BIG_ENDIAN, EXPLICIT, image_data_set

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset
    from pydicom.dataset import FileDataset


def packed(bits: NDArray[np.uint8], *, swapped: bool = False) -> bytes:
    """Bits of any shape as Overlay Data, padded to words."""
    data = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    data += b"\0" * (len(data) % 2)
    return np.frombuffer(data, "<u2").astype(">u2").tobytes() if swapped else data


def add_overlay(
    data_set: Dataset, bits: NDArray[np.uint8] | None, group: int = 0x6000, vr: str = "OW", **more: Any
) -> None:
    """An overlay of rows × columns, or of frames × rows × columns; `more` by element number, such as `e0050`."""
    if bits is not None:
        swapped = vr == "OW" and data_set.file_meta.TransferSyntaxUID == BIG_ENDIAN
        data_set.add_new(group << 16 | 0x3000, vr, packed(bits, swapped=swapped))
        rows, columns = bits.shape[-2:]
        elements = {"e0010": ("US", rows), "e0011": ("US", columns), "e0100": ("US", 1), "e0102": ("US", 0)}
        elements |= {"e0040": ("CS", "G"), "e0050": ("SS", [1, 1])}
        if bits.ndim == 3:
            elements["e0015"] = ("IS", len(bits))
    else:
        elements = {}
    for name, (representation, value) in (elements | more).items():
        data_set.add_new(group << 16 | int(name[1:], 16), representation, value)


def overlaid(uid: str = EXPLICIT, frames: int = 1, **attributes: Any) -> FileDataset:
    data_set = image_data_set(uid, NumberOfFrames=frames, **attributes)
    data_set.PixelData = bytes(8 * frames)
    data_set["PixelData"].VR = "OW"
    return data_set


def random_bits(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 2, shape, np.uint8)


def embedded_data_set(
    words: NDArray[Any], bits_stored: int, positions: dict[int, int], uid: str = EXPLICIT
) -> FileDataset:
    """A grey image whose words carry overlays: group → bit."""
    bits = 8 * words.itemsize
    data_set = image_data_set(
        uid,
        Rows=words.shape[0],
        Columns=words.shape[1],
        BitsAllocated=bits,
        BitsStored=bits_stored,
        HighBit=bits_stored - 1,
    )
    data_set.PixelData = words.astype(words.dtype.newbyteorder(">" if uid == BIG_ENDIAN else "<")).tobytes()
    data_set["PixelData"].VR = "OW"
    for group, bit in positions.items():
        numbers = {"e0010": words.shape[0], "e0011": words.shape[1], "e0100": bits, "e0102": bit}
        more: dict[str, Any] = {name: ("US", value) for name, value in numbers.items()}
        add_overlay(data_set, None, group, e0040=("CS", "G"), **more)
    return data_set
