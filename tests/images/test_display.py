"""Display against pydicom's own look-up tables and windows, and against the standard's formulas."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as Picture
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from cornerstream.images import display, voi
from cornerstream.images.metadata import FrameMetadata, LookupTable, VoiWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

FUNCTIONS = ["LINEAR", "LINEAR_EXACT", "SIGMOID"]
GREY = FrameMetadata(
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    rows=1,
    columns=1,
    photometric_interpretation="MONOCHROME2",
    bits_allocated=16,
    bits_stored=16,
    high_bit=15,
)
FINITE = st.floats(-1e6, 1e6)
WIDTHS = st.floats(1, 1e6)


def table(values: Any, first_value: int = 0, bits: int = 16) -> LookupTable:
    entries = np.asarray(values)
    return LookupTable(entries.astype(np.uint8) if bits <= 8 else entries.astype(np.uint16), first_value, bits)


def lut_item(lut: LookupTable) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(lut.values) % 65536, lut.first_value, lut.bits]
    item.LUTData = lut.values.tolist()
    item["LUTData"].VR = "US"
    return item


def dataset_of(metadata: FrameMetadata) -> Dataset:
    """The same attributes in pydicom's hands."""
    dataset = Dataset()
    dataset.PhotometricInterpretation = metadata.photometric_interpretation
    dataset.BitsStored = metadata.bits_stored
    dataset.PixelRepresentation = metadata.pixel_representation
    if metadata.modality_lut is None:
        dataset.RescaleSlope, dataset.RescaleIntercept = metadata.rescale_slope, metadata.rescale_intercept
    else:
        dataset.ModalityLUTSequence = [lut_item(metadata.modality_lut)]
    if metadata.windows:
        window = metadata.windows[0]
        dataset.WindowCenter, dataset.WindowWidth = window.center, window.width
        dataset.VOILUTFunction = metadata.voi_lut_function
    elif metadata.voi_luts:
        dataset.VOILUTSequence = [lut_item(metadata.voi_luts[0])]
    return dataset


def pydicom_grey(metadata: FrameMetadata, pixels: NDArray[Any]) -> NDArray[np.float64]:
    """What pydicom shows, from its own output range to 0..255."""
    dataset = dataset_of(metadata)
    modality = apply_modality_lut(pixels.astype(np.int32), dataset)
    if metadata.voi_luts and not metadata.windows:
        return apply_voi(modality.astype(np.int32), dataset) / float(2 ** metadata.voi_luts[0].bits - 1) * 255
    low = -(2 ** (metadata.bits_stored - 1)) if metadata.pixel_representation else 0
    ends = np.array([low, low + 2**metadata.bits_stored - 1])
    if metadata.modality_lut is not None:
        ends = np.array([0, 2**metadata.modality_lut.bits - 1])
    else:
        ends = ends * metadata.rescale_slope + metadata.rescale_intercept
    with np.errstate(over="ignore"):  # pydicom's SIGMOID far outside the window
        shown = apply_windowing(modality, dataset)
    return np.asarray((shown - ends[0]) / (ends[1] - ends[0]) * 255)


def assert_like_pydicom(metadata: FrameMetadata, pixels: NDArray[Any]) -> None:
    dataset = dataset_of(metadata)
    assert np.array_equal(display.to_modality(metadata, pixels), apply_modality_lut(pixels.astype(np.int32), dataset))
    ours = display.to_display(metadata, pixels)
    assert ours.dtype == np.uint8
    assert ours.shape == pixels.shape
    assert np.abs(ours - pydicom_grey(metadata, pixels)).max() <= 0.5 + 1e-6


def every_value(bits: int, *, signed: bool) -> NDArray[Any]:
    low = -(1 << (bits - 1)) if signed else 0
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")
    return np.arange(low, low + (1 << bits)).astype(dtype).reshape(16, -1)


class TestAgainstPydicom:
    @pytest.mark.parametrize("function", FUNCTIONS)
    @pytest.mark.parametrize(
        ("bits", "signed"), [(8, False), (8, True), (12, False), (12, True), (16, False), (16, True)]
    )
    @pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (0.37, 12.5), (-2, 100)])
    def test_every_value_of_every_depth(
        self, function: str, bits: int, signed: bool, slope: float, intercept: float
    ) -> None:
        for window in (VoiWindow(40, 400), VoiWindow(-600.5, 1500.25), VoiWindow(0, 1), VoiWindow(100, 2)):
            metadata = replace(
                GREY,
                bits_stored=bits,
                pixel_representation=int(signed),
                rescale_slope=slope,
                rescale_intercept=intercept,
                windows=(window,),
                voi_lut_function=function,
            )
            assert_like_pydicom(metadata, every_value(bits, signed=signed))

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_32_bit_pixels(self, function: str) -> None:
        pixels = np.random.default_rng(1).integers(-(2**31), 2**31, (32, 32), np.int32)
        metadata = replace(
            GREY, bits_stored=32, pixel_representation=1, windows=(VoiWindow(1e8, 3e9),), voi_lut_function=function
        )
        assert_like_pydicom(metadata, pixels)

    @pytest.mark.parametrize(
        ("first_value", "entries", "bits"), [(0, 256, 8), (-300, 500, 16), (-32768, 65536, 16), (50, 10, 16)]
    )
    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_modality_lut(self, first_value: int, entries: int, bits: int, function: str) -> None:
        values = np.random.default_rng(2).integers(0, 1 << bits, entries)
        metadata = replace(
            GREY,
            pixel_representation=1,
            modality_lut=table(values, first_value, bits),
            rescale_slope=7.0,  # a table wins over slope and intercept
            windows=(VoiWindow(1 << (bits - 1), 1 << (bits - 1)),),
            voi_lut_function=function,
        )
        assert_like_pydicom(metadata, every_value(16, signed=True))

    @pytest.mark.parametrize(("first_value", "entries", "bits"), [(-300, 500, 12), (-32768, 65536, 16), (50, 10, 10)])
    @pytest.mark.parametrize("intercept", [0, -1000])
    def test_voi_lut(self, first_value: int, entries: int, bits: int, intercept: int) -> None:
        values = np.random.default_rng(3).integers(0, 1 << bits, entries)
        metadata = replace(
            GREY, pixel_representation=1, rescale_intercept=intercept, voi_luts=(table(values, first_value, bits),)
        )
        assert_like_pydicom(metadata, every_value(16, signed=True))

    def test_modality_lut_then_voi_lut(self) -> None:
        rng = np.random.default_rng(4)
        metadata = replace(
            GREY,
            modality_lut=table(rng.integers(0, 4096, 1000), 20, 16),
            voi_luts=(table(rng.integers(0, 65536, 4096), 0, 16),),
        )
        assert_like_pydicom(metadata, every_value(16, signed=False))

    @pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "ExplVR_BigEnd.dcm"])
    def test_real_files(self, name: str) -> None:
        path = get_testdata_file(name, download=False)
        assert isinstance(path, str)
        dataset = dcmread(path)
        pixels = dataset.pixel_array
        if pixels.ndim > 2:
            pixels = pixels[0]
        metadata = replace(
            GREY,
            bits_stored=dataset.BitsStored,
            pixel_representation=dataset.PixelRepresentation,
            rescale_slope=float(dataset.get("RescaleSlope", 1)),
            rescale_intercept=float(dataset.get("RescaleIntercept", 0)),
            windows=(VoiWindow(float(dataset.get("WindowCenter", 300)), float(dataset.get("WindowWidth", 700))),),
        )
        assert_like_pydicom(metadata, pixels)


class TestFormulas:
    def test_linear_example_of_the_standard(self) -> None:
        """PS3.3 C.11.2.1.2.1, note 4: center 2048 and width 4096 pass 12 bits unchanged; center 0, width 100 clamps."""
        values = np.array([-1.0, 0, 2048, 4095, 5000])
        assert np.allclose(voi.linear(values, 2048, 4096) * 4095, [0, 0, 2048, 4095, 4095])
        assert np.allclose(voi.linear(np.array([-50.0, 49]), 0, 100), [0, 1])

    def test_width_one_is_a_threshold(self) -> None:
        assert voi.linear(np.array([-1.0, 0, 1, np.nan]), 0, 1)[:3].tolist() == [0, 1, 1]
        assert np.isnan(voi.linear(np.array([np.nan]), 0, 1)[0])

    def test_linear_exact_takes_a_width_below_one(self) -> None:
        assert voi.linear_exact(np.array([0.0, 0.25, 0.5, 0.75, 1]), 0.5, 0.5).tolist() == [0, 0, 0.5, 1, 1]

    def test_sigmoid_is_a_half_at_its_center(self) -> None:
        assert voi.sigmoid(np.array([-1e9, 40, 1e9]), 40, 400).tolist() == [0, 0.5, 1]

    @pytest.mark.parametrize(
        ("function", "window", "rule"),
        [
            ("LINEAR", (0, 0.99), "at least 1.*C.11.2.1.2.1"),
            ("LINEAR", (0, 0), "at least 1"),
            ("LINEAR_EXACT", (0, 0), "greater than 0"),
            ("SIGMOID", (0, -1), "greater than 0"),
            ("CUBIC", (0, 10), "LINEAR_EXACT, SIGMOID"),
            ("LINEAR", (float("nan"), 10), "finite"),
            ("LINEAR_EXACT", (0, float("inf")), "finite"),
        ],
    )
    def test_windows_that_are_not_allowed(self, function: str, window: tuple[float, float], rule: str) -> None:
        metadata = replace(GREY, voi_lut_function=function)
        for asked in (window, VoiWindow(*window)):
            with pytest.raises(ValueError, match=rule):
                display.to_display(metadata, np.zeros((1, 1), np.uint16), asked)
        with pytest.raises(ValueError, match=rule):
            display.to_display(replace(metadata, windows=(VoiWindow(*window),)), np.zeros((1, 1), np.uint16))

    @pytest.mark.parametrize("function", ["", "linear", " LINEAR "])
    def test_function_names_as_files_write_them(self, function: str) -> None:
        pixels = every_value(8, signed=False)
        metadata = replace(GREY, windows=(VoiWindow(100, 50),))
        shown = display.to_display(replace(metadata, voi_lut_function=function), pixels)
        assert np.array_equal(shown, display.to_display(metadata, pixels))


class TestMonotone:
    @settings(max_examples=60)
    @given(FINITE, WIDTHS, st.sampled_from(FUNCTIONS), st.floats(1e-3, 100), FINITE)
    def test_fused_table(self, center: float, width: float, function: str, slope: float, intercept: float) -> None:
        metadata = replace(GREY, rescale_slope=slope, rescale_intercept=intercept, voi_lut_function=function)
        shown = display.to_display(metadata, np.arange(-32768, 32768, dtype=np.int16).reshape(1, -1), (center, width))
        assert (np.diff(shown.astype(int)) >= 0).all()

    @settings(max_examples=60)
    @given(
        hnp.arrays(np.float64, 50, elements=st.floats(allow_nan=False)),
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(min_value=0, exclude_min=True, allow_infinity=False),
        st.sampled_from(["LINEAR_EXACT", "SIGMOID"]),
    )
    def test_any_float_and_any_window(
        self, values: NDArray[np.float64], center: float, width: float, function: str
    ) -> None:
        shown = display.to_display(
            replace(GREY, voi_lut_function=function), np.sort(values).reshape(1, -1), (center, width)
        )
        assert (np.diff(shown.astype(int)) >= 0).all()


class TestWhichVoi:
    pixels = every_value(8, signed=False)

    def test_first_window_unless_another_is_asked_for(self) -> None:
        windows = (VoiWindow(50, 100, "A"), VoiWindow(150, 20, "B"))
        metadata = replace(GREY, windows=windows, voi_luts=(table([0, 65535]),))
        first = display.to_display(metadata, self.pixels)
        assert np.array_equal(first, display.to_display(GREY, self.pixels, (50, 100)))
        second = display.to_display(metadata, self.pixels, windows[1])
        assert np.array_equal(second, display.to_display(GREY, self.pixels, (150, 20)))
        assert not np.array_equal(first, second)

    def test_voi_lut_without_window_or_on_request(self) -> None:
        luts = table([0, 65535], 100), table([65535, 0], 100)
        own = display.to_display(replace(GREY, voi_luts=luts), self.pixels)
        assert np.array_equal(own, np.where(self.pixels > 100, 255, 0))
        asked = display.to_display(replace(GREY, voi_luts=luts, windows=(VoiWindow(1, 2),)), self.pixels, luts[1])
        assert np.array_equal(asked, np.where(self.pixels > 100, 0, 255))

    def test_entries_beyond_the_declared_bits_are_white(self) -> None:
        metadata = replace(GREY, voi_luts=(table([0, 65535], 100, 12),))
        assert display.to_display(metadata, self.pixels).max() == 255

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.float32])
    def test_full_range_without_either(self, dtype: type[np.generic]) -> None:
        shown = display.to_display(GREY, np.array([[10, 20, 30]]).astype(dtype))
        assert shown.tolist() == [[0, 128, 255]]

    def test_full_range_leaves_padding_out(self) -> None:
        pixels = np.array([[-2000, 10, 20, 30, -2000]], np.int16)
        shown = display.to_display(replace(GREY, pixel_padding_value=-2000), pixels)
        assert shown.tolist() == [[0, 0, 128, 255, 0]]

    def test_full_range_in_modality_values(self) -> None:
        pixels = np.array([[0, 1, 2]], np.uint16)
        assert display.to_display(replace(GREY, rescale_slope=-3.0), pixels).tolist() == [[255, 128, 0]]
        metadata = replace(GREY, modality_lut=table([500, 700, 600]))
        assert display.to_display(metadata, pixels).tolist() == [[0, 255, 128]]


class TestPixels:
    def test_monochrome1_is_inverted(self) -> None:
        pixels = every_value(12, signed=False)
        metadata = replace(GREY, windows=(VoiWindow(1000, 700),))
        inverted = display.to_display(replace(metadata, photometric_interpretation="MONOCHROME1"), pixels)
        assert np.array_equal(inverted, 255 - display.to_display(metadata, pixels))

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.float64])
    @pytest.mark.parametrize("value", [0, 7])
    def test_constant_image_is_black(self, dtype: type[np.generic], value: int) -> None:
        pixels = np.full((2, 2), value).astype(dtype)
        assert display.to_display(GREY, pixels).tolist() == [[0, 0], [0, 0]]
        assert display.to_display(replace(GREY, photometric_interpretation="MONOCHROME1"), pixels).min() == 255
        assert display.to_display(replace(GREY, pixel_padding_value=value), pixels).max() == 0

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_nan_is_black_and_infinity_an_end(self, function: str) -> None:
        pixels = np.array([[np.nan, -np.inf, 0.0, np.inf]], np.float32)
        shown = display.to_display(replace(GREY, voi_lut_function=function), pixels, (0, 2))
        assert shown[0, [0, 1, 3]].tolist() == [0, 0, 255]
        lut = display.to_display(GREY, pixels, table([1000, 65535], 0))
        assert lut[0, 3] == 255

    def test_full_range_of_floats_without_a_finite_one(self) -> None:
        assert display.to_display(GREY, np.array([[np.nan, np.inf]])).tolist() == [[0, 0]]
        extremes = np.array([[-1.7e308, 1.7e308]])
        assert display.to_display(GREY, extremes).shape == (1, 2)
        assert display.to_display(GREY, np.array([[np.nan, 1.0, 3.0, np.inf]])).tolist() == [[0, 0, 255, 255]]

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("kind", ["i2", "u2", "i4", "f4"])
    def test_any_byte_order_and_layout(self, order: str, kind: str) -> None:
        values = np.arange(24).reshape(4, 6)
        expected = display.to_display(GREY, values.astype(kind), (10, 12))
        for pixels in (values.astype(order + kind), np.asfortranarray(values.astype(order + kind))):
            assert np.array_equal(display.to_display(GREY, pixels, (10, 12)), expected)
        sliced = values.astype(order + kind)[::2, ::-1]
        assert np.array_equal(display.to_display(GREY, sliced, (10, 12)), expected[::2, ::-1])

    def test_colour_is_only_reduced(self) -> None:
        rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        metadata = replace(GREY, photometric_interpretation="RGB", bits_stored=8, windows=(VoiWindow(1, 2),))
        assert np.array_equal(display.to_display(metadata, rgb), rgb)
        assert np.array_equal(display.to_modality(replace(metadata, rescale_slope=2.0), rgb), rgb)

    @pytest.mark.parametrize("bits", [10, 12, 16])
    def test_deep_colour_keeps_its_high_bits(self, bits: int) -> None:
        rgb = np.array([[[0, 1 << (bits - 1), (1 << bits) - 1]]], np.uint16)
        metadata = replace(GREY, photometric_interpretation="RGB", bits_stored=bits)
        assert display.to_display(metadata, rgb).tolist() == [[[0, 128, 255]]]

    def test_shallow_colour_is_scaled(self) -> None:
        rgb = np.array([[[0, 1, 15]]], np.uint8)
        metadata = replace(GREY, photometric_interpretation="RGB", bits_stored=4)
        assert display.to_display(metadata, rgb).tolist() == [[[0, 17, 255]]]

    def test_float_pixels_through_a_modality_lut(self) -> None:
        metadata = replace(GREY, modality_lut=table([5, 6, 7], -1))
        values = np.array([[-9.0, -0.6, 0.4, 1.0, 99.0, np.nan, np.inf]])
        assert display.to_modality(metadata, values).tolist() == [[5, 5, 6, 7, 7, 5, 7]]


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3)])
def test_png_round_trip(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
    array.flags.writeable = False
    for pixels in (array, array[::-1]):
        with Picture.open(io.BytesIO(display.to_png(pixels))) as picture:
            assert np.array_equal(np.asarray(picture), pixels)


class TestTables:
    def test_equal_transforms_share_a_bounded_number_of_tables(self) -> None:
        display._grey_table.cache_clear()
        pixels = every_value(8, signed=False)
        for explanation in ("A", "B"):
            display.to_display(replace(GREY, windows=(VoiWindow(1, 2, explanation),)), pixels)
        assert display._grey_table.cache_info().currsize == 1
        for center in range(100):
            display.to_display(GREY, pixels, (center, 10))
        assert display._grey_table.cache_info().currsize <= 32

    def test_a_result_is_the_callers_own(self) -> None:
        pixels = every_value(8, signed=False)
        first = display.to_display(GREY, pixels, (100, 50))
        first[:] = 0
        assert display.to_display(GREY, pixels, (100, 50)).max() == 255
