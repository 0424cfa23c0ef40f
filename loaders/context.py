"""What a loader receives beside the image id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.storage import Stores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.images.volume import VolumeGeometry
    from cornerstream.operators.held_image import HeldImage
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.parts import Part
    from cornerstream.operators.protocols import Transport, Workers
    from cornerstream.operators.read_wanted import FileWish
    from cornerstream.operators.split_instances import RetrievedInstance

T = TypeVar("T")


class Resources(Protocol):
    """What several loads share: metadata and files, fetched once and kept within the session's byte budget.

    A shared fetch outlives the load that began it while others still wait, so it gets a context of its own, whose rank
    is the best of those who wait and whose bytes count as progress for all of them.
    """

    def once(
        self, key: Hashable, fetch: Callable[[LoadContext], Observable[T]], nbytes: Callable[[T], int]
    ) -> Observable[T]:
        """One value for all who ask for `key`: join the fetch in flight, or start it, or take the kept value.

        Failures are not kept. The last one who leaves a fetch in flight cancels it.
        """
        ...

    def frame(
        self, key: Hashable, frames: Callable[[LoadContext], Observable[EncodedFrame]], frame_number: int
    ) -> Observable[EncodedFrame]:
        """One frame of a resource that emits its frames: N waiting loads cost one subscription of it.

        A source that heeds `LoadContext.wish` may emit the wanted ones alone. The last member of `key` is the address that
        image ids name the resource by.

        Raises ImageIdError through the observable if the resource completes without that frame.
        """
        ...

    def part(
        self, image_id: ImageId, parts: Callable[[LoadContext, Callable[[], Sequence[int]]], Observable[Part]]
    ) -> Observable[Part]:
        """The part that holds one frame of an instance; frames that are wanted together come in one answer.

        What breaks is asked for again, what a list is refused for alone. The last one who leaves a request that is
        under way cancels it.

        Args:
            image_id: The instance, by scheme and address, and the frame.
            parts: Opens one request for several frames. It gets a function that settles which, to be called when the
                request is sent (`HttpRequest.late_url`), and emits a part for each, in that order.
        """
        ...

    def either(
        self,
        image_id: ImageId,
        metadata: Observable[InstanceMetadata],
        frame: Observable[EncodedFrame],
        instance: Observable[EncodedFrame],
    ) -> Observable[EncodedFrame]:
        """A frame by itself, or out of its instance where its server refuses to send it so.

        What was refused of which server is remembered: the instance is asked for first then. If it is refused as well, the
        error is that of the frame.

        Args:
            image_id: The instance, by scheme and address, and the frame.
            metadata: Tell which transfer syntax it has, if the server says so.
            frame: Asks for the frame.
            instance: Asks for the instance, and emits that frame.
        """
        ...

    def of_series(
        self,
        image_id: ImageId,
        retrieve: Callable[[LoadContext], Observable[RetrievedInstance]],
        otherwise: Observable[EncodedFrame],
    ) -> Observable[EncodedFrame]:
        """The frame of an instance that has one: with the whole series in one answer, where that is sooner.

        Args:
            image_id: The instance, by scheme and address.
            retrieve: Retrieves the series; its instances may come in any order, and some not at all.
            otherwise: Where to have the frame without that.
        """
        ...

    def encoded(
        self, image_id: ImageId, source: Observable[EncodedFrame], *, with_its_file: bool = False
    ) -> Observable[EncodedFrame]:
        """The encoded frame of an image if it is kept, else that of `source`, which is then kept where that pays.

        Args:
            image_id: The image.
            source: Where to have its frame otherwise; not subscribed to when the frame is kept.
            with_its_file: A file of several frames is kept whole, and none of its frames once more.
        """
        ...


def no_session(image_id: ImageId) -> Observable[Image]:
    """What `LoadContext.load` is outside a session.

    Raises:
        ImageLoadError: Always.
    """
    raise ImageLoadError("an image that is computed from others loads in a session only", image_id=image_id)


class MemoryImages(Protocol):
    """What the session's program holds in memory; see `Session.memory`."""

    def find(self, image_id: ImageId) -> HeldImage:
        """What is held by an id's name; raises FetchError."""
        ...

    def run(self, function: Callable[..., T], /, *args: object) -> Awaitable[T]:
        """Run a function in the one thread that reads what is held."""
        ...


@dataclass(frozen=True, slots=True)
class LoadContext:
    """The world of one load, already behind the session's lanes.

    Attributes:
        http: Opens requests at this load's rank.
        workers: Runs decoders at this load's rank.
        resources: Files and metadata shared with other loads.
        limits: Bounds for whatever comes from outside.
        prefer_decoder: Name of a decoder to take where it decodes a transfer syntax; see `cornerstream codecs`.
        target: Where the pixels are wanted. A loader may leave it alone: they are then copied once more, at the end.
        load: Another image of the same session, for one that is computed: cold, shared with all who want it, at this load's
            rank. Outside a session there is none.
        volumes: The volumes that image ids name, by key; see `cornerstream.loaders.mpr`.
        wish: Which frames of a file are wanted, in the context of a shared fetch of one (see `Resources.frame`). A loader
            may leave it alone, and emit all of them.
        memory: What the program itself holds; nothing outside a session.
        stores: The session's stores, such as buckets, with what opens them.
        readers: Run at this load's rank what has to wait for a store; see `waiting_workers`.
        brief: Run at this load's rank what takes less time than the way to a worker, with others of its kind; there may be
            none.
    """

    http: Transport
    workers: Workers
    resources: Resources
    limits: Limits = DEFAULT_LIMITS
    prefer_decoder: str | None = None
    target: PixelTarget | None = None
    wish: FileWish | None = None
    stores: Stores = field(default_factory=Stores)
    readers: Workers | None = None
    brief: Workers | None = None

    @property
    def waiting_workers(self) -> Workers:
        """Workers that may wait for a store without keeping a decoder waiting, where there are such."""
        return self.readers or self.workers

    memory: MemoryImages | None = None
    load: Callable[[ImageId], Observable[Image]] = no_session
    volumes: Mapping[str, VolumeGeometry] = field(default_factory=dict)


class ImageLoader(Protocol):
    """A loader: a function, or anything that is called like one."""

    def __call__(self, image_id: ImageId, context: LoadContext, /) -> ImageLoadObject:
        """Describe how to load an image; nothing starts before somebody subscribes."""
        ...
