"""How images of a series come soonest: each by its own request, or all in one answer. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

_FEWEST = 16  # images; fewer are not worth an answer that comes in the server's order
_LEAST_SHARE = 0.5  # of the series, all of which the server will send
_REQUEST_SECONDS = 0.003  # what a request costs server and client, however near they are
_SLOW_REQUEST_SECONDS = 0.016  # what it may well cost a server that is slow; a wrong guess costs small images little
_FASTER = 1.2  # than requests, which can be ranked anew and cancelled one by one
_FULL = 0.7  # of what requests could carry; a link that delivered less was itself the limit


@dataclass(frozen=True, slots=True)
class RetrievalCase:
    """What is known when it has to be decided.

    Attributes:
        missing: Images that are wanted and not here.
        total: Images of the series.
        image_bytes: Bytes of one as it travels.
        room: Bytes that may come before anybody is ready for them.
        slots: Requests under way at once.
        latency: Seconds from a request to its answer; infinite if unknown.
        rate: Bytes a second that were seen to come; 0 if unknown.
    """

    missing: int
    total: int
    image_bytes: float
    room: float
    slots: int = 1
    latency: float = 0.0
    rate: float = 0.0


def is_faster_as_series(case: RetrievalCase) -> bool:
    """One answer for all brings the images so much sooner that it makes up for what requests can do better."""
    if case.missing < max(_FEWEST, _LEAST_SHARE * case.total) or case.total * case.image_bytes > case.room:
        return False
    return requests_seconds(case) > _FASTER * series_seconds(case)


def requests_seconds(case: RetrievalCase) -> float:
    """Seconds until the images have come one by one."""
    waiting = case.missing / case.slots * (_latency(case) + _REQUEST_SECONDS)
    return max(case.missing * case.image_bytes * _seconds_a_byte(case), waiting, case.missing * _REQUEST_SECONDS)


def series_seconds(case: RetrievalCase) -> float:
    """Seconds until the whole series has come in one answer."""
    return case.total * case.image_bytes * _seconds_a_byte(case) + _latency(case) + _REQUEST_SECONDS


def _seconds_a_byte(case: RetrievalCase) -> float:
    """What the link takes for a byte; 0 where only requests, and not the link, have been seen to be slow."""
    requests_a_second = min(case.slots / (_latency(case) + _REQUEST_SECONDS), 1 / _SLOW_REQUEST_SECONDS)
    by_requests = case.image_bytes * requests_a_second
    return 1 / case.rate if 0 < case.rate < _FULL * by_requests else 0.0


def _latency(case: RetrievalCase) -> float:
    return case.latency if isfinite(case.latency) else 0.0
