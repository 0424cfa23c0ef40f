"""The session: the face of the engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reactivex.disposable import Disposable

from cornerstream.deriving import Deriving
from cornerstream.engine import Options
from cornerstream.folder import FolderListing
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.pixel_target import PixelTarget
from cornerstream.operators.decoder_table import checked_name
from cornerstream.policies import Situation
from cornerstream.policies import around as around_position
from cornerstream.prefetch import Prefetch, wanted_of_series, wanted_of_study
from cornerstream.ranks import Lane, Rank
from cornerstream.registry import LoaderRegistry, default_registry
from cornerstream.scroll import Scroll
from cornerstream.series import Listing, Series, series_of
from cornerstream.streaming import Streaming
from cornerstream.study import Study, list_studies, series_of_study
from cornerstream.study_policies import next_series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from os import PathLike
    from ssl import SSLContext

    import numpy as np
    from numpy.typing import DTypeLike, NDArray
    from reactivex import Observable
    from reactivex.abc import DisposableBase

    from cornerstream.disk import DiskCache
    from cornerstream.events import SessionEvent
    from cornerstream.load import Load
    from cornerstream.memory_images import MemoryImages
    from cornerstream.operators.protocols import Transport
    from cornerstream.policies import PrefetchPolicy
    from cornerstream.prefetch import Wanted
    from cornerstream.stats import SessionStats
    from cornerstream.study_policies import StudyPolicy
    from cornerstream.workers import WorkerScheduler


class Session(Streaming, Deriving):
    """Loads images over one loop, two lanes and one cache; use it with `async with` or with `with`.

    In `async with` it lives on the running loop, in `with` on a loop in a thread of its own; used without either, on the
    running loop if there is one. Observers are called on that loop. Every method may be called from any thread.

    Args:
        cache_bytes: Budget in bytes of all that is kept: decoded images, encoded frames, files and metadata.
        disk_cache: Keeps what servers answer on disk, beyond the session; off by default, since it is patient data.
        max_requests: Responses open at once; one is never taken by prefetch.
        max_requests_per_host: Responses open at once from one origin; as many as `max_requests` by default.
        max_bytes_in_flight: Bytes asked for and not here yet; a larger response goes alone.
        max_workers: Decoders at once; the cores of this process by default.
        executor: Runs the decoders in place of the session's own threads; it stays its owner's to shut down.
        isolated: Decode in processes: one that crashes, hangs, or reaches `limits.decode_seconds` or `limits.decode_bytes`
            costs the image it was at work on, and nothing else. For bytes from strangers.
        headers: Header fields by origin (`{"https://pacs:8443": {"Authorization": …}}`); they are sent nowhere else.
        ssl: A context for https.
        limits: Bounds for whatever comes from outside.
        prefer_decoder: Name of a decoder to take where it decodes a transfer syntax, such as `pylibjpeg-openjpeg`; one that
            holds the interpreter lock runs in processes.
        registry: Loaders by scheme; the one `register_image_loader` fills by default.
        transport: Opens requests in place of aiohttp; it stays its owner's to close.
        storage_options: What fsspec makes the file systems of stores with, by protocol or by the beginning of a URL
            (`{"s3://bucket": {"key": …, "secret": …}}`); in no message, log or image id.

    Raises:
        ValueError: No decoder has the name `prefer_decoder`; or `isolated` beside an executor, which isolates or does not.
    """

    def __init__(  # noqa: PLR0913 - all by keyword, all optional
        self,
        *,
        cache_bytes: int = 1 << 30,
        disk_cache: DiskCache | None = None,
        max_requests: int = 8,
        max_requests_per_host: int | None = None,
        max_bytes_in_flight: int = 64 << 20,
        max_workers: int | None = None,
        executor: Executor | None = None,
        isolated: bool = False,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        ssl: SSLContext | None = None,
        limits: Limits = DEFAULT_LIMITS,
        prefer_decoder: str | None = None,
        registry: LoaderRegistry = default_registry,
        transport: Transport | None = None,
        storage_options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        if isolated and executor is not None:
            raise ValueError("isolated makes processes of its own; give ProcessWorkers as executor, or none")
        options = Options(
            registry=registry,
            cache_bytes=cache_bytes,
            disk_cache=disk_cache,
            max_requests=max_requests,
            max_requests_per_host=max_requests_per_host,
            max_bytes_in_flight=max_bytes_in_flight,
            max_workers=max_workers,
            executor=executor,
            isolated=isolated,
            transport=transport,
            headers=headers,
            ssl=ssl,
            limits=limits,
            prefer_decoder=checked_name(prefer_decoder),
            storage_options=storage_options,
        )
        super().__init__(options)

    @property
    def workers(self) -> WorkerScheduler:
        """The worker scheduler, for `observe_on` and for functions of your own."""
        return self._engine.workers

    @property
    def memory(self) -> MemoryImages:
        """Images that the program itself holds, as arrays, bytes or open file objects: `memory:` image ids."""
        return self._engine.memory

    def load(
        self,
        image_id: ImageId | str,
        *,
        lane: Lane = Lane.INTERACTION,
        distance: float = 0.0,
        keep: bool = True,
        out: NDArray[np.generic] | None = None,
        dtype: DTypeLike | None = None,
    ) -> Load:
        """One load of one image; nothing starts before it is subscribed to, awaited or asked for its result.

        Args:
            image_id: What to load.
            lane: Why it is wanted.
            distance: Its rank inside the lane, the smaller the sooner.
            keep: The complete image goes into the cache, unless `out` or `dtype` are given.
            out: Memory for the pixels, such as `volume[i]`; decoders write straight into it where its dtype is the stored
                one, and every value must fit it otherwise. After a cancel a worker may write into it until it has ended.
            dtype: Another dtype for the pixels, which must hold every value; a narrower float rounds.

        Raises:
            ImageIdError: The image id does not parse.
            ValueError: `out` is read-only, or not of `dtype`.
        """
        target = None if out is None and dtype is None else PixelTarget(out, dtype)
        return self._load_on(self._engine, ImageId.parse(image_id), Rank(lane, distance), keep=keep, target=target)

    def study(self, base_url: str, study_uid: str) -> Listing[Series]:
        """The series of a study of a DICOMweb server, with their image ids in order (PS3.18 10.6 and 10.4).

        Args:
            base_url: The service's root, such as `https://pacs/dicom-web`.
            study_uid: Study Instance UID.
        """
        return series_of_study(self._engine, base_url, study_uid).of(self)

    def studies(self, base_url: str, **matches: str) -> Listing[Study]:
        """The studies of a DICOMweb server (QIDO-RS), matched by DICOM keywords such as `PatientID="…"`."""
        engine = self._engine
        return Listing(engine.host, partial(engine.tracked, lambda: list_studies(engine, base_url, matches)))

    def folder(self, path: str | PathLike[str]) -> FolderListing:
        """The series of the DICOM files below a folder, with their image ids in order; headers are read, no pixels.

        Args:
            path: A folder; or a file, a zip archive, a DICOMDIR, or the URL of a store such as `s3://bucket/study/`.
        """
        return FolderListing(self._engine, path).of(self)

    def scroll(self, series: Series | Sequence[ImageId | str], *, policy: PrefetchPolicy | None = None) -> Scroll:
        """A viewport on a series: `to(index)` puts an index first and cancels what is no longer near."""
        engine = self._engine
        load = partial(self._load_on, engine)
        scroll = Scroll(series_of(series), engine.host, load, engine.cache, engine.board, policy)
        self._handles.add(scroll)
        return scroll

    def prefetch(
        self,
        series: Series | Sequence[ImageId | str],
        *,
        around: int = 0,
        policy: PrefetchPolicy = around_position,
        lane: Lane = Lane.PREFETCH,
    ) -> Prefetch:
        """Load a series into the cache, from an index outwards, as far as the cache's budget goes.

        Args:
            series: What to load.
            around: The index, from 0, that comes first.
            policy: Another order.
            lane: Another lane.

        Raises:
            IndexError: The series has no such index.
        """
        wanted = series_of(series)
        if not 0 <= around < max(1, len(wanted)):
            raise IndexError(f"index {around} of a series of {len(wanted)} images")
        engine = self._engine
        order = policy(Situation(len(wanted), around, 0, wanted.image_bytes, engine.board.budget))
        return self._prefetch(wanted_of_series(wanted, order), lane, [wanted])

    def prefetch_study(
        self,
        series: Sequence[Series],
        *,
        current: int = 0,
        policy: StudyPolicy = next_series,
        lane: Lane = Lane.PREFETCH,
    ) -> Prefetch:
        """Load the series of a study into the cache, as far as its budget goes.

        Args:
            series: All of them, those of prior studies too.
            current: Place of the series shown now, from 0.
            policy: Their order: `next_series`, `priors_last`, or one of your own.
            lane: Another lane.

        Raises:
            IndexError: There is no series `current`.
        """
        return self._prefetch(wanted_of_study(series, current, self._engine.board.budget, policy), lane, series)

    def cached(self, image_id: ImageId | str) -> bool:
        """The complete image is in the cache."""
        return ImageId.parse(image_id) in self._engine.cache

    def pin(self, image_id: ImageId | str) -> DisposableBase:
        """Keep an image in the cache, now or when it comes, until the returned disposable is disposed."""
        key, engine = ImageId.parse(image_id), self._engine
        engine.host.call(engine.cache.pin, key)
        return Disposable(lambda: engine.host.call(engine.cache.unpin, key))

    @property
    def events(self) -> Observable[SessionEvent]:
        """What happens to images from now on: loads queued, started, received, cancelled, …; see `events.py`."""
        return self._engine.events.observable

    def stats(self) -> SessionStats:
        """The figures now; from another thread they may be a moment old."""
        return self._engine.stats()

    def _prefetch(self, wanted: Sequence[Wanted], lane: Lane, series: Sequence[Series]) -> Prefetch:
        engine = self._engine
        announce = partial(engine.resources.announce_wanted, lane=lane, series=series)
        prefetch = Prefetch(wanted, engine.host, partial(self._load_on, engine), engine.board, lane, announce)
        self._handles.add(prefetch)
        return prefetch
