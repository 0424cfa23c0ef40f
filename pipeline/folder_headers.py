"""Headers of many files: read on workers in batches, several at once, their pixels untouched."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError
from cornerstream.listing import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.frame_index import FrameIndex

    Header = FrameIndex | ImageLoadError

_AT_ONCE = 8  # batches with the workers or waiting for them: a worker that ends finds the next one
_SOON_SECONDS = 0.005  # in which a batch is there whose files are in memory already


async def read_headers(
    sources: Iterable[ByteSource],
    read: Callable[[Sequence[ByteSource]], Awaitable[Sequence[Header]]],
    take: Callable[[Sequence[ByteSource], Sequence[Header]], None],
    size: int,
) -> None:
    """Read the headers of files, in any order; cancelled, it begins no batch any more.

    Batches are read one after the other as long as each is there soon: that is Python's own work, which threads that take
    turns at it do later. From the first one on that has to be waited for there are several at once.

    Args:
        sources: The files.
        read: Reads a batch on a worker.
        take: Gets the files of a batch, and the header of each or why there is none.
        size: Files of a batch.
    """
    batches, late = _batches(sources, size), asyncio.Event()

    async def work(*, first: bool) -> None:
        """One batch after the other, as long as there are some."""
        if not first:
            await late.wait()
        for batch in batches:
            timer = asyncio.get_running_loop().call_later(_SOON_SECONDS, late.set)
            try:
                take(batch, await read(batch))
            finally:
                timer.cancel()
        late.set()

    await together(work(first=not number) for number in range(_AT_ONCE))


class HeaderReader:
    """Reads headers of files that are likely to be of few series: what they have in common is read once.

    Any number of batches may be read at once; each has a memory of headers to itself, one that another batch has left if
    there is any. In another process it begins anew.

    Args:
        limits: Bounds for whatever the files claim.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: list[_Memory] = []

    def __reduce__(self) -> tuple[type[HeaderReader], tuple[Limits]]:
        return HeaderReader, (self._limits,)

    def read(self, sources: Sequence[ByteSource]) -> list[Header]:
        """The headers of some files, or why there is none."""
        try:
            memory = self._idle.pop()
        except IndexError:  # workers take at any time what others have put back
            memory = _Memory(self._limits)
        headers = [self._read(source, memory) for source in sources]
        self._idle.append(memory)
        return headers

    def _read(self, source: ByteSource, memory: _Memory) -> Header:
        from cornerstream.operators.frame_index import open_source  # noqa: PLC0415 - only folders need it

        try:
            return open_source(source, self._limits, reader=memory.metadata, pattern=memory.pattern)
        except ImageLoadError as error:
            return _without_traceback(error)


class _Memory:
    """What is known of the headers that were read."""

    def __init__(self, limits: Limits) -> None:
        from cornerstream.operators.header_pattern import HeaderPattern  # noqa: PLC0415 - only folders need them
        from cornerstream.operators.metadata_memo import MetadataMemo  # noqa: PLC0415

        self.metadata = MetadataMemo()
        self.pattern = HeaderPattern(limits)


def _batches(sources: Iterable[ByteSource], size: int) -> Iterator[list[ByteSource]]:
    rest = iter(sources)
    while batch := list(islice(rest, size)):
        yield batch


def _without_traceback(error: ImageLoadError) -> ImageLoadError:
    """The error alone: it is kept with the listing, and a traceback would keep what was read of the file as well."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
