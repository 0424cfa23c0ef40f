"""Which requests are open, and how the others ended."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Outcome = Literal["finished", "client gone", "cut", "failed"]


@dataclass(frozen=True, slots=True)
class Served:
    """A request that ended.

    Attributes:
        url: Path and query as they came.
        bytes_sent: Bytes of the body that were handed to the socket.
        outcome: Sent whole; left by the client; cut by a fault of ours; failed with an error of ours.
    """

    url: str
    bytes_sent: int
    outcome: Outcome


@dataclass(slots=True, eq=False)
class OpenRequest:
    """A request that is being answered; `outcome` is what it will have been."""

    url: str
    bytes_sent: int = 0
    outcome: Outcome = "failed"


class Ledger:
    """The requests of one server; used on its loop only.

    Args:
        keep: How many ended requests are remembered.
    """

    def __init__(self, keep: int = 0) -> None:
        self.open: set[OpenRequest] = set()
        self.served: deque[Served] = deque(maxlen=keep)
        self._waiting: set[asyncio.Future[None]] = set()

    def begin(self, url: str) -> OpenRequest:
        """Note that a request came."""
        request = OpenRequest(url)
        self.open.add(request)
        self.changed()
        return request

    def end(self, request: OpenRequest) -> None:
        """Note that a request ended."""
        self.open.discard(request)
        self.served.append(Served(request.url, request.bytes_sent, request.outcome))
        self.changed()

    def sent(self, request: OpenRequest, nbytes: int) -> None:
        """Count bytes of an open request's body."""
        request.bytes_sent += nbytes
        self.changed()

    def changed(self) -> None:
        """Let whoever waits look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_until(self, condition: Callable[[Ledger], bool]) -> None:
        """Wait until the ledger satisfies a condition; looked at whenever a request comes, sends or ends."""
        while not condition(self):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    async def wait_until_idle(self) -> None:
        """Wait until no request is open."""
        await self.wait_until(lambda ledger: not ledger.open)


_CLIENT_GONE = 499  # nobody receives it; the number is the usual one in server logs
LEDGER: web.AppKey[Ledger] = web.AppKey("ledger", Ledger)
_current: ContextVar[OpenRequest] = ContextVar("current_request")


def current_request() -> OpenRequest:
    """The ledger's entry of the request that this task is answering."""
    return _current.get()


@web.middleware
async def record(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Write every request into the application's ledger (an aiohttp middleware)."""
    ledger = request.app[LEDGER]
    entry = ledger.begin(request.path_qs)
    _current.set(entry)
    try:
        response = await handler(request)
    except web.HTTPException:
        entry.outcome = "finished"
        raise
    except asyncio.CancelledError:
        if entry.outcome != "cut":
            entry.outcome = "client gone"
        raise
    except ConnectionError:  # the client went while an answer was being written; aiohttp would log it as an error
        if entry.outcome != "cut":
            entry.outcome = "client gone"
        return web.Response(status=_CLIENT_GONE)
    else:
        if entry.outcome != "cut":
            entry.outcome = "finished"
        return response
    finally:
        ledger.end(entry)
