"""The Image Pixel module: palettes of real files, in every encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.attributes import DatasetAttributes, JsonAttributes
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.pixel_description import read_pixel_description, read_tables
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, IMPLICIT, image_data_set, native

RED = np.arange(0, 256 * 200, 200, dtype=np.uint16)


def palette_attributes(dtype: str) -> dict[str, Any]:
    found: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for index, color in enumerate(("Red", "Green", "Blue")):
        found[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        found[f"{color}PaletteColorLookupTableData"] = (RED + index).astype(dtype).tobytes()
    return found


@pytest.mark.parametrize("uid", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_palettes_in_every_byte_order(uid: str) -> None:
    body = native(bytes(8), uid, **palette_attributes(">u2" if uid == BIG_ENDIAN else "<u2"))
    palette = parse_header(body).metadata.shared.palette
    assert palette is not None
    for index, table in enumerate((palette.red, palette.green, palette.blue)):
        np.testing.assert_array_equal(table.values, RED + index)
        assert (table.first_value, table.bits) == (0, 16)


def test_a_segmented_palette_is_expanded() -> None:
    attributes = palette_attributes("<u2")
    for color in ("Red", "Green", "Blue"):
        del attributes[f"{color}PaletteColorLookupTableData"]
        segments = np.array([0, 1, 0, 1, 255, 255 * 200], "<u2")
        attributes[f"Segmented{color}PaletteColorLookupTableData"] = segments.tobytes()
    data_set = DatasetAttributes(image_data_set(**attributes))
    palette = read_pixel_description(data_set, DEFAULT_LIMITS, "PixelData")["palette"]
    np.testing.assert_array_equal(palette.red.values, RED)


def test_a_palette_is_read_only_where_it_counts() -> None:
    attributes = palette_attributes("<u2") | {"PhotometricInterpretation": "MONOCHROME2"}
    assert "palette" not in read_pixel_description(
        DatasetAttributes(image_data_set(**attributes)), DEFAULT_LIMITS, "PixelData"
    )
    attributes = {"PhotometricInterpretation": "PALETTE COLOR"}
    found = read_pixel_description(DatasetAttributes(image_data_set(**attributes)), DEFAULT_LIMITS, "PixelData")
    assert found["palette"] is None


def test_a_descriptor_that_contradicts_its_data_is_refused() -> None:
    attributes = palette_attributes("<u2") | {"RedPaletteColorLookupTableDescriptor": [100, 0, 16]}
    with pytest.raises(DecodeError):
        read_pixel_description(DatasetAttributes(image_data_set(**attributes)), DEFAULT_LIMITS, "PixelData")


def test_an_icc_profile_of_the_data_set_or_of_its_optical_path() -> None:
    own = image_data_set(ICCProfile=b"own profile!")
    path = image_data_set(OpticalPathSequence=[image_data_set(ICCProfile=b"path profile")])
    for data_set, wanted in ((own, b"own profile!"), (path, b"path profile"), (image_data_set(), None)):
        found = read_pixel_description(DatasetAttributes(data_set), DEFAULT_LIMITS, "PixelData")
        assert found["icc_profile"] == wanted


@pytest.mark.parametrize("high_bit", [3, 16, None])
def test_a_high_bit_that_leaves_no_room_is_right_justified(high_bit: int | None) -> None:
    data_set = DatasetAttributes(image_data_set(BitsAllocated=16, BitsStored=12, HighBit=high_bit))
    assert read_pixel_description(data_set, DEFAULT_LIMITS, "PixelData")["high_bit"] == 11


def test_tables_without_data_are_left_out() -> None:
    item = {"00283002": {"vr": "US", "Value": [2, 0, 16]}, "00283006": {"vr": "OW", "BulkDataURI": "x"}}
    assert (
        read_tables(JsonAttributes({"00283010": {"vr": "SQ", "Value": [item, {}]}}), "VOILUTSequence", signed=False)
        == ()
    )
