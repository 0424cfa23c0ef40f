"""Headers of many files: in batches, one at a time while each is there soon, and with what is known of others."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.folder_headers import HeaderReader, read_headers
from cornerstream.images.errors import ImageLoadError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.frame_index import FrameIndex, open_source
from cornerstream.operators.local_file import LocalFile
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cornerstream.folder_headers import Header
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.local_file import OpenFile

FILES = [LocalFile(f"/{number}") for number in range(40)]
ERROR = ImageLoadError("no header")


class Reads:
    """Batches that are read when the door is open."""

    def __init__(self) -> None:
        self.door = asyncio.Event()
        self.open = 0
        self.most = 0
        self.taken: list[str] = []

    async def read(self, batch: Sequence[ByteSource]) -> Sequence[Header]:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.door.wait()
        finally:
            self.open -= 1
        return [ERROR] * len(batch)

    def take(self, sources: Sequence[ByteSource], headers: Sequence[Header]) -> None:
        assert len(sources) == len(headers)
        self.taken += [source.name for source in sources]

    def run(self) -> asyncio.Task[None]:
        return asyncio.ensure_future(read_headers(FILES, self.read, self.take, 2))


async def test_batches_that_are_there_soon_are_read_one_after_the_other() -> None:
    reads = Reads()
    reads.door.set()
    await reads.run()
    assert reads.taken == [file.name for file in FILES]
    assert reads.most == 1


async def test_how_long_a_batch_took_does_not_count_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    call_later = loop.call_later

    def noted(*args: Any) -> asyncio.TimerHandle:
        timers.append(call_later(*args))
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", noted)
    reads = Reads()
    reads.door.set()
    await reads.run()
    assert len(timers) == len(FILES) // 2
    assert all(timer.cancelled() for timer in timers)


async def test_those_that_have_to_be_waited_for_are_read_several_at_once() -> None:
    reads = Reads()
    running = reads.run()
    while reads.open < 8:  # noqa: ASYNC110 - a fake that counts tells no loop
        await asyncio.sleep(0.001)
    reads.door.set()
    await running
    assert sorted(reads.taken) == sorted(file.name for file in FILES)
    assert reads.most == 8


async def test_cancelled_no_batch_begins_any_more() -> None:
    reads = Reads()
    running = reads.run()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert reads.open == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (reads.open, reads.taken) == (0, [])


async def test_nothing_to_read_ends_at_once() -> None:
    await read_headers([], Reads().read, Reads().take, 2)


def scans(folder: Path, count: int) -> list[LocalFile]:
    for number in range(count):
        image = native(bytes(8), SOPInstanceUID=f"1.2.{number + 1000}", InstanceNumber=number)
        (folder / f"{number}.dcm").write_bytes(b"junk" if number == 3 else image)
    return [LocalFile(str(folder / f"{number}.dcm")) for number in range(count)]


def test_headers_are_those_of_each_file_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = scans(tmp_path, 12)
    expected = [open_source(file) for number, file in enumerate(files) if number != 3]
    reader = HeaderReader(DEFAULT_LIMITS)
    headers = reader.read(files[:6])
    assert isinstance(headers[3], TruncatedError)
    assert headers[3].__traceback__ is None
    monkeypatch.setattr("cornerstream.operators.file_layout.read_header", None)
    headers += reader.read(files[6:])  # the second batch knows what the first one has learnt
    assert [header for header in headers if isinstance(header, FrameIndex)] == expected


def test_batches_at_once_share_no_memory_and_another_process_begins_anew(tmp_path: Path) -> None:
    files = scans(tmp_path, 3)
    reader = HeaderReader(DEFAULT_LIMITS)

    class Nested(LocalFile):
        """While its header is read, another batch is."""

        __slots__ = ()

        @contextmanager
        def opened(self) -> Iterator[OpenFile]:
            assert reader.read(files) == [open_source(file) for file in files]
            with LocalFile(self.path).opened() as opened:
                yield opened

    assert reader.read([Nested(files[1].path)])[0] is not None
    far = pickle.loads(pickle.dumps(reader))
    assert far.read(files) == reader.read(files)
