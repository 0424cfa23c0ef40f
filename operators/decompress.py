"""Encoded frames to stored values, on workers, by the decoder that the table chooses (PS3.5 section 8 and annex A)."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.codecs.description import check_description, frame_shape, stored_dtype
from cornerstream.operators.codecs.guards import UNTRANSLATED, refused
from cornerstream.operators.decoder_table import NATIVE, decoder_for
from cornerstream.operators.fragments import check_fragment
from cornerstream.operators.map_ordered import Ready, map_ordered
from cornerstream.operators.protocols import idle_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.operators.decoder import Decoder
    from cornerstream.operators.protocols import Workers

_GREY = ("MONOCHROME1", "MONOCHROME2")  # what else has one sample is not yet what is delivered
_LARGE_PIXELS = 1 << 21  # decoding fewer is done before threads would have begun to pay
_SMALL_BYTES = 1 << 20  # of the pixels
_QUICK = frozenset({"imagecodecs._htj2k", "imagecodecs._jpeg8", "imagecodecs._imcd"})  # at most 10 ns a sample
_INLINE_BYTES = 1 << 20  # masking so many takes a fraction of a millisecond, the way to a worker and back as long


def decode_frame(
    frame: EncodedFrame, prefer: str | Decoder | None = None, limits: Limits = DEFAULT_LIMITS
) -> DecodedFrame:
    """Decode one frame.

    Args:
        frame: The complete bytes of one frame.
        prefer: Name of a decoder to take where it decodes the frame's transfer syntax; or the decoder that was chosen.
        limits: `frame_pixels` bounds what is allocated.

    Returns:
        Stored values in one dtype for one description, C-contiguous; `timings` has the seconds under `decompress`.
        Subsampled chroma is expanded and a JPEG's YCbCr is RGB already: `photometric_interpretation` says so.

    Raises:
        UnsupportedTransferSyntaxError: No decoder is known, or installed.
        SplitError: It was not searched yet, and holds what can only be several fragments.
        DecodeError: The frame is incomplete, contradicts its description, or its decoder refused it.
        LimitError: The frame is larger than `limits` allows.
    """
    start = perf_counter()
    decoder = decoder_for(frame.metadata.transfer_syntax_uid, prefer)
    check_description(frame.metadata, limits)
    if not frame.searched:
        check_fragment(bytes(frame.data))
    try:  # as `translated` does; a context manager of a generator costs more than a native frame's decoding
        if not decoder.built_in:
            _guard(frame, decoder)
        decoded = decoder.load()(frame)
    except UNTRANSLATED:
        raise
    except BaseException as error:
        raise refused(decoder.name, error) from error
    _check_result(decoded, decoder.name)
    pixels = decoded.pixels
    if frame.target is not None and pixels.ndim == 2 and decoded.photometric_interpretation in _GREY:
        pixels = frame.target.place(pixels)
    timings = {**frame.timings, "decompress": perf_counter() - start}
    return DecodedFrame(decoded.metadata, pixels, decoded.photometric_interpretation, timings, decoded.alpha)


def decompress(
    workers: Workers,
    max_concurrent: int = 4,
    prefer: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    target: PixelTarget | None = None,
) -> Callable[[Observable[EncodedFrame]], Observable[DecodedFrame]]:
    """Decode frames on workers.

    ::

        frames   a──b──c──────|
                 b is decoded before a
        result   ──────ab───c─|

    Order is the source's; at most `max_concurrent` frames are with the workers; the first error ends the sequence;
    dispose drops what waits, and the result of what a worker cannot stop. A large frame gets the threads of workers that
    have nothing to do, where its decoder can use them. Native frames up to a mebibyte are only looked at
    or masked, which is done at once.

    Args:
        workers: Where decoders run; told which of them hold the interpreter lock.
        max_concurrent: Frames with the workers at once.
        prefer: Name of a decoder to take where it decodes a frame's transfer syntax.
        limits: `frame_pixels` bounds what is allocated.
        target: Where the pixels of the one frame are wanted.
    """

    def at_once(frame: EncodedFrame) -> Ready[DecodedFrame] | None:
        """What costs less than the way to a worker is done here."""
        decoder = decoder_for(frame.metadata.transfer_syntax_uid, prefer)
        if not is_brief(frame, decoder):
            return None
        return Ready(decode_frame(frame if target is None else replace(frame, target=target), decoder, limits))

    def decode(frame: EncodedFrame) -> Awaitable[DecodedFrame]:
        """Choose, then hand over."""
        decoder = decoder_for(frame.metadata.transfer_syntax_uid, prefer)
        frame = with_threads(frame if target is None else replace(frame, target=target), workers)
        return workers.run(decode_frame, frame, decoder, limits, holds_lock=not decoder.releases_gil)

    return map_ordered(decode, max_concurrent, at_once=at_once)


def is_brief(frame: EncodedFrame, decoder: Decoder) -> bool:
    """To decode a frame takes less than the way to a worker: a native one of no more than a mebibyte."""
    return frame.nbytes <= _INLINE_BYTES and decoder.name == NATIVE


def is_small(metadata: FrameMetadata) -> bool:
    """The pixels of a frame take no more than a mebibyte."""
    samples = metadata.rows * metadata.columns * metadata.samples_per_pixel
    return samples * -(-metadata.bits_allocated // 8) <= _SMALL_BYTES


def is_quick(metadata: FrameMetadata, decoder: Decoder) -> bool:
    """To decode a frame takes a few milliseconds at the most: several of them may share one way to a worker."""
    return decoder.module in _QUICK and is_small(metadata)


def with_threads(frame: EncodedFrame, workers: Workers) -> EncodedFrame:
    """A frame that its decoder may use several threads for, if it is large and there are workers with nothing to do."""
    threads = threads_for(frame.metadata, workers)
    return replace(frame, threads=threads) if threads > 1 else frame


def threads_for(metadata: FrameMetadata, workers: Workers) -> int:
    """How many threads a decoder may use for one frame: those of the workers that have nothing to do, if it is large."""
    return max(1, idle_of(workers)) if metadata.rows * metadata.columns >= _LARGE_PIXELS else 1


def _guard(frame: EncodedFrame, decoder: Decoder) -> None:
    """The table's own decoders look at their codestreams themselves; others need not."""
    from cornerstream.operators.codecs.check_codestream import check_codestream  # noqa: PLC0415 - for plug-ins only

    check_codestream(frame, decoder)


def _check_result(frame: object, name: str) -> None:
    """Whatever a decoder returns has the shape and dtype of its description, or is an error."""
    if not isinstance(frame, DecodedFrame):
        raise DecodeError(f"{name} returned {type(frame).__name__}, not a DecodedFrame")
    shape, dtype = frame_shape(frame.metadata), stored_dtype(frame.metadata)
    if frame.pixels.shape != shape or frame.pixels.dtype != dtype:
        found = f"{frame.pixels.shape} of {frame.pixels.dtype}"
        raise DecodeError(f"{name} returned {found}, the description says {shape} of {dtype}")
