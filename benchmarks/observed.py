"""The embedded server behind a slow link, in a process of its own, with a window through which its ledger is seen."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.server import LEDGER, create_app, running_app
from cornerstream.server.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from cornerstream.server.ledger import OpenRequest

LATENCY_SECONDS = 0.05
BYTES_PER_SECOND = 20e6
LINK = f"{BYTES_PER_SECOND / 1e6:.0f} MB/s, {LATENCY_SECONDS * 1000:.0f} ms before every answer"
_STOP_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class Seen:
    """One request as the server saw it; moments are `perf_counter`'s, which processes of one machine share.

    Attributes:
        url: Path and query.
        began: When it came.
        ended: When its answer, or its client, was gone; `None` while it is open.
        bytes_sent: Bytes of the body that went over the link.
        outcome: See `cornerstream.server.ledger.Served`.
    """

    url: str
    began: float
    ended: float | None = None
    bytes_sent: int = 0
    outcome: str = ""


class ObservedServer:
    """A server's address, and its ledger.

    Attributes:
        dicomweb: Root of its DICOMweb service.
    """

    def __init__(self, dicomweb: str, pipe: Connection) -> None:
        self.dicomweb = dicomweb
        self._pipe = pipe

    def requests(self) -> list[Seen]:
        """Every request since `forget`, in the order they came."""
        self._pipe.send("requests")
        found: list[Seen] = self._pipe.recv()
        return found

    def pixels(self) -> list[Seen]:
        """The requests for pixels among them: frames, and whole instances or series."""
        return [one for one in self.requests() if is_pixels(one.url)]

    def forget(self) -> None:
        """Forget the requests that have ended."""
        self._pipe.send("forget")
        self._pipe.recv()

    def bytes_sent(self) -> int:
        """Bytes of all bodies for pixels so far."""
        return sum(one.bytes_sent for one in self.pixels())


def is_pixels(url: str) -> bool:
    """A request of frames, of an instance or of a series, rather than of metadata or a search."""
    path = url.partition("?")[0]
    tail = path.rpartition("/studies/")[2].split("/")
    return "frames" in tail or (len(tail) in (3, 5) and tail[-2] in ("series", "instances"))


@contextmanager
def observed_server(
    folder: Path | str,
    *,
    quick: bool = False,
    latency_seconds: float = LATENCY_SECONDS,
    bytes_per_second: float | None = BYTES_PER_SECOND,
) -> Iterator[ObservedServer]:
    """Serve a folder behind a link until the context ends.

    Args:
        folder: Its DICOM files are served.
        quick: In a thread, without a link: a process takes a second to start.
        latency_seconds: Wait before every answer.
        bytes_per_second: Bytes of all bodies together; `None` does not hold them back.

    Raises:
        EOFError: The server did not start; its own message says why.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    link = (0.0, None) if quick else (latency_seconds, bytes_per_second)
    runner: threading.Thread | multiprocessing.process.BaseProcess = (
        threading.Thread(target=_serve, args=(str(folder), *link, theirs), daemon=True)
        if quick
        else spawn.Process(target=_serve_alone, args=(str(folder), *link, theirs), daemon=True)
    )
    runner.start()
    if not quick:
        theirs.close()
    try:
        yield ObservedServer(ours.recv(), ours)
    finally:
        ours.close()  # the server sees the end of the pipe and stops
        runner.join(_STOP_SECONDS)


class _TimedLedger(Ledger):
    """A ledger that notes when each request came and went."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[OpenRequest, Seen] = {}

    def begin(self, url: str) -> OpenRequest:
        entry = super().begin(url)
        self.seen[entry] = Seen(url, perf_counter())
        return entry

    def end(self, request: OpenRequest) -> None:
        one = self.seen[request]
        one.ended, one.outcome = perf_counter(), request.outcome
        super().end(request)

    def snapshot(self) -> list[Seen]:
        for request, one in self.seen.items():
            one.bytes_sent = request.bytes_sent
        return list(self.seen.values())

    def forget(self) -> None:
        self.seen = {request: one for request, one in self.seen.items() if one.ended is None}


def _serve_alone(folder: str, latency_seconds: float, bytes_per_second: float | None, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started it, which then ends the pipe
    _serve(folder, latency_seconds, bytes_per_second, pipe)


def _serve(folder: str, latency_seconds: float, bytes_per_second: float | None, pipe: Connection) -> None:
    asyncio.run(_answer(folder, latency_seconds, bytes_per_second, pipe))
    pipe.close()


async def _answer(folder: str, latency_seconds: float, bytes_per_second: float | None, pipe: Connection) -> None:
    app = create_app(folder, latency_seconds=latency_seconds, bytes_per_second=bytes_per_second)
    ledger = _TimedLedger()
    app[LEDGER] = ledger
    closed = asyncio.Event()

    def asked() -> None:
        try:
            wanted = pipe.recv()
        except (EOFError, OSError):
            closed.set()
            return
        if wanted == "forget":
            ledger.forget()
        pipe.send(ledger.snapshot())

    loop = asyncio.get_running_loop()
    async with running_app(app) as address:
        loop.add_reader(pipe.fileno(), asked)
        pipe.send(address.dicomweb)
        await closed.wait()
        loop.remove_reader(pipe.fileno())
