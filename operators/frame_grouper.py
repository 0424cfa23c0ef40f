"""Which fragments make up which frame: decided while they come, never before it is proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from cornerstream.images.errors import SplitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cornerstream.operators.codestream_markers import Codestream


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment of a frame.

    Attributes:
        start: Offset of its first byte.
        length: Bytes, padding included.
        offset: Of its item, counted from the first fragment's item, as offset tables count.
        head: Its first bytes.
        tail: Its last bytes.
        data: All its bytes; empty where only its place is wanted.
    """

    start: int
    length: int
    offset: int
    head: bytes = field(repr=False)
    tail: bytes = field(repr=False)
    data: bytes = field(default=b"", repr=False)


Frame = tuple[Fragment, ...]
Boundary: TypeAlias = "Callable[[Fragment, Fragment], bool]"


class FrameGrouper:
    """Groups fragments to frames.

    With an offset table that agrees with the fragments, a frame is given out where the table ends it, if its own end
    marker or the beginning of the next one confirms that; without one, where the markers alone prove its end. The last
    frame, and whatever is in doubt, waits for the sequence delimiter. A table that lets a frame begin like no
    codestream is not believed.

    Args:
        number_of_frames: As the header says.
        codestream: How codestreams of this transfer syntax begin and end.
        offsets: Offset table, counted from the first fragment's item; empty where there is none.
        lengths: Bytes of each frame, from an Extended Offset Table.
    """

    def __init__(
        self, number_of_frames: int, codestream: Codestream, offsets: Sequence[int] = (), lengths: Sequence[int] = ()
    ) -> None:
        self._number_of_frames = self._remaining = number_of_frames
        self._codestream = codestream
        # Reversed, so that the end of the frame in hand is the last entry; `None` without a table to believe.
        self._ends = list(offsets)[:0:-1] if plausible(offsets, number_of_frames) else None
        self._lengths = list(lengths)[::-1] if len(lengths) == number_of_frames else []
        self._settled: list[Frame] = []  # ended by the table, doubted by the markers: held until the table is proven
        self._pending: list[Fragment] = []

    @property
    def believes(self) -> bool:
        """The offset table has not been contradicted."""
        return self._ends is not None

    def begin(self, offset: int, head: bytes) -> list[Frame]:
        """A fragment begins; gives out the frame before it, if that proves its end."""
        if self._ends is None:
            return self._end_before(head)
        frames: list[Frame] = []
        if self._ends and offset == self._ends[-1] and self._pending:  # empty fragments lie between
            frames = self._settle()
        elif self._ends and offset >= self._ends[-1]:
            return self._distrust()
        if self._pending or self._ends is None:
            return frames
        return [*frames, *self._confirm(head)]

    def end(self, fragment: Fragment) -> list[Frame]:
        """A fragment is complete; gives out the frames that are now."""
        if self._ends is None:
            return self._add(fragment)
        self._pending.append(fragment)
        end = fragment.offset + 8 + fragment.length
        if self._ends and end == self._ends[-1]:
            return self._settle()
        if self._ends and end > self._ends[-1]:
            return self._distrust()
        return []

    def finish(self) -> list[Frame]:
        """The sequence delimiter: gives out the remaining frames.

        Raises:
            SplitError: Fragments and Number of Frames do not agree, or cannot be proven to.
        """
        frames: list[Frame] = []
        if self._ends or (self._ends is not None and not self._fits_length()):
            frames = self._distrust()
        frames += self._settled
        grouped = group_fragments(self._pending, self._remaining, self._codestream)
        if self._number_of_frames > 1 or len(grouped[0]) > 1:  # a fragment alone can be nothing else
            self._check_beginnings([*self._settled, *grouped])
        return [*frames, *grouped]

    def _settle(self) -> list[Frame]:
        """The offset table says that the pending frame ends here."""
        assert self._ends is not None
        if not self._fits_length() or self._holds_two():
            return self._distrust()
        self._ends.pop()
        del self._lengths[-1:]
        self._settled.append(tuple(self._pending))
        self._pending = []
        self._remaining -= 1
        frames: list[Frame] = []
        while self._settled and self._ends_well(self._settled[0]):
            frames.append(self._settled.pop(0))
        return frames

    def _confirm(self, head: bytes) -> list[Frame]:
        """A fragment begins where the table says that a frame does."""
        if self._codestream.refutes(head):
            return self._distrust()
        if self._codestream.ends is not None:
            return []
        frames, self._settled = self._settled, []
        return frames

    def _distrust(self) -> list[Frame]:
        """The offset table contradicts the fragments: what it settled and was not given out is open again."""
        fragments = [*(fragment for frame in self._settled for fragment in frame), *self._pending]
        self._remaining += len(self._settled)
        self._ends, self._lengths, self._settled, self._pending = None, [], [], []
        return [frame for fragment in fragments for frame in self._add(fragment)]

    def _add(self, fragment: Fragment) -> list[Frame]:
        """Add a fragment without a table."""
        frames = self._end_before(fragment.head)
        self._pending.append(fragment)
        ends = self._codestream.ends
        ended = self._starts_well() and ends is not None and ends(fragment.tail)
        if self._remaining > 1 and (ended or self._codestream.one_fragment):
            frames.append(self._give_out())
        return frames

    def _end_before(self, head: bytes) -> list[Frame]:
        starts = self._codestream.starts
        if self._remaining > 1 and starts is not None and self._starts_well() and starts(head):
            return [self._give_out()]
        return []

    def _starts_well(self) -> bool:
        starts = self._codestream.starts
        return starts is not None and bool(self._pending) and starts(self._pending[0].head)

    def _give_out(self) -> Frame:
        frame, self._pending = tuple(self._pending), []
        self._remaining -= 1
        return frame

    def _fits_length(self) -> bool:
        """PS3.3 C.7.6.3.1.8: an extended length leaves out the byte that pads to an even number."""
        if not self._lengths:
            return True
        return sum(fragment.length for fragment in self._pending) - self._lengths[-1] in {0, 1}

    def _holds_two(self) -> bool:
        """One codestream ends and another begins inside of the pending frame."""
        starts, ends = self._codestream.starts, self._codestream.ends
        if starts is None:
            return self._codestream.one_fragment and len(self._pending) > 1
        return any((ends is None or ends(a.tail)) and starts(b.head) for a, b in pairwise(self._pending))

    def _ends_well(self, frame: Frame) -> bool:
        """A frame of the offset table needs no further proof: it has its end marker, or none could be had."""
        ends = self._codestream.ends
        return not self._codestream.refutable if ends is None else ends(frame[-1].tail)

    def _check_beginnings(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if self._codestream.refutes(frame[0].head):
                raise SplitError(
                    f"a frame begins at offset {frame[0].start} like no codestream of its transfer syntax: offset "
                    "table, Number of Frames and fragments do not agree"
                )


def group_fragments(fragments: Sequence[Fragment], number_of_frames: int, codestream: Codestream) -> list[Frame]:
    """Group fragments that are all there, by the first rule that gives the right number of frames.

    Raises:
        SplitError: No rule does.
    """
    for rule in _rules(codestream, number_of_frames):
        groups = _cut(fragments, rule)
        if len(groups) == number_of_frames:
            return groups
    raise SplitError(
        f"{len(fragments)} fragments cannot be proven to be {number_of_frames} frames: Number of Frames, offset table "
        "and codestreams do not agree"
    )


def _rules(codestream: Codestream, number_of_frames: int) -> tuple[Boundary, ...]:
    """Where a frame may end, between which two fragments: the most telling rule first."""
    starts, ends = codestream.starts, codestream.ends

    def started(_: Fragment, after: Fragment) -> bool:
        return starts is not None and starts(after.head)

    def ended(before: Fragment, _: Fragment) -> bool:
        return ends is not None and ends(before.tail)

    def signed(_: Fragment, after: Fragment) -> bool:
        return codestream.refutable and not codestream.refutes(after.head)

    def either(before: Fragment, after: Fragment) -> bool:
        return (starts is None and ends is None) or started(before, after) or ended(before, after)

    if codestream.one_fragment:
        return (either,)
    if number_of_frames == 1:  # anything in which no second codestream begins is one frame
        return (signed,)
    return either, started, ended


def _cut(fragments: Sequence[Fragment], boundary: Boundary) -> list[Frame]:
    groups: list[list[Fragment]] = [[fragment] for fragment in fragments[:1]]
    for before, after in pairwise(fragments):
        if boundary(before, after):
            groups.append([after])
        else:
            groups[-1].append(after)
    return [tuple(group) for group in groups]


def plausible(offsets: Sequence[int], number_of_frames: int) -> bool:
    """One offset a frame, the first is 0, and they rise."""
    return len(offsets) == number_of_frames and offsets[0] == 0 and all(one < other for one, other in pairwise(offsets))
