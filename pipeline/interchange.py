"""Whole series as arrays: what a session hands to other libraries."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from reactivex.scheduler.eventloop import AsyncIOScheduler

from cornerstream.fill_array import ArrayRun, ArrayWish, reorder
from cornerstream.images.volume import Volume
from cornerstream.operators.volume_geometry import volume_geometry
from cornerstream.ranks import Lane, Rank
from cornerstream.series import series_of
from cornerstream.session_life import SessionLife
from cornerstream.stream_faces import Loop
from cornerstream.stream_progress import ProgressBoard
from cornerstream.to_dask import dask_array
from cornerstream.to_xarray import data_array
from cornerstream.volume_load import VolumeLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from dask.array import Array as DaskArray
    from numpy.typing import DTypeLike, NDArray
    from xarray import DataArray

    from cornerstream.engine import Engine
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.load import Load
    from cornerstream.series import Series

T = TypeVar("T")


class Interchange(SessionLife):
    """What a session makes of whole series."""

    def array(
        self,
        series: Series | Sequence[ImageId | str],
        *,
        modality: bool = False,
        dtype: DTypeLike | None = None,
        out: NDArray[np.generic] | None = None,
        lane: Lane = Lane.PREFETCH,
    ) -> VolumeLoad[NDArray[np.generic]]:
        """The pixels of a series as one array, in its order; nothing starts before it is awaited or asked for.

        The array is allocated when the first image is here, and the others are decoded straight into it: beside it there
        are only the few images under way. They do not go into the cache.

        Args:
            series: A series, or image ids.
            modality: Values after each image's own modality LUT, such as HU, as float32; else stored values. Colour stays
                as it is.
            dtype: Another dtype, which must hold every value; a narrower float rounds.
            out: An array to fill: images × rows × columns, or images × rows × columns × 3. After a failure or a cancel its
                contents are undefined, and a worker may write into it until it has ended.
            lane: The lane of the loads.

        Returns:
            A load whose `result()`, or `await`, gives the array: of the stored dtype unless told otherwise. It raises the
            error of the first image that fails, `DecodeError` for one that does not fit the first image, and `LimitError`
            for more than `limits.volume_bytes`.

        Raises:
            ImageIdError: An image id does not parse.
            ValueError: `out` is read-only, or not of `dtype`.
        """
        return self._volume_load(partial(self._array, series_of(series), _wish(modality, dtype, out, lane)))

    def volume(
        self,
        series: Series | Sequence[ImageId | str],
        *,
        modality: bool = False,
        dtype: DTypeLike | None = None,
        out: NDArray[np.generic] | None = None,
        allow_missing: bool = False,
        lane: Lane = Lane.PREFETCH,
    ) -> VolumeLoad[Volume]:
        """The pixels of a series as one array, and where they lie in the patient: slices along their normal.

        As `array`; the order of the slices is that of space, whatever the order of the series. A series that is known to be
        no volume is refused before anything is loaded.

        Args:
            series: A series, or image ids.
            modality: As in `array`.
            dtype: As in `array`.
            out: As in `array`.
            allow_missing: Missing slices are no reason to refuse it; its spacing is uneven then.
            lane: As in `array`.

        Returns:
            A load whose `result()`, or `await`, gives the volume: its `array`, and its `affine` in LPS, where the slices are
            evenly spaced. It raises what `array` does, and `GeometryError` for a series that is no volume.

        Raises:
            ImageIdError: An image id does not parse.
            ValueError: `out` is read-only, or not of `dtype`.
        """
        wish = _wish(modality, dtype, out, lane)
        return self._volume_load(partial(self._volume, series_of(series), wish, allow_missing=allow_missing))

    def dask(self, series: Series | Sequence[ImageId | str], *, modality: bool = False) -> DaskArray:
        """The pixels of a series as a dask array, one chunk an image, in the order of the series.

        Nothing is loaded before it is computed, and then only the images that are needed; they go into the cache. Whatever
        ends a computation early (a chunk that fails, Ctrl-C) ends the loads it waits for as well. It is computed in threads of this
        process; on the session's own loop by `await asyncio.to_thread(array.compute)`.

        Args:
            series: A series. Mere image ids do not tell shape and dtype, so that their first image is loaded, and waited for.
            modality: Values after each image's own modality LUT, such as HU, as float32; else stored values.

        Raises:
            ImportError: Dask is not installed: `pip install 'cornerstream[dask]'`.
            RuntimeError: It would have to wait for the first image on the loop that loads it.
        """
        wanted = series_of(series)
        return self._dask(wanted, self._first(wanted), modality=modality)

    def xarray(
        self, series: Series | Sequence[ImageId | str], *, modality: bool = False, lazy: bool = True
    ) -> DataArray:
        """The pixels of a series with names: slice, row, column, and sample where they are RGB.

        Coordinates are millimetres from the first pixel, where the series is a volume; `image_id` names each slice. The
        attributes are DICOM keywords in snake case, with the `affine` in LPS where the slices are evenly spaced.

        Args:
            series: As in `dask`.
            modality: As in `dask`.
            lazy: On a dask array, as `dask` gives it; else on an array that is loaded now, and waited for.

        Raises:
            ImportError: Xarray, or dask, is not installed: `pip install 'cornerstream[xarray]'`.
            ImageLoadError: An image could not be had, unless it is lazy.
            RuntimeError: It would have to wait on the loop that loads.
        """
        _need("xarray", "xarray")
        wanted = series_of(series)
        first = self._first(wanted)
        if lazy:
            pixels = self._dask(wanted, first, modality=modality)
            return data_array(pixels, wanted, first, wanted.places, modality=modality)
        return self._volume_load(partial(self._data_array, wanted, first, ArrayWish(modality))).result()

    async def _array(
        self, series: Series, wish: ArrayWish, engine: Engine, board: ProgressBoard
    ) -> NDArray[np.generic]:
        return await self._run(engine, series, wish, board).run()

    async def _volume(
        self, series: Series, wish: ArrayWish, engine: Engine, board: ProgressBoard, *, allow_missing: bool
    ) -> Volume:
        if series.places:
            volume_geometry(series.image_ids, series.places, allow_missing=allow_missing)
        run = self._run(engine, series, wish, board)
        return _located(series, await run.run(), run, allow_missing=allow_missing)

    async def _data_array(
        self, series: Series, first: FrameMetadata, wish: ArrayWish, engine: Engine, board: ProgressBoard
    ) -> DataArray:
        run = self._run(engine, series, wish, board)
        return data_array(await run.run(), series, first, run.places_in_order, modality=wish.modality)

    def _dask(self, series: Series, first: FrameMetadata, *, modality: bool) -> DaskArray:
        _need("dask.array", "dask")
        return dask_array(self._load_now, self._engine.host, series, first, modality=modality)

    def _load_now(self, image_id: ImageId, rank: Rank) -> Load:
        """A load of the session as it is now, which may be closed."""
        return self._load_on(self._engine, image_id, rank, reads=True)

    def _first(self, series: Series) -> FrameMetadata:
        """What is known of the first image."""
        if not len(series):
            raise ValueError("a series without images is no array")
        return series.metadata or self._load_now(series[0], Rank()).result()

    def _run(self, engine: Engine, series: Series, wish: ArrayWish, board: ProgressBoard) -> ArrayRun:
        return ArrayRun(engine, partial(self._load_on, engine), series, wish, board)

    def _volume_load(self, make: Callable[[Engine, ProgressBoard], Coroutine[Any, Any, T]]) -> VolumeLoad[T]:
        engine = self._engine
        board = ProgressBoard(engine.host, AsyncIOScheduler(engine.host.loop))

        async def run() -> T:
            if engine.loads.closed:
                raise RuntimeError("the session is closed")
            return await make(engine, board)

        return VolumeLoad(Loop(engine.host, engine.tasks), run, board)


def _wish(modality: bool, dtype: DTypeLike | None, out: NDArray[np.generic] | None, lane: Lane) -> ArrayWish:  # noqa: FBT001 - as it came
    if out is not None and not out.flags.writeable:
        raise ValueError("`out` is read-only")
    if out is not None and dtype is not None and out.dtype != np.dtype(dtype):
        raise ValueError(f"`out` is of {out.dtype}, not of {np.dtype(dtype)}")
    return ArrayWish(modality, None if dtype is None else np.dtype(dtype), out, lane)


def _need(module: str, extra: str) -> None:
    try:
        import_module(module)
    except ImportError as error:
        raise ImportError(f"{module} is not installed: pip install 'cornerstream[{extra}]'") from error


def _located(series: Series, array: NDArray[np.generic], run: ArrayRun, *, allow_missing: bool) -> Volume:
    """The volume, by what the images that came say of themselves."""
    geometry = volume_geometry(series.image_ids, run.places_in_order, allow_missing=allow_missing)
    if geometry.image_ids != series.image_ids:
        index_of = {image_id: index for index, image_id in enumerate(series.image_ids)}
        reorder(array, [index_of[image_id] for image_id in geometry.image_ids])
    return Volume(array, geometry)
