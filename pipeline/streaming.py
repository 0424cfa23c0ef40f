"""The streams of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from reactivex.scheduler.eventloop import AsyncIOScheduler

from cornerstream.image_stream import ImageStream, StreamOptions, raising, skipping, yielding
from cornerstream.interchange import Interchange
from cornerstream.ranks import Lane
from cornerstream.stream_faces import Loop
from cornerstream.stream_progress import ProgressBoard
from cornerstream.stream_window import Bounds
from cornerstream.study import Study, series_of_study
from cornerstream.study_stream import places_for, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import DTypeLike, NDArray
    from reactivex.abc import SchedulerBase

    from cornerstream.engine import Engine
    from cornerstream.images.image import Image
    from cornerstream.series import Listing, Series
    from cornerstream.stream_order import Order
    from cornerstream.stream_window import ImageFailure
    from cornerstream.study_stream import Streamable

AHEAD_BYTES = 64 << 20

_CHOICES: Mapping[str, Callable[[Image | ImageFailure], Any]] = {
    "raise": raising,
    "yield": yielding,
    "skip": skipping,
}


class Streaming(Interchange):
    """What a session streams."""

    @overload
    def stream(
        self,
        series: Streamable | Study,
        *,
        order: Order = "position",
        interleaved: bool = False,
        ahead: int = 8,
        ahead_bytes: int = AHEAD_BYTES,
        errors: Literal["raise", "skip"] = "raise",
        keep: bool = True,
        lane: Lane = Lane.PREFETCH,
        out: NDArray[np.generic] | None = None,
        dtype: DTypeLike | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> ImageStream[Image]: ...
    @overload
    def stream(
        self,
        series: Streamable | Study,
        *,
        order: Order = "position",
        interleaved: bool = False,
        ahead: int = 8,
        ahead_bytes: int = AHEAD_BYTES,
        errors: Literal["yield"],
        keep: bool = True,
        lane: Lane = Lane.PREFETCH,
        out: NDArray[np.generic] | None = None,
        dtype: DTypeLike | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> ImageStream[Image | ImageFailure]: ...
    def stream(  # noqa: PLR0913 - all by keyword, all optional
        self,
        series: Streamable | Study,
        *,
        order: Order = "position",
        interleaved: bool = False,
        ahead: int = 8,
        ahead_bytes: int = AHEAD_BYTES,
        errors: Literal["raise", "yield", "skip"] = "raise",
        keep: bool = True,
        lane: Lane = Lane.PREFETCH,
        out: NDArray[np.generic] | None = None,
        dtype: DTypeLike | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> ImageStream[Any]:
        """The images of a series, or of several, at the pace of whoever reads them.

        Args:
            series: A series, image ids, several series, a listing of them (`session.study(…)`, `session.folder(…)`), which
                is awaited when the stream begins, or one of `session.studies(…)`. Each image names its series
                (`series_instance_uid`); `stream.placed` gives the series itself and the index there.
            order: `position` is the series' own; `middle_out` begins in the middle; `arrival` hands images over as they
                come, for throughput; else indexes of the series, or a function that gives them for a series.
            interleaved: One image of each series in turn; else series after series.
            ahead: Most loads under way or waiting to be read, from 1.
            ahead_bytes: Most bytes of decoded images among them, counted by what the series says of its images, else by the
                largest that has come; one load may always be ahead.
            errors: `raise` ends the stream with the first failure; `yield` hands an `ImageFailure` over in the image's
                place; `skip` leaves it out, and counts it in `progress`.
            keep: Images go into the cache as well.
            lane: The lane they run in.
            out: A volume: `out[i]` receives the pixels of index i of the one series; see `load`.
            dtype: Another dtype for the pixels; see `load`.
            scheduler: Its clock measures the progress; the loop's by default.

        Raises:
            ValueError: A bound is below 1, there is no such order or way with errors, or `out` does not fit.
            IndexError: The series has no such index.
        """
        if errors not in _CHOICES:
            raise ValueError(f"errors is raise, yield or skip, not {errors!r}")
        engine = self._engine
        streamable = _listed(engine, series).of(self) if isinstance(series, Study) else series
        options = StreamOptions(
            Bounds(ahead, ahead_bytes, in_order=order != "arrival"),
            lane,
            keep,
            places_for(streamable, out, dtype),
            engine.resources.announce,
        )
        return ImageStream(
            Loop(engine.host, engine.tasks),
            source_of(streamable, order, interleaved=interleaved),
            engine.loads,
            options,
            _CHOICES[errors],
            ProgressBoard(engine.host, scheduler or AsyncIOScheduler(engine.host.loop)),
        )


def _listed(engine: Engine, study: Study) -> Listing[Series]:
    base_url, _, _ = study.url.rpartition("/studies/")
    return series_of_study(engine, base_url, study.study_instance_uid)
