"""Rules of HTTP that need no connection: which URL may be sent, whose credentials it carries, where a redirect leads."""

from __future__ import annotations

import http.client
import re
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from yarl import URL

from cornerstream.images.errors import FetchError, HttpStatusError
from cornerstream.images.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_SENDABLE = re.compile(r"[\x21-\x7e]+\Z")
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})


def parse_url(text: str) -> URL:
    """An absolute http or https URL, kept as it is written.

    Raises:
        FetchError: It is not one, or holds characters that have to be percent-encoded.
    """
    if not _SENDABLE.match(text):
        raise FetchError("the URL is empty or has characters that must be percent-encoded (RFC 3986)")
    try:
        url = URL(text, encoded=True)
        host = url.host
    except (ValueError, IndexError) as error:  # yarl raises IndexError for brackets without anything in them
        raise FetchError(f"not a URL: {redacted(text)[:200]}") from error
    if url.scheme not in {"http", "https"} or not host:
        raise FetchError(f"not an absolute http or https URL: {redacted(text)[:200]}")
    return url


def origin_of(url: URL | str) -> str:
    """Scheme, host and port (RFC 6454), in the one spelling that credentials are looked up by.

    >>> origin_of("HTTPS://PACS.example:443/dicom-web/studies?limit=1")
    'https://pacs.example'
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    return str(parsed.with_user(None).origin()).lower()  # yarl keeps the case of a URL that is taken as it stands


def by_origin(headers: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Header fields by origin, the origins in one spelling.

    Raises:
        FetchError: A key is not a URL.
        ValueError: A key is more than an origin: a path would suggest that it narrows where the fields go.
    """
    found: dict[str, dict[str, str]] = {}
    for key, fields in headers.items():
        url = parse_url(key)
        if url.raw_path_qs not in {"", "/"} or url.raw_fragment or url.user is not None:
            raise ValueError(f"headers are keyed by origin (scheme://host:port), not by {redacted(key)!r}")
        found.setdefault(origin_of(url), {}).update(fields)
    return found


def take_credentials(url: URL) -> tuple[URL, dict[str, str]]:
    """The URL without user information, and the Authorization field that stands for it (RFC 7617)."""
    if url.user is None and url.password is None:
        return url, {}
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return url.with_user(None), {"Authorization": f"Basic {b64encode(pair).decode()}"}


def merge_headers(*groups: Mapping[str, str]) -> dict[str, str]:
    """One set of header fields; later groups win, names are compared without regard to case."""
    merged: dict[str, tuple[str, str]] = {}
    for group in groups:
        merged.update({name.lower(): (name, value) for name, value in group.items()})
    return dict(merged.values())


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """The fields that may follow a redirect to another origin: none that could be a credential."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def redirect_target(url: URL, status: int, location: str | None, *, cross_origin: bool) -> URL:
    """Where a redirect leads.

    Args:
        url: What was asked for.
        status: The status of the answer, one of `REDIRECTS`.
        location: Its Location field.
        cross_origin: Another origin is allowed.

    Raises:
        HttpStatusError: There is no Location.
        FetchError: It is not an http or https URL, or it is another origin and that is not allowed.
    """
    if not location:
        raise HttpStatusError(f"{describe(url)} answered {status} without a Location", status=status)
    try:
        target = parse_url(str(url.join(URL(location.strip(), encoded=True))))
    except (ValueError, IndexError) as error:
        raise FetchError(f"{describe(url)} redirects to what is not a URL") from error
    if origin_of(target) != origin_of(url) and not cross_origin:
        raise FetchError(
            f"{describe(url)} redirects to another origin, {origin_of(target)}; use that address, or allow it with "
            "AiohttpTransport(cross_origin_redirects=True), which sends no credentials there"
        )
    return target


def status_error(url: URL, status: int, retry_after: str | None) -> HttpStatusError:
    """The error for a status that is not 200."""
    phrase = http.client.responses.get(status, "")
    hint = ""
    if status in {401, 403}:
        hint = f"; credentials are given as AiohttpTransport(headers={{'{origin_of(url)}': {{'Authorization': …}}}})"
    message = f"{describe(url)} answered {status} {phrase}".rstrip() + hint
    return HttpStatusError(message, status=status, retry_after=parse_retry_after(retry_after))


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After field asks to wait (RFC 9110, section 10.2.3); `None` if it says nothing."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def describe(url: URL) -> str:
    """A request as error messages name it, without credentials, and not whole where a server wrote a megabyte."""
    shown = redacted(str(url))
    return f"GET {shown[:1000]}{'…' * (len(shown) > 1000)}"
