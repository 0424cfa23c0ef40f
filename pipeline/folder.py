"""Series of a folder: headers read in parallel on the workers, pixels untouched."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from cornerstream.folder_files import files_below, look_at
from cornerstream.folder_headers import HeaderReader, read_headers
from cornerstream.folder_sources import found_at, found_in_file
from cornerstream.images.errors import ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.listing import Instance, make_series
from cornerstream.listing_progress import ListingBoard, ListingProgress
from cornerstream.loaders.dicomfile import index_key
from cornerstream.operators.local_file import LocalFile
from cornerstream.operators.storage_address import is_in_store, is_url
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.series import Listing, Series

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from os import PathLike

    from reactivex import Observable

    from cornerstream.engine import Engine
    from cornerstream.folder_files import Found
    from cornerstream.folder_headers import Header
    from cornerstream.operators.byte_source import ByteSource

T = TypeVar("T")
_BATCH = 16  # files a worker reads in one job: a header takes a fraction of a millisecond


class FolderListing(Listing[Series]):
    """The series of a folder, on their way; they are looked for once, however many wait for them.

    Args:
        engine: Whose workers, limits and stores hold.
        path: The folder, one file, or what else `Session.folder` takes.

    Attributes:
        skipped: Files that are no DICOM images, and folders that cannot be read, with the reason of each.
    """

    def __init__(self, engine: Engine, path: str | PathLike[str]) -> None:
        super().__init__(engine.host, self._listed)
        self._engine = engine
        self._path = path
        self._board = ListingBoard(engine.host)
        self._task: asyncio.Task[list[Series]] | None = None
        self._waiting = 0
        self._cancelled = False

    @property
    def progress(self) -> Observable[ListingProgress]:
        """How far the listing is, first as it is now; completes with it, however it ends."""
        return self._board.observable

    @property
    def progress_now(self) -> ListingProgress:
        """How far the listing is; after its end, how far it came."""
        return self._board.now

    def cancel(self) -> None:
        """Stop: no further file is read, and whoever waits for the list gets CancelledError, also later on."""
        self._cancelled = True
        self._host.call(self._stop)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _listed(self) -> list[Series]:
        """The one listing behind all who wait; the last one who leaves cancels it."""
        if self._cancelled:
            raise asyncio.CancelledError("the listing was cancelled")
        if self._task is None:
            self._task = asyncio.ensure_future(self._engine.tracked(self._list))
        task = self._task
        self._waiting += 1
        try:
            await asyncio.wait({task})
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._task = None
                task.cancel()  # it has ended, unless the one who waited was cancelled
                await asyncio.wait({task})
        return task.result()

    async def _list(self) -> list[Series]:
        self._board.begin()
        try:
            return await list_folder(self._engine, self._path, self.skipped, self._board)
        finally:
            self._board.end()


async def list_folder(
    engine: Engine, path: str | PathLike[str], skipped: dict[str, ImageLoadError], board: ListingBoard
) -> list[Series]:
    """List the series of the DICOM files below a folder, hidden files and folders left out.

    Args:
        engine: Whose workers, limits and stores hold.
        path: The folder, or one file.
        skipped: Gets the files that are no DICOM images and the folders that cannot be read, with the reason of each.
        board: Is told how far it is.

    Raises:
        FetchError: There is no such folder.
    """
    run = _runner(engine, path)
    found = await _find(engine, path, run)
    skipped.update(found.skipped)
    board.tell(ListingProgress(len(found.sources)))
    gathered = _Gathered(engine, skipped, board)
    size = 1 if _is_in_store(path) else _BATCH  # a store is waited for, a file is not
    reader = HeaderReader(engine.options.limits)
    await read_headers(found.sources, lambda batch: run(reader.read, batch), gathered.take, size)
    return await gathered.series(found.sources)


class _Run(Protocol):
    def __call__(self, function: Callable[..., T], /, *args: object) -> Awaitable[T]: ...


def _runner(engine: Engine, path: str | PathLike[str]) -> _Run:
    """The workers, or those that may wait for a store."""
    scheduler = engine.readers if _is_in_store(path) else engine.workers
    return partial(scheduler.run, rank=RankCell(Rank(Lane.INTERACTION)))


def _is_in_store(path: str | PathLike[str]) -> bool:
    return isinstance(path, str) and is_in_store(path)


async def _find(engine: Engine, path: str | PathLike[str], run: _Run) -> Found:
    if isinstance(path, str) and is_url(path):  # on threads always: stores stay in their process
        rank = RankCell(Rank(Lane.INTERACTION))
        return await engine.readers.run(found_at, path, engine.stores, engine.options.limits, rank=rank)
    name, is_folder = await run(look_at, path)
    if is_folder:
        return await files_below(name, run)
    return await run(found_in_file, LocalFile(name), engine.options.limits)


class _Gathered:
    """What the headers said, batch by batch. Touched on the loop only."""

    def __init__(self, engine: Engine, skipped: dict[str, ImageLoadError], board: ListingBoard) -> None:
        self._engine = engine
        self._skipped = skipped
        self._board = board
        self._instances: dict[str, Instance] = {}

    def take(self, sources: Sequence[ByteSource], headers: Sequence[Header]) -> None:
        """Take in a batch; the loads to come need not read these headers again."""
        failed = 0
        for source, header in zip(sources, headers, strict=True):
            if isinstance(header, ImageLoadError):
                self._skipped[source.name] = header
                failed += 1
                continue
            address = source.address
            self._engine.resources.put(index_key(address), header, header.nbytes)
            self._instances[address] = Instance(ImageId("dicomfile", address, 1), header.metadata)
        now = self._board.now
        self._board.tell(
            replace(now, files_done=now.files_done + len(headers), files_skipped=now.files_skipped + failed)
        )

    async def series(self, sources: Sequence[ByteSource]) -> list[Series]:
        """The series, in order; the loop gets on with other things in between."""
        by_series: defaultdict[str, list[Instance]] = defaultdict(list)
        for source in sources:  # batches came in any order
            instance = self._instances.get(source.address)
            if instance is not None:
                by_series[instance.metadata.shared.series_instance_uid].append(instance)
        series = []
        for uid, instances in by_series.items():
            series.append(_series(uid, instances))
            await asyncio.sleep(0)
        return sorted(series, key=lambda one: (one.study_instance_uid, one.series_number or 0, one.series_instance_uid))


def _series(uid: str, instances: list[Instance]) -> Series:
    shared = instances[0].metadata.shared
    return make_series(
        instances,
        series_instance_uid=uid,
        modality=shared.modality,
        series_number=shared.series_number,
        series_description=shared.series_description,
    )
