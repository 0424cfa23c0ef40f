"""Retrievals of one instance into its frames: the splitter on bytes, then the operator's list of cases."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.split_instance import InstanceSplitter, split_instance
from tests.support.cancelling import turn_until
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.file_map import FileMap

FILES = Path(pydicom.data.__file__).parent / "test_files"
SINGLE = "application/dicom"
DICOM = 'multipart/related; type="application/dicom"; boundary=b'
CINE = (FILES / "rtdose_rle.dcm").read_bytes()  # fifteen frames
SLICE = (FILES / "CT_small.dcm").read_bytes()


def multipart(*files: bytes, fields: str = "", closing: bytes = b"\r\n--b--\r\n") -> bytes:
    header = f"\r\n--b\r\nContent-Type: application/dicom\r\n{fields}\r\n".encode()
    return b"".join(header + file for file in files) + closing


def split(body: bytes, content_type: str = DICOM, step: int = 1 << 20, limits: Limits | None = None) -> list[bytes]:
    splitter = InstanceSplitter(content_type, None, limits or Limits())
    found: list[EncodedFrame] = []
    for start in range(0, len(body), step):
        found += splitter.feed(body[start : start + step])
    found += splitter.close()
    return [bytes(frame.data) for frame in found]


def expected(file: bytes) -> list[bytes]:
    return [bytes(frame.data) for frame in split_part10(file)]


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "rtdose_rle.dcm", "JPEG2000.dcm", "image_dfl.dcm", "examples_palette.dcm"]
)
@pytest.mark.parametrize("single", [False, True])
def test_multipart_or_not_the_frames_are_those_of_the_file(name: str, single: bool) -> None:
    file = (FILES / name).read_bytes()
    assert split(file if single else multipart(file), SINGLE if single else DICOM) == expected(file)


@settings(max_examples=25, deadline=None)
@given(step=st.integers(1, 3000), length=st.booleans())
def test_any_chunking_gives_the_same_frames(step: int, length: bool) -> None:
    body = multipart(SLICE, fields=f"Content-Length: {len(SLICE)}\r\n" if length else "")
    assert split(body, step=step) == expected(SLICE)


def test_frames_come_before_the_file_is_complete_and_are_not_held() -> None:
    splitter = InstanceSplitter(DICOM)
    body = multipart(CINE)
    found = splitter.feed(body[: len(body) // 2])
    assert 1 <= len(found) < 15
    assert not splitter.feed(b"")


def test_a_file_larger_than_a_part_may_be_is_read_since_it_is_not_held() -> None:
    assert split(multipart(CINE), limits=Limits(part_bytes=1000)) == expected(CINE)
    with pytest.raises(LimitError, match="part"):
        split(multipart(CINE), limits=Limits(response_bytes=1000))


@pytest.mark.parametrize(
    ("body", "content_type", "kind", "message"),
    [
        (multipart(SLICE, SLICE), DICOM, SplitError, "several parts"),
        (b"\r\n--b--\r\n", DICOM, SplitError, "without any part"),
        (multipart(SLICE, closing=b""), DICOM, TruncatedError, "closing boundary"),
        (multipart(SLICE[:-3000]), DICOM, TruncatedError, "too early"),
        (multipart(b""), DICOM, SplitError, "empty"),
        (multipart(SLICE, fields="Content-Length: 5\r\n"), DICOM, SplitError, "longer than its Content-Length"),
        (multipart(SLICE, fields="Content-Length: 50000\r\n"), DICOM, TruncatedError, "ends after"),
        (b"<html>" * 100, "text/html", SplitError, "DICOM"),
        (b"", SINGLE, SplitError, "empty"),
        (SLICE[:-3000], SINGLE, TruncatedError, "too early"),
        (SLICE, "", SplitError, "no Content-Type"),
        (SLICE, "multipart/related", SplitError, "boundary"),
    ],
)
def test_an_answer_that_is_not_one_instance_is_refused(
    body: bytes, content_type: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        split(body, content_type)


def test_what_was_proven_before_a_fault_is_given_out_before_it() -> None:
    splitter = InstanceSplitter(DICOM)
    assert len(splitter.feed(multipart(CINE[:-2000], closing=b"\r\n--b\r\nbroken header\r\n\r\n"))) > 1
    with pytest.raises(ImageLoadError):
        splitter.feed(b"")


def test_discarded_it_holds_nothing() -> None:
    splitter = InstanceSplitter(DICOM)
    splitter.feed(multipart(CINE)[:9000])
    splitter.discard()
    assert splitter._file is not None
    assert splitter._file.buffered == 0


@dataclass
class Answer:
    """An answer whose chunks a test sends."""

    content_type: str = DICOM
    image_id: ImageId | None = None
    pieces: asyncio.Queue[bytes | Exception | None] = field(default_factory=asyncio.Queue)
    opened: int = 0
    closed: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Answer]:
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Type": self.content_type}

    @property
    def content_length(self) -> int | None:
        return None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def send(self, *pieces: bytes | Exception | None) -> Answer:
        for piece in pieces:
            self.pieces.put_nowait(piece)
        return self


class Room:
    """Somebody's wish, with room for more frames or not."""

    whole = False
    file_map: FileMap | None = None

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.told: list[bool] = []

    def settle(self, file_map: FileMap) -> range | None:
        raise AssertionError(file_map)

    def read_whole(self, *, refused: bool = False) -> None:
        self.told.append(refused)

    async def ready(self) -> None:
        await self.free.wait()

    def mapped(self, file_map: FileMap) -> None:
        raise AssertionError(file_map)


async def collected(answers: Sequence[Answer]) -> list[bytes]:
    return [bytes(frame.data) for frame in await _all(rx.from_iterable(answers).pipe(split_instance()))]


async def _all(source: rx.Observable[EncodedFrame]) -> list[EncodedFrame]:
    found: list[EncodedFrame] = []
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    source.subscribe(found.append, done.set_exception, lambda: done.set_result(None))
    await done
    return found


async def test_none_one_and_several() -> None:
    assert await collected([]) == []
    assert await collected([Answer().send(multipart(CINE), None)]) == expected(CINE)
    several = [Answer(SINGLE).send(SLICE, None), Answer().send(multipart(SLICE), None)]
    assert await collected(several) == expected(SLICE) * 2
    assert [(one.opened, one.closed) for one in several] == [(1, 1)] * 2


async def test_errors_of_the_source_of_the_answer_and_of_its_own() -> None:
    with pytest.raises(FetchError, match="gone"):
        await _all(rx.throw(FetchError("gone")).pipe(split_instance()))
    for answer in (Answer().send(b"\r\n--b\r\n", FetchError("gone")), Answer().send(b"nonsense", None)):
        with pytest.raises(ImageLoadError):
            await collected([answer])
        assert (answer.opened, answer.closed) == (1, 1)


async def test_disposed_midway_the_answer_is_closed() -> None:
    answer, found = Answer().send(multipart(CINE)[:20000]), list[object]()
    running = rx.of(answer).pipe(split_instance()).subscribe(found.append)
    await turn_until(lambda: found)
    assert (answer.opened, answer.closed) == (1, 0)
    running.dispose()
    await turn_until(lambda: answer.closed)
    count = len(found)
    answer.send(multipart(CINE)[20000:], None)
    await turns()
    assert len(found) == count


async def test_it_reads_on_when_there_is_room() -> None:
    room, answer, found = Room(), Answer().send(multipart(CINE), None), list[object]()
    rx.of(answer).pipe(split_instance(wish=room)).subscribe(found.append)
    await turn_until(lambda: answer.pieces.qsize() == 1)
    assert (found, room.told) == ([], [False])
    room.free.set()
    await turn_until(lambda: len(found) == 15)
