"""The life of a session: opened at its first use, on one loop, and closed with nothing left behind."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from cornerstream.engine import Engine
from cornerstream.load import Load
from cornerstream.loop_host import LoopHost, running_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import TracebackType

    from reactivex.abc import DisposableBase

    from cornerstream.engine import Options
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.ranks import Rank


class SessionLife:
    """What a session is made of, from its first use to its end. Every method may be called from any thread.

    Args:
        options: How it is set up.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = Lock()  # for the first use, which may come from two threads
        self._host: LoopHost | None = None
        self._made: Engine | None = None
        self._closed = False
        self._loads: WeakSet[Load] = WeakSet()
        self._handles: WeakSet[DisposableBase] = WeakSet()

    def __repr__(self) -> str:
        return f"<Session {'closed' if self._closed else 'open'}, {len(self._loads)} loads>"

    async def __aenter__(self) -> Self:
        self._open(running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        self._open(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def aclose(self) -> None:
        """Cancel every load and leave nothing behind; whoever waits for a result gets CancelledError."""
        host = self._end()
        if host is not None:
            await host.run(self._shut_down())
            host.stop()

    def close(self) -> None:
        """As `aclose`, blocking.

        Raises:
            RuntimeError: This thread runs the session's loop; `await session.aclose()` there.
        """
        if self._host is not None and self._host.is_current():
            raise RuntimeError("close() would block the session's own loop; use `await session.aclose()`")
        host = self._end()
        if host is not None and self._made is not None:
            if host.has_ended:
                self._made.shut_down()  # all else went with its loop
            else:
                host.block(self._shut_down())
            host.stop()

    @property
    def _engine(self) -> Engine:
        if self._closed:
            raise RuntimeError("the session is closed")
        return self._made or self._open(running_loop())

    def _open(self, loop: AbstractEventLoop | None) -> Engine:
        with self._lock:
            if self._closed:
                raise RuntimeError("the session is closed; make another one")
            if self._made is None:
                self._host = LoopHost(loop)
                self._made = Engine(self._host, self._options)
            return self._made

    def _end(self) -> LoopHost | None:
        """Close the door; the host, if there is something to shut down."""
        with self._lock:
            host = None if self._closed else self._host
            self._closed = True
            return host

    async def _shut_down(self) -> None:
        for handle in tuple(self._handles):
            handle.dispose()
        for load in tuple(self._loads):
            load.cancel()
        if self._made is not None:
            await self._made.aclose()

    def _load_on(
        self,
        engine: Engine,
        image_id: ImageId,
        rank: Rank,
        /,
        *,
        keep: bool = True,
        target: PixelTarget | None = None,
        reads: bool = False,
    ) -> Load:
        load = Load(image_id, engine.host, engine.loads, rank, keep=keep, target=target, reads=reads)
        self._loads.add(load)
        return load
