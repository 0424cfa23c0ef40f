"""Whole files made in memory, from their bytes to modality and display: pydicom's processing is the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from cornerstream.images.voi import look_up
from tests.support.images import data_set_of, frames_of
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, IMPLICIT, RLE, image_data_set

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SYNTAXES = [EXPLICIT, IMPLICIT, BIG_ENDIAN]


def item(**attributes: Any) -> Dataset:
    data_set = Dataset()
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    return data_set


def lut(
    values: NDArray[Any], first_value: int, bits: int = 16, *, signed: bool = False, big_endian: bool = False
) -> Dataset:
    found = Dataset()
    descriptor = [len(values) % 65536, first_value, bits]
    found.add_new(0x00283002, "SS" if signed else "US", descriptor)
    found.add_new(0x00283006, "OW", values.astype(">u2" if big_endian else "<u2").tobytes())
    return found


# Words


@pytest.mark.parametrize("uid", SYNTAXES)
@pytest.mark.parametrize(("dtype", "stored", "high"), [("i4", 24, 27), ("u4", 32, 31), ("i4", 32, 31), ("u4", 20, 19)])
def test_32_bit_integers(uid: str, dtype: str, stored: int, high: int) -> None:
    words = np.random.default_rng(2).integers(0, 1 << 32, (5, 6), np.uint32)
    (image,) = frames_of(data_set_of(words.view(dtype), uid, BitsStored=stored, HighBit=high))
    wanted = (words >> (high + 1 - stored)) & np.uint32((1 << stored) - 1)
    signed = wanted.astype(np.int64) - ((wanted.astype(np.int64) >> (stored - 1)) << stored)
    np.testing.assert_array_equal(image.pixels, signed if dtype == "i4" else wanted)
    assert image.pixels.dtype == dtype


@pytest.mark.parametrize("uid", SYNTAXES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_float_pixel_data(uid: str, dtype: str) -> None:
    values = np.array([[-1.5, 0, 2.25], [np.nan, 1e30, -np.inf]], dtype)
    attributes = dict.fromkeys(("BitsStored", "HighBit", "PixelRepresentation"))
    data_set = image_data_set(
        uid, Rows=2, Columns=3, BitsAllocated=8 * values.itemsize, RescaleSlope=2, RescaleIntercept=1, **attributes
    )
    order = ">" if uid == BIG_ENDIAN else "<"
    setattr(
        data_set, "FloatPixelData" if dtype == "f4" else "DoubleFloatPixelData", values.astype(order + dtype).tobytes()
    )
    (image,) = frames_of(data_set)
    np.testing.assert_array_equal(image.pixels, values)
    np.testing.assert_array_equal(image.to_modality(), values.astype("f8") * 2 + 1)


@pytest.mark.parametrize("vr", ["OB", "OW"])
@pytest.mark.parametrize("colour", [False, True])
def test_big_endian_bytes(vr: str, colour: bool) -> None:
    shape = (3, 5, 3) if colour else (3, 5)
    pixels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    more = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"} if colour else {}
    (image,) = frames_of(data_set_of(pixels, BIG_ENDIAN, vr, **more))
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("uid", [EXPLICIT, RLE])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("planar", [0, 1])
def test_planar_configuration_native_and_rle(uid: str, dtype: str, planar: int) -> None:
    pixels = np.random.default_rng(4).integers(0, np.iinfo(dtype).max, (4, 6, 3), dtype)
    data_set = data_set_of(pixels, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB")
    if uid == RLE:  # always planes, whatever the attribute says
        data_set.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    elif planar:
        data_set.PixelData = np.moveaxis(pixels, -1, 0).tobytes()
    data_set.PlanarConfiguration = planar
    (image,) = frames_of(data_set)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.planar_configuration == 0


# Modality and VOI


@pytest.mark.parametrize("uid", SYNTAXES)
def test_luts_of_65536_entries_with_a_negative_first_value(uid: str) -> None:
    words = np.array([[-32768, -30000, -1, 0], [1, 5000, 32766, 32767]], np.int16)
    entries = np.random.default_rng(5).permutation(65536).astype(np.uint16)
    big = uid == BIG_ENDIAN
    data_set = data_set_of(words, uid)
    data_set.ModalityLUTSequence = Sequence([lut(entries, -32768, signed=True, big_endian=big)])
    data_set.VOILUTSequence = Sequence([lut(entries[::-1], 0, big_endian=big)])
    (image,) = frames_of(data_set)
    modality = entries[words.astype(int) + 32768]
    np.testing.assert_array_equal(image.to_modality(), modality)
    if not big:  # pydicom does not swap what was written as OW
        np.testing.assert_array_equal(modality, apply_modality_lut(words.astype(np.int64), data_set))
    shown = entries[::-1][modality]
    np.testing.assert_array_equal(image.to_display(), np.rint(shown / 65535 * 255))


@pytest.mark.parametrize("first_value", [-1024, 64512])
@pytest.mark.parametrize("uid", SYNTAXES)
def test_a_voi_lut_of_modality_values_may_start_below_zero(uid: str, first_value: int) -> None:
    """Unsigned pixels, Hounsfield values: the descriptor says SS, or writes −1024 as 64512."""
    words = np.array([[0, 24, 1024, 2047], [3000, 100, 1, 4095]], np.uint16)
    entries = np.arange(2048).astype(np.uint16)
    data_set = data_set_of(words, uid, RescaleSlope=1, RescaleIntercept=-1024)
    data_set.VOILUTSequence = Sequence(
        [lut(entries, first_value, 12, signed=first_value < 0, big_endian=uid == BIG_ENDIAN)]
    )
    (image,) = frames_of(data_set)
    (table,) = image.voi_luts
    assert table.first_value == -1024
    wanted = np.minimum(words, 2047)
    np.testing.assert_array_equal(look_up(table, image.to_modality()), wanted)
    if uid != BIG_ENDIAN and first_value < 0:
        np.testing.assert_array_equal(apply_voi(words.astype(int) - 1024, data_set), wanted)


def test_behind_a_modality_lut_a_first_value_is_never_negative() -> None:
    data_set = data_set_of(np.array([[-5, 5]], np.int16))
    data_set.ModalityLUTSequence = Sequence([lut(np.array([40000, 50000]), 0)])
    data_set.VOILUTSequence = Sequence([lut(np.arange(10000), 40000)])
    (image,) = frames_of(data_set)
    assert image.voi_luts[0].first_value == 40000
    assert look_up(image.voi_luts[0], image.to_modality()).tolist() == [[0, 9999]]


def test_a_modality_lut_outweighs_slope_and_intercept() -> None:
    data_set = data_set_of(np.array([[0, 1, 2]], np.uint16), RescaleSlope=7, RescaleIntercept=-3)
    data_set.ModalityLUTSequence = Sequence([lut(np.array([10, 20, 30]), 0)])
    (image,) = frames_of(data_set)
    assert image.to_modality().tolist() == [[10, 20, 30]]
    assert image.to_display().tolist() == [[0, 128, 255]]


def test_rescale_of_real_words_agrees_with_pydicom() -> None:
    words = np.random.default_rng(6).integers(-2000, 3000, (8, 9)).astype(np.int16)
    data_set = data_set_of(words, RescaleSlope="0.5", RescaleIntercept="-1000.25")
    (image,) = frames_of(data_set)
    np.testing.assert_array_equal(image.to_modality(), apply_modality_lut(words, data_set))


# Functional groups of enhanced objects (PS3.3 C.7.6.16)


def enhanced() -> FileDataset:
    words = np.arange(24, dtype=np.uint16).reshape(3, 2, 4)
    data_set = data_set_of(words, NumberOfFrames=3)
    shared = item(
        PixelValueTransformationSequence=Sequence([item(RescaleSlope=2, RescaleIntercept=-10, RescaleType="HU")]),
        FrameVOILUTSequence=Sequence([item(WindowCenter=10, WindowWidth=40, VOILUTFunction="LINEAR_EXACT")]),
    )
    plain, own = item(), item()
    own.PixelValueTransformationSequence = Sequence([item(RescaleSlope=3, RescaleIntercept=0, RescaleType="US")])
    own.FrameVOILUTSequence = Sequence([item(WindowCenter=5, WindowWidth=2)])
    table = item()
    table.FrameVOILUTSequence = Sequence([item(VOILUTSequence=Sequence([lut(np.arange(64), -10, 8, signed=True)]))])
    data_set.SharedFunctionalGroupsSequence = Sequence([shared])
    data_set.PerFrameFunctionalGroupsSequence = Sequence([plain, own, table])
    return data_set


def test_shared_rescale_and_window_hold_unless_a_frame_has_its_own() -> None:
    first, second, third = frames_of(enhanced())
    np.testing.assert_array_equal(first.to_modality(), first.pixels.astype(float) * 2 - 10)
    assert (first.rescale_type, first.windows[0].center, first.voi_lut_function) == ("HU", 10, "LINEAR_EXACT")
    np.testing.assert_array_equal(second.to_modality(), second.pixels.astype(float) * 3)
    assert (second.rescale_type, second.windows[0].width, second.voi_lut_function) == ("US", 2, "LINEAR")
    np.testing.assert_array_equal(third.to_modality(), third.pixels.astype(float) * 2 - 10)


def test_a_frame_may_have_a_voi_lut_of_its_own() -> None:
    first, _, third = frames_of(enhanced())
    assert first.voi_luts == ()
    assert third.windows == ()
    (table,) = third.voi_luts
    assert table.first_value == -10
    wanted = np.clip(third.to_modality() + 10, 0, 63) / 255 * 255
    np.testing.assert_array_equal(third.to_display(), wanted)
    unsigned = enhanced()
    voi = unsigned.PerFrameFunctionalGroupsSequence[2].FrameVOILUTSequence[0].VOILUTSequence[0]
    voi.add_new(0x00283002, "US", [64, 65526, 8])
    assert frames_of(unsigned)[2].voi_luts[0].first_value == -10
