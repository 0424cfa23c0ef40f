"""aiohttp's errors as ours, and which of ours are worth another attempt."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, HttpStatusError, LimitError, TruncatedError
from cornerstream.operators.http_rules import describe

if TYPE_CHECKING:
    from yarl import URL

    from cornerstream.images.limits import Limits

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
"""Answers that say "not now" (RFC 6585, section 4; RFC 9110, section 15.6)."""

_TRANSIENT_ERRNOS = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT})


def is_transient(error: BaseException) -> bool:
    """Another attempt may succeed: refused, reset, timed out, cut short, or answered with 429, 502, 503 or 504."""
    if isinstance(error, HttpStatusError):
        return error.status in TRANSIENT_STATUSES
    if isinstance(error, TruncatedError):
        return True
    return isinstance(error, FetchError) and not isinstance(error, LimitError) and error.errno in _TRANSIENT_ERRNOS


def fetch_error(error: Exception, url: URL, limits: Limits) -> FetchError:
    """Our error for one of aiohttp's, without credentials.

    Its `errno` says whether the connection was refused or reset, or whether time ran out (ETIMEDOUT).
    """
    import aiohttp  # noqa: PLC0415 - importing cornerstream stays quick

    what = describe(url)
    if isinstance(error, TimeoutError):
        return _timed_out(what, limits, connecting=isinstance(error, aiohttp.ConnectionTimeoutError))
    if isinstance(error, aiohttp.ClientPayloadError):
        return TruncatedError(f"{what}: the body ends before its framing says so")
    if isinstance(error, aiohttp.ClientSSLError):
        return FetchError(f"{what}: TLS failed ({type(error).__name__}); check the certificate, or pass ssl=…")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FetchError(f"{what}: the host name does not resolve")
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return _connection_failed(what, error)
    return FetchError(f"{what}: not an HTTP answer that can be read ({type(error).__name__})")


def _timed_out(what: str, limits: Limits, *, connecting: bool) -> FetchError:
    if connecting:
        failure = FetchError(f"{what}: no connection within limits.connect_seconds={limits.connect_seconds:g}")
    else:
        failure = FetchError(f"{what}: silent for longer than limits.read_seconds={limits.read_seconds:g}")
    failure.errno = errno.ETIMEDOUT
    return failure


def _connection_failed(what: str, error: Exception) -> FetchError:
    # A server that hangs up before its answer has no errno; for the client that is a reset.
    number = getattr(error, "errno", None) or errno.ECONNRESET
    failure = FetchError(f"{what}: the connection failed ({errno.errorcode.get(number, number)})")
    failure.errno = number
    return failure
