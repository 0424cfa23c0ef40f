"""The files on servers whose frames are wanted: complete ones are kept, others under way. On the loop only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactivex.disposable import Disposable

from cornerstream.file_run import no_such_frame
from cornerstream.shared_file import SharedFile
from cornerstream.waiting import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from reactivex import Observable
    from reactivex.abc import DisposableBase

    from cornerstream.budget import HeldBytes
    from cornerstream.cache import ByteCache
    from cornerstream.events import Recorder
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.limits import Limits
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.ranks import RankCell
    from cornerstream.waiting import Waiter
    from cornerstream.wanted import Upcoming


class SharedFiles:
    """What the files of a session share.

    Attributes:
        kept: Complete files, maps of files, and frames that came before they were wanted.
        held: Counts the bytes of frames that downloads hold.
        limits: `list_bytes` holds for one request.
        context: Makes the context of a download of its rank, and of where to report bytes.
        upcoming: What streams are going to want.
        recorder: Hears of bytes handed over, and of downloads that are given up.
        files: What is under way, by key.
        without_ranges: Origins whose files are read whole.
    """

    def __init__(
        self,
        kept: ByteCache[Any],
        held: HeldBytes,
        limits: Limits,
        context: Callable[[RankCell, Callable[[Progress], None]], LoadContext],
        upcoming: Sequence[Upcoming],
        put: Callable[[Hashable, object, int], None],
        recorder: Recorder | None = None,
    ) -> None:
        self.kept = kept
        self.held = held
        self.limits = limits
        self.context = context
        self.upcoming = upcoming
        self.put = put
        self.recorder = recorder
        self.files: dict[Hashable, SharedFile] = {}
        self.without_ranges: set[Hashable] = set()

    def __len__(self) -> int:
        return len(self.files)

    def join(
        self, key: Hashable, frames: Callable[[LoadContext], Observable[EncodedFrame]], waiter: Waiter[EncodedFrame]
    ) -> DisposableBase:
        """Answer with a frame that is here, or let it be waited for; what is returned lets it go."""
        kept = self.kept.get(key)
        if kept is not None:
            _from_kept(waiter, kept.value)
            return Disposable()
        file = self.files.get(key)
        if file is None:
            file = self.files[key] = SharedFile(self, key, frames)
        joined = file
        joined.join(waiter)
        return Place(joined, waiter)

    def announced_no_more(self) -> None:
        """A stream has ended: downloads that went on for it alone end."""
        for file in tuple(self.files.values()):
            file.look_again()

    def clear(self) -> None:
        """Cancel everything."""
        files, self.files = self.files, {}
        for file in files.values():
            file.clear()


def _from_kept(waiter: Waiter[EncodedFrame], frames: Mapping[int, EncodedFrame]) -> None:
    encoded = frames.get(waiter.number)
    if encoded is None:
        waiter.observer.on_error(no_such_frame(len(frames)))
    else:
        waiter.succeed(encoded)
