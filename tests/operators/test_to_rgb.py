"""`to_rgb`: pydicom's conversions as the oracle, and the operator's case list."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import dcmread
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from reactivex import Subject

from cornerstream.images.errors import DecodeError
from cornerstream.images.metadata import LookupTable, Palette
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.to_rgb import apply_palette, convert_to_rgb, to_rgb, ybr_to_rgb
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.frames import bundled, decoded, read_frames
from tests.support.held_workers import HeldWorkers, collect
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame


def table(values: list[int], first_value: int = 0, bits: int = 8) -> LookupTable:
    entries = np.array(values, np.uint16)
    return LookupTable(entries.astype(np.uint8) if bits <= 8 else entries, first_value, bits)


def grey(value: int) -> DecodedFrame:
    return decoded(np.full((1, 1), value, np.uint8), "MONOCHROME2")


def ybr(value: int) -> DecodedFrame:
    """A grey value in YBR_FULL, which is the same value in R, G and B."""
    return decoded(np.array([[[value, 128, 128]]], np.uint8), "YBR_FULL")


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_grey_passes_unchanged(photometric: str) -> None:
    frame = decoded(np.zeros((2, 2), np.int16), photometric)
    assert convert_to_rgb(frame) is frame


def test_rgb_passes_unchanged() -> None:
    frame = decoded(np.zeros((2, 2, 3), np.uint16), "RGB")
    assert convert_to_rgb(frame) is frame


@pytest.mark.parametrize("photometric", ["YBR_RCT", "YBR_ICT"])
def test_what_a_codec_has_undone_is_only_renamed(photometric: str) -> None:
    frame = decoded(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), photometric)
    converted = convert_to_rgb(frame)
    assert converted.photometric_interpretation == "RGB"
    assert converted.pixels is frame.pixels


def test_every_ybr_value_is_within_1_of_pydicoms_formula() -> None:
    # every chroma pair at a few lumas; clipping happens at both ends
    blue, red = np.meshgrid(np.arange(256), np.arange(256))
    for luma in (0, 1, 127, 128, 254, 255):
        pixels = np.stack([np.full_like(blue, luma), blue, red], axis=-1).astype(np.uint8)
        expected = convert_color_space(pixels, "YBR_FULL", "RGB")
        assert np.abs(ybr_to_rgb(pixels).astype(int) - expected).max() <= 1


@given(arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7), st.just(3))))
@settings(max_examples=40, deadline=None)
def test_rgb_to_ybr_and_back_is_within_1_of_what_pydicom_gets(rgb: NDArray[np.uint8]) -> None:
    there = convert_color_space(rgb, "RGB", "YBR_FULL")
    back = ybr_to_rgb(there)
    assert back.shape == rgb.shape
    assert np.abs(back.astype(int) - convert_color_space(there, "YBR_FULL", "RGB")).max() <= 1


def test_16_bit_ybr_has_its_middle_at_bits_stored() -> None:
    pixels = np.array([[[1000, 2048, 2048], [4095, 2048, 4095]]], np.uint16)
    frame = decoded(pixels, "YBR_FULL", bits_stored=12, high_bit=11)
    assert convert_to_rgb(frame).pixels.tolist() == [[[1000, 1000, 1000], [4095, 2633, 4095]]]


def test_ybr_full_422_packed_equals_pydicom() -> None:
    path = bundled("SC_ybr_full_422_uncompressed")
    (frame,) = read_frames(path)
    rgb = convert_to_rgb(decode_frame(frame)).pixels
    expected = dcmread(path).pixel_array  # pydicom converts to RGB unless asked for raw values
    assert np.abs(rgb.astype(int) - expected).max() <= 1


def test_a_bundled_palette_equals_pydicom() -> None:
    path = bundled("examples_palette")
    (frame,) = read_frames(path)
    data_set = dcmread(path)
    expected = apply_color_lut(data_set.pixel_array, data_set) >> 8
    converted = convert_to_rgb(decode_frame(frame))
    assert converted.pixels.dtype == np.uint8
    assert np.array_equal(converted.pixels, expected)
    assert converted.timings["to_rgb"] > 0


def test_palette_clamps_below_and_above() -> None:
    palette = Palette(table([10, 20], 5), table([30, 40], 5), table([50, 60], 5))
    indices = np.array([[0, 5, 6, 255]], np.uint8)
    assert apply_palette(indices, palette)[0].tolist() == [[10, 30, 50], [10, 30, 50], [20, 40, 60], [20, 40, 60]]


def test_palette_with_a_negative_first_value() -> None:
    tables = table([1, 2, 3], -2)
    indices = np.array([[-32768, -2, -1, 0, 32767]], np.int16)
    assert apply_palette(indices, Palette(tables, tables, tables))[0, :, 0].tolist() == [1, 1, 2, 3, 3]


def test_palette_tables_may_differ_in_length_and_start() -> None:
    palette = Palette(table([1, 2]), table([256, 65535, 512], 1, 16), table([7], 0))
    assert apply_palette(np.array([[0, 3]], np.uint8), palette)[0].tolist() == [[1, 1, 7], [2, 2, 7]]


@pytest.mark.parametrize(
    ("shape", "photometric"),
    [((1, 1), "RGB"), ((1, 1, 3), "MONOCHROME2"), ((1, 1, 3), "PALETTE COLOR"), ((1, 1), "PALETTE COLOR"),
     ((1, 1, 3), "HSV"), ((1, 1, 3), "YBR_PARTIAL_422"), ((1, 1), "YBR_FULL"), ((1, 1), "")],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused(shape: tuple[int, ...], photometric: str) -> None:
    with pytest.raises(DecodeError):
        convert_to_rgb(decoded(np.zeros(shape, np.uint8), photometric))


def test_signed_ybr_is_refused() -> None:
    with pytest.raises(DecodeError, match="int8 cannot be converted"):
        convert_to_rgb(decoded(np.zeros((1, 1, 3), np.int8), "YBR_FULL"))


# The operator.


def values(frames: list[DecodedFrame]) -> list[int]:
    return [int(frame.pixels.reshape(-1)[0]) for frame in frames]


CASES = [[], [grey(1)], [ybr(1)], [grey(1), ybr(2), grey(3), grey(4), ybr(5), ybr(6), grey(7)]]


@pytest.mark.parametrize("frames", CASES, ids=["empty", "one grey", "one colour", "many"])
@pytest.mark.parametrize("beside", [False, True], ids=["inline", "workers"])
async def test_empty_one_and_many_in_order(frames: list[DecodedFrame], beside: bool) -> None:
    with ThreadPoolExecutor(2) as pool:
        workers = ExecutorWorkers(pool) if beside else None
        received, error = await collect(rx.from_iterable(frames).pipe(to_rgb(workers)))
    assert error is None
    assert values(received) == list(range(1, len(frames) + 1))


async def test_conversion_runs_on_a_worker() -> None:
    threads: list[str] = []

    class Spy(ExecutorWorkers):
        def run(self, function: Callable[..., Any], /, *args: object, holds_lock: bool = False) -> asyncio.Future[Any]:
            def traced() -> Any:
                threads.append(threading.current_thread().name)
                return function(*args)

            return super().run(traced)

    with ThreadPoolExecutor(1, "worker") as pool:
        await collect(rx.from_iterable([grey(1), ybr(2)]).pipe(to_rgb(Spy(pool))))
    assert threads == ["worker_0"]


async def test_grey_frames_pass_synchronously_and_wait_behind_a_colour_frame() -> None:
    workers, source, received = HeldWorkers(), Subject["DecodedFrame"](), list["DecodedFrame"]()
    completed = asyncio.Event()
    source.pipe(to_rgb(workers)).subscribe(received.append, on_completed=completed.set)
    source.on_next(grey(1))
    assert values(received) == [1]
    source.on_next(ybr(2))
    source.on_next(grey(3))
    source.on_completed()
    assert values(received) == [1]
    workers.release()
    await completed.wait()
    assert values(received) == [1, 2, 3]
    assert len(workers.asked) == 1


@pytest.mark.parametrize("beside", [False, True])
async def test_own_error_ends_the_sequence_and_the_subscription_upstream(beside: bool) -> None:
    source: Subject[DecodedFrame] = Subject()
    with ThreadPoolExecutor(1) as pool:
        collecting = asyncio.ensure_future(collect(source.pipe(to_rgb(ExecutorWorkers(pool) if beside else None))))
        await asyncio.sleep(0)
        source.on_next(grey(1))
        source.on_next(decoded(np.zeros((1, 1, 3), np.uint8), "HSV"))
        received, error = await collecting
    assert values(received) == [1]
    assert isinstance(error, DecodeError)
    assert not source.observers


@pytest.mark.parametrize("beside", [False, True])
async def test_source_error_is_passed_on(beside: bool) -> None:
    workers = HeldWorkers() if beside else None
    source = rx.concat(rx.just(grey(1)), rx.throw(OSError("gone")))
    received, error = await collect(source.pipe(to_rgb(workers)))
    assert values(received) == [1]
    assert isinstance(error, OSError)


async def test_disposed_midway_nothing_comes_any_more() -> None:
    workers, source, received = HeldWorkers(), Subject["DecodedFrame"](), list["DecodedFrame"]()
    subscription = source.pipe(to_rgb(workers)).subscribe(received.append)
    source.on_next(ybr(1))
    source.on_next(grey(2))
    await asyncio.sleep(0)
    subscription.dispose()
    assert not source.observers
    workers.release()
    await turns()
    assert received == []
