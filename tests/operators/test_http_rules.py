from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cornerstream.images.errors import FetchError, HttpStatusError
from cornerstream.operators.http_rules import (
    by_origin,
    harmless,
    merge_headers,
    origin_of,
    parse_retry_after,
    parse_url,
    redirect_target,
    status_error,
    take_credentials,
)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h/a?b#c", "http://h"),
        ("HTTP://H:80", "http://h"),
        ("https://h:443/", "https://h"),
        ("https://h:8443/", "https://h:8443"),
        ("http://me:pw@h/", "http://h"),
        ("http://[::1]:8042/x", "http://[::1]:8042"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_a_url_stays_as_it_is_written() -> None:
    text = "https://h/a%2fb/%7E?x=%20&y=[1]+2&z"
    assert str(parse_url(text)) == text


def test_headers_by_origin_are_joined() -> None:
    assert by_origin({"HTTP://H": {"a": "1"}, "http://h:80/": {"b": "2"}}) == {"http://h": {"a": "1", "b": "2"}}


@pytest.mark.parametrize("key", ["http://h/path", "http://h?x", "http://me@h"])
def test_headers_for_less_than_an_origin_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        by_origin({key: {}})


def test_user_information_is_taken_out_and_decoded() -> None:
    url, headers = take_credentials(parse_url("http://m%40e:p%3Aw@h:1/x"))
    assert (str(url), headers) == ("http://h:1/x", {"Authorization": "Basic bUBlOnA6dw=="})
    assert take_credentials(parse_url("http://h/"))[1] == {}


def test_later_headers_win_whatever_their_case() -> None:
    assert merge_headers({"Accept": "a", "X": "1"}, {"ACCEPT": "b"}) == {"ACCEPT": "b", "X": "1"}


def test_only_harmless_headers_leave_an_origin() -> None:
    assert harmless({"ACCEPT": "a", "Authorization": "b", "X-Api-Key": "c", "Cookie": "d"}) == {"ACCEPT": "a"}


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("x", "http://h/a/x"),
        ("/x?y=%2F", "http://h/x?y=%2F"),
        ("//h/x", "http://h/x"),
        ("http://H:80/x", "http://H/x"),
    ],
)
def test_redirects_within_the_origin(location: str, target: str) -> None:
    assert str(redirect_target(parse_url("http://h/a/b"), 302, location, cross_origin=False)) == target


@pytest.mark.parametrize("location", ["https://h/x", "http://h:81/x", "http://g/x", "//g/x"])
def test_redirects_to_another_origin(location: str) -> None:
    with pytest.raises(FetchError, match="another origin"):
        redirect_target(parse_url("http://h/a"), 302, location, cross_origin=False)
    assert redirect_target(parse_url("http://h/a"), 302, location, cross_origin=True).path == "/x"


def test_a_redirect_needs_a_location() -> None:
    with pytest.raises(HttpStatusError):
        redirect_target(parse_url("http://h/a"), 302, None, cross_origin=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None), ("²", None), ("0", 0.0), (" 120 ", 120.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0), ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun Nov 22 10:00:10 2026", 10.0),
    ],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, datetime(2026, 11, 22, 10, tzinfo=UTC)) == seconds


def test_a_401_says_where_credentials_go() -> None:
    message = str(status_error(parse_url("https://h/x?token=y"), 401, None))
    assert message.startswith("GET https://h/x?token=… answered 401 Unauthorized; ")
    assert "'https://h'" in message
