"""Searching long data for short patterns that are hardly ever there: numpy compares words, faster than `bytes.find`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT = 1 << 15  # bytes: each call of numpy costs what searching some thousands does
_WINDOW = 1 << 20  # bytes looked at together: what is found of them in the worst case takes a multiple


def find_tag(data: bytes | memoryview, tag: bytes) -> Iterator[int]:
    """Where four bytes stand, in order.

    Args:
        data: Is looked through.
        tag: Its first two bytes differ from its middle two.
    """
    if len(data) < _SHORT:
        yield from (match.start() for match in re.finditer(re.escape(tag), data))
        return
    for start in range(0, len(data), _WINDOW):
        yield from _tags_in(data, tag, start, min(len(data), start + _WINDOW + 3))


def _tags_in(data: bytes | memoryview, tag: bytes, start: int, stop: int) -> list[int]:
    """Those that begin in a window and end before `stop`; words begin at even bytes, tags at odd ones as well."""
    words = np.frombuffer(data, "<u2", (stop - start) // 2, start)
    even = 2 * np.flatnonzero(words[1:] == int.from_bytes(tag[2:], "little")) + start
    odd = 2 * np.flatnonzero(words == int.from_bytes(tag[1:3], "little")) + start - 1
    suspects = np.concatenate((even, odd))
    suspects.sort()
    return [at for at in suspects.tolist() if start <= at <= stop - 4 and data[at : at + 4] == tag]
