"""The frames that a download of a file holds until they are wanted. On the loop only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerstream.file_rules import FileRules
    from cornerstream.images.frames import EncodedFrame


class HeldFrames:
    """Frames by their numbers, within what files may take of the budget; the session counts their bytes.

    Args:
        rules: What the files of the session share.

    Attributes:
        nbytes: Bytes of all of them.
    """

    def __init__(self, rules: FileRules) -> None:
        self._rules = rules
        self._frames: dict[int, EncodedFrame] = {}
        self.nbytes = 0

    def __contains__(self, frame_number: int) -> bool:
        return frame_number in self._frames

    def get(self, frame_number: int) -> EncodedFrame | None:
        """A frame, if it is here."""
        return self._frames.get(frame_number)

    def numbers(self) -> tuple[int, ...]:
        """Which are here, in the order in which they came."""
        return tuple(self._frames)

    def fits(self, nbytes: int) -> bool:
        """So many bytes more may be held, others leaving the budget for them."""
        kept = self._rules.kept
        return self.nbytes + nbytes <= kept.budget and kept.shared.make_room(nbytes)

    def add(self, encoded: EncodedFrame) -> None:
        """Hold a frame that is not held yet."""
        self._frames[encoded.metadata.frame_number] = encoded
        self._count(encoded.nbytes)

    def drop(self, frame_number: int) -> None:
        """Hold it no longer."""
        self._count(-self._frames.pop(frame_number).nbytes)

    def release(self) -> dict[int, EncodedFrame]:
        """Hold nothing any longer; what was held."""
        frames, self._frames = self._frames, {}
        self._count(-self.nbytes)
        return frames

    def _count(self, nbytes: int) -> None:
        self.nbytes += nbytes
        self._rules.held.nbytes += nbytes
