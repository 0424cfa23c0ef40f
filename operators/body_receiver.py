"""The rest of a long body, received straight into memory that its reader lays out: nothing in between copies it.

aiohttp hands a body over in chunks, each of them new memory, and copied twice before anybody reads it. That is well for
frames; for the answer that brings a whole series it costs more than the way from the socket. So the connection of such an
answer is taken over once its header is here. It never goes back to aiohttp's pool: it is closed behind the body.
"""

from __future__ import annotations

from asyncio import BufferedProtocol, get_running_loop
from sys import maxsize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle, Transport

    from aiohttp import ClientResponse
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

_SPARE_BYTES = 1 << 16  # for what comes while nobody reads, before the socket is told to wait


def take_over(response: ClientResponse, promised: int | None) -> BodyReceiver:
    """Receive the body of a response from here on, in place of aiohttp.

    Args:
        response: Its header has come, nothing of its body has been read, and the body has no coding.
        promised: Bytes of the body; `None` where it ends with its connection.

    Raises:
        aiohttp.ClientError: The connection has broken.
    """
    early = bytearray()
    while piece := response.content.read_nowait():  # this lets aiohttp's parser go on, if it had been told to pause
        early += piece
    return BodyReceiver(response.connection, early, promised)


class BodyReceiver(BufferedProtocol):
    """The protocol of a connection that receives the rest of one body.

    Args:
        connection: aiohttp's; `None` when it has received the whole body already, and let go of it.
        early: What of the body aiohttp had received already.
        promised: Bytes of the whole body; `None` where it ends with the connection.
    """

    def __init__(self, connection: Connection | None, early: bytearray, promised: int | None) -> None:
        self._transport: Transport | None = None
        self._former: ResponseHandler | None = None
        self._missing = (maxsize if promised is None else promised) - len(early)  # on the network
        self._held = memoryview(early)
        self._spare = memoryview(bytearray(_SPARE_BYTES))
        self._room: memoryview | None = None
        self._arrived: Future[int] | None = None
        self._over = True
        self._failure: BaseException | None = None
        self._watch: TimerHandle | None = None
        self._until = 0.0
        self._paused = False
        if connection is not None and connection.transport is not None and connection.protocol is not None:
            self._take(connection.transport, connection.protocol)

    def _take(self, transport: Transport, former: ResponseHandler) -> None:
        self._transport, self._former, self._over = transport, former, False
        former.read_timeout = None  # its clock would go on, and nobody would set it back
        former.start_timeout()
        self._rest()
        transport.set_protocol(self)

    async def read_into(self, room: memoryview, patience: float) -> int:
        """Receive the next bytes; 0 at the end, whether or not all have come.

        Args:
            room: Where to; not empty.
            patience: Seconds to wait.

        Raises:
            TimeoutError: Nothing came.
            OSError: The connection broke.
        """
        if self._held:
            return self._give(room)
        if not self._missing or self._over:
            if self._failure is not None:
                raise self._failure
            return 0
        loop = get_running_loop()
        self._arrived, self._room = loop.create_future(), room[: self._missing]
        self._until = loop.time() + patience
        if self._watch is None:
            self._watch = loop.call_at(self._until, self._look, loop)
        self._go_on()
        try:
            return await self._arrived
        finally:
            self._arrived = self._room = None  # whoever leaves gets nothing written into its memory any more

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's protocol
        """Where the loop writes to."""
        return self._spare if self._room is None else self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes are there."""
        if self._room is None:
            self._rest()
            self._held = self._spare[: min(nbytes, self._missing)]
            self._missing -= len(self._held)
            return
        self._missing -= nbytes
        self._room = None
        self._answer(nbytes)

    def eof_received(self) -> bool:
        """The server sends nothing more: the transport closes."""
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed; aiohttp, which holds it too, is told."""
        self._end(exc)
        if self._watch is not None:
            self._watch.cancel()
        if self._former is not None:
            self._former.connection_lost(exc)

    def _rest(self) -> None:
        """Nothing more is received for now: the server is slowed down."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _give(self, room: memoryview) -> int:
        count = min(len(room), len(self._held))
        room[:count] = self._held[:count]
        self._held = self._held[count:]
        return count

    def _answer(self, count: int) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(count)

    def _end(self, error: BaseException | None) -> None:
        self._over = True
        self._failure = self._failure or error
        if error is None:
            self._answer(0)
        elif self._arrived is not None and not self._arrived.done():
            self._arrived.set_exception(error)

    def _look(self, loop: AbstractEventLoop) -> None:
        """One clock for all reads: each sets its time, and this looks whether it is over."""
        self._watch = None
        if self._arrived is None or self._arrived.done():
            return
        if loop.time() < self._until:
            self._watch = loop.call_at(self._until, self._look, loop)
        else:
            self._arrived.set_exception(TimeoutError())
