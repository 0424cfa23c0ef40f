"""Somebody who uses a session and stops at a chosen moment; and the moments, each of them held until it is let go."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
from pydicom import dcmread
from pydicom.encaps import get_frame

from cornerstream.disk import DiskCache, Stored
from cornerstream.ranks import Rank, RankCell
from cornerstream.traces import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cornerstream.engine import Engine
    from cornerstream.phantom import PhantomStudy
    from cornerstream.session import Session
    from tests.support.study import Served

_PART_HEADER = 300  # bytes, about, in front of a part


async def turn_until(condition: Callable[[], object]) -> None:
    """Let the loop go round until a condition holds; the test's time limit bounds it."""
    while not condition():  # noqa: ASYNC110 - the figures of a session have no event to wait for
        await asyncio.sleep(0)


class HeldThreads(Executor):
    """Runs work in threads, and while it is held none of it begins.

    Attributes:
        begun: Calls that a thread has taken up.
    """

    def __init__(self, count: int = 1) -> None:
        self._pool = ThreadPoolExecutor(count)
        self._go = threading.Event()
        self._go.set()
        self.begun = 0

    def hold(self) -> None:
        """Let what begins from now on wait."""
        self._go.clear()

    def release(self) -> None:
        """Let it go on."""
        self._go.set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def work() -> Any:
            self.begun += 1
            assert self._go.wait(30)
            return fn(*args, **kwargs)

        return self._pool.submit(work)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


class HeldDisk(DiskCache):
    """Reads wait while `go` is cleared.

    Attributes:
        reading: A read has begun.
        written: Keys of pixels.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go, self.reading = threading.Event(), threading.Event()
        self.go.set()
        self.written: list[str] = []

    def get(self, key: str) -> Stored | None:
        self.reading.set()
        assert self.go.wait(30)
        return super().get(key)

    def put(self, key: str, stored: Stored) -> None:
        super().put(key, stored)
        if not key.endswith("application/dicom+json"):
            self.written.append(key)


class User:
    """Hears images and errors of whatever was started, and notes what comes when it wants no more.

    Attributes:
        ids: What is started.
        ways: How it can be stopped.
        images: How many came.
        errors: What else came.
        late: What came after `over`.
        over: Nothing may come from here on.
        leaves: An iteration is left at its next image.
        tasks: What it runs itself.
        on_first: Called from inside the first on_next.
    """

    def __init__(self, session: Session, at: Served, ids: Sequence[str]) -> None:
        self.session = session
        self.at = at
        self.ids = ids
        self.ways: dict[str, Callable[[], object]] = {}
        self.images = 0
        self.errors: list[Exception] = []
        self.late: list[object] = []
        self.over = False
        self.leaves = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.on_first: Callable[[], object] | None = None

    @property
    def engine(self) -> Engine:
        made = self.session._made
        assert made is not None
        return made

    def hear(self, value: object) -> None:
        """An on_next."""
        if self.over:
            self.late.append(value)
        self.images += 1
        first, self.on_first = self.on_first, None
        if first is not None:
            first()

    def fail(self, error: Exception) -> None:
        """An on_error."""
        (self.late if self.over else self.errors).append(error)

    def runs(self, *work: Awaitable[object]) -> None:
        """Run something in tasks, which can be cancelled."""
        self.tasks += [asyncio.ensure_future(one) for one in work]
        self.ways["task"] = lambda: [task.cancel() for task in self.tasks]

    def stop(self, way: str) -> None:
        """Stop in one of the ways; those that act at once are over when they return."""
        if way == "closed":
            self.tasks.append(asyncio.ensure_future(self.session.aclose()))
        elif way == "thread":
            thread = threading.Thread(target=next(iter(self.ways.values())))
            thread.start()
            thread.join()
            self.over = True
        else:
            self.ways[way]()
            self.over = way not in {"task", "leave"}

    async def stopped(self) -> list[object]:
        """Wait until its own tasks have ended; how they did."""
        ends = await asyncio.gather(*self.tasks, return_exceptions=True)
        self.over = True
        return list(ends)

    def stages(self) -> set[Stage]:
        """Where the loads in flight are."""
        return {load.rank.trace.stage for load in tuple(self.engine.loads._loads.values())}


@dataclass(frozen=True, slots=True)
class Moment:
    """When somebody stops.

    Attributes:
        stage: Where a load is then.
        figure: Which of the session's figures is more than 0 then.
        fault: What the server does; `PARTWAY` stands for the middle of the second frame.
        url: Where it does that.
        options: Of the session.
        warm: Metadata, and files of several frames, are there before.
        held: Workers are held.
        occupied: The only request, or the only worker, is somebody else's.
        images: How many have come by then; −1 for all.
    """

    stage: Stage | None = None
    figure: str = ""
    fault: str = ""
    url: str = "/frames/|requestType=WADO"
    options: Mapping[str, Any] = field(default_factory=dict)
    warm: bool = False
    held: bool = False
    occupied: str = ""
    images: int = 0


MOMENTS = {
    "before": Moment(),
    "slot": Moment(Stage.NETWORK_QUEUE, options={"max_requests": 1}, occupied="request"),
    "connecting": Moment(Stage.CONNECTING),
    "header": Moment(Stage.CONNECTING, fault="hold"),
    "body": Moment(Stage.BODY, fault="hold-body:300", warm=True),
    "between": Moment(Stage.BODY, fault="hold-body:PARTWAY", images=1),
    "worker": Moment(Stage.WORKER_QUEUE, warm=True, occupied="worker"),
    "decoding": Moment(Stage.DECODING, warm=True, held=True),
    "reading": Moment(Stage.DECODING, held=True),
    "listing-slot": Moment(figure="queued_requests", options={"max_requests": 1}, occupied="request"),
    "listing-header": Moment(figure="open_requests", fault="hold", url="/series"),
    "listing-body": Moment(figure="bytes_received", fault="hold-body:10", url="/series"),
    "listing-worker": Moment(figure="queued_work", occupied="worker"),
    "listing-work": Moment(figure="busy_workers", held=True),
    "handing": Moment(images=1),
    "after": Moment(images=-1),
}


def partway(study: PhantomStudy, *, in_file: bool) -> int:
    """Bytes of an answer with the cine's frames, as parts or in their file, that end in the middle of the second one."""
    path = study.series[-1].files[0]
    data = dcmread(path).PixelData
    first, second = (len(get_frame(data, index, number_of_frames=2)) for index in (0, 1))
    return (path.stat().st_size - len(data) if in_file else 0) + first + second // 2 + _PART_HEADER


@contextmanager
def unanswered() -> Iterator[int]:
    """A port whose queue of connections is full: the next client waits for the answer to its SYN."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def connecting(port: int) -> set[Any]:
    """Our ends of connections of this process to a port that nobody has answered."""
    found = psutil.Process().net_connections("tcp")
    return {one.laddr for one in found if one.status == psutil.CONN_SYN_SENT and one.raddr[1:] == (port,)}


@asynccontextmanager
async def occupied(user: User, what: str) -> AsyncIterator[None]:
    """Let somebody else have the only request, or the only worker."""
    if what == "request":
        other = user.at.wadors(user.at.study.series[0], 0)
        user.at.faults[user.at.study.series[0].series_instance_uid] = "hold"
        load = user.session.load(other)
        load.observable.subscribe(lambda _: None)
        await user.at.ledger.wait_until(lambda ledger: bool(ledger.open))
        try:
            yield
        finally:
            load.cancel()
    elif what == "worker":
        go = threading.Event()
        blocker = asyncio.ensure_future(user.session.workers.run(go.wait, 30, rank=RankCell(Rank())))
        await turn_until(lambda: user.session.workers.busy)
        try:
            yield
        finally:
            go.set()
            await blocker
    else:
        yield
