"""`split_instances`: the answer to a series retrieval into its instances (PS3.18 sections 8.7.3 and 10.4.1.1.2)."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reactivex import operators as ops

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.header_pattern import HeaderPattern
from cornerstream.operators.map_stage import map_stage
from cornerstream.operators.media_types import parse_content_type
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.metadata_memo import MetadataMemo
from cornerstream.operators.split_multipart import split_multipart
from cornerstream.operators.whole_file import only_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.part10 import AttributeReader
    from cornerstream.operators.parts import Part
    from cornerstream.operators.protocols import HttpResponse
    from cornerstream.operators.split_multipart import OpenableBody

_DICOM = "application/dicom"


@dataclass(frozen=True, slots=True, eq=False)
class RetrievedInstance:
    """One instance of a series.

    Attributes:
        frame: Its only frame, whose metadata names the instance; `None` where it has several, none, or a faulty one.
        nbytes: Bytes of its file.
    """

    frame: EncodedFrame | None = field(repr=False)
    nbytes: int


def retrieved_instance(
    part: Part,
    limits: Limits = DEFAULT_LIMITS,
    reader: AttributeReader = read_attributes,
    pattern: HeaderPattern | None = None,
) -> RetrievedInstance:
    """Read the file in a part; a native frame is a view of the part's bytes.

    What is wrong with an instance is no fault of the series: whoever asks for that instance alone will be told.

    Args:
        part: Its data is a Part 10 file.
        limits: Bounds for what the file claims.
        reader: Makes metadata of its attributes.
        pattern: What is known of headers like its own.
    """
    frame: EncodedFrame | None = None
    with suppress(ImageLoadError):
        frame = only_frame(part.data, limits, reader, pattern, search=False)  # which takes longer than all else
    nbytes = len(part.data)
    if frame is None or isinstance(frame.data, bytes):  # else the frame is a view
        part.give_back()
    return RetrievedInstance(frame, nbytes)


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
        memo, pattern = MetadataMemo(), HeaderPattern(limits)

        def read(part: Part) -> RetrievedInstance:
            return retrieved_instance(part, limits, memo, pattern)

        return source.pipe(ops.map(_Checked), split_multipart(limits), map_stage(read))

    return operator
