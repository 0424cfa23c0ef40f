"""`decode_frame` on pydicom's bundled files, against decoders that are not ours."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from cornerstream.images.errors import ImageLoadError
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.frames import bundled, read_frames
from tests.support.part10 import encapsulated

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NATIVE = [
    "CT_small",
    "MR_small",
    "MR_small_implicit",
    "MR_small_expb",
    "MR_small_bigendian",
    "ExplVR_BigEnd",
    "examples_rgb_color",
    "examples_overlay",
    "liver_1frame",
    "liver_expb_1frame",
    "rtdose",
    "rtdose_1frame",
    "rtdose_expb_1frame",
    "SC_rgb_small_odd",
    "SC_rgb_small_odd_big_endian",
    "examples_palette",
    "image_dfl",
]
RLE = [
    "MR_small_RLE",
    "SC_rgb_rle",
    "SC_rgb_rle_16bit",
    "SC_rgb_rle_16bit_2frame",
    "SC_rgb_rle_2frame",
    "SC_rgb_rle_32bit",
    "rtdose_rle",
    "rtdose_rle_1frame",
]
JPEG2000 = [
    "693_J2KI",
    "SC_rgb_gdcm_KY",
    "GDCMJ2K_TextGBR",
    "J2K_pixelrep_mismatch",
    "MR_small_jp2klossless",
    "examples_jpeg2k",
]
LIKE_MR_SMALL = [
    "MR_small_RLE",
    "MR_small_jpeg_ls_lossless",
    "MR_small_jp2klossless",
    "MR_small_expb",
    "MR_small_implicit",
    "MR_small_bigendian",
    "MR_small_padded",
]
JPEG_COLOUR = [
    "SC_rgb_dcmtk_+eb+cr",
    "SC_rgb_dcmtk_+eb+cy+n1",
    "SC_rgb_dcmtk_+eb+cy+n2",
    "SC_rgb_dcmtk_+eb+cy+np",
    "SC_rgb_dcmtk_+eb+cy+s2",
    "SC_rgb_dcmtk_+eb+cy+s4",
    "SC_rgb_jpeg_dcmtk",
    "SC_rgb_jpeg_lossy_gdcm",
]


def decoded(name: str, prefer: str | None = None) -> NDArray[Any]:
    """Every frame of a bundled file."""
    return np.stack([decode_frame(frame, prefer).pixels for frame in read_frames(bundled(name))])


def by_pydicom(name: str, plugin: str = "") -> NDArray[Any]:
    """Every frame of a bundled file, decoded by pydicom."""
    data_set = dcmread(bundled(name))
    pixels = pixel_array(data_set, raw=True, decoding_plugin=plugin)
    return pixels if int(data_set.get("NumberOfFrames") or 1) > 1 else pixels[np.newaxis]


@pytest.mark.parametrize("name", NATIVE)
def test_native_files_equal_pydicom(name: str) -> None:
    assert np.array_equal(decoded(name), by_pydicom(name))


@pytest.mark.parametrize("prefer", [None, "pylibjpeg-rle"])
@pytest.mark.parametrize("name", RLE)
def test_rle_files_equal_pydicoms_own_decoder(name: str, prefer: str | None) -> None:
    assert np.array_equal(decoded(name, prefer), by_pydicom(name, "pydicom"))


@pytest.mark.parametrize("name", JPEG2000)
def test_jpeg_2000_files_equal_pylibjpeg_openjpeg(name: str) -> None:
    assert np.array_equal(decoded(name), by_pydicom(name, "pylibjpeg"))
    assert np.array_equal(decoded(name, "pylibjpeg-openjpeg"), decoded(name))


@pytest.mark.parametrize("name", LIKE_MR_SMALL)
def test_one_image_in_every_lossless_form_is_one_image(name: str) -> None:
    assert np.array_equal(decoded(name), decoded("MR_small"))


def test_lossless_jpeg_equals_liblj92() -> None:
    (frame,) = read_frames(bundled("SC_rgb_jpeg_gdcm"))
    assert np.array_equal(decode_frame(frame).pixels, imagecodecs.ljpeg_decode(bytes(frame.data)))


@pytest.mark.parametrize("name", ["SC_rgb_jls_lossy_line", "SC_rgb_jls_lossy_sample"])
def test_near_lossless_jpeg_ls_is_near_the_lossless_one(name: str) -> None:
    original = decoded("SC_rgb_rle")
    assert np.abs(decoded(name).astype(int) - original).max() <= 10


@pytest.mark.parametrize("name", JPEG_COLOUR)
def test_colour_jpeg_is_the_image_it_was_made_from(name: str) -> None:
    (frame,) = read_frames(bundled(name))
    rgb = convert_to_rgb(decode_frame(frame))
    assert rgb.photometric_interpretation == "RGB"
    # the colour bars' edges ring; inside the bars nothing but rounding is left
    assert np.median(np.abs(rgb.pixels.astype(int) - decoded("SC_rgb_rle")[0])) <= 2


@pytest.mark.parametrize("name", ["JPEG-lossy", "JPGExtended", "JPEGLSNearLossless_08", "JPEGLSNearLossless_16"])
def test_12_bit_jpeg_and_near_lossless_jpeg_ls_are_as_dcmtk_decodes_them(name: str, tmp_path: Path) -> None:
    tool = shutil.which("dcmdjpls" if "LS" in name else "dcmdjpeg")
    if tool is None:
        pytest.skip("DCMTK is not installed")
    (frame,) = read_frames(bundled(name))
    subprocess.run([tool, bundled(name), tmp_path / "native.dcm"], check=True, timeout=30)
    native = dcmread(tmp_path / "native.dcm").pixel_array
    assert np.abs(decode_frame(frame).pixels.astype(int) - native).max() <= 1


def test_native_frames_in_fragments() -> None:
    """Encapsulated Uncompressed Explicit VR Little Endian (PS3.5 A.4.11): one fragment a frame, padded to even length."""
    pixels = np.arange(3 * 3 * 5, dtype=np.uint8).reshape(3, 3, 5)
    body = encapsulated(
        [frame.tobytes() for frame in pixels], "1.2.840.10008.1.2.1.98", has_bot=False, Rows=3, Columns=5
    )
    decoded = [decode_frame(frame).pixels for frame in split_part10(body)]
    assert np.array_equal(decoded, pixels)
    for wrong in (pixels[:2], pixels[:, :, :4]):
        body = encapsulated([frame.tobytes() for frame in wrong], "1.2.840.10008.1.2.1.98", Rows=3, Columns=5)
        body = body.replace(b"IS\x02\x002 ", b"IS\x02\x003 ")  # Number of Frames
        with pytest.raises(ImageLoadError):
            [decode_frame(frame) for frame in split_part10(body)]
