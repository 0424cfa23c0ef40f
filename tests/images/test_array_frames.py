"""Arrays as frames: views, described as a data set describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.images.array_frames import array_frames
from cornerstream.images.errors import ImageIdError
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.images.metadata import VoiWindow
from cornerstream.operators.codecs.description import check_description, frame_shape, stored_dtype

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

GREY = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64]


@pytest.mark.parametrize("dtype", GREY)
def test_grey_is_described_as_a_data_set_would(dtype: DTypeLike) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    frame = array_frames(array, {}).frame(1)
    check_description(frame.metadata, DEFAULT_LIMITS)  # what decoders ask of a data set
    assert stored_dtype(frame.metadata) == frame.pixels.dtype == array.dtype
    assert frame_shape(frame.metadata) == frame.pixels.shape
    assert np.shares_memory(frame.pixels, array)


@pytest.mark.parametrize(
    ("shape", "attributes", "frames", "of_frame"),
    [
        ((5, 4), {}, 1, (5, 4)),
        ((5, 4, 3), {}, 1, (5, 4, 3)),
        ((5, 4, 3), {"samples_per_pixel": 1}, 5, (4, 3)),
        ((5, 4, 3), {"samples_per_pixel": 3}, 1, (5, 4, 3)),
        ((2, 5, 4), {}, 2, (5, 4)),
        ((2, 5, 4, 3), {}, 2, (5, 4, 3)),
        ((5, 3), {}, 1, (5, 3)),
        ((1, 1), {}, 1, (1, 1)),
    ],
)
def test_axes(shape: tuple[int, ...], attributes: dict[str, Any], frames: int, of_frame: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    found = array_frames(array, attributes)
    assert found.metadata.number_of_frames == frames
    whole = np.stack([found.frame(number).pixels for number in range(1, frames + 1)])
    assert whole.shape[1:] == of_frame == frame_shape(found.metadata)
    np.testing.assert_array_equal(whole.reshape(shape), array)
    assert found.metadata.photometric_interpretation == ("RGB" if len(of_frame) == 3 else "MONOCHROME2")


@pytest.mark.parametrize("number", [3, 2**31 - 1])
def test_a_frame_that_is_not_there(number: int) -> None:
    with pytest.raises(ImageIdError, match="the array has 2"):
        array_frames(np.zeros((2, 4, 4), np.uint8), {}).frame(number)


def test_the_array_stays_the_callers() -> None:
    array = np.zeros((2, 4, 4), np.int16)
    frames = array_frames(array, {})
    image = Image.of(frames.frame(2), ImageId.parse("memory:a?frame=2"))
    assert not image.pixels.flags.writeable
    assert array.flags.writeable
    array[1, 0, 0] = 7
    assert image.pixels[0, 0] == 7
    assert frames.frame(2).pixels.flags.writeable  # each time another view


def test_a_strided_view_is_not_copied() -> None:
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    frame = array_frames(volume[::-1, :, 1::2].transpose(1, 0, 2), {}).frame(1)
    assert np.shares_memory(frame.pixels, volume)


def test_what_has_to_be_copied() -> None:
    swapped = np.arange(4, dtype=">u2" if np.little_endian else "<u2").reshape(2, 2)
    frame = array_frames(swapped, {}).frame(1)
    assert frame.pixels.dtype.isnative
    np.testing.assert_array_equal(frame.pixels, swapped)
    mask = array_frames(np.eye(3, dtype=bool), {}).frame(1)
    assert mask.pixels.dtype == np.uint8
    assert (mask.metadata.bits_stored, mask.metadata.bits_allocated) == (1, 8)
    np.testing.assert_array_equal(mask.pixels, np.eye(3))


def test_attributes() -> None:
    given: dict[str, Any] = {
        "bits_stored": 12,
        "windows": [(40, 400), VoiWindow(1, 2, "narrow")],
        "pixel_spacing": [0.5, 0.25],
        "modality": "CT",
        "rescale_intercept": -1024,
        "photometric_interpretation": "MONOCHROME1",
    }
    metadata = array_frames(np.zeros((4, 4), np.uint16), given).frame(1).metadata
    assert (metadata.bits_stored, metadata.high_bit, metadata.bits_allocated) == (12, 11, 16)
    assert metadata.windows == (VoiWindow(40, 400), VoiWindow(1, 2, "narrow"))
    assert metadata.pixel_spacing == (0.5, 0.25)
    assert (metadata.modality, metadata.rescale_intercept) == ("CT", -1024.0)
    assert metadata.photometric_interpretation == "MONOCHROME1"


@pytest.mark.parametrize("windows", [(40, 400), [40, 400], [(40, 400)], VoiWindow(40, 400), np.array([[40, 400]])])
def test_one_window(windows: object) -> None:
    metadata = array_frames(np.zeros((4, 4), np.uint16), {"windows": windows}).metadata
    assert metadata.windows == (VoiWindow(40, 400),)


def test_attributes_of_each_frame() -> None:
    positions = [(0.0, 0.0, 2.5 * index) for index in range(3)]
    per_frame = [{"image_position_patient": position} for position in positions]
    frames = array_frames(np.zeros((3, 4, 4), np.int16), {"slice_thickness": 2.5}, per_frame)
    found = [frames.frame(number).metadata for number in (1, 2, 3)]
    assert [one.image_position_patient for one in found] == positions
    assert [one.frame_number for one in found] == [1, 2, 3]
    assert {one.slice_thickness for one in found} == {2.5}


@pytest.mark.parametrize(
    ("array", "attributes", "message"),
    [
        (np.zeros((4, 4), np.int64), {}, "astype"),
        (np.zeros((4, 4), np.float16), {}, "astype"),
        (np.zeros((4, 4), np.complex64), {}, "astype"),
        (np.zeros((4, 4), object), {}, "astype"),
        (np.zeros((4, 4, 3), np.int16), {}, "uint8 or uint16"),
        (np.zeros((4, 4, 3), np.float32), {}, "uint8 or uint16"),
        (np.zeros((4, 4)), {"pixelspacing": (1, 1)}, "did you mean 'pixel_spacing'"),
        (np.zeros((4, 4)), {"rows": 4}, "no attribute 'rows'"),
    ],
)
def test_mistakes_of_kind(array: Any, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        array_frames(array, attributes)


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        ((4,), {}, "is no image"),
        ((0, 4), {}, "is no image"),
        ((4, 0, 3), {}, "is no image"),
        ((2, 2, 4, 4), {}, r"alpha channel out: array\[\.\.\., :3\]"),
        ((1, 2, 2, 4, 3), {}, "is no image"),
        ((4, 4), {"samples_per_pixel": 3}, "no last axis of 3"),
        ((4, 4), {"samples_per_pixel": 2}, "1 or 3"),
        ((4, 4), {"bits_stored": 0}, "bits_stored is 1 to 16"),
        ((4, 4), {"bits_stored": 17}, "bits_stored is 1 to 16"),
        ((4, 4), {"bits_stored": 11.9}, "bits_stored: .* integer"),
        ((4, 4), {"instance_number": 3.7}, "instance_number: .* integer"),
        ((4, 4), {"photometric_interpretation": "RGB"}, "MONOCHROME1 or MONOCHROME2"),
        ((4, 4, 3), {"photometric_interpretation": "YBR_FULL"}, "is RGB here"),
        ((4, 4), {"pixel_spacing": (1,)}, "pixel_spacing: .* not 2 positive"),
        ((4, 4), {"pixel_spacing": (1, 0)}, "pixel_spacing: .* not 2 positive"),
        ((4, 4), {"pixel_spacing": "ab"}, "pixel_spacing: "),
        ((4, 4), {"image_position_patient": (1, 2, float("nan"))}, "not finite"),
        ((4, 4), {"windows": [(1, 2, 3)]}, "windows: "),
        ((4, 4), {"modality": 5}, "5 is no text"),
        ((4, 4), {"voi_lut_function": "linear"}, "is not one of 'LINEAR'"),
    ],
)
def test_mistakes_of_value(shape: tuple[int, ...], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        array_frames(np.zeros(shape, np.uint16), attributes)


def test_mistakes_in_what_frames_have_of_their_own() -> None:
    array = np.zeros((2, 4, 4), np.uint16)
    with pytest.raises(ValueError, match="describes 1 frames, the array has 2"):
        array_frames(array, {}, [{}])
    with pytest.raises(TypeError, match="bits_stored is one for all frames"):
        array_frames(array, {}, [{}, {"bits_stored": 3}])
