"""Figures of a session, live."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionStats:
    """What a session did and does; a snapshot.

    Attributes:
        images: Images completed.
        errors: Loads that ended in an error.
        cancelled: Loads that lost their last subscriber before they ended.
        running: Loads in flight, waiting ones included.
        requests: Requests sent.
        open_requests: Responses open now.
        queued_requests: Requests that wait for a network slot.
        busy_workers: Functions running on workers, abandoned ones included.
        queued_work: Functions that wait for a worker.
        bytes_received: Body bytes that came.
        bytes_spared: Body bytes that servers had promised (Content-Length) and that cancelling left unsent or unread.
        cache_hits: Subscriptions answered by the cache.
        cached_bytes: Bytes of decoded images kept.
        tasks: Tasks of the session on its loop.
    """

    images: int = 0
    errors: int = 0
    cancelled: int = 0
    running: int = 0
    requests: int = 0
    open_requests: int = 0
    queued_requests: int = 0
    busy_workers: int = 0
    queued_work: int = 0
    bytes_received: int = 0
    bytes_spared: int = 0
    cache_hits: int = 0
    cached_bytes: int = 0
    tasks: int = 0


class Counters:
    """The running counts behind `SessionStats`. Touched on the loop only."""

    def __init__(self) -> None:
        self.images = 0
        self.errors = 0
        self.cancelled = 0
        self.requests = 0
        self.bytes_received = 0
        self.bytes_spared = 0
