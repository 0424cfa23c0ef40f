"""Series retrievals into their instances: the pure functions, then the operator's list of cases."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
import reactivex as rx

from cornerstream.images.errors import FetchError, ImageLoadError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.parts import Part
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.split_instances import check_instances, retrieved_instance, split_instances

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.split_instances import RetrievedInstance

FILES = Path(pydicom.data.__file__).parent / "test_files"
DICOM = 'multipart/related; type="application/dicom"; boundary=b'


def part_of(name: str) -> Part:
    return Part({"content-type": "application/dicom"}, (FILES / name).read_bytes())


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "examples_palette.dcm", "image_dfl.dcm"])
def test_a_file_of_one_frame(name: str) -> None:
    part = part_of(name)
    found = retrieved_instance(part)
    (expected,) = split_part10(bytes(part.data))
    assert found.frame is not None
    assert bytes(found.frame.data) == bytes(expected.data)
    assert found.frame.metadata.sop_instance_uid == expected.metadata.sop_instance_uid
    assert found.nbytes == len(part.data)


@pytest.mark.parametrize(
    "part",
    [
        part_of("rtdose_rle.dcm"),  # fifteen frames
        part_of("rtplan.dcm"),  # no image
        Part({}, b""),
        Part({}, b"<html>sorry</html>"),
        Part({}, part_of("CT_small.dcm").data[:20000]),
    ],
)
def test_what_is_no_file_of_one_frame(part: Part) -> None:
    found = retrieved_instance(part)
    assert (found.frame, found.nbytes) == (None, len(part.data))


@pytest.mark.parametrize("content_type", [DICOM, "multipart/related; boundary=b", DICOM.replace("dicom", "DICOM")])
def test_media_types_that_will_do(content_type: str) -> None:
    check_instances(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/dicom",
        "application/zip",
        "text/html",
        DICOM.replace("dicom", "octet-stream"),
        "multipart/mixed",
    ],
)
def test_media_types_that_will_not(content_type: str) -> None:
    with pytest.raises(SplitError):
        check_instances(content_type)


@dataclass
class Response:
    headers: Mapping[str, str]
    pieces: Sequence[bytes | Exception | None]
    content_length: int | None = None
    read: int = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                await asyncio.Event().wait()
            else:
                self.read += 1
                yield piece


@dataclass
class FakeBody:
    """A body whose opening and closing are seen."""

    response: Response
    image_id: ImageId | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Response]:
        self.opened.set()
        try:
            yield self.response
        finally:
            self.closed.set()


def body_of(*names: str, tail: Sequence[bytes | Exception | None] = (b"--b--\r\n",), kind: str = DICOM) -> FakeBody:
    pieces = [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part_of(name).data + b"\r\n" for name in names]
    return FakeBody(Response({"Content-Type": kind}, [*pieces, *tail]))


class Heard:
    """What one subscriber hears."""

    def __init__(self) -> None:
        self.instances: list[RetrievedInstance] = []
        self.ends: list[Exception | None] = []
        self.over = asyncio.Event()
        self.first = asyncio.Event()

    def on_next(self, instance: RetrievedInstance) -> None:
        self.instances.append(instance)
        self.first.set()

    def on_end(self, error: Exception | None = None) -> None:
        self.ends.append(error)
        self.over.set()


def listen(*bodies: FakeBody, limits: Limits | None = None) -> tuple[Heard, rx.abc.DisposableBase]:
    heard = Heard()
    source = rx.from_iterable(bodies).pipe(split_instances(limits or Limits()))
    return heard, source.subscribe(heard.on_next, heard.on_end, heard.on_end)


@pytest.mark.parametrize(
    "names", [[], ["CT_small.dcm"], ["MR_small.dcm", "rtdose_rle.dcm", "CT_small.dcm"]], ids=["empty", "one", "many"]
)
async def test_instances_come_in_the_servers_order(names: list[str]) -> None:
    bodies = [body_of(*names)] if names else []
    heard, _ = listen(*bodies)
    await heard.over.wait()
    assert [one.nbytes for one in heard.instances] == [len(part_of(name).data) for name in names]
    assert heard.ends == [None]
    assert all(body.closed.is_set() for body in bodies)


async def test_an_error_of_the_source_passes_through() -> None:
    heard = Heard()
    rx.throw(FetchError("gone")).pipe(split_instances()).subscribe(heard.on_next, heard.on_end, heard.on_end)
    await heard.over.wait()
    assert isinstance(heard.ends[0], FetchError)


async def test_what_has_come_is_there_before_the_answer_breaks() -> None:
    heard, _ = listen(body_of("CT_small.dcm", "MR_small.dcm", tail=[TruncatedError("it broke")]))
    await heard.over.wait()
    assert len(heard.instances) == 1  # nothing proves that the second is whole
    assert isinstance(heard.ends[0], TruncatedError)


@pytest.mark.parametrize("kind", ["application/zip", "text/html", DICOM.replace("dicom", "octet-stream")])
async def test_another_kind_of_answer_is_refused_unread(kind: str) -> None:
    body = body_of("CT_small.dcm", kind=kind)
    heard, _ = listen(body)
    await heard.over.wait()
    assert isinstance(heard.ends[0], ImageLoadError)
    assert (body.response.read, body.closed.is_set()) == (0, True)


async def test_too_many_parts_are_an_error() -> None:
    heard, _ = listen(body_of("CT_small.dcm", "MR_small.dcm", "CT_small.dcm"), limits=Limits(parts=2))
    await heard.over.wait()
    assert "limits.parts" in str(heard.ends[0])


async def test_disposed_midway_the_body_is_closed() -> None:
    body = body_of("CT_small.dcm", "MR_small.dcm", tail=[None])
    heard, subscription = listen(body)
    await heard.first.wait()
    subscription.dispose()
    await body.closed.wait()
    assert heard.ends == []
