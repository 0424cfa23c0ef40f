"""Palettes in whole files made in memory, from bytes to RGB: pydicom's processing is the oracle."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from cornerstream.operators.metadata import read_json
from tests.support.images import data_set_of, frames_of
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, IMPLICIT, written

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SYNTAXES = [EXPLICIT, IMPLICIT, BIG_ENDIAN]


def palette_image(
    indices: NDArray[Any], descriptor: list[int], data: list[bytes], *, segmented: bool = False, uid: str = EXPLICIT
) -> FileDataset:
    data_set = data_set_of(indices, uid, PhotometricInterpretation="PALETTE COLOR")
    prefix = "Segmented" if segmented else ""
    for place, name in enumerate(("Red", "Green", "Blue")):
        data_set.add_new(0x00281101 + place, "SS" if descriptor[1] < 0 else "US", descriptor)
        setattr(data_set, f"{prefix}{name}PaletteColorLookupTableData", data[place])
    return data_set


def by_pydicom(data_set: FileDataset, shift: int) -> NDArray[Any]:
    read = dcmread(BytesIO(written(data_set)))
    return np.asarray(apply_color_lut(pixel_array(read), read) >> shift)


def channels(entries: int) -> list[NDArray[np.uint16]]:
    return list(np.random.default_rng(entries).integers(0, 65536, (3, entries)).astype(np.uint16))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("first_value", [0, 3, 200])
def test_palettes_of_16_bit_entries(dtype: str, first_value: int) -> None:
    indices = np.arange(256).reshape(16, 16).astype(dtype)
    data_set = palette_image(indices, [40, first_value, 16], [table.tobytes() for table in channels(40)])
    (image,) = frames_of(data_set)
    np.testing.assert_array_equal(image.pixels, by_pydicom(data_set, 8))


def test_palettes_with_a_negative_first_value() -> None:
    indices = np.array([[-300, -20, -19, 0], [1, 18, 19, 400]], np.int16)
    tables = channels(40)
    data_set = palette_image(indices, [40, -20, 16], [table.tobytes() for table in tables])
    (image,) = frames_of(data_set)
    wanted = np.stack([(table >> 8)[np.clip(indices + 20, 0, 39)] for table in tables], axis=-1)
    np.testing.assert_array_equal(image.pixels, wanted)
    np.testing.assert_array_equal(image.pixels, by_pydicom(data_set, 8))


@pytest.mark.parametrize("uid", SYNTAXES)
def test_8_bit_entries_alone_and_in_words(uid: str) -> None:
    """Entries of 8 bits, one to a byte (pairs that share a word) and one to a word; big endian OW swaps either."""
    indices = np.arange(10, dtype=np.uint8).reshape(2, 5)
    tables = [(table & 0xFF).astype(np.uint8) for table in channels(10)]
    wanted = np.stack([table[indices] for table in tables], axis=-1)
    order = ">u2" if uid == BIG_ENDIAN else "<u2"
    in_bytes = [np.frombuffer(table.tobytes(), "<u2").astype(order).tobytes() for table in tables]
    in_words = [table.astype(order).tobytes() for table in tables]
    for data in (in_bytes, in_words):
        (image,) = frames_of(palette_image(indices, [10, 0, 8], data, uid=uid))
        np.testing.assert_array_equal(image.pixels, wanted)


def test_16_bit_entries_are_not_scaled_up() -> None:
    """PS3.3 C.7.6.3.1.6 demands entries over the full range; those that use 8 bits are shown as dark as DCMTK does."""
    tables = [np.arange(4, dtype=np.uint16) * 80] * 3
    (image,) = frames_of(
        palette_image(np.arange(4, dtype=np.uint8).reshape(1, 4), [4, 0, 16], [t.tobytes() for t in tables])
    )
    assert image.pixels.max() == 0


@pytest.mark.parametrize("uid", SYNTAXES)
def test_segmented_palettes(uid: str) -> None:
    # 4 discrete entries, a line of 12 more, the discrete segment once again
    fields = [np.array([0, 4, 10, 20000, 30, 65535, 1, 12, last, 2, 1, 0, 0], np.uint16) for last in (0, 999, 65535)]
    data = [one.astype(">u2" if uid == BIG_ENDIAN else "<u2").tobytes() for one in fields]
    indices = np.arange(20, dtype=np.uint8).reshape(4, 5)
    data_set = palette_image(indices, [20, 0, 16], data, segmented=True, uid=uid)
    (image,) = frames_of(data_set)
    little = palette_image(indices, [20, 0, 16], [one.tobytes() for one in fields], segmented=True)
    assert np.abs(image.pixels.astype(int) - by_pydicom(little, 8)).max() <= 1
    np.testing.assert_array_equal(image.pixels[3, 1:, 0], [0, 78, 0, 255])


def test_a_palette_in_dicom_json() -> None:
    data_set = palette_image(np.zeros((2, 2), np.uint8), [10, 5, 16], [table.tobytes() for table in channels(10)])
    palette = read_json(json.loads(data_set.to_json())).shared.palette
    assert palette is not None
    assert palette.blue.first_value == 5
    np.testing.assert_array_equal(palette.blue.values, channels(10)[2])
