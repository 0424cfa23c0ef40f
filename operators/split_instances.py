"""`split_instances`: the answer to a series retrieval into its instances (PS3.18 sections 8.7.3 and 10.4.1.1.2)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reactivex import operators as ops

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.media_types import parse_content_type
from cornerstream.operators.split_frames import FrameSplitter
from cornerstream.operators.split_multipart import split_multipart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.parts import Part
    from cornerstream.operators.protocols import HttpResponse
    from cornerstream.operators.split_multipart import OpenableBody

_DICOM = "application/dicom"
_PIECE_BYTES = 1 << 16  # most headers end in the first; what has many frames is not split to its end


@dataclass(frozen=True, slots=True, eq=False)
class RetrievedInstance:
    """One instance of a series.

    Attributes:
        frame: Its only frame, whose metadata names the instance; `None` where it has several, none, or a faulty one.
        nbytes: Bytes of its file.
    """

    frame: EncodedFrame | None = field(repr=False)
    nbytes: int


def retrieved_instance(part: Part, limits: Limits = DEFAULT_LIMITS) -> RetrievedInstance:
    """Read the file in a part.

    What is wrong with an instance is no fault of the series: whoever asks for that instance alone will be told.
    """
    splitter = FrameSplitter(limits=limits)
    frames: list[EncodedFrame] = []
    try:
        for start in range(0, len(part.data), _PIECE_BYTES):
            frames += splitter.feed(part.data[start : start + _PIECE_BYTES])
            if splitter.metadata is not None and splitter.metadata.number_of_frames > 1:
                return RetrievedInstance(None, len(part.data))  # its frames come by lists of their own
        frames += splitter.close()
    except ImageLoadError:
        frames.clear()
    finally:
        splitter.discard()
    return RetrievedInstance(frames[0] if len(frames) == 1 else None, len(part.data))


def check_instances(content_type: str) -> None:
    """Refuse an answer that is not made of instances before its body is read.

    Raises:
        SplitError: It is not multipart/related, or says that its parts are something else.
    """
    parsed = parse_content_type(content_type)
    if parsed.media_type != "multipart/related" or parsed.parameters.get("type", _DICOM).lower() != _DICOM:
        raise SplitError(f"a series came as {content_type[:80]!r} where multipart/related of {_DICOM} was asked for")


@dataclass(frozen=True, slots=True)
class _Checked:
    """A body that is looked at when it is opened."""

    body: OpenableBody

    @property
    def image_id(self) -> ImageId | None:
        return self.body.image_id

    @asynccontextmanager
    async def open(self) -> AsyncIterator[HttpResponse]:
        async with self.body.open() as response:
            check_instances(response.headers.get("Content-Type", ""))
            yield response


def split_instances(
    limits: Limits = DEFAULT_LIMITS,
) -> Callable[[Observable[OpenableBody]], Observable[RetrievedInstance]]:
    """Split series retrievals into their instances, each as soon as it is complete.

    ::

        source   body──────────────|
        result   ──A───B──────C────|     in the server's order

    Order is the response's, one response after the other; dispose closes the socket of the one being read.

    Args:
        limits: Bounds of parts and of what the files claim.
    """

    def operator(source: Observable[OpenableBody]) -> Observable[RetrievedInstance]:
        def read(part: Part) -> RetrievedInstance:
            return retrieved_instance(part, limits)

        return source.pipe(ops.map(_Checked), split_multipart(limits), ops.map(read))

    return operator
