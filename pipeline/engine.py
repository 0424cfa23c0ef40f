"""The engine behind a session: its lanes, its caches and its loads, all on one loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cornerstream.budget import Budget
from cornerstream.bundles import Bundles
from cornerstream.cache import ByteCache
from cornerstream.derived_sources import source_of
from cornerstream.disk_lane import DiskLane, DiskTransport
from cornerstream.events import Events
from cornerstream.images.image import Image
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.loaders.context import LoadContext
from cornerstream.memory_images import MemoryImages
from cornerstream.network import RankedTransport
from cornerstream.network_gate import NetworkGate
from cornerstream.operators.decode_image import image_soon
from cornerstream.operators.storage import Stores
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.ranks import Lane
from cornerstream.resources import RankedResources, SharedResources
from cornerstream.sharing import SharedLoads
from cornerstream.stats import Counters, SessionStats
from cornerstream.wishes import WishBoard
from cornerstream.workers import WorkerScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Executor
    from ssl import SSLContext

    from cornerstream.disk import DiskCache
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject, Progress
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.images.volume import VolumeGeometry
    from cornerstream.loop_host import LoopHost
    from cornerstream.operators.held_image import HeldImage
    from cornerstream.operators.protocols import Transport
    from cornerstream.ranks import RankCell
    from cornerstream.registry import LoaderRegistry
    from cornerstream.series_ride import Ride

T = TypeVar("T")
IMAGES_SHARE = 0.75  # of the budget, which prefetch may plan with: the encoded frames of its images need the rest
RESERVED_REQUESTS = 1  # what prefetch never takes, so that a click need not wait for it


@dataclass(frozen=True, slots=True)
class Options:
    """How a session is set up; see `Session`."""

    registry: LoaderRegistry
    cache_bytes: int = 1 << 30
    disk_cache: DiskCache | None = None
    max_requests: int = 8
    max_requests_per_host: int | None = None
    max_bytes_in_flight: int = 64 << 20
    max_workers: int | None = None
    executor: Executor | None = None
    isolated: bool = False
    transport: Transport | None = None
    headers: Mapping[str, Mapping[str, str]] | None = None
    ssl: SSLContext | None = None
    limits: Limits = DEFAULT_LIMITS
    prefer_decoder: str | None = None
    storage_options: Mapping[str, Mapping[str, object]] | None = field(default=None, repr=False)  # credentials


class Engine:
    """All state of one session. Made and touched on its loop only.

    Args:
        host: The loop.
        options: How it is set up.
    """

    def __init__(self, host: LoopHost, options: Options) -> None:
        self.host = host
        self.options = options
        self.tasks: set[asyncio.Task[Any]] = set()
        self.events = Events(host)
        self.counters = Counters(self.events)
        self.network = NetworkGate(
            options.max_requests,
            reserved=RESERVED_REQUESTS,
            per_host=options.max_requests_per_host,
            max_bytes=options.max_bytes_in_flight,
        )
        self.workers = WorkerScheduler(
            host,
            options.executor,
            options.max_workers,
            limits=options.limits,
            isolated=options.isolated,
            recorder=self.counters,
        )
        own_threads = options.executor is None and not options.isolated
        self._bundles = Bundles(self.workers) if own_threads else None  # they share memory with the loop
        self.readers = WorkerScheduler(host, None, options.max_requests, limits=options.limits)  # they wait for stores
        self.stores = Stores(options.storage_options)
        own = AiohttpTransport(options.limits, headers=options.headers, ssl=options.ssl)
        self._own_transport = own  # opens nothing before its first request
        self._transport: Transport = options.transport or own
        self.budget = Budget(options.cache_bytes)
        self.memory = MemoryImages(host, self._forget)
        self.cache: ByteCache[Image] = ByteCache(self.budget, self.memory.cost, share=IMAGES_SHARE)
        self.resources = SharedResources(
            self.budget,
            self.context,
            options.limits,
            self._is_here,
            recorder=self.counters,
            keeps=self._is_kept,
            link=self.network.link_to,
        )
        self.disk = None if options.disk_cache is None else DiskLane(options.disk_cache, self._report)
        self.resources.disk = self.disk
        self.cache.on_evict = self.counters.evicted
        self.volumes: dict[str, VolumeGeometry] = {}
        self.board = WishBoard(lambda: self.cache.budget)
        self.loads = SharedLoads(
            self._start, self.cache, self.counters, self.tasks, self._report, self.resources.frames.discard
        )

    def context(
        self, rank: RankCell, on_progress: Callable[[Progress], None], target: PixelTarget | None = None
    ) -> LoadContext:
        """The world of one load, or of one shared fetch, at its rank."""
        http = RankedTransport(self._transport, self.network, self.counters, rank, on_progress)
        return LoadContext(
            http=http if self.disk is None else DiskTransport(http, self.disk),
            workers=self.workers.at_rank(rank),
            resources=RankedResources(self.resources, rank, on_progress),
            limits=self.options.limits,
            prefer_decoder=self.options.prefer_decoder,
            target=target,
            memory=self.memory,
            load=partial(source_of, self.loads, rank),
            volumes=self.volumes,
            stores=self.stores,
            readers=self.readers.waiting_at_rank(rank),
            brief=None if self._bundles is None else self._bundles.at_rank(rank),
        )

    async def tracked(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run something that ends with the session: closing it cancels what still runs.

        Raises:
            RuntimeError: The session is closed.
        """
        if self.loads.closed:
            raise RuntimeError("the session is closed")
        task = asyncio.ensure_future(make())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return await task

    def stats(self) -> SessionStats:
        """The figures now."""
        return self.counters.added_to(
            SessionStats(
                running=len(self.loads),
                open_requests=self.network.held,
                queued_requests=self.network.waiting,
                busy_workers=self.workers.busy,
                queued_work=self.workers.waiting,
                cache_hits=self.cache.hits,
                cached_bytes=self.cache.nbytes,
                frame_hits=self.resources.frames.cache.hits,
                frame_bytes=self.resources.frames.cache.nbytes,
                file_bytes=self.resources.kept.nbytes,
                disk_hits=0 if self.disk is None else self.disk.hits,
                tasks=len(self.tasks),
                evictions=self.cache.evictions,
                refused=self.cache.refused,
            )
        )

    async def aclose(self) -> None:
        """Cancel what runs and leave nothing behind: no task, no socket, no thread or process of ours."""
        self.loads.close()
        self.resources.clear()
        current = asyncio.current_task()
        while left := {task for task in self.tasks if task is not current}:
            for task in left:
                task.cancel()
            await asyncio.wait(left)
        await self.memory.aclose()
        self.network.close()
        await self._own_transport.aclose()
        await self.workers.aclose()
        await self.readers.aclose()
        self.stores.close()
        if self.disk is not None:
            await self.disk.aclose()
        self.cache.clear()
        self.events.close()

    def shut_down(self) -> None:
        """End the threads and processes; for when the loop has ended, and all else with it."""
        self.workers.shut_down()
        self.readers.shut_down()

    def _start(
        self,
        image_id: ImageId,
        rank: RankCell,
        on_progress: Callable[[Progress], None],
        target: PixelTarget | None,
    ) -> ImageLoadObject | Ride:
        loader = self.options.registry.loader_for(image_id)

        def alone() -> ImageLoadObject:
            return loader(image_id, self.context(rank, on_progress, target))

        if target is not None or image_id in self.resources.frames.cache:
            return alone()
        return self.resources.series.ride(image_id, rank, on_progress, self._decode, alone) or alone()

    def _decode(self, frame: EncodedFrame, image_id: ImageId, rank: RankCell) -> Image | asyncio.Future[Image]:
        """The image of a frame that came with its series; the frame is kept where that pays, as a loader has it."""
        self.resources.frames.put(image_id, frame, ahead=rank.value.lane >= Lane.PREFETCH)
        workers, options = self.workers.at_rank(rank), self.options
        quick = None if self._bundles is None else self._bundles.at_rank(rank).coded
        made = image_soon(frame, image_id, workers, options.prefer_decoder, options.limits, quick)
        return made if isinstance(made, Image) else asyncio.ensure_future(made)

    def _is_here(self, image_id: ImageId) -> bool:
        return image_id in self.cache or image_id in self.resources.frames.cache

    def _is_kept(self, image_id: ImageId) -> bool:
        return self.loads.keeps(image_id)

    def _forget(self, held: HeldImage) -> None:
        """What memory holds no longer is kept nowhere else."""
        for image_id in held.image_ids():
            self.cache.discard(image_id)
        self.resources.kept.discard(held.index_key)

    def _report(self, message: str, error: BaseException) -> None:
        """What no subscriber can hear goes where asyncio's own unheard errors go."""
        self.host.loop.call_exception_handler({"message": message, "exception": error})
