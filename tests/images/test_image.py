"""The image: what it carries and how numpy and notebooks see it."""

from __future__ import annotations

import copy
import io
import math
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import FrameMetadata, ImageQuality, VoiWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = ImageId.parse("test:image?frame=2")


def metadata_of(pixels: NDArray[np.generic], photometric_interpretation: str = "MONOCHROME2") -> FrameMetadata:
    return FrameMetadata(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        photometric_interpretation=photometric_interpretation,
        frame_number=2,
        number_of_frames=5,
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        windows=(VoiWindow(40, 400, "SOFT"),),
        sop_instance_uid="1.2.3",
        instance_number=7,
    )


def image_of(pixels: NDArray[np.generic], found: str = "MONOCHROME2", delivered: str = "") -> Image:
    frame = DecodedFrame(metadata_of(pixels, found), pixels, delivered or found, {"fetch": 0.5})
    return Image.of(frame, ID)


def grey() -> NDArray[np.int16]:
    return np.arange(-3, 3, dtype=np.int16).reshape(2, 3)


def test_carries_the_metadata_and_the_frame() -> None:
    pixels = grey()
    image = image_of(pixels)
    expected = metadata_of(pixels)
    for field in fields(FrameMetadata):
        assert getattr(image, field.name) == getattr(expected, field.name), field.name
    assert image.image_id is ID
    assert image.pixels is pixels
    assert image.quality is ImageQuality.COMPLETE
    assert image.timings == {"fetch": 0.5}
    assert image.photometric_interpretation_found == "MONOCHROME2"
    assert image.nbytes == 12


def test_has_every_promised_attribute() -> None:
    image = image_of(grey())
    promised = """
        image_id pixels rows columns photometric_interpretation photometric_interpretation_found bits_stored
        rescale_slope rescale_intercept modality_lut windows voi_luts voi_lut_function pixel_spacing slice_thickness
        image_position_patient image_orientation_patient frame_of_reference_uid sop_instance_uid instance_number
        frame_number quality transfer_syntax_uid min max timings nbytes
    """
    assert [name for name in promised.split() if not hasattr(image, name)] == []


def test_pixels_are_read_only_however_it_is_made() -> None:
    image = image_of(grey())
    made = Image(image_id=ID, pixels=grey(), transfer_syntax_uid="", rows=2, columns=3, photometric_interpretation="")
    for pixels in (image.pixels, made.pixels, np.asarray(image)):
        with pytest.raises(ValueError, match="read-only"):
            pixels[0, 0] = 1


def test_delivered_colour_describes_the_delivered_samples() -> None:
    rgb = np.zeros((2, 3, 3), np.uint8)
    image = image_of(rgb, "YBR_FULL_422", "RGB")
    assert (image.samples_per_pixel, image.planar_configuration, image.bits_stored) == (3, 0, 12)
    assert (image.photometric_interpretation, image.photometric_interpretation_found) == ("RGB", "YBR_FULL_422")


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_expanded_palette_describes_its_entries(dtype: type[np.unsignedinteger], bits: int) -> None:
    image = image_of(np.zeros((2, 3, 3), dtype), "PALETTE COLOR", "RGB")
    assert (image.samples_per_pixel, image.bits_allocated, image.bits_stored, image.high_bit) == (
        3,
        bits,
        bits,
        bits - 1,
    )


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 3, 1), (2, 3, 4), (6,), (1, 2, 3)])
def test_pixels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DecodeError, match="not 2 × 3") as caught:
        Image.of(DecodedFrame(metadata_of(grey()), np.zeros(shape, np.uint8), "MONOCHROME2"), ID)
    assert caught.value.image_id == ID


def test_min_and_max_are_of_the_stored_values() -> None:
    image = image_of(grey())
    assert (image.min, image.max) == (-3.0, 2.0)
    assert image.min is image.min
    assert isinstance(image.max, float)


def test_min_ignores_nothing() -> None:
    assert math.isnan(image_of(np.array([[1, np.nan]], np.float32)).min)
    assert image_of(np.array([[1, np.inf]], np.float32)).max == np.inf


def test_array_protocol() -> None:
    image = image_of(grey())
    assert np.shares_memory(np.asarray(image), image.pixels)
    assert not np.shares_memory(np.array(image), image.pixels)
    assert np.array(image).flags.writeable
    assert np.asarray(image, dtype=np.float32).dtype == np.float32
    assert np.array_equal(np.asarray(image, dtype=np.float32), image.pixels)
    assert np.shares_memory(image.__array__(copy=False), image.pixels)
    assert not np.shares_memory(image.__array__(np.int16, copy=True), image.pixels)
    with pytest.raises(ValueError, match="copy"):
        image.__array__(np.float32, copy=False)
    anything: Any = image  # numpy's stubs know arrays, not the array protocol
    assert np.mean(anything) == -0.5


def test_an_image_is_equal_to_itself_only() -> None:
    one, other = image_of(grey()), image_of(grey() + np.int16(1))
    assert one == one  # noqa: PLR0124 - that is the question
    assert one != other
    assert copy.copy(one) != one
    assert len({one, other}) == 2


def test_repr_is_one_short_line() -> None:
    assert repr(image_of(grey())) == "<Image test:image?frame=2: 2 × 3 int16 MONOCHROME2, frame 2 of 5>"
    partial = Image.of(DecodedFrame(metadata_of(grey()), grey(), "MONOCHROME2"), ID, ImageQuality.PARTIAL)
    assert repr(partial).endswith("frame 2 of 5, partial>")


def test_png_shows_what_to_display_says() -> None:
    image = image_of(grey())
    with Picture.open(io.BytesIO(image._repr_png_())) as picture:
        assert picture.format == "PNG"
        assert np.array_equal(np.asarray(picture), image.to_display())


def test_to_modality_and_to_display_are_those_of_display() -> None:
    image = image_of(grey())
    assert np.array_equal(image.to_modality(), grey())
    assert np.array_equal(image.to_display((0, 2)), [[0, 0, 0], [255, 255, 255]])
    assert not np.array_equal(image.to_display((0, 2)), image.to_display())


def test_encoded_frame_knows_its_size() -> None:
    assert EncodedFrame(metadata_of(grey()), b"12345").nbytes == 5
    assert EncodedFrame(metadata_of(grey()), memoryview(b"12345")[1:]).nbytes == 4


def test_nouns_import_lightly() -> None:
    code = "import sys, cornerstream.images; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"PIL", "pydicom", "aiohttp", "imagecodecs", "openjpeg", "typer", "rich"} & set(loaded)
