"""A series as a dask array: one chunk an image, loaded when it is computed, in threads."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cornerstream.fill_array import put
from cornerstream.images.image import Image
from cornerstream.loop_host import running_loop
from cornerstream.operators.codecs.description import frame_shape, stored_dtype
from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dask.array import Array as DaskArray
    from numpy.typing import NDArray

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.load import Load
    from cornerstream.loop_host import LoopHost
    from cornerstream.series import Series

    LoadImage: TypeAlias = Callable[[ImageId, Rank], Load]


@dataclass(frozen=True, slots=True)
class Chunks:
    """What all chunks of one array have in common.

    Attributes:
        load: Makes a load of the session.
        host: Its loop.
        name: Of the array; no two arrays share one.
        shape: Of an image.
        dtype: Of the array.
        modality: Values after the modality LUT.
    """

    load: LoadImage
    host: LoopHost
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    modality: bool


class Chunk:
    """One image of a series, as a dask task sees it.

    Args:
        chunks: What it has in common with the others.
        image_id: The image.
        index: Its index in the series.
    """

    __slots__ = ("_chunks", "_image_id", "_index", "_waiting")

    def __init__(self, chunks: Chunks, image_id: ImageId, index: int) -> None:
        self._chunks = chunks
        self._image_id = image_id
        self._index = index
        self._waiting: set[Load] = set()  # changed by single operations only, which the interpreter does not interrupt

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(
            "what is to be loaded belongs to a session of this process and cannot be computed in another one; "
            'use scheduler="threads", or load the array there'
        )

    def __dask_tokenize__(self) -> tuple[str, int]:
        return self._chunks.name, self._index

    def load(self) -> NDArray[np.generic]:
        """Load the image and wait for it: 1 × rows × columns, or 1 × rows × columns × 3.

        Raises:
            ImageLoadError: It could not be had, or does not fit the array.
            concurrent.futures.CancelledError: The computation, or the session, has ended.
            RuntimeError: The session's loop runs in this thread, or the session is closed.
        """
        chunks = self._chunks
        watch_computations()
        load = chunks.load(self._image_id, Rank(Lane.PREFETCH, self._index))
        self._waiting.add(load)
        try:
            image = load.result()
        finally:
            self._waiting.discard(load)
        if not chunks.modality and (image.pixels.shape, image.pixels.dtype) == (chunks.shape, chunks.dtype):
            return image.pixels[np.newaxis]
        out = np.empty((1, *chunks.shape), chunks.dtype)
        put(image, out[0], modality=chunks.modality)
        return out

    def drop(self, count: int) -> None:
        """So many who waited for it want it no longer; its loads end unless others wait as well."""
        waiting = tuple(self._waiting)
        if len(waiting) <= count:
            for load in waiting:
                load.cancel()

    def need_another_thread(self) -> None:
        """Refuse to be waited for on the loop that has to load it.

        Raises:
            RuntimeError: That loop runs in this thread.
        """
        if self._chunks.host.is_current():
            raise RuntimeError(
                "compute() would block the event loop that the loads need; use `await asyncio.to_thread(array.compute)`, "
                "or `await session.array(series)`"
            )


def dask_array(
    load: LoadImage, host: LoopHost, series: Series, first: FrameMetadata, *, modality: bool = False
) -> DaskArray:
    """The dask array of a series.

    Args:
        load: Makes a load of the session.
        host: Its loop.
        series: The images.
        first: The first image, or what its header says.
        modality: Values after the modality LUT, as float32.
    """
    graphs = import_module("dask.highlevelgraph")  # an extra, so imported here
    watch_computations()
    name = f"cornerstream-{uuid.uuid4().hex}"  # the same id may name other pixels in another session
    shape, stored = shape_and_dtype(first)
    chunks = Chunks(load, host, name, shape, np.dtype(np.float32) if modality else stored, modality)
    zeros = (0,) * len(shape)
    graph = {
        (name, index, *zeros): (Chunk.load, Chunk(chunks, image_id, index)) for index, image_id in enumerate(series)
    }
    sizes = ((1,) * len(series), *((size,) for size in shape))
    layers = graphs.HighLevelGraph.from_collections(name, graph, dependencies=[])
    array: DaskArray = import_module("dask.array").Array(layers, name, sizes, chunks.dtype)
    return array


def shape_and_dtype(first: FrameMetadata) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and dtype of the pixels of an image: as they are, or as its header promises them."""
    if isinstance(first, Image):
        return first.pixels.shape, first.pixels.dtype
    if first.photometric_interpretation == "PALETTE COLOR":
        return (first.rows, first.columns, 3), np.dtype(np.uint8)
    return frame_shape(first), stored_dtype(first)


def watch_computations() -> None:
    """Hear of computations that end early.

    Dask tells only those who are registered with it, and forgets them when two computations end in turn: hence again and
    again, which costs nothing.
    """
    import_module("dask.callbacks").Callback(start=_on_start, finish=_on_finish).register()


def _on_start(graph: Mapping[object, object]) -> None:
    if running_loop() is not None:
        for chunk in _chunks_in(graph):
            chunk.need_another_thread()


def _on_finish(graph: Mapping[object, object], state: Mapping[str, Any], failed: bool) -> None:  # noqa: FBT001 - dask's protocol
    """Whatever ended a computation early (an exception, Ctrl-C), what it still waited for is wanted no longer."""
    if failed:
        running = [graph[key] for key in tuple(state.get("running", ()))]
        for chunk, count in Counter(_chunks_in(running)).items():
            chunk.drop(count)


def _chunks_in(node: object) -> Iterator[Chunk]:
    """The chunks that a graph, or a task of it, loads; dask puts tasks inside of tasks where it fuses them."""
    if isinstance(node, Chunk):
        yield node
    elif isinstance(node, dict):
        for inner in node.values():
            yield from _chunks_in(inner)
    elif isinstance(node, tuple | list | set):
        for inner in node:
            yield from _chunks_in(inner)
    elif type(node).__module__.startswith("dask."):
        yield from _chunks_in([getattr(node, name, None) for name in ("args", "kwargs", "value")])
