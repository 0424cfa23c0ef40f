"""Memory that is about to be written from end to end: its pages come in one go, in two thirds of the time.

A page that is touched first is an interrupt of the processor, and an image has hundreds of them. Linux gives many at once
where it is asked for (`MADV_POPULATE_WRITE`, since 5.14); elsewhere memory comes as it always does.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_POPULATE_WRITE = 23  # which Python's mmap has no name for
_LEAST, _MOST = 1 << 16, 1 << 20  # bytes; what is longer may be promised only, and never come


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """The system's call of that name, where its kernel knows what is meant."""
    if sys.platform != "linux":
        return None
    call = ctypes.CDLL(None).madvise
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        held = ctypes.c_char.from_buffer(page)
        refused = call(ctypes.addressof(held), mmap.PAGESIZE, _POPULATE_WRITE)
        del held  # a page that something points to cannot be closed
    return None if refused else call


def _populate(address: int, nbytes: int) -> None:
    """Have the whole pages of some memory; the other threads of Python go on meanwhile.

    It may be refused, as when memory is short: then pages come one by one, as ever.
    """
    madvise = _madvise()
    start, stop = -(-address // mmap.PAGESIZE), (address + nbytes) // mmap.PAGESIZE
    if madvise is not None and start < stop:
        madvise(start * mmap.PAGESIZE, (stop - start) * mmap.PAGESIZE, _POPULATE_WRITE)


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
