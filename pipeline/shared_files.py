"""The files on servers whose frames are wanted: complete ones are kept, others under way. On the loop only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex.disposable import Disposable

from cornerstream.file_rules import no_such_frame
from cornerstream.shared_file import SharedFile
from cornerstream.waiting import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from reactivex import Observable
    from reactivex.abc import DisposableBase

    from cornerstream.file_rules import FileRules
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.loaders.context import LoadContext
    from cornerstream.waiting import Waiter


class SharedFiles:
    """The files that are under way.

    Args:
        rules: What holds for all of them.
    """

    def __init__(self, rules: FileRules) -> None:
        self._rules = rules
        self._files: dict[Hashable, SharedFile] = {}

    def __len__(self) -> int:
        return len(self._files)

    def join(
        self, key: Hashable, frames: Callable[[LoadContext], Observable[EncodedFrame]], waiter: Waiter[EncodedFrame]
    ) -> DisposableBase:
        """Answer with a frame that is here, or let it be waited for; what is returned lets it go."""
        kept = self._rules.kept.get(key)
        if kept is not None:
            _from_kept(waiter, kept.value)
            return Disposable()
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = SharedFile(self._rules, key, frames, self._forget)
        joined = file
        joined.join(waiter)
        return Place(joined, waiter)

    def announced_no_more(self) -> None:
        """A stream has ended: downloads that went on for it alone end."""
        for file in tuple(self._files.values()):
            file.look_again()

    def clear(self) -> None:
        """Cancel everything."""
        files, self._files = self._files, {}
        for file in files.values():
            file.clear()

    def _forget(self, file: SharedFile) -> None:
        if self._files.get(file.key) is file:
            del self._files[file.key]


def _from_kept(waiter: Waiter[EncodedFrame], frames: Mapping[int, EncodedFrame]) -> None:
    encoded = frames.get(waiter.number)
    if encoded is None:
        waiter.observer.on_error(no_such_frame(len(frames)))
    else:
        waiter.succeed(encoded)
