"""Whole series in one answer, where that is sooner: WADO-RS retrieves a series as its files (PS3.18 section 10.4.1.1.2).

What somebody looks at, what the answer leaves out and whatever is wrong with it goes by requests of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reactivex import Observer

from cornerstream.images.instance_address import instance_address
from cornerstream.images.stage import follow
from cornerstream.series_frames import SeriesFrames
from cornerstream.series_ride import Ride
from cornerstream.series_waiter import SeriesWaiter
from cornerstream.waiting import Place
from cornerstream.wanted import urgent

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import DisposableBase, ObserverBase

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject, Progress
    from cornerstream.ranks import RankCell
    from cornerstream.series_ride import Decode
    from cornerstream.series_rules import SeriesKey, SeriesRules
    from cornerstream.series_run import Retrieve
    from cornerstream.wanted import Upcoming


class SeriesRetrievals:
    """The series of which a session wants images at the moment. Touched on the loop only.

    Args:
        rules: What holds for all of them.
    """

    def __init__(self, rules: SeriesRules) -> None:
        self._rules = rules
        self._series: dict[SeriesKey, SeriesFrames] = {}

    def __len__(self) -> int:
        return len(self._series)

    def announce(self, upcoming: Upcoming) -> None:
        """Somebody is going to want images, until `ended` is called."""
        self._rules.upcoming.append(upcoming)

    def ended(self, upcoming: Upcoming) -> None:
        """Let go of what came, or is coming, for that alone."""
        if upcoming in self._rules.upcoming:
            self._rules.upcoming.remove(upcoming)
            for series in tuple(self._series.values()):
                series.drop_unannounced()

    def join(
        self,
        image_id: ImageId,
        observer: ObserverBase[EncodedFrame],
        rank: RankCell,
        on_progress: Callable[[Progress], None],
        retrieve: Retrieve,
        otherwise: Observable[EncodedFrame],
    ) -> DisposableBase:
        """Wait for an image, however it comes; what is returned lets it go."""
        address = instance_address(image_id) if self._rules.upcoming else None
        if address is None or image_id.number > 1:
            return follow(otherwise, observer)
        key, uid = (image_id.scheme, address.series), address.sop_instance_uid
        series = self._series.get(key)
        if series is None:
            if urgent(rank.value):  # its own request is the sooner one, and nothing of the series is here
                return follow(otherwise, self._measuring(address.series, observer))
            if not any(uid in ahead.images for _, ahead in self._rules.announced(key)):
                return follow(otherwise, observer)
            series = self._series[key] = SeriesFrames(self._rules, key, lambda: self._series.pop(key, None))
        waiter = SeriesWaiter(observer, rank, on_progress, uid, otherwise)
        series.join(waiter, retrieve)
        return Place(series, waiter)

    def ride(
        self,
        image_id: ImageId,
        rank: RankCell,
        on_progress: Callable[[Progress], None],
        decode: Decode,
        loader: Callable[[], ImageLoadObject],
    ) -> Ride | None:
        """Come with the series, if that is on its way and brings the image; see `Ride`."""
        address = instance_address(image_id) if self._series and image_id.number == 1 else None
        if address is None:
            return None
        series, uid = self._series.get((image_id.scheme, address.series)), address.sop_instance_uid
        if series is None or not series.brings(uid, rank.value):
            return None
        return Ride(image_id, uid, rank, on_progress, series, decode, loader)

    def _measuring(self, url: str, observer: ObserverBase[EncodedFrame]) -> Observer[EncodedFrame]:
        """What came alone says, with all it waited for, what the link carries at least."""
        begun, origin = self._rules.clock(), urlsplit(url)[:2]

        def on_next(frame: EncodedFrame) -> None:
            self._rules.measured(origin, frame.nbytes, self._rules.clock() - begun)
            observer.on_next(frame)

        return Observer(on_next, observer.on_error, observer.on_completed)

    def clear(self) -> None:
        """Cancel every retrieval."""
        self._rules.upcoming.clear()
        for series in tuple(self._series.values()):
            series.clear()
        self._series.clear()
