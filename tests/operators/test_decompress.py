"""`decompress`: what is refused, what is told, and the operator's case list."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject

from cornerstream.images.errors import DecodeError, LimitError, UnsupportedTransferSyntaxError
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.images.limits import Limits
from cornerstream.operators import decoder_table
from cornerstream.operators.decoder import Decoder, TransferSyntax
from cornerstream.operators.decompress import decode_frame, decompress
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.frames import EXPLICIT, bundled, describing, metadata, read_frames
from tests.support.held_workers import HeldWorkers, collect
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import Callable


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
    assert np.array_equal(again.pixels, decode_frame(frame).pixels)
    viewed = pickle.loads(pickle.dumps(EncodedFrame(frame.metadata, memoryview(frame.data), {"fetch": 1.0})))
    assert (viewed.metadata, viewed.data, viewed.timings) == (frame.metadata, frame.data, {"fetch": 1.0})


# The operator.


def frames(*values: int) -> list[EncodedFrame]:
    return [EncodedFrame(metadata(), bytes([value])) for value in values]


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


@pytest.fixture
def _everything_goes_to_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerstream.operators.decompress._INLINE_BYTES", -1)


async def test_small_native_frames_need_no_worker() -> None:
    workers = HeldWorkers()
    decoded, error = await collect(rx.from_iterable(frames(3, 1)).pipe(decompress(workers)))
    assert error is None
    assert [frame.pixels.item() for frame in decoded] == [3, 1]
    assert workers.asked == []


@pytest.mark.usefixtures("_everything_goes_to_the_workers")
async def test_at_most_max_concurrent_frames_are_with_the_workers() -> None:
    workers = HeldWorkers()
    collecting = asyncio.ensure_future(collect(rx.from_iterable(frames(*range(9))).pipe(decompress(workers, 3))))
    await turns(20)
    assert len(workers.asked) == 3
    workers.release()
    results, _ = await collecting
    assert len(results) == 9


@pytest.mark.usefixtures("_everything_goes_to_the_workers")
async def test_disposed_midway_nothing_comes_and_waiting_work_is_cancelled() -> None:
    workers, source, received = HeldWorkers(), Subject[EncodedFrame](), list[DecodedFrame]()
    subscription = source.pipe(decompress(workers, 2)).subscribe(received.append)
    for frame in frames(1, 2, 3):
        source.on_next(frame)
    await turns(20)
    subscription.dispose()
    assert not source.observers
    workers.release()
    await turns(20)
    assert received == []
    assert (len(workers.asked), workers.cancelled) == (2, 2)


async def test_workers_are_told_which_decoder_holds_the_interpreter_lock() -> None:
    workers = HeldWorkers()
    workers.release()
    source = rx.from_iterable(read_frames(bundled("MR_small_RLE")))
    await collect(source.pipe(decompress(workers)))
    await collect(source.pipe(decompress(workers, prefer="pylibjpeg-rle")))
    assert workers.asked == [False, True]


class IdleWorkers:
    """Workers of which so many have nothing to do; they remember the threads of the frames they get."""

    def __init__(self, idle: int) -> None:
        self.idle = idle
        self.threads: list[int] = []

    async def run(self, function: Callable[..., Any], /, *args: Any, holds_lock: bool = False) -> Any:
        self.threads.append(args[0].threads)
        return function(*args)


@pytest.mark.parametrize(("idle", "side", "threads"), [(0, 1500, 1), (1, 1500, 1), (3, 1500, 3), (3, 256, 1)])
async def test_a_large_frame_gets_the_threads_of_idle_workers(idle: int, side: int, threads: int) -> None:
    pixels = np.random.default_rng(5).integers(0, 4096, (side, side), np.uint16)
    codestream = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0)
    frame = EncodedFrame(describing(pixels, "1.2.840.10008.1.2.4.90"), bytes(codestream))
    workers = IdleWorkers(idle)
    (found,), error = await collect(rx.just(frame).pipe(decompress(workers)))
    assert error is None
    assert workers.threads == [threads]
    assert np.array_equal(found.pixels, pixels)


def test_the_threads_of_a_frame_travel_with_it() -> None:
    assert pickle.loads(pickle.dumps(EncodedFrame(metadata(), b"\1", threads=3))).threads == 3
