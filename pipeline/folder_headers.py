"""Headers of many files: read on workers in batches, several at once, their pixels untouched."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError
from cornerstream.listing import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.operators.part10 import AttributeReader

    Header = FrameIndex | ImageLoadError

_AT_ONCE = 8  # batches with the workers or waiting for them: a worker that ends finds the next one


async def read_headers(
    sources: Iterable[ByteSource],
    read: Callable[[Sequence[ByteSource]], Awaitable[Sequence[Header]]],
    take: Callable[[Sequence[ByteSource], Sequence[Header]], None],
    size: int,
) -> None:
    """Read the headers of files, in any order; cancelled, it begins no batch any more.

    Args:
        sources: The files.
        read: Reads a batch on a worker.
        take: Gets the files of a batch, and the header of each or why there is none.
        size: Files of a batch.
    """
    batches = _batches(sources, size)

    async def work() -> None:
        """One batch after the other, as long as there are some."""
        for batch in batches:
            take(batch, await read(batch))

    await together(work() for _ in range(_AT_ONCE))


def read_batch(sources: Sequence[ByteSource], limits: Limits) -> list[Header]:
    """The headers of some files that are likely to be of one series: what they have in common is read once."""
    from cornerstream.operators.metadata_memo import MetadataMemo  # noqa: PLC0415 - only folders need it

    memo = MetadataMemo()
    return [_read(source, limits, memo) for source in sources]


def _read(source: ByteSource, limits: Limits, reader: AttributeReader) -> Header:
    from cornerstream.operators.frame_index import open_source  # noqa: PLC0415 - only folders need it

    try:
        return open_source(source, limits, reader=reader)
    except ImageLoadError as error:
        return _without_traceback(error)


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
