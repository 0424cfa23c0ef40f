"""Frames of a DICOMweb answer: a part and the instance's metadata make an encoded frame (PS3.18 8.7.3 and 10.4)."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import reactivex as rx
from reactivex import operators as ops

from cornerstream.images.errors import SplitError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.content_types import transfer_syntax_of
from cornerstream.operators.native_frames import frame_bits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reactivex import Observable

    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.parts import Part


def encoded_frame(part: Part, metadata: InstanceMetadata, frame_number: int) -> EncodedFrame:
    """Make an encoded frame of the part that holds it.

    The part's own content type decides the transfer syntax, the metadata where it is silent; nothing is guessed.

    Args:
        part: One part of the answer to `…/frames/N`.
        metadata: What the server says of the instance.
        frame_number: N, from 1.

    Raises:
        ImageIdError: The instance has no such frame.
        UnsupportedTransferSyntaxError: Nothing says how the bytes are encoded, or two things contradict each other.
    """
    described = metadata.frame(frame_number)
    native_bytes = -(-frame_bits_of(described) // 8)
    uid = transfer_syntax_of(part.content_type, metadata.transfer_syntax_uid, part.data, native_bytes)
    return EncodedFrame(metadata.frame(frame_number, uid), part.data)


def join_metadata(
    metadata: Observable[InstanceMetadata], frame_number: int
) -> Callable[[Observable[Part]], Observable[EncodedFrame]]:
    """Wait for the one part of a frame and for its instance's metadata, both fetched at the same time.

    ::

        metadata ──────m|
        source   ───part──|
        result   ──────────frame|

    One value; whichever fails first ends the other; dispose leaves both.

    Args:
        metadata: Emits once.
        frame_number: The frame that was asked for, from 1.
    """

    def operator(source: Observable[Part]) -> Observable[EncodedFrame]:
        def subscribed() -> Observable[EncodedFrame]:
            begin = perf_counter()

            def joined(both: tuple[Part, InstanceMetadata]) -> EncodedFrame:
                encoded = encoded_frame(*both, frame_number)
                return replace(encoded, timings={"fetch": perf_counter() - begin})

            one_part = source.pipe(ops.to_list(), ops.map(_only))
            return rx.zip(one_part, metadata).pipe(ops.map(joined))

        return rx.defer(lambda _: subscribed())

    return operator


def _only(parts: Sequence[Part]) -> Part:
    if len(parts) != 1:
        raise SplitError(f"the answer has {len(parts)} parts where one frame was asked for")
    return parts[0]
