"""Animations: the frames of APNG and WebP laid one over the other (W3C PNG 11.3.6.2, RFC 9649 section 2.7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

KEEP, CLEAR, RESTORE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class AnimationFrame:
    """One frame of an animation.

    Attributes:
        rows: Height of what it changes.
        columns: Width of what it changes.
        top: Rows above it.
        left: Columns beside it.
        over: It is blended with what is there, otherwise it replaces it.
        disposal: What becomes of its place before the next one: KEEP, CLEAR to transparent, or RESTORE what was there.
        data: Where it is encoded.
    """

    rows: int
    columns: int
    top: int = 0
    left: int = 0
    over: bool = False
    disposal: int = KEEP
    data: slice = field(default_factory=lambda: slice(0, 0))

    @property
    def place(self) -> tuple[slice, slice]:
        """Its place on the canvas."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)


def composed_frame(
    frames: Sequence[AnimationFrame],
    index: int,
    canvas: NDArray[Any],
    decode: Callable[[AnimationFrame], NDArray[Any]],
    opaque: int = 255,
) -> NDArray[Any]:
    """The canvas as it is shown with one of the frames.

    Args:
        frames: All frames.
        index: Of the one.
        canvas: Rows × columns × samples, the last of which is alpha; transparent, and written to.
        decode: The samples of a frame, of the same depth.
        opaque: The largest value of alpha.
    """
    rows, columns = canvas.shape[:2]
    for frame in frames[_first_needed(frames, index, rows, columns) : index]:
        if frame.disposal != RESTORE:
            _lay(canvas[frame.place], decode(frame), opaque, over=frame.over)
        if frame.disposal == CLEAR:
            canvas[frame.place] = 0
    last = frames[index]
    _lay(canvas[last.place], decode(last), opaque, over=last.over)
    return canvas


def _first_needed(frames: Sequence[AnimationFrame], index: int, rows: int, columns: int) -> int:
    """The frame that nothing before it shows through; the first one at the latest."""
    for first in range(index, 0, -1):
        frame = frames[first]
        covers = (frame.rows, frame.columns) == (rows, columns)
        if covers and not frame.over and (first == index or frame.disposal != RESTORE):
            return first
    return 0


def _lay(place: NDArray[Any], frame: NDArray[Any], opaque: int, *, over: bool) -> None:
    """Put a frame into its place, by straight alpha."""
    if not over:
        place[...] = frame
        return
    above, below = frame[..., -1:] / opaque, place[..., -1:] / opaque
    total = above + below * (1.0 - above)
    colours = frame[..., :-1] * above + place[..., :-1] * below * (1.0 - above)
    place[..., :-1] = np.rint(np.divide(colours, total, out=np.zeros_like(colours), where=total > 0))
    place[..., -1:] = np.rint(total * opaque)
