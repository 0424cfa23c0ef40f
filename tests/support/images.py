"""Data sets of words made in memory, and the images that their bytes become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, image_data_set, written

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

ID = ImageId.parse("test:x")


def data_set_of(words: NDArray[Any], uid: str = EXPLICIT, vr: str = "OW", **attributes: Any) -> FileDataset:
    """A data set of words: rows × columns, or frames × rows × columns, or with samples as attributes say."""
    bits = 8 * words.itemsize
    rows, columns = words.shape[-2:] if attributes.get("SamplesPerPixel", 1) == 1 else words.shape[-3:-1]
    described = {"Rows": rows, "Columns": columns, "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    described["PixelRepresentation"] = int(words.dtype.kind == "i")
    data_set = image_data_set(uid, **(described | attributes))
    pixels = words.astype(words.dtype.newbyteorder(">" if uid == BIG_ENDIAN else "<")).tobytes()
    pixels += b"\0" * (len(pixels) % 2)
    if bits == 8 and vr == "OW" and uid == BIG_ENDIAN:
        pixels = np.frombuffer(pixels, np.uint16).byteswap().tobytes()
    data_set.PixelData = pixels
    data_set["PixelData"].VR = vr
    return data_set


def frames_of(data_set: FileDataset) -> list[Image]:
    return [Image.of(convert_to_rgb(decode_frame(frame)), ID) for frame in split_part10(written(data_set))]
