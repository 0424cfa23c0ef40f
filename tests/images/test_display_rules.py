"""Rules beside the window: padding ranges, Presentation LUT Shape, supplemental palettes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.pixels.processing import apply_color_lut

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.metadata import read_dataset, read_json
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.frames import EXPLICIT, describing
from tests.support.part10 import image_data_set, native, written

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

    from cornerstream.operators.metadata import InstanceMetadata

ID = ImageId.parse("test:x")


def image_of(pixels: NDArray[Any], photometric_interpretation: str = "MONOCHROME2", **attributes: Any) -> Image:
    described = describing(pixels, EXPLICIT, photometric_interpretation=photometric_interpretation, **attributes)
    return Image.of(DecodedFrame(described, pixels, photometric_interpretation), ID)


def loaded(body: bytes) -> Image:
    return Image.of(convert_to_rgb(decode_frame(split_part10(body)[0])), ID)


# Pixel padding (PS3.3 C.7.5.1.1.2)


@pytest.mark.parametrize(("value", "limit"), [(-2000, -1500), (-1500, -2000), (-2000, -2000), (-2000, None)])
def test_the_full_range_leaves_out_the_padding_range(value: int, limit: int | None) -> None:
    inside = [-2000] if limit in {None, -2000} else [-2000, -1700, -1500]
    pixels = np.array([[*inside, 100, 200, 300]], np.int16)
    shown = image_of(pixels, pixel_padding_value=value, pixel_padding_range_limit=limit).to_display()
    assert shown.tolist() == [[*[0] * len(inside), 0, 128, 255]]


def test_values_beside_the_range_are_shown() -> None:
    pixels = np.array([[9, 10, 20, 21, 31]], np.uint16)
    shown = image_of(pixels, pixel_padding_value=10, pixel_padding_range_limit=20).to_display()
    assert (shown[0, 0], shown[0, -1]) == (0, 255)
    assert image_of(pixels, pixel_padding_value=0, pixel_padding_range_limit=99).to_display().max() == 0


def test_a_limit_without_a_value_is_no_range() -> None:
    pixels = np.array([[0, 10]], np.uint16)
    assert image_of(pixels, pixel_padding_range_limit=99).to_display().tolist() == [[0, 255]]


@pytest.mark.parametrize("signed", [0, 1])
def test_padding_is_read_with_the_pixels_sign(signed: int) -> None:
    body = native(
        bytes(16),
        vr="OW",
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=signed,
        PixelPaddingValue=63536 - 65536 * signed,
        PixelPaddingRangeLimit=64036 - 65536 * signed,
    )
    metadata = parse_header(body).metadata.shared
    assert metadata.pixel_padding_value == (-2000 if signed else 63536)
    assert metadata.pixel_padding_range_limit == (-1500 if signed else 64036)


@pytest.mark.parametrize(("prefix", "dtype"), [("Float", "f4"), ("DoubleFloat", "f8")])
def test_floating_point_padding_has_attributes_of_its_own(prefix: str, dtype: str) -> None:
    values = np.array([[-3.3, -2.5, 0.1, 0.35], [np.nan, -3, 0.5, 1.1]], dtype)
    absent: dict[str, Any] = dict.fromkeys(("BitsStored", "HighBit", "PixelRepresentation"))
    data_set = image_data_set(BitsAllocated=8 * values.itemsize, PixelPaddingValue=1, **absent)
    setattr(data_set, f"{prefix}PixelPaddingValue", float(values[0, 0]))
    setattr(data_set, f"{prefix}PixelPaddingRangeLimit", -2.5)
    setattr(data_set, f"{prefix}PixelData", values.tobytes())
    image = loaded(written(data_set))
    assert (image.pixel_padding_value, image.pixel_padding_range_limit) == (float(values[0, 0]), -2.5)
    assert image.to_display().tolist() == [[0, 0, 0, 64], [0, 0, 102, 255]]


# Presentation LUT Shape (PS3.3 C.11.6.1.2 and C.8.11.3.1.2)


@pytest.mark.parametrize(
    ("photometric_interpretation", "shape", "inverted"),
    [
        ("MONOCHROME2", "", False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "", True),
        ("MONOCHROME1", "INVERSE", True),  # the normal pair: once, not twice
        ("MONOCHROME1", "IDENTITY", True),
    ],
)
def test_grey_is_inverted_once(photometric_interpretation: str, shape: str, inverted: bool) -> None:
    body = native(
        bytes([0, 50, 100, 255] * 2),
        PhotometricInterpretation=photometric_interpretation,
        PresentationLUTShape=shape or None,
    )
    shown = loaded(body).to_display()[0].tolist()
    assert shown == ([255, 205, 155, 0] if inverted else [0, 50, 100, 255])


def test_colour_is_not_inverted() -> None:
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    image = image_of(rgb, "RGB", presentation_lut_shape="INVERSE")
    np.testing.assert_array_equal(image.to_display(), rgb)


# Supplemental palettes (PS3.3 C.7.6.19 and C.8.16.2.1.1.1)


def with_palette(
    first_value: int, presentation: str | None = "COLOR", signed: int = 0, **attributes: Any
) -> FileDataset:
    """16-bit grey 2 × 4 whose values from `first_value` on are three colours of 16 bits an entry."""
    values = np.array([[0, 100, 199, 200], [201, 202, 203, 400]]) - (300 if signed else 0)
    data_set = image_data_set(
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=signed,
        PixelPresentation=presentation,
        **attributes,
    )
    tag = 0x00281101
    for index, name in enumerate(("Red", "Green", "Blue")):
        data_set.add_new(tag + index, "SS" if signed else "US", [3, first_value, 16])
        entries = (np.array([0x1000, 0x8000, 0xFFFF]) >> index).astype("<u2")
        setattr(data_set, f"{name}PaletteColorLookupTableData", entries.tobytes())
    data_set.PixelData = values.astype("<i2").tobytes()
    data_set["PixelData"].VR = "OW"
    return data_set


COLOURS = [[0x10, 0x08, 0x04], [0x80, 0x40, 0x20], [0xFF, 0x7F, 0x3F]]


@pytest.mark.parametrize("signed", [0, 1])
def test_upper_values_are_colours_and_the_others_stay_grey(signed: int) -> None:
    first_value = 200 - 300 * signed
    image = loaded(written(with_palette(first_value, signed=signed)))
    assert image.photometric_interpretation == "MONOCHROME2"
    assert image.pixels.dtype == ("i2" if signed else "u2")
    assert image.to_display().shape == (2, 4)
    shown = image.to_color()
    assert shown.dtype == np.uint8
    assert shown[0, :3].tolist() == [[0] * 3, [128] * 3, [255] * 3]  # the full range of the grey values alone
    assert [shown[0, 3].tolist(), *shown[1].tolist()] == [*COLOURS, COLOURS[2], COLOURS[2]]


def test_colours_agree_with_pydicom() -> None:
    data_set = with_palette(200)
    image = loaded(written(data_set))
    data_set.PhotometricInterpretation, data_set.PixelPresentation = "PALETTE COLOR", "TRUE_COLOR"
    wanted = apply_color_lut(image.pixels, data_set) >> 8
    coloured = np.greater_equal(image.pixels, 200)
    np.testing.assert_array_equal(image.to_color()[coloured], wanted[coloured])


def test_the_window_is_the_grey_values() -> None:
    data_set = with_palette(200, WindowCenter=100, WindowWidth=201)
    image = loaded(written(data_set))
    grey = image.to_display()
    np.testing.assert_array_equal(image.to_color()[0, :3, 1], grey[0, :3])
    narrow = image.to_color((100, 2))
    assert narrow[0, :3, 0].tolist() == image.to_display((100, 2))[0, :3].tolist()
    assert narrow[1, 1].tolist() == COLOURS[2]


@pytest.mark.parametrize("first_value", [0, 1000])
def test_all_may_be_colour_and_all_may_be_grey(first_value: int) -> None:
    image = loaded(written(with_palette(first_value)))
    shown = image.to_color()
    if first_value:
        np.testing.assert_array_equal(shown, np.repeat(image.to_display()[..., None], 3, axis=-1))
    else:
        assert shown[0, 0].tolist() == COLOURS[0]


@pytest.mark.parametrize("presentation", [None, "MONOCHROME", "TRUE_COLOR"])
def test_a_left_over_palette_is_none(presentation: str | None) -> None:
    image = loaded(written(with_palette(200, presentation)))
    assert image.supplemental_palette is None
    with pytest.raises(ValueError, match="no supplemental palette"):
        image.to_color()


def test_colour_images_have_no_supplemental_palette() -> None:
    with pytest.raises(ValueError, match="no supplemental palette"):
        image_of(np.zeros((2, 2, 3), np.uint8), "RGB").to_color()


def test_a_palette_that_contradicts_itself_is_refused() -> None:
    data_set = with_palette(200)
    data_set.GreenPaletteColorLookupTableData = b"\0\0"
    with pytest.raises(DecodeError, match="3 entries"):
        parse_header(written(data_set))


def all_forms(data_set: Any) -> list[InstanceMetadata]:
    return [parse_header(written(data_set)).metadata, read_dataset(data_set), read_json(json.loads(data_set.to_json()))]


@pytest.mark.parametrize("keyword", ["MRImageFrameTypeSequence", "CTImageFrameTypeSequence"])
def test_frames_of_mixed_instances_say_for_themselves(keyword: str) -> None:
    data_set = with_palette(200, "MIXED", NumberOfFrames=2)
    data_set.PixelData *= 2
    groups = []
    for presentation in ("MONOCHROME", "COLOR"):
        frame_type, group = Dataset(), Dataset()
        frame_type.PixelPresentation = presentation
        setattr(group, keyword, Sequence([frame_type]))
        groups.append(group)
    data_set.PerFrameFunctionalGroupsSequence = Sequence(groups)
    for metadata in all_forms(data_set):
        assert [metadata.frame(number).pixel_presentation for number in (1, 2)] == ["MONOCHROME", "COLOR"]
    first, second = [Image.of(decode_frame(frame), ID) for frame in split_part10(written(data_set))]
    assert second.to_color()[1, 0].tolist() == COLOURS[1]
    with pytest.raises(ValueError, match="no supplemental palette"):
        first.to_color()


def test_what_a_supplemental_palette_holds_is_counted() -> None:
    with_it = parse_header(written(with_palette(200))).metadata.nbytes
    assert with_it == parse_header(written(with_palette(200, "MONOCHROME"))).metadata.nbytes + 18
