"""Faults on request, for tests: `?fault=KIND:ARGUMENTS`, or the header `X-Fault`; never unless switched on.

| fault | what happens |
| --- | --- |
| `drip:N:S` | N bytes at a time, S seconds apart |
| `cut:N` | closed after N bytes of the body, its Content-Length promised |
| `cut-chunked:N` | the same without a length: the last chunk never comes |
| `reset`, `reset:N` | connection reset before the header, or after N bytes of the body |
| `hold` | the header never comes |
| `hold-body:N` | nothing comes after N bytes of the body; a shorter one comes whole |
| `boundary` | Content-Type names another boundary than the body has |
| `no-content-type` | no Content-Type |
| `gzip` | gzipped whatever the client accepts |
| `503`, `503:K`, `503:K:S` | that status (any from 400), K times for this URL, then the answer; Retry-After S |
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from aiohttp import web

from cornerstream.server.reply import CutError, Reply, ResetError, once

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_KINDS = {
    "drip": 2,
    "cut": 1,
    "cut-chunked": 1,
    "hold": 0,
    "hold-body": 1,
    "reset": 1,
    "boundary": 0,
    "no-content-type": 0,
    "gzip": 0,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, parsed."""

    kind: str
    numbers: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `kind:number:number`.

        Raises:
            ValueError: There is no such fault, or its arguments are no numbers.
        """
        kind, *arguments = text.split(":")
        most = 2 if re.fullmatch("[45][0-9][0-9]", kind) else _KINDS.get(kind, -1)
        if len(arguments) > most:
            raise ValueError(f"no such fault: {text!r}")
        return cls(kind, tuple(float(argument) for argument in arguments))

    def number(self, position: int, default: float = 0.0) -> float:
        """An argument, or its default."""
        return self.numbers[position] if position < len(self.numbers) else default


class FaultBook:
    """The faults of one server.

    Attributes:
        rules: Fault by regular expression, searched for in path and query of requests that name no fault themselves.
    """

    def __init__(self) -> None:
        self.rules: dict[str, str] = {}
        self._statuses: Counter[str] = Counter()

    def of(self, request: web.Request) -> Fault | None:
        """The fault that a request asks for."""
        text = request.query.get("fault") or request.headers.get("X-Fault") or self._ruled(request.path_qs)
        try:
            return Fault.parse(text) if text else None
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error

    def _ruled(self, url: str) -> str:
        return next((fault for pattern, fault in self.rules.items() if re.search(pattern, url)), "")

    def is_among_first(self, url: str, times: float) -> bool:
        """Whether this request for a URL is among the first so many."""
        self._statuses[url] += 1
        return self._statuses[url] <= times


FAULTS: web.AppKey[FaultBook] = web.AppKey("faults", FaultBook)


async def instead(request: web.Request, fault: Fault) -> Reply | None:
    """What a fault answers before anything is looked up; `None` lets the request through.

    Raises:
        ResetError: The connection is to be reset before the header.
    """
    if fault.kind == "hold":
        await asyncio.Event().wait()  # never set: the client's going cancels the handler
    if fault.kind == "reset" and not fault.numbers:
        raise ResetError
    if fault.kind.isdigit() and request.app[FAULTS].is_among_first(request.path_qs, fault.number(0, inf)):
        body = f"fault {fault.kind}".encode()
        return Reply("text/plain", once(body), len(body), int(fault.kind), {"Retry-After": f"{fault.number(1):g}"})
    return None


async def change(reply: Reply, fault: Fault) -> Reply:
    """What a fault makes of an answer."""
    first = int(fault.number(0))
    match fault.kind:
        case "drip":
            return replace(reply, chunks=_drip(reply.chunks, max(1, first), fault.number(1)))
        case "cut":
            reply = await _with_length(reply)
            return replace(reply, chunks=_cut(reply.chunks, first, CutError))
        case "cut-chunked":
            return replace(reply, chunks=_cut(reply.chunks, first, CutError), content_length=None)
        case "reset":
            return replace(reply, chunks=_cut(reply.chunks, first, ResetError))
        case "hold-body":
            return replace(reply, chunks=_hold(reply.chunks, first))
    return _with_other_header(reply, fault)


def _with_other_header(reply: Reply, fault: Fault) -> Reply:
    match fault.kind:
        case "boundary":
            return replace(reply, content_type=re.sub("boundary=[^;]*", "boundary=another", reply.content_type))
        case "no-content-type":
            return replace(reply, content_type="")
        case "gzip":
            return replace(reply, compress=True)
    return reply


async def _with_length(reply: Reply) -> Reply:
    if reply.content_length is not None:
        return reply
    async with aclosing(reply.chunks) as chunks:
        body = b"".join([chunk async for chunk in chunks])
    return replace(reply, chunks=once(body), content_length=len(body))


async def _drip(chunks: AsyncGenerator[bytes, None], nbytes: int, seconds: float) -> AsyncGenerator[bytes, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            for start in range(0, len(chunk), nbytes):
                yield chunk[start : start + nbytes]
                await asyncio.sleep(seconds)


async def _first(chunks: AsyncGenerator[bytes, None], nbytes: int) -> AsyncGenerator[bytes, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            piece = chunk[:nbytes]
            nbytes -= len(piece)
            if piece:
                yield piece
            if not nbytes:
                return


async def _cut(chunks: AsyncGenerator[bytes, None], nbytes: int, cut: type[CutError]) -> AsyncGenerator[bytes, None]:
    async with aclosing(_first(chunks, nbytes)) as first:
        async for chunk in first:
            yield chunk
    raise cut


async def _hold(chunks: AsyncGenerator[bytes, None], nbytes: int) -> AsyncGenerator[bytes, None]:
    sent = 0
    async with aclosing(_first(chunks, nbytes)) as first:
        async for chunk in first:
            yield chunk
            sent += len(chunk)
    if sent == nbytes:
        await asyncio.Event().wait()
