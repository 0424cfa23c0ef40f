"""What `AiohttpTransport` sends, and where: header fields, credentials, redirects."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

import pytest

from cornerstream.images.errors import FetchError, HttpStatusError, LimitError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.fetch_errors import is_transient
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left
from tests.support.raw_server import RawServer, head, ok, raw_server


async def read(transport: AiohttpTransport, url: str, **headers: str) -> bytes:
    async with transport.open(HttpRequest(url, headers)) as response, aclosing(response.chunks()) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_headers_of_a_request() -> None:
    async with raw_server((ok(b"x"),)) as server:
        async with AiohttpTransport(headers={server.origin.upper(): {"X-Api-Key": "k", "Accept": "a/b"}}) as transport:
            await read(transport, server.url("/a%2Fb?x=%20%C3%A4&y=[1]"), accept="image/jls")
        fields = server.fields[0]
    assert server.targets == ["/a%2Fb?x=%20%C3%A4&y=[1]"]  # as it stands
    assert (fields["accept"], fields["accept-encoding"], fields["x-api-key"]) == ("image/jls", "identity", "k")


async def test_credentials_go_to_their_origin_only() -> None:
    async with (
        raw_server((ok(b"x"),)) as mine,
        raw_server((ok(b"x"),)) as other,
        AiohttpTransport(headers={mine.origin: {"Authorization": "Bearer t"}}) as transport,
    ):
        await read(transport, mine.url())
        await read(transport, other.url())
    assert mine.fields[0]["authorization"] == "Bearer t"
    assert "authorization" not in other.fields[0]


def test_credentials_keyed_by_more_than_an_origin_are_refused() -> None:
    with pytest.raises(ValueError, match="origin"):
        AiohttpTransport(headers={"https://pacs/dicom-web": {"X-Api-Key": "k"}})


async def test_user_information_becomes_basic_authorization_and_stays_out_of_errors() -> None:
    async with raw_server((head(404, "Content-Length: 0"),)) as server, AiohttpTransport() as transport:
        url = server.url("/?access_token=hush&x=1").replace("//", "//me:secret@")
        with pytest.raises(HttpStatusError) as caught:
            await read(transport, url)
    assert server.fields[0]["authorization"] == "Basic bWU6c2VjcmV0"
    assert "secret" not in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "x=1" in str(caught.value)


async def redirected(location: str, *, cross: bool = False) -> tuple[RawServer, RawServer]:
    """Ask a server that redirects to `location`, `{other}` being another origin; both have credentials of the first."""
    async with nothing_left(), raw_server((ok(b"y"),)) as other:
        script = head(302, "Location: " + location.format(other=other.origin), "Content-Length: 0")
        async with raw_server((script,), (ok(b"x"),)) as mine:
            headers = {mine.origin: {"X-Api-Key": "k", "X-Amz-Security-Token": "t"}}
            async with AiohttpTransport(headers=headers, cross_origin_redirects=cross) as transport:
                await read(transport, mine.url(), Authorization="Bearer b", Cookie="c=1", accept="image/jls")
    return mine, other


@pytest.mark.parametrize("location", ["/moved?x=1", "moved", "?x=1"])
async def test_a_redirect_within_the_origin_is_followed_with_credentials(location: str) -> None:
    mine, other = await redirected(location)
    assert len(mine.heads) == 2
    assert not other.heads
    assert mine.fields[1]["authorization"] == "Bearer b"
    assert mine.fields[1]["x-api-key"] == "k"


async def test_a_redirect_to_another_origin_is_refused() -> None:
    with pytest.raises(FetchError, match="cross_origin_redirects=True") as caught:
        await redirected("{other}/stolen")
    assert not is_transient(caught.value)


async def test_an_allowed_redirect_to_another_origin_takes_no_credentials_along() -> None:
    mine, other = await redirected("{other}/moved", cross=True)
    assert (len(mine.heads), len(other.heads)) == (1, 1)
    sent = other.fields[0]
    assert not {"authorization", "x-api-key", "x-amz-security-token", "cookie"} & set(sent)
    assert sent["accept"] == "image/jls"


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "http://[", "/a b", "javascript:alert(1)"])
async def test_a_redirect_to_what_is_no_url_is_refused(location: str) -> None:
    with pytest.raises(FetchError):
        await redirected(location, cross=True)


async def test_redirects_are_counted() -> None:
    loop = head(307, "Location: /again", "Content-Length: 0")
    async with raw_server((loop,)) as server, AiohttpTransport(replace(DEFAULT_LIMITS, redirects=3)) as transport:
        with pytest.raises(LimitError, match="redirects=3"):
            await read(transport, server.url())
    assert len(server.heads) == 4


async def test_a_redirect_without_location_is_a_status_error() -> None:
    async with raw_server((head(302, "Content-Length: 0"),)) as server, AiohttpTransport() as transport:
        with pytest.raises(HttpStatusError):
            await read(transport, server.url())


def test_repr_shows_no_credentials() -> None:
    assert "hush" not in repr(AiohttpTransport(headers={"http://h": {"Authorization": "hush"}}))
