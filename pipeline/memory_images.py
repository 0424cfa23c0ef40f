"""Images that the program itself holds: arrays, bytes and open file objects, loaded as any other image."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np

from cornerstream.images.array_frames import ArrayFrames, array_frames
from cornerstream.images.given_attributes import check_attributes
from cornerstream.images.image_id import ImageId
from cornerstream.operators.held_bytes import HeldBytes, HeldFileObject
from cornerstream.operators.held_image import HeldImage, not_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from cornerstream.loop_host import LoopHost
    from cornerstream.operators.held_bytes import ReadableFile

T = TypeVar("T")
SCHEME = "memory"


class MemoryImages:
    """The images that a session's program holds, by name. Every method may be called from any thread.

    What is given is not copied and stays the caller's: an image of an array is a read-only view, through which later
    changes of the array show; a file object is read while images of it are loaded, and never closed.

    Args:
        host: The session's loop.
        forget: Hears on the loop of what is held no longer, and forgets its images.
    """

    def __init__(self, host: LoopHost, forget: Callable[[HeldImage], None]) -> None:
        self._host = host
        self._forget = forget
        self._lock = Lock()
        self._held: dict[str, HeldImage] = {}
        self._reader: ThreadPoolExecutor | None = None  # one thread: reading a file object moves its place
        self._reads: set[Future[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[ImageId]:
        with self._lock:
            names = tuple(self._held)
        return iter([ImageId(SCHEME, name) for name in names])

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, (ImageId, str)) and _name_of(image_id) in self._held

    def __repr__(self) -> str:
        return f"<MemoryImages {len(self)} images, {self.nbytes:,} bytes>"

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays and bytes; what file objects hold is not held here."""
        with self._lock:
            return sum(held.source.nbytes for held in self._held.values())

    def add(
        self,
        source: NDArray[np.generic] | bytes | bytearray | memoryview | ReadableFile,
        *,
        name: str | None = None,
        per_frame: Sequence[Mapping[str, Any]] = (),
        **attributes: Any,
    ) -> ImageId:
        """Hold an image; the id to load it by.

        Args:
            source: Pixels (rows × columns, rows × columns × 3, or frames in front of either), or a whole DICOM Part 10 or
                picture file, as bytes or as a file object open for reading.
            name: Its address in `memory:{name}`; one that nobody had before by default.
            per_frame: Attributes that each frame of an array has of its own, such as `image_position_patient`.
            attributes: By DICOM keyword in snake case: `pixel_spacing=(0.5, 0.5)`, `windows=[(40, 400)]`, `modality="CT"`.
                They win over those of a file.

        Returns:
            The id of the first frame; `with_frame(n)` gives that of another.

        Raises:
            TypeError: It is nothing of that kind, or an attribute is unknown.
            ValueError: The array is no image, an attribute contradicts it, or the name is taken.
            RuntimeError: The session is closed.
        """
        image_id = ImageId(SCHEME, uuid4().hex if name is None else name)
        held = _held(image_id.address, source, attributes, per_frame)
        with self._lock:
            if self._closed:
                raise RuntimeError("the session is closed")
            if image_id.address in self._held:
                raise ValueError(f"{image_id} is there already; remove it first, or give another name")
            self._held[image_id.address] = held
        return image_id

    def remove(self, image_id: ImageId | str) -> None:
        """Hold an image no longer, all its frames included: its cached images go too, and loads of it fail.

        Raises:
            KeyError: It is not held.
        """
        with self._lock:
            held = self._held.pop(_name_of(image_id), None)
        if held is None:
            raise KeyError(f"{image_id} is not held")
        self._host.call(self._let_go, held)

    def clear(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            removed = list(self._held.values())
            self._held.clear()
        for held in removed:
            self._host.call(self._let_go, held)

    def find(self, image_id: ImageId) -> HeldImage:
        """What is held by an id's name, whose frame is noted; for loaders, on the loop.

        Raises:
            FetchError: Nothing is.
        """
        held = self._held.get(image_id.address)
        if held is None:
            raise not_held(image_id.address)
        held.asked.add(image_id.number)
        return held

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run a function in the one thread that reads; for loaders, on the loop. Cancelled while it waits, it never begins."""
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, "cornerstream-memory")
        read = self._reader.submit(function, *args)
        self._reads.add(read)
        read.add_done_callback(self._reads.discard)
        return await asyncio.wrap_future(read)

    def cost(self, image: Image) -> int:
        """Bytes that keeping an image takes: an array's pixels are held already."""
        held = self._held.get(image.image_id.address) if image.image_id.scheme == SCHEME else None
        if held is None or not isinstance(held.source, ArrayFrames):
            return image.nbytes
        return image.nbytes - image.pixels.nbytes * bool(np.may_share_memory(image.pixels, held.source.pixels))

    async def aclose(self) -> None:
        """Hold nothing any more, and end the thread when what it reads has been read."""
        self._closed = True
        self.clear()
        await asyncio.gather(*map(asyncio.wrap_future, tuple(self._reads)), return_exceptions=True)
        if self._reader is not None:
            self._reader.shutdown()

    def _let_go(self, held: HeldImage) -> None:
        held.remove()
        self._forget(held)


def _name_of(image_id: ImageId | str) -> str:
    """The name in an image id; empty, which nothing is called, where it is of another scheme."""
    parsed = ImageId.parse(image_id)
    return parsed.address if parsed.scheme == SCHEME else ""


def _held(name: str, source: Any, attributes: Mapping[str, Any], per_frame: Sequence[Mapping[str, Any]]) -> HeldImage:
    """What was given, by its kind."""
    if hasattr(source, "__array_interface__"):
        return HeldImage(name, array_frames(np.asarray(source), attributes, per_frame))
    if per_frame:
        raise TypeError("per_frame describes the frames of an array; those of a file describe themselves")
    known = check_attributes(attributes, of_pixels=False)
    if isinstance(source, io.BytesIO):
        source = source.getvalue()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return HeldImage(
            name, HeldBytes(name, source if isinstance(source, bytes) else memoryview(source).cast("B")), known
        )
    return HeldImage(name, HeldFileObject(name, _checked_file(source)), known)


def _checked_file(source: Any) -> ReadableFile:
    if isinstance(source, (str, PathLike)):
        raise TypeError(f"{source!r} is a path: load dicomfile:{source}, or add(open(path, 'rb'))")
    if isinstance(source, io.TextIOBase):
        raise TypeError("the file is open for text; open it with 'rb'")
    if not (hasattr(source, "read") and hasattr(source, "seek")):
        raise TypeError(f"{type(source).__name__} is no array, no bytes and no file object")
    if hasattr(source, "seekable") and not source.seekable():
        raise TypeError("the file cannot be read from any place (a pipe or a socket); add what it gives: file.read()")
    readable: ReadableFile = source
    return readable
