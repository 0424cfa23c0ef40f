"""Connections of aiohttp that can be cut: closed at once, whatever the other end does.

aiohttp closes a connection over TLS by asyncio's shutdown, which waits for the server's own farewell, up to 30 seconds; a
server that is busy sending sends on meanwhile.
"""

from __future__ import annotations

from asyncio import Transport
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ssl import SSLContext

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from cornerstream.images.limits import Limits
    from cornerstream.operators.name_lookup import NameLookup

_taken: ContextVar[list[Transport] | None] = ContextVar("taken_connections", default=None)


class Connector(aiohttp.TCPConnector):
    """Tells who asked for a connection which one it is, before anything is sent on it."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> Connection:
        """Get one from the pool, or make one."""
        connection = await super().connect(req, traces, timeout)
        taken = _taken.get()
        if taken is not None and connection.transport is not None:
            taken.append(connection.transport)
        return connection

    async def _wrap_create_connection(self, *args: Any, **kwargs: Any) -> tuple[Transport, ResponseHandler]:
        """Make a connection; left in the very turn in which TLS is ready, it is cut as any other."""
        made: list[ResponseHandler] = []

        def protocol() -> ResponseHandler:
            made.append(args[0]())
            return made[-1]

        try:
            return await super()._wrap_create_connection(protocol, *args[1:], **kwargs)
        except BaseException:
            for one in made:  # asyncio has begun to say goodbye, and would wait for an answer
                if isinstance(one.transport, Transport):
                    one.transport.abort()
            raise


@contextmanager
def cut_on_failure() -> Iterator[None]:
    """Cut the connections that are asked for in the context, if it is left by an error or a cancellation."""
    taken: list[Transport] = []
    token = _taken.set(taken)
    try:
        yield
    except BaseException:
        for transport in taken:
            transport.abort()
        raise
    finally:
        _taken.reset(token)


def cut(response: aiohttp.ClientResponse) -> None:
    """Cut a response's connection; one that went back to the pool at the end of its body stays there."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def new_session(limits: Limits, ssl: SSLContext | None, names: NameLookup) -> aiohttp.ClientSession:
    """A session of aiohttp with the limits of ours, without cookies and without a bound of requests.

    Args:
        limits: See `AiohttpTransport`.
        ssl: A context for https; the system's authorities are trusted without one.
        names: Looks host names up.
    """
    return aiohttp.ClientSession(
        connector=Connector(limit=0, ssl=True if ssl is None else ssl, resolver=names.resolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=None,
            connect=limits.connect_seconds,
            sock_connect=limits.connect_seconds,
            sock_read=limits.read_seconds,
        ),
        auto_decompress=False,
        requote_redirect_url=False,
        max_line_size=limits.response_header_bytes,
        max_field_size=limits.response_header_bytes,
        max_headers=limits.response_headers,
    )
