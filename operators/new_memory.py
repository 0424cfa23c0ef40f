"""Memory that is about to be written from end to end: its pages come in one go, in two thirds of the time.

A page that is touched first is an interrupt of the processor, and an image has hundreds of them. Linux gives many at once
where it is asked for (`MADV_POPULATE_WRITE`, since 5.14); elsewhere memory comes as it always does.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POPULATE_WRITE = 23  # which Python's mmap has no name for
_LEAST, _MOST = 1 << 16, 1 << 20  # bytes; what is longer may be promised only, and never come


class _Populate:
    """Asks the kernel, as long as it knows what is meant."""

    def __init__(self) -> None:
        self._known = sys.platform == "linux"
        if self._known:
            self._madvise = ctypes.CDLL(None).madvise
            self._madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def __call__(self, address: int, nbytes: int) -> None:
        """Have the whole pages of some memory; the other threads of Python go on meanwhile."""
        start, stop = -(-address // mmap.PAGESIZE), (address + nbytes) // mmap.PAGESIZE
        if self._known and start < stop:
            self._known = not self._madvise(start * mmap.PAGESIZE, (stop - start) * mmap.PAGESIZE, _POPULATE_WRITE)


_populate = _Populate()


def new_memory(nbytes: int) -> NDArray[np.uint8]:
    """Memory of that size, of whatever content.

    Args:
        nbytes: What is going to be written; from 64 KiB to 1 MiB its pages are there before.

    Raises:
        MemoryError: There is not that much.
    """
    memory = np.empty(nbytes, np.uint8)
    if _LEAST <= nbytes <= _MOST:
        _populate(memory.__array_interface__["data"][0], nbytes)
    return memory
