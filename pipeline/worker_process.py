"""What a worker process does: it runs one function after the other for its parent, under a clock and a memory limit.

Both are the operating system's, so that they also hold for native code that keeps the interpreter lock: the alarm ends a
process that takes too long, and allocations beyond the limit fail. The process ends when its parent is gone.
"""

from __future__ import annotations

import pickle
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import DecodeError, LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Packed = tuple[bytes, Sequence[bytes | memoryview]]

_COUNT_BYTES = 4


def main(descriptor: int, seconds: float, nbytes: int) -> None:
    """Serve calls from a socket until it is closed.

    Args:
        descriptor: Of the socket, open in this process.
        seconds: Time for one call.
        nbytes: Memory that calls may take beyond what the process has at its start.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes the socket
    bound_memory(nbytes)
    with Connection(descriptor) as connection:
        while (message := _next(connection)) is not None:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            answer = _packed_answer(message, nbytes)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(connection, answer)


def pack(message: object) -> Packed:
    """Pickle a message; arrays stay where they lie in memory.

    Raises:
        Exception: It cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    return pickle.dumps(message, protocol=5, buffer_callback=buffers.append), [buffer.raw() for buffer in buffers]


def send(connection: Connection, packed: Packed) -> None:
    """Send what is packed."""
    data, buffers = packed
    connection.send_bytes(len(buffers).to_bytes(_COUNT_BYTES, "big") + data)
    for buffer in buffers:
        connection.send_bytes(buffer)


def receive(connection: Connection) -> Any:
    """What `send` sent; its arrays are read-only.

    Raises:
        EOFError: The other end is closed.
    """
    return _unpickled(_received(connection))


def bound_memory(nbytes: int) -> None:
    """Let this process take `nbytes` beyond what it has now; only Linux can hold it to that."""
    import resource  # noqa: PLC0415 - no module of every platform

    import numpy as np  # noqa: PLC0415 - its own memory is no part of what a call takes

    status = Path("/proc/self/status")
    if not status.exists():
        return
    del np
    used = next(int(line.split()[1]) << 10 for line in status.read_text("ascii").splitlines() if "VmData" in line)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + nbytes, most))


def _received(connection: Connection) -> Packed:
    head = connection.recv_bytes()
    count = int.from_bytes(head[:_COUNT_BYTES], "big")
    return head[_COUNT_BYTES:], [connection.recv_bytes() for _ in range(count)]


def _unpickled(message: Packed) -> Any:
    data, buffers = message
    return pickle.loads(data, buffers=buffers)  # noqa: S301 - from the parent, or from its own child


def _next(connection: Connection) -> Packed | None:
    try:
        return _received(connection)
    except (EOFError, ConnectionError):
        return None


def _packed_answer(message: Packed, nbytes: int) -> Packed:
    try:
        return pack(_answer(message))
    except MemoryError as error:
        return _packed_error(LimitError(f"it needs more than {nbytes} bytes of memory (limits.decode_bytes)"), error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's to see
        return _packed_error(error, error)


def _answer(message: Packed) -> tuple[bool, object]:
    function, args, kwargs = _unpickled(message)
    return True, function(*args, **kwargs)


def _packed_error(error: BaseException, cause: BaseException) -> Packed:
    """The error with its traceback as a note: causes and tracebacks do not survive pickling."""
    import traceback  # noqa: PLC0415 - only who fails pays for importing it

    error.add_note("in a worker process:\n" + "".join(traceback.format_exception(cause)))
    try:
        packed = pack((False, error))
        _unpickled(packed)
    except Exception:  # noqa: BLE001 - any class may refuse to be pickled, in any way
        return pack((False, DecodeError(f"{type(error).__name__}: {error}")))
    return packed
