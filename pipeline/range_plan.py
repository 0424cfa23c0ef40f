"""Which frames of a file on a server are worth a request of their own: pure functions of where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cornerstream.operators.file_map import FileMap

SMALL_FILE = 1 << 20  # has come by the time the answer to another request would begin
NEAR_BYTES = 1 << 19  # what comes about as soon as the answer to another request would


def reads_whole(file_map: FileMap, numbers: Iterable[int], announced: Iterable[int] = (), come: int = 0) -> bool:
    """The whole file is read, not some of its frames.

    Args:
        file_map: Where they lie.
        numbers: Frames that somebody waits for.
        announced: Frames that streams are going to want.
        come: The file's first bytes, which are here.
    """
    wanted = set(numbers)
    if file_map.number_of_frames == 1 or file_map.version.total < SMALL_FILE or not wanted:
        return True
    if file_map.start(min(wanted)) - come > NEAR_BYTES:
        return False
    most_of_it = 2 * len(wanted.union(announced)) >= file_map.number_of_frames
    return most_of_it or not far_ones(file_map, wanted, come)


def far_ones(file_map: FileMap, numbers: Iterable[int], come: int) -> list[int]:
    """Of the frames that somebody waits for, those that a download from the beginning does not bring soon.

    Args:
        file_map: Where they lie.
        numbers: The frames.
        come: Bytes that have come.
    """
    ordered = sorted(set(numbers))
    for place, number in enumerate(ordered):
        if file_map.start(number) - come > NEAR_BYTES:
            return ordered[place:]
        come = max(come, file_map.start(number + 1))
    return []


def spans(file_map: FileMap, numbers: Iterable[int], most_bytes: int) -> list[range]:
    """Requests for frames: those that are near each other travel in one.

    Args:
        file_map: Where they lie.
        numbers: The frames.
        most_bytes: Of one request; one frame is always allowed.
    """
    found: list[range] = []
    for number in sorted(set(numbers)):
        if found and _belongs(file_map, found[-1], number, most_bytes):
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


def with_announced(file_map: FileMap, numbers: Sequence[int], announced: Iterable[int], most_bytes: int) -> list[int]:
    """The frames that are wanted, and of those that streams are going to want next as many as there is room for."""
    chosen = dict.fromkeys(numbers)
    for number in announced:
        most_bytes -= 0 if number in chosen else file_map.start(number + 1) - file_map.start(number)
        if most_bytes < 0:
            break
        chosen[number] = None
    return list(chosen)


def _belongs(file_map: FileMap, span: range, number: int, most_bytes: int) -> bool:
    gap = file_map.start(number) - file_map.start(span.stop)
    return gap <= NEAR_BYTES and file_map.start(number + 1) - file_map.start(span.start) <= most_bytes
