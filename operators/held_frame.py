"""Frames of files that are at hand as a whole: DICOM Part 10 or pictures, told apart by their bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import reactivex as rx

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_source import read_exactly
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.decompress import decompress
from cornerstream.operators.frame_index import FrameIndex, open_source
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.map_stage import map_stage
from cornerstream.operators.media_types import media_type
from cornerstream.operators.read_file import read_current
from cornerstream.operators.to_rgb import to_rgb
from cornerstream.operators.web_image import WebFile, decode_web_frame, open_web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from reactivex import Observable

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.protocols import Workers

HeldFile: TypeAlias = FrameIndex | WebFile
_MARK = slice(128, 132)  # PS3.10 section 7.1
_DICOM = "application/dicom"
_OF_DICOM = frozenset({_DICOM, "application/octet-stream", "binary/octet-stream"})


def open_held(source: ByteSource, content_type: str = "", limits: Limits = DEFAULT_LIMITS) -> HeldFile:
    """Open a file, whatever it is; nothing is decoded.

    Args:
        source: Its bytes.
        content_type: Content-Type it came with; empty if it came with none.
        limits: Bounds for whatever the bytes claim; `response_bytes` is that of a whole picture.

    Raises:
        SplitError: It is neither DICOM nor a picture that is decoded, contradicts itself, or its Content-Type.
        TruncatedError: It ends too early.
        LimitError: A limit is reached.
        FetchError: It cannot be read.
    """
    said = media_type(content_type) if content_type.strip() else ""
    with source.opened() as opened:
        marked = opened.read(_MARK.stop, 0)[_MARK] == b"DICM"
        size = opened.version.size
        if size > limits.response_bytes:
            raise LimitError(f"{size} bytes are above the limit response_bytes={limits.response_bytes}")
        picture = b"" if marked or said == _DICOM else read_exactly(opened, 0, size)
    if marked and said and said not in _OF_DICOM:
        raise SplitError(f"the media type says {said}, the bytes are DICOM: one of them is wrong")
    return open_source(source, limits) if marked or said == _DICOM else open_web(picture, content_type, limits)


def held_nbytes(file: HeldFile) -> int:
    """Bytes that an opened file holds, near enough for a budget."""
    return file.nbytes + (getattr(file.source, "nbytes", 0) if isinstance(file, FrameIndex) else 0)


def decode_held(
    image_id: ImageId,
    run: Callable[..., Awaitable[Any]],
    workers: Workers,
    prefer: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    target: PixelTarget | None = None,
) -> Callable[[Observable[HeldFile]], Observable[DecodedFrame]]:
    """Decode one frame of each file on workers.

    ::

        files    f────────g────|
        result   ────df──────dg|     the image's frame of f, of g

    Order is the source's; one frame at a time; dispose drops what waits, and the result of what a worker cannot stop.

    Args:
        image_id: Names the frame; errors name it.
        run: Runs what reads of the file.
        workers: Where decoders run.
        prefer: Name of a decoder to take where it decodes a frame's transfer syntax.
        limits: `frame_pixels` bounds what is allocated.
        target: Where the pixels of the one frame are wanted.
    """

    def read(index: FrameIndex) -> Awaitable[EncodedFrame]:
        return run(read_current, index, image_id.number, image_id)

    def frames(file: HeldFile) -> Observable[DecodedFrame]:
        if isinstance(file, WebFile):
            return rx.just(file).pipe(decode_web_frame(image_id.number, workers, target))
        decoded = decompress(workers, prefer=prefer, limits=limits, target=target)
        return rx.just(file).pipe(map_ordered(read, 1), decoded, to_rgb(workers))

    return concat_stage(frames)


def with_attributes(known: Mapping[str, Any]) -> Callable[[Observable[DecodedFrame]], Observable[DecodedFrame]]:
    """Describe frames by what somebody knows better than their file.

    ::

        source   ──a──|
        result   ──A──|

    Order and time are the source's; synchronous; dispose is the source's.

    Args:
        known: As `FrameMetadata` has them.
    """
    return map_stage(lambda frame: replace(frame, metadata=frame.metadata.changed(known)) if known else frame)
