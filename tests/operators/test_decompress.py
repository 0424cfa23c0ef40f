"""`decompress`: pydicom's bundled files against independent decoders, and the operator's case list."""

from __future__ import annotations

import asyncio
import pickle
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import pixel_array
from reactivex import Subject

from cornerstream.images.errors import DecodeError, LimitError, UnsupportedTransferSyntaxError
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.images.limits import Limits
from cornerstream.operators import decoder_table
from cornerstream.operators.decoder_table import Decoder, TransferSyntax
from cornerstream.operators.decompress import decode_frame, decompress
from cornerstream.operators.to_rgb import convert_to_rgb
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.frames import EXPLICIT, metadata, read_frames

if TYPE_CHECKING:
    from collections.abc import Callable
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


def bundled(name: str) -> str:
    """The path of a file inside pydicom's wheel."""
    path = get_testdata_file(f"{name}.dcm", download=False)
    assert isinstance(path, str)
    return path


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


def test_lossless_jpeg_by_two_decoders() -> None:
    assert np.array_equal(decoded("SC_rgb_jpeg_gdcm"), decoded("SC_rgb_jpeg_gdcm", "imagecodecs-ljpeg"))


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


def test_timings_are_added_to_those_before() -> None:
    frame = EncodedFrame(metadata(), b"\1", {"fetch": 1.5})
    timings = decode_frame(frame).timings
    assert timings["fetch"] == 1.5
    assert timings["decompress"] > 0


def test_a_frame_above_the_limit_is_refused() -> None:
    with pytest.raises(LimitError, match="frame_pixels=3"):
        decode_frame(EncodedFrame(metadata(rows=2, columns=2), bytes(4)), None, Limits(frame_pixels=3))


@pytest.mark.parametrize(
    "attributes",
    [
        {"rows": 0},
        {"columns": 70000},
        {"samples_per_pixel": 2},
        {"bits_allocated": 24},
        {"bits_allocated": 8, "bits_stored": 9},
        {"bits_allocated": 16, "bits_stored": 12, "high_bit": 16},
        {"bits_allocated": 16, "bits_stored": 12, "high_bit": 10},
        {"bits_allocated": 1, "samples_per_pixel": 3},
        {"pixel_representation": 2},
        {"pixel_keyword": "FloatPixelData", "bits_allocated": 16},
    ],
)
def test_descriptions_that_cannot_be_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_frame(EncodedFrame(metadata(**attributes), bytes(100)))


def test_an_unknown_transfer_syntax_is_named() -> None:
    with pytest.raises(UnsupportedTransferSyntaxError, match=r"MPEG2.*1\.2\.840\.10008\.1\.2\.4\.100"):
        decode_frame(EncodedFrame(metadata("1.2.840.10008.1.2.4.100"), b""))


class Panic(BaseException):
    """What a Rust extension raises."""


def raises_panic(_: EncodedFrame) -> DecodedFrame:
    raise Panic("index out of bounds")


def raises_memory_error(_: EncodedFrame) -> DecodedFrame:
    raise MemoryError


def returns_a_wrong_shape(frame: EncodedFrame) -> DecodedFrame:
    return DecodedFrame(frame.metadata, np.zeros((1, 1), np.uint8), "MONOCHROME2")


@pytest.fixture
def with_decoder(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Put a function of this module in the decoder table."""

    def put(function: Any) -> None:
        row = Decoder(name="mine", function=f"{__name__}:{function.__name__}")
        monkeypatch.setattr(Decoder, "load", lambda _: function)
        monkeypatch.setattr(decoder_table, "TABLE", {EXPLICIT: TransferSyntax(EXPLICIT, "mine", (row,))})

    return put


def test_what_is_no_exception_becomes_a_decode_error(with_decoder: Any) -> None:
    with_decoder(raises_panic)
    with pytest.raises(DecodeError, match="mine refused the frame: Panic: index out of bounds") as caught:
        decode_frame(EncodedFrame(metadata(), b"\0"))
    assert isinstance(caught.value.__cause__, Panic)


def test_a_memory_error_passes(with_decoder: Any) -> None:
    with_decoder(raises_memory_error)
    with pytest.raises(MemoryError):
        decode_frame(EncodedFrame(metadata(), b"\0"))


def test_a_decoder_that_returns_another_shape_is_refused(with_decoder: Any) -> None:
    with_decoder(returns_a_wrong_shape)
    with pytest.raises(DecodeError, match="mine returned"):
        decode_frame(EncodedFrame(metadata(rows=2, columns=2), bytes(4)))


def test_decode_frame_and_its_errors_travel_between_processes() -> None:
    assert pickle.loads(pickle.dumps(decode_frame)) is decode_frame
    frame = read_frames(bundled("MR_small_RLE"))[0]
    again = pickle.loads(pickle.dumps(decode_frame(frame)))
    assert np.array_equal(again.pixels, decoded("MR_small_RLE")[0])


# The operator.


class HeldWorkers:
    """Workers that run nothing before `release()`, and know what was asked of them."""

    def __init__(self) -> None:
        self.held = 0
        self.asked: list[bool] = []
        self.cancelled = 0
        self._gate = asyncio.Event()

    def release(self) -> None:
        self._gate.set()

    async def run(self, function: Callable[..., Any], /, *args: object, holds_lock: bool = False) -> Any:
        self.asked.append(holds_lock)
        self.held += 1
        try:
            await self._gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return function(*args)


def frames(*values: int) -> list[EncodedFrame]:
    return [EncodedFrame(metadata(), bytes([value])) for value in values]


async def collect(source: rx.Observable[Any]) -> tuple[list[Any], Exception | None]:
    """All values, then the error if there was one."""
    values: list[Any] = []
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    source.subscribe(values.append, done.set_result, lambda: done.set_result(None))
    return values, await done


@pytest.mark.parametrize("values", [(), (7,), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
async def test_empty_one_and_many_in_order(values: tuple[int, ...]) -> None:
    with ThreadPoolExecutor(2) as pool:
        results, error = await collect(rx.from_iterable(frames(*values)).pipe(decompress(ExecutorWorkers(pool))))
    assert error is None
    assert [int(result.pixels[0, 0]) for result in results] == list(values)


async def test_source_error_is_passed_on() -> None:
    with ThreadPoolExecutor(1) as pool:
        results, error = await collect(rx.throw(OSError("gone")).pipe(decompress(ExecutorWorkers(pool))))
    assert results == []
    assert isinstance(error, OSError)


async def test_own_error_ends_the_sequence_and_the_subscription_upstream() -> None:
    source: Subject[EncodedFrame] = Subject()
    with ThreadPoolExecutor(1) as pool:
        collecting = asyncio.ensure_future(collect(source.pipe(decompress(ExecutorWorkers(pool)))))
        await asyncio.sleep(0)
        source.on_next(EncodedFrame(metadata(rows=9), b"short"))
        results, error = await collecting
    assert results == []
    assert isinstance(error, DecodeError)
    assert not source.observers


async def test_at_most_max_concurrent_frames_are_with_the_workers() -> None:
    workers = HeldWorkers()
    collecting = asyncio.ensure_future(collect(rx.from_iterable(frames(*range(9))).pipe(decompress(workers, 3))))
    for _ in range(20):
        await asyncio.sleep(0)
    assert workers.held == 3
    workers.release()
    results, _ = await collecting
    assert len(results) == 9


async def test_disposed_midway_nothing_comes_and_waiting_work_is_cancelled() -> None:
    workers, source, received = HeldWorkers(), Subject[EncodedFrame](), list[DecodedFrame]()
    subscription = source.pipe(decompress(workers, 2)).subscribe(received.append)
    for frame in frames(1, 2, 3):
        source.on_next(frame)
    for _ in range(5):
        await asyncio.sleep(0)
    subscription.dispose()
    assert not source.observers
    workers.release()
    for _ in range(5):
        await asyncio.sleep(0)
    assert received == []
    assert (workers.held, workers.cancelled) == (2, 2)


async def test_workers_are_told_which_decoder_holds_the_interpreter_lock() -> None:
    workers = HeldWorkers()
    workers.release()
    source = rx.from_iterable(read_frames(bundled("MR_small_RLE")))
    await collect(source.pipe(decompress(workers)))
    await collect(source.pipe(decompress(workers, prefer="pylibjpeg-rle")))
    assert workers.asked == [False, True]
