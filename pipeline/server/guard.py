"""Keeps web pages from reading a server on loopback through a name of their own (DNS rebinding)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@web.middleware
async def refuse_foreign_names(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse requests that came in over loopback and name another host (an aiohttp middleware).

    A page from elsewhere whose name suddenly resolves to 127.0.0.1 would be of the server's own origin for a browser;
    the Host field still has its name.

    Raises:
        web.HTTPForbidden: The Host field names neither localhost nor a loopback address.
    """
    transport = request.transport
    address = transport.get_extra_info("sockname") if transport is not None else None
    if address and is_loopback(str(address[0])) and not is_loopback(request.url.host or ""):
        raise web.HTTPForbidden(text="this server listens on loopback: ask for localhost or 127.0.0.1")
    return await handler(request)


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine alone."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
