"""What a program holds itself: given, loaded, removed, counted."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from reactivex import operators as ops

from cornerstream.images.errors import FetchError, ImageIdError, ImageLoadError
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.file_bytes import dicom_bytes, png_bytes
from tests.support.leaks import nothing_left, turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId


@pytest.fixture
async def session() -> AsyncGenerator[Session, None]:
    threads = set(threading.enumerate())
    async with nothing_left(), Session() as session:
        yield session
    assert set(threading.enumerate()) <= threads


class HeldFile(io.BytesIO):
    """A file whose reading waits until it is let go; `reading` says that somebody waits."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reading, self.go = threading.Event(), threading.Event()

    def read(self, count: int | None = -1, /) -> bytes:
        self.reading.set()
        assert self.go.wait(30)
        return super().read(count)


class NoBytesIO(io.RawIOBase):
    """A file object that is no BytesIO, so that it is not taken for its bytes."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, count: int = -1, /) -> bytes:
        return self._file.read(count)


async def test_an_array_is_seen_and_not_copied(session: Session) -> None:
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    image_id = session.memory.add(volume, modality="MR", windows=(30, 60))
    for index in range(3):
        image = await session.load(image_id.with_frame(index + 1))
        np.testing.assert_array_equal(image.pixels, volume[index])
        assert np.shares_memory(image.pixels, volume)
        assert not image.pixels.flags.writeable
        assert (image.modality, image.windows[0].width, image.frame_number) == ("MR", 60, index + 1)
        assert session.cached(image_id.with_frame(index + 1))
    volume[:] = 0  # it stays the caller's
    assert session.memory.nbytes == volume.nbytes
    assert session.stats().cached_bytes == 0  # they are held already


async def test_what_had_to_be_copied_counts_in_the_cache(session: Session) -> None:
    swapped = np.arange(20, dtype=">i2").reshape(4, 5)
    await session.load(session.memory.add(swapped))
    assert session.stats().cached_bytes == swapped.nbytes


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO, lambda data: NoBytesIO(io.BytesIO(data))])
async def test_files(session: Session, kind: Any) -> None:
    expected = pydicom.dcmread(io.BytesIO(dicom_bytes())).pixel_array
    image_id = session.memory.add(kind(dicom_bytes()), series_description="mine")
    image = await session.load(image_id)
    np.testing.assert_array_equal(image.pixels, expected)
    assert (image.series_description, image.modality) == ("mine", "CT")
    picture = await session.load(session.memory.add(kind(png_bytes()), pixel_spacing=(2, 2)))
    assert picture.pixels.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert picture.pixel_spacing == (2.0, 2.0)
    is_file = kind not in (bytes, bytearray, memoryview, io.BytesIO)
    assert session.memory.nbytes == (0 if is_file else len(dicom_bytes()) + len(png_bytes()))


async def test_a_file_stays_the_callers(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom_bytes())
    with path.open("rb") as file:
        image_id = session.memory.add(file)
        first = await session.load(image_id)
        session.memory.remove(image_id)
        assert not file.closed
        assert first.rows == 128


async def test_a_closed_file_is_a_typed_error(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom_bytes())
    with path.open("rb") as file:
        image_id = session.memory.add(file)
    with pytest.raises(FetchError, match=r"closed file.*add it again"):
        await session.load(image_id)


async def test_frames_of_a_file(session: Session) -> None:
    expected = pydicom.dcmread(io.BytesIO(dicom_bytes("rtdose.dcm"))).pixel_array
    image_id = session.memory.add(NoBytesIO(io.BytesIO(dicom_bytes("rtdose.dcm"))))
    images = await asyncio.gather(*(session.load(image_id.with_frame(n)) for n in range(1, 16)))
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]), expected)
    with pytest.raises(ImageIdError, match="no frame 16"):
        await session.load(image_id.with_frame(16))


async def test_names(session: Session) -> None:
    array = np.zeros((2, 2), np.uint8)
    first, second = session.memory.add(array), session.memory.add(array, name="frames/2")
    assert str(second) == "memory:frames/2"
    assert set(session.memory) == {first, second}
    assert (len(session.memory), second in session.memory, "memory:frames/2" in session.memory) == (2, True, True)
    assert "dicomfile:frames/2" not in session.memory
    with pytest.raises(ValueError, match="there already"):
        session.memory.add(array, name="frames/2")
    for name in ("", "a?frame=2"):
        with pytest.raises(ImageIdError):
            session.memory.add(array, name=name)
    assert (await session.load("memory:frames/2")).rows == 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a.dcm", "load dicomfile:a.dcm"),
        (io.StringIO("a"), "'rb'"),
        (5, "int is no array"),
        (None, "NoneType is no array"),
        ([[1, 2]], "list is no array"),
    ],
)
async def test_what_cannot_be_held(session: Session, source: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        session.memory.add(source)


async def test_attributes_of_files(session: Session) -> None:
    with pytest.raises(TypeError, match="bits_stored is what the file says"):
        session.memory.add(dicom_bytes(), bits_stored=8)
    with pytest.raises(TypeError, match="per_frame"):
        session.memory.add(dicom_bytes(), per_frame=[{}])
    with pytest.raises(TypeError, match="did you mean 'modality'"):
        session.memory.add(dicom_bytes(), modalty="CT")
    assert len(session.memory) == 0


async def test_removing_takes_the_cached_images_along(session: Session) -> None:
    image_id = session.memory.add(np.zeros((2, 4, 4), np.uint16))
    file_id = session.memory.add(dicom_bytes())
    for one in (image_id, image_id.with_frame(2), file_id):
        await session.load(one)
        assert session.cached(one)
    session.memory.remove(image_id.with_frame(2))
    session.memory.remove(str(file_id))
    for one in (image_id, image_id.with_frame(2), file_id):
        assert not session.cached(one)
        with pytest.raises(FetchError, match=r"session\.memory\.add\(…\) gives its image id") as caught:
            await session.load(one)
        assert caught.value.image_id == one
    assert (session.memory.nbytes, session.stats().cached_bytes, session.stats().file_bytes) == (0, 0, 0)
    with pytest.raises(KeyError, match="is not held"):
        session.memory.remove(image_id)


async def test_the_same_name_again_is_another_image(session: Session) -> None:
    for data, rows in ((dicom_bytes(), 128), (dicom_bytes("rtdose.dcm"), 10), (png_bytes(), 3)):
        image_id = session.memory.add(data, name="a")
        assert (await session.load(image_id)).rows == rows
        session.memory.remove(image_id)


async def test_removed_while_it_is_read(session: Session) -> None:
    held = HeldFile(dicom_bytes())
    image_id = session.memory.add(NoBytesIO(held))
    loads = [session.load(image_id) for _ in range(3)]
    futures = [load.begin() for load in loads]
    await turn_until(held.reading.is_set)
    session.memory.remove(image_id)
    ends = await asyncio.gather(*futures, return_exceptions=True)  # at once, while the thread still reads
    assert not held.go.is_set()
    assert all(isinstance(end, FetchError) and "removed" in str(end) and end.image_id == image_id for end in ends)
    held.go.set()
    await turns()
    assert not session.cached(image_id)
    assert session.stats().running == 0


async def test_removed_by_whoever_gets_the_image(session: Session) -> None:
    image_id = session.memory.add(np.zeros((3, 3), np.uint16))
    heard: list[object] = []

    def take(image: Image) -> None:
        heard.append(image)
        session.memory.remove(image_id)

    load = session.load(image_id)
    load.observable.pipe(ops.do_action(on_completed=lambda: heard.append("completed"))).subscribe(take, heard.append)
    await turn_until(lambda: len(heard) >= 2)
    await turns()
    assert len(heard) == 2
    assert isinstance(heard[1], FetchError)
    assert not session.cached(image_id)


async def test_cancelled_while_it_is_read(session: Session) -> None:
    held = HeldFile(dicom_bytes())
    first, second = session.memory.add(NoBytesIO(held)), session.memory.add(NoBytesIO(io.BytesIO(dicom_bytes())))
    heard: list[object] = []
    loads = [session.load(one) for one in (first, second)]
    for load in loads:
        load.observable.subscribe(heard.append, heard.append, lambda: heard.append("completed"))
    await turn_until(held.reading.is_set)
    for load in loads:
        load.cancel()
    held.go.set()
    await turns()
    assert (heard, session.stats().running, session.cached(first)) == ([], 0, False)
    assert (await session.load(first)).rows == (await session.load(second)).rows == 128


async def test_other_threads(session: Session) -> None:
    ids: list[ImageId] = []

    def work() -> None:
        for _ in range(50):
            image_id = session.memory.add(np.zeros((2, 2), np.uint8))
            ids.append(image_id)
            session.memory.remove(ids[-1])
            ids.append(session.memory.add(np.ones((2, 2), np.uint8)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    await turn_until(lambda: not any(thread.is_alive() for thread in threads))
    assert len(session.memory) == 200
    for image_id in session.memory:
        assert (await session.load(image_id)).max == 1
    session.memory.clear()
    assert len(session.memory) == 0


def test_without_a_loop_of_ones_own() -> None:
    with Session() as session:
        image_id = session.memory.add(np.ones((4, 4), np.float32))
        assert session.load(image_id).result(20).max == 1
        session.memory.remove(image_id)
        with pytest.raises(FetchError):
            session.load(image_id).result(20)
        memory = session.memory
    assert len(memory) == 0
    with pytest.raises(RuntimeError, match="closed"):
        memory.add(np.ones((4, 4)))


async def test_another_session_does_not_have_it(session: Session) -> None:
    image_id = session.memory.add(np.zeros((2, 2), np.uint8))
    async with Session() as other:
        with pytest.raises(ImageLoadError, match="this session's memory"):
            await other.load(image_id)
