"""The default sessions behind the module-level functions."""

from __future__ import annotations

import atexit
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cornerstream.loop_host import running_loop
from cornerstream.operators.decoder_table import decoder_plug_ins
from cornerstream.registry import default_registry
from cornerstream.session import Session

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject
    from cornerstream.loaders.context import ImageLoader
    from cornerstream.operators.decoder import TransferSyntax


class DefaultSessions:
    """One session for each running loop, and one with a thread of its own for everybody else; made when first asked for.

    A loop's session is closed with the loop's asynchronous generators, which `asyncio.run` does at its end; the thread's
    at interpreter exit.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocking: Session | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Session, AsyncGenerator[None, None]]] = (
            WeakKeyDictionary()
        )

    def get(self) -> Session:
        """The session of the caller."""
        loop = running_loop()
        with self._lock:
            if loop is None:
                return self._of_thread()
            if loop not in self._by_loop:
                session = Session()
                guard = _close_with_loop(session)
                self._by_loop[loop] = (session, guard)
                loop.create_task(_begin(guard))
            return self._by_loop[loop][0]

    def blocking(self) -> Session:
        """The session that has a thread of its own, whether a loop runs here or not."""
        with self._lock:
            return self._of_thread().__enter__()  # else it would live on the loop of its first use

    def close(self) -> None:
        """Close the session that has a thread of its own."""
        with self._lock:
            session, self._blocking = self._blocking, None
        if session is not None:
            session.close()

    def _of_thread(self) -> Session:
        if self._blocking is None:
            self._blocking = Session()
            atexit.register(self.close)
        return self._blocking


async def _close_with_loop(session: Session) -> AsyncGenerator[None, None]:
    """A loop closes the generators that have begun on it, and this one closes the session."""
    try:
        yield
    finally:
        await session.aclose()


async def _begin(guard: AsyncGenerator[None, None]) -> None:
    await anext(guard)


_sessions = DefaultSessions()


def default_session() -> Session:
    """The session that the module-level functions use: the running loop's, else one with a thread of its own."""
    return _sessions.get()


def blocking_session() -> Session:
    """The default session that has a thread of its own: it may be waited for in a thread whose loop runs, as a notebook's."""
    return _sessions.blocking()


def load_image(image_id: ImageId | str) -> ImageLoadObject:
    """One load of one image on the default session; its image is not kept in the cache afterwards.

    Raises:
        ImageIdError: The image id does not parse.
    """
    return default_session().load(image_id, keep=False)


def load_and_cache_image(image_id: ImageId | str) -> ImageLoadObject:
    """As `load_image`, and the complete image stays in the default session's cache."""
    return default_session().load(image_id)


def register_image_loader(scheme: str, loader: ImageLoader) -> None:
    """Load image ids of `scheme` by `loader(image_id, context)`, in every session that uses the default registry."""
    default_registry.register(scheme, loader)


def unregister_image_loader(scheme: str) -> None:
    """Take a registered loader back."""
    default_registry.unregister(scheme)


def register_decoder(row: TransferSyntax) -> None:
    """Decode a transfer syntax, private ones included, by the decoders of `row` before all others, in every session."""
    decoder_plug_ins.register(row)


def unregister_decoder(transfer_syntax_uid: str) -> None:
    """Take registered decoders back; the table holds again."""
    decoder_plug_ins.unregister(transfer_syntax_uid)


def register_unknown_image_loader(loader: ImageLoader | None) -> ImageLoader | None:
    """Load every scheme that has no loader by `loader`; returns the one it replaces."""
    return default_registry.register_unknown(loader)
