"""What holds for all files on servers whose frames are wanted, and what a session learns about their servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import ImageIdError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from cornerstream.budget import HeldBytes
    from cornerstream.cache import ByteCache
    from cornerstream.events import Recorder
    from cornerstream.images.limits import Limits
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.ranks import RankCell
    from cornerstream.wanted import Upcoming


@dataclass(slots=True, eq=False)
class FileRules:
    """What the files of a session share. Touched on the loop only.

    Attributes:
        kept: Complete files, maps of files, and frames that came before they were wanted.
        held: Counts the bytes of frames that downloads hold.
        limits: `list_bytes` holds for one request.
        context: Makes the context of a download of its rank, and of where to report bytes.
        upcoming: What streams are going to want.
        put: Keeps a value under a key, with its bytes.
        recorder: Hears of bytes handed over, and of downloads that are given up.
        without_ranges: Origins whose files are read whole.
    """

    kept: ByteCache[Any]
    held: HeldBytes
    limits: Limits
    context: Callable[[RankCell, Callable[[Progress], None]], LoadContext]
    upcoming: Sequence[Upcoming]
    put: Callable[[Hashable, object, int], None]
    recorder: Recorder | None = None
    without_ranges: set[Hashable] = field(default_factory=set)


def no_such_frame(count: int) -> ImageIdError:
    """The error for a frame that a file of so many frames does not have."""
    frames = "1 frame" if count == 1 else f"{count} frames"
    return ImageIdError(f"there is no such frame; the file has {frames}, counted from 1")
