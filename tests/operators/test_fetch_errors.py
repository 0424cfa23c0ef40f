from __future__ import annotations

import errno
import socket

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from cornerstream.images.errors import FetchError, HttpStatusError, ImageLoadError, LimitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.fetch_errors import fetch_error, is_transient

URL_ASKED = URL("https://me:pw@pacs/frames/1?token=hush", encoded=True)
KEY = ConnectionKey("pacs", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("cause", "kind", "number", "transient", "words"),
    [
        (aiohttp.ConnectionTimeoutError(), FetchError, errno.ETIMEDOUT, True, "connect_seconds=30"),
        (aiohttp.SocketTimeoutError(), FetchError, errno.ETIMEDOUT, True, "read_seconds=60"),
        (TimeoutError(), FetchError, errno.ETIMEDOUT, True, "read_seconds=60"),
        (aiohttp.ServerDisconnectedError(), FetchError, errno.ECONNRESET, True, "ECONNRESET"),
        (aiohttp.ClientOSError(errno.EPIPE, "x"), FetchError, errno.EPIPE, True, "EPIPE"),
        (ConnectionResetError(errno.ECONNRESET, "x"), FetchError, errno.ECONNRESET, True, "ECONNRESET"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "x")), FetchError, errno.ECONNREFUSED, True, "REFUSED"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "x")), FetchError, errno.ENETUNREACH, False, "ENETUNREACH"),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "x")), FetchError, None, False, "does not resolve"),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "x")), FetchError, None, False, "TLS"),
        (aiohttp.ClientPayloadError("x"), TruncatedError, None, True, "framing"),
        (aiohttp.InvalidURL("https://me:pw@pacs"), FetchError, None, False, "InvalidURL"),
        (ValueError("header"), FetchError, None, False, "ValueError"),
    ],
)  # fmt: skip
def test_errors_of_aiohttp(cause: Exception, kind: type, number: int | None, transient: bool, words: str) -> None:
    error = fetch_error(cause, URL_ASKED, DEFAULT_LIMITS)
    assert type(error) is kind
    assert (error.errno, is_transient(error)) == (number, transient)
    assert str(error).startswith("GET https://pacs/frames/1?token=…: ")
    assert words in str(error)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (HttpStatusError("", status=503), True),
        (HttpStatusError("", status=500), False),
        (LimitError(""), False),
        (ImageLoadError(""), False),
        (OSError(errno.ECONNRESET, ""), False),
    ],
)
def test_transient_errors(error: Exception, transient: bool) -> None:
    assert is_transient(error) == transient
