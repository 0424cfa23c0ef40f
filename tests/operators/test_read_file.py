"""Frames of local files: only their own bytes, and no descriptor left."""

from __future__ import annotations

import asyncio
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import reactivex as rx

from cornerstream.images.errors import FetchError, ImageIdError, ImageLoadError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.read_file import read_current, read_file, read_frame
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.corpus import corpus_root, expected
from tests.support.leaks import open_descriptors
from tests.support.part10 import (
    DEFLATED,
    PRIVATE,
    RLE,
    encapsulated,
    item,
    jpeg_like,
    native,
    rle_like,
    table,
    with_items,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.frame_index import FrameIndex

IMAGE_ID = ImageId.parse("dicomfile:/x.dcm?frame=2")
F1, F2, F3 = jpeg_like(b"first one"), jpeg_like(b"two"), jpeg_like(b"the third")


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert not open_descriptors() - before


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(body: bytes) -> Path:
        path = tmp_path / "a file.dcm"
        path.write_bytes(body)
        return path

    return write


def all_frames(index: FrameIndex) -> list[bytes]:
    return [bytes(index.read(number + 1).data) for number in range(index.metadata.number_of_frames)]


BODIES = {
    "native": native(bytes(range(24)), NumberOfFrames=3),
    "deflated": native(bytes(range(24)), DEFLATED, NumberOfFrames=3),
    "one bit": native(bytes(range(4)), BitsAllocated=1, BitsStored=1, HighBit=0, Rows=3, Columns=3, NumberOfFrames=3),
    "with table": encapsulated([F1, F2, F3], fragments_per_frame=2),
    "without table": encapsulated([F1, F2, F3], fragments_per_frame=2, has_bot=False),
    "wrong table": with_items([table(0, 3, 999), item(F1), item(F2[:6]), item(F2[6:]), item(F3)], frames=3),
    "rle": encapsulated([rle_like(b"ab"), rle_like(b"cdef")], RLE, has_bot=False),
    "no markers": encapsulated([b"abcd", b"efghij"], PRIVATE, has_bot=False),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_file_has_the_frames_of_its_bytes(name: str, file: Callable[[bytes], Path]) -> None:
    index = open_index(file(BODIES[name]))
    wanted = split_part10(BODIES[name])
    assert all_frames(index) == [bytes(frame.data) for frame in wanted]
    assert index.read(2).metadata == wanted[1].metadata
    assert index.read(2).timings["fetch"] > 0
    assert index.nbytes > 0
    assert all_frames(pickle.loads(pickle.dumps(index))) == all_frames(index)


@pytest.mark.corpus
def test_the_corpus_has_the_frames_of_its_bytes() -> None:
    root, wrong = corpus_root(), []
    for name in expected()["files"]:
        try:
            wanted = [bytes(frame.data) for frame in split_part10((root / name).read_bytes())]
        except ImageLoadError as error:
            with pytest.raises(type(error)):
                open_index(root / name).read(1)
        else:
            if all_frames(open_index(root / name)) != wanted:
                wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("name", ["native", "with table", "deflated"])
def test_every_cut_is_an_error_or_right(name: str, file: Callable[[bytes], Path]) -> None:
    body = BODIES[name]
    wanted = [bytes(frame.data) for frame in split_part10(body)]
    for cut in range(0, len(body), 3):
        path = file(body[:cut])
        found = []
        try:
            index = open_index(path)
            for number in (1, 2, 3):
                found.append(bytes(index.read(number).data))  # noqa: PERF401 - those before the error count
        except (TruncatedError, SplitError):
            assert len(found) < 3 or name != "native"
        assert found == wanted[: len(found)]


def test_a_frame_of_a_huge_file_costs_its_own_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame_bytes = 1 << 22
    head = native_head(rows=2048, columns=2048, frames=1000, length=frame_bytes * 1000)
    path = tmp_path / "huge.dcm"
    with path.open("wb") as stream:
        stream.write(head)
        stream.seek(len(head) + frame_bytes * 776)
        stream.write(b"here")
        stream.truncate(len(head) + frame_bytes * 1000)
    reads = counted_reads(monkeypatch)
    index = open_index(path)
    assert sum(reads) <= 1 << 16
    assert bytes(index.read(777).data[:4]) == b"here"
    assert sum(reads) <= (1 << 16) + frame_bytes


def native_head(rows: int, columns: int, frames: int, length: int) -> bytes:
    body = native(bytes(8), Rows=rows, Columns=columns, NumberOfFrames=frames)
    return body[:-12] + length.to_bytes(4, "little")


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that each pread gave."""
    reads: list[int] = []
    pread = os.pread

    def counting(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        reads.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    return reads


def test_the_index_of_fragments_reads_their_headers_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fragments.dcm"
    frames = [jpeg_like(bytes([number]) * 200_000) for number in range(1, 21)]
    path.write_bytes(encapsulated(frames, has_bot=False))
    reads = counted_reads(monkeypatch)
    index = open_index(path)
    assert sum(reads) < 100_000
    reads.clear()
    assert bytes(index.read(20).data) == frames[19]
    assert sum(reads) == len(frames[19])


def test_a_file_that_changed_is_refused(file: Callable[[bytes], Path]) -> None:
    path = file(BODIES["native"])
    index = open_index(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(FetchError, match="has changed"):
        index.read(1)
    path.unlink()
    with pytest.raises(FetchError, match="No such file") as caught:
        index.read(1, IMAGE_ID)
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.image_id == IMAGE_ID


@pytest.mark.parametrize("frame_number", [0, 4])
def test_a_frame_that_is_not_there_is_refused(frame_number: int, file: Callable[[bytes], Path]) -> None:
    for name in ("native", "deflated", "with table"):
        with pytest.raises(ImageIdError, match="frames 1 to 3"):
            open_index(file(BODIES[name])).read(frame_number)


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"missing\.dcm: No such file"):
        open_index(tmp_path / "missing.dcm", image_id=IMAGE_ID)
    with pytest.raises(FetchError, match="a folder"):
        open_index(tmp_path)
    with pytest.raises(FetchError, match="null"):
        open_index("a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FetchError, match="not a regular file"):
        open_index(tmp_path / "pipe")


def test_an_empty_file_is_not_dicom(file: Callable[[bytes], Path]) -> None:
    with pytest.raises(SplitError, match="empty") as caught:
        open_index(file(b""), image_id=IMAGE_ID)
    assert caught.value.image_id == IMAGE_ID


def test_a_permission_that_is_missing(file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(BODIES["native"])

    def refuse(name: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FetchError, match="Permission denied"):
        open_index(path)


# ---- the operators


@pytest.fixture
def workers() -> Iterator[ExecutorWorkers]:
    with ThreadPoolExecutor(1) as executor:
        yield ExecutorWorkers(executor)


async def collect(source: rx.Observable[EncodedFrame]) -> list[bytes]:
    done = asyncio.get_running_loop().create_future()
    found: list[bytes] = []
    source.subscribe(lambda frame: found.append(bytes(frame.data)), done.set_exception, lambda: done.set_result(None))
    await done
    return found


async def test_read_file_reads_all_frames_of_all_files(workers: ExecutorWorkers, tmp_path: Path) -> None:
    for name in ("native", "rle"):
        (tmp_path / name).write_bytes(BODIES[name])
    paths = [str(tmp_path / "native"), str(tmp_path / "rle")]
    wanted = [bytes(frame.data) for name in ("native", "rle") for frame in split_part10(BODIES[name])]
    assert await collect(rx.from_iterable(paths).pipe(read_file(workers))) == wanted
    assert await collect(rx.empty().pipe(read_file(workers))) == []


async def test_read_frame_reads_one_of_each(workers: ExecutorWorkers, file: Callable[[bytes], Path]) -> None:
    index = open_index(file(BODIES["native"]))
    assert await collect(rx.of(index, index).pipe(read_frame(2, workers))) == [bytes(range(8, 16))] * 2
    with pytest.raises(ImageIdError) as caught:
        await collect(rx.just(index).pipe(read_frame(9, workers, IMAGE_ID)))
    assert caught.value.image_id == IMAGE_ID
    with pytest.raises(LookupError):
        await collect(rx.throw(LookupError()).pipe(read_frame(1, workers)))


async def test_errors_of_read_file(workers: ExecutorWorkers, tmp_path: Path) -> None:
    with pytest.raises(FetchError):
        await collect(rx.just(str(tmp_path)).pipe(read_file(workers)))
    with pytest.raises(LookupError):
        await collect(rx.throw(LookupError()).pipe(read_file(workers)))


async def test_disposed_midway_nothing_more_is_read(file: Callable[[bytes], Path]) -> None:
    path = str(file(BODIES["native"]))
    with ThreadPoolExecutor(1) as executor:
        frames: list[EncodedFrame] = []
        first = asyncio.Event()

        def take(frame: EncodedFrame) -> None:
            frames.append(frame)
            first.set()

        subscription = rx.from_iterable([path, path]).pipe(read_file(ExecutorWorkers(executor))).subscribe(take)
        await first.wait()
        subscription.dispose()
        await asyncio.sleep(0)
    assert len(frames) == 1


async def test_a_file_that_has_changed_is_indexed_anew(workers: ExecutorWorkers, file: Callable[[bytes], Path]) -> None:
    path = file(BODIES["native"])
    index = open_index(path)
    assert read_current(index, 1).data == index.read(1).data
    other = BODIES["with table"]
    path.write_bytes(other)
    with pytest.raises(FetchError, match="changed"):
        index.read(1)
    expected = open_index(path).read(1)
    (frame,) = await collect(rx.just(index).pipe(read_frame(1, workers)))
    assert frame == bytes(expected.data)
