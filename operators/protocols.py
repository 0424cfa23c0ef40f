"""What operators ask of the world: a transport that opens requests and workers that run functions.

Loaders receive both from the session, already behind its lanes; alone, `AiohttpTransport` and `ExecutorWorkers` do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from cornerstream.images.image_id import ImageId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One GET.

    Attributes:
        url: Absolute http or https URL, already percent-encoded; it is sent as it stands.
        headers: Header fields of this request.
        image_id: The image it is for; errors name it.
        late_url: What is asked for is settled as late as the request is sent; same origin as `url`.
        bulk: One long answer for much that is not urgent: its body is not read on while the user waits for something of the
            same origin.
        byte_range: Only these bytes are wanted. A transport that knows nothing of ranges leaves them out, and its answer
            is the whole then; one that does lets a 206 pass, and its response has a `status`.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    image_id: ImageId | None = None
    late_url: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    bulk: bool = False
    byte_range: range | None = None

    def settled(self) -> HttpRequest:
        """The request as it is sent now; whoever makes it wait calls this when its turn has come."""
        return self if self.late_url is None else replace(self, url=self.late_url(), late_url=None)


class HttpResponse(Protocol):
    """An open response whose status was 200, or the 206 that was asked for."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields, looked up without regard to case."""
        ...

    @property
    def content_length(self) -> int | None:
        """Bytes of the body, when the server says so."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives; raises TruncatedError, LimitError or FetchError, never ends early in silence."""
        ...


class ReadInto(Protocol):
    """Receives the next bytes of a body into memory; see `into_of`."""

    async def __call__(self, room: memoryview, /) -> int:
        """How many came, 0 at the end; raises as `HttpResponse.chunks` does.

        Args:
            room: Where to; not empty, and written to until this returns or raises only.
        """
        ...


def into_of(response: HttpResponse) -> ReadInto | None:
    """Receives the body of a response straight into its reader's memory, in place of `chunks`.

    A response that bears it, which only long ones do, says so by an attribute `into`; `None` for all others.
    """
    into: ReadInto | None = getattr(response, "into", None)
    return into


class Body(Protocol):
    """A cold body: each call of `chunks` opens it anew."""

    @property
    def image_id(self) -> ImageId | None:
        """The image it is for; errors name it."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes as they arrive; raises TruncatedError, LimitError or FetchError, never ends early in silence."""
        ...


class Transport(Protocol):
    """Opens requests; leaving the context closes or returns the socket, also when cancelled."""

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        """Open a request and wait for its header; raises HttpStatusError or FetchError."""
        ...


class Workers(Protocol):
    """Runs functions beside the loop."""

    def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> Awaitable[T]:
        """Run `function(*args)` on a worker; what it returns is awaited.

        Cancelled while it waits for a slot, it never starts; cancelled while it runs, it keeps its slot until it ends
        and its result is dropped.

        Args:
            function: Importable by name if the workers are processes.
            args: Its arguments.
            holds_lock: The function holds the interpreter lock for long; it must not run on a thread beside the loop.
        """
        ...


def idle_of(workers: Workers) -> int:
    """Workers that have nothing to do at the moment; those that do not say so, by an attribute `idle`, count as one."""
    idle: int = getattr(workers, "idle", 1)
    return idle
