"""Frames of a DICOMweb answer: a part and the instance's metadata make an encoded frame (PS3.18 8.7.3 and 10.4)."""

from __future__ import annotations

import re
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from reactivex.abc import DisposableBase

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.stage import Stage, follow
from cornerstream.operators.content_types import transfer_syntax_of
from cornerstream.operators.explain_refusal import explain_refusal
from cornerstream.operators.native_frames import frame_bits_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.images.subscriptions import Observer
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.parts import Part


_LOCATED = re.compile(r"/frames/([0-9]{1,10})/?(?:[?#].*)?\Z")


def located_frame_number(part: Part) -> int | None:
    """The frame that a part says it is, by its Content-Location (PS3.18 section 8.6.1.2); `None` if it does not say.

    >>> from cornerstream.operators.parts import Part
    >>> located_frame_number(Part({"content-location": "../instances/1.2/frames/7"}, b""))
    7
    """
    found = _LOCATED.search(part.headers.get("content-location", "").strip())
    return None if found is None else int(found[1])


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
    data = bytes(part.data)  # which does not copy bytes
    native_bytes = -(-frame_bits_of(described, len(data)) // 8)
    uid = transfer_syntax_of(part.content_type, metadata.transfer_syntax_uid, data, native_bytes)
    known = uid == described.transfer_syntax_uid
    return EncodedFrame(described if known else metadata.frame(frame_number, uid), data)


def join_metadata(
    metadata: Observable[InstanceMetadata], frame_number: int
) -> Callable[[Observable[Part]], Observable[EncodedFrame]]:
    """Wait for the one part of a frame and for its instance's metadata, both fetched at the same time.

    ::

        metadata ──────m|
        source   ───part──|
        result   ──────────frame|

    One value; whichever fails first ends the other, and a refusal is explained by the metadata; dispose leaves both.

    Args:
        metadata: Emits once.
        frame_number: The frame that was asked for, from 1.
    """

    def operator(source: Observable[Part]) -> Observable[EncodedFrame]:
        def subscribe(observer: ObserverBase[EncodedFrame], scheduler: SchedulerBase | None = None) -> DisposableBase:
            join = _Join(observer, frame_number)
            join.follow(explain_refusal(metadata)(source), _Parts(join), scheduler)
            join.follow(metadata, _Metadata(join), scheduler)
            return join

        return Stage(subscribe)

    return operator


class _Join(DisposableBase):
    """One subscription: waits for both, whichever comes first. Without an observer it has ended."""

    def __init__(self, observer: ObserverBase[EncodedFrame], frame_number: int) -> None:
        self._observer: ObserverBase[EncodedFrame] | None = observer
        self._upstream: list[DisposableBase] = []
        self._frame_number = frame_number
        self._begin = perf_counter()
        self._parts: list[Part] = []
        self._complete = False
        self._metadata: InstanceMetadata | None = None

    def follow(self, source: Observable[Any], observer: Observer[Any], scheduler: SchedulerBase | None) -> None:
        if self._observer is not None:
            self._upstream.append(follow(source, observer, scheduler))
        if self._observer is None:  # it ended before this was there to be disposed
            self.dispose()

    def dispose(self) -> None:
        self._observer = None
        upstream, self._upstream = self._upstream, []
        for one in upstream:
            one.dispose()

    def fail(self, error: Exception) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_error(error)

    def on_part(self, part: Part) -> None:
        self._parts.append(part)
        if len(self._parts) > 1:  # at once: the others may be gigabytes
            self.fail(SplitError("the answer has several parts where one frame was asked for"))

    def on_last_part(self) -> None:
        self._complete = True
        self._send()

    def on_metadata(self, metadata: InstanceMetadata) -> None:
        self._metadata = metadata
        self._send()

    def _send(self) -> None:
        observer = self._observer
        if observer is None or not self._complete or self._metadata is None:
            return
        try:
            frame = self._frame(self._metadata)
        except ImageLoadError as error:
            self.fail(error)
            return
        observer.on_next(frame)
        if self._observer is not None:
            self.dispose()
            observer.on_completed()

    def _frame(self, metadata: InstanceMetadata) -> EncodedFrame:
        if not self._parts:
            raise SplitError("the answer has no part where one frame was asked for")
        frame = encoded_frame(self._parts.pop(), metadata, self._frame_number)
        return replace(frame, timings={"fetch": perf_counter() - self._begin})


class _Parts:
    """The observer of the parts."""

    __slots__ = ("on_completed", "on_error", "on_next")

    def __init__(self, join: _Join) -> None:
        self.on_next = join.on_part
        self.on_error = join.fail
        self.on_completed = join.on_last_part


class _Metadata:
    """The observer of the metadata, whose end says nothing."""

    __slots__ = ("on_error", "on_next")

    def __init__(self, join: _Join) -> None:
        self.on_next = join.on_metadata
        self.on_error = join.fail

    def on_completed(self) -> None:
        """Its value has come already."""
