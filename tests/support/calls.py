"""Functions for worker processes to call, which find them by this module's name."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from cornerstream.images.errors import DecodeError


class StubbornError(Exception):
    """Pickles, and cannot be made again from what was pickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def doubled(array: np.ndarray[Any, Any], *, plus: int = 0) -> np.ndarray[Any, Any]:
    return array * 2 + plus


def process_id() -> int:
    return os.getpid()


def refuse() -> NoReturn:
    raise DecodeError("refused") from ValueError("its cause")


def be_stubborn() -> NoReturn:
    raise StubbornError(1, 2)


def leave_a_generator() -> object:
    return (number for number in range(3))


def die(how: int) -> None:
    os.kill(os.getpid(), how)


def leave() -> None:
    os._exit(3)


def read_nowhere() -> None:
    ctypes.string_at(0)


def tell_and_wait(fifo: str) -> None:
    """Write a byte, then wait for a signal that does not come."""
    Path(fifo).write_bytes(b"x")
    signal.pause()


def hold_the_lock() -> None:
    """Native code that keeps the interpreter lock; no handler written in Python could end it."""
    ctypes.PyDLL(None).usleep(1 << 31)
    ctypes.PyDLL(None).sleep(1 << 20)


def take(nbytes: int) -> int:
    return len(np.ones(nbytes, np.uint8))


def spend(seconds: float) -> float:
    """Be busy for so many seconds of this process's time."""
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        math.factorial(200)
    return seconds
