from __future__ import annotations

import errno
import pickle
import ssl
import subprocess
import zlib
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from cornerstream.images.errors import FetchError, HttpStatusError, LimitError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.fetch_errors import is_transient
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left
from tests.support.raw_server import Script, Step, chunked, head, ok, raw_server, refused_port

if TYPE_CHECKING:
    from pathlib import Path

CLOSE, RESET, HANG = Step.CLOSE, Step.RESET, Step.HANG
IMAGE = ImageId.parse("wadors:http://pacs/studies/1/frames/1")
BODY = bytes(range(256)) * 40


def gzipped(data: bytes, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


async def read(transport: AiohttpTransport, url: str, **headers: str) -> bytes:
    request = HttpRequest(url, {name.replace("_", "-"): value for name, value in headers.items()}, IMAGE)
    async with transport.open(request) as response, aclosing(response.chunks()) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def get(*scripts: Script, limits: Limits = DEFAULT_LIMITS) -> bytes:
    async with nothing_left(), raw_server(*scripts) as server, AiohttpTransport(limits) as transport:
        return await read(transport, server.url())


GOOD: dict[str, Script] = {
    "content length": (ok(BODY),),
    "chunked": (head(200, "Transfer-Encoding: chunked"), chunked(BODY[:7], BODY[7:])),
    "drip": (head(200, f"Content-Length: {len(BODY)}"), *(BODY[i : i + 1000] for i in range(0, len(BODY), 1000))),
    "close-delimited": (head(200, "Connection: close"), BODY, CLOSE),
    "HTTP/1.0": (head(200, version="HTTP/1.0"), BODY, CLOSE),
    "HTTP/1.0 with length": (ok(BODY, version="HTTP/1.0"), CLOSE),
    "unasked gzip": (ok(gzipped(BODY), "Content-Encoding: gzip"),),
    "two gzip members": (ok(gzipped(BODY[:99]) + gzipped(BODY[99:]), "Content-Encoding: x-gzip"),),
    "deflate": (ok(gzipped(BODY, 15), "Content-Encoding: deflate"),),
    "bare deflate": (ok(gzipped(BODY, -15), "Content-Encoding: deflate"),),
    "identity": (ok(BODY, "Content-Encoding: identity"),),
}


@pytest.mark.parametrize("script", GOOD.values(), ids=GOOD.keys())
async def test_a_complete_body_comes_whole(script: Script) -> None:
    assert await get(script) == BODY


CUT: dict[str, Script] = {
    "content length": (head(200, "Content-Length: 100"), BODY[:99], CLOSE),
    "content length reset": (head(200, "Content-Length: 100"), BODY[:99], RESET),
    "content length HTTP/1.0": (head(200, "Content-Length: 100", version="HTTP/1.0"), BODY[:99], CLOSE),
    "content length, nothing": (head(200, "Content-Length: 100"), CLOSE),
    "chunk": (head(200, "Transfer-Encoding: chunked"), b"64\r\n", BODY[:50], CLOSE),
    "last chunk": (head(200, "Transfer-Encoding: chunked"), chunked(BODY, last=b""), CLOSE),
    "last chunk's line end": (head(200, "Transfer-Encoding: chunked"), chunked(BODY, last=b"0\r\n"), CLOSE),
    "gzip trailer": (ok(gzipped(BODY)[:-8], "Content-Encoding: gzip"),),
    "half a gzip trailer": (ok(gzipped(BODY)[:-1], "Content-Encoding: gzip"),),
    "deflate": (ok(gzipped(BODY, 15)[:-1], "Content-Encoding: deflate"),),
    "second gzip member": (ok(gzipped(BODY) + gzipped(BODY)[:5], "Content-Encoding: gzip"),),
}


@pytest.mark.parametrize("script", CUT.values(), ids=CUT.keys())
async def test_a_body_cut_short_is_truncated(script: Script) -> None:
    with pytest.raises(TruncatedError) as caught:
        await get(script)
    assert caught.value.image_id == IMAGE
    assert is_transient(caught.value)


async def test_a_reset_body_without_framing_is_no_end() -> None:
    script: Script = (head(200, "Connection: close"), BODY, Step.WAIT, RESET)
    async with (
        nothing_left(),
        raw_server(script) as server,
        AiohttpTransport() as transport,
        transport.open(HttpRequest(server.url())) as response,
        aclosing(response.chunks()) as chunks,
    ):
        received = await anext(chunks)
        while len(received) < len(BODY):
            received += await anext(chunks)
        server.go.set()
        with pytest.raises(TruncatedError):
            await anext(chunks)


REFUSED: dict[str, Script] = {
    "empty 200": (ok(b""),),
    "empty chunked": (head(200, "Transfer-Encoding: chunked"), chunked()),
    "empty close-delimited": (head(200, "Connection: close"), CLOSE),
    "unknown coding": (ok(BODY, "Content-Encoding: br"),),
    "two codings": (ok(BODY, "Content-Encoding: gzip, gzip"),),
    "transfer coding": (head(200, "Transfer-Encoding: gzip, chunked"), chunked(BODY)),
    "not http": (b"SSH-2.0-OpenSSH\r\n\r\n", CLOSE),
    "bad chunk": (head(200, "Transfer-Encoding: chunked"), b"zz\r\nabc\r\n", CLOSE),
    "two lengths": (head(200, "Content-Length: 1", "Content-Length: 2"), b"ab", CLOSE),
}


@pytest.mark.parametrize("script", REFUSED.values(), ids=REFUSED.keys())
async def test_an_answer_that_proves_nothing_is_refused(script: Script) -> None:
    with pytest.raises(FetchError) as caught:
        await get(script)
    assert caught.value.image_id == IMAGE


CONTRADICTING: dict[str, Script] = {
    "not gzip": (ok(BODY, "Content-Encoding: gzip"),),
    "rubbish behind gzip": (ok(gzipped(BODY) + b"rubbish", "Content-Encoding: gzip"),),
    "rubbish behind deflate": (ok(gzipped(BODY, 15) + b"x", "Content-Encoding: deflate"),),
    "checksum of gzip": (ok(gzipped(BODY)[:-8] + bytes(8), "Content-Encoding: gzip"),),
    "two content types": (ok(BODY, "Content-Type: image/jpeg", "Content-Type: image/jls"),),
}


@pytest.mark.parametrize("script", CONTRADICTING.values(), ids=CONTRADICTING.keys())
async def test_an_answer_that_contradicts_itself_is_refused(script: Script) -> None:
    with pytest.raises(SplitError) as caught:
        await get(script)
    assert caught.value.image_id == IMAGE
    assert not is_transient(caught.value)


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 404, 406, 416, 429, 500, 503, 599])
async def test_another_status_is_an_error(status: int) -> None:
    body = b"" if status == 204 else b"text"
    fields = [] if status == 204 else ["Content-Length: 4"]
    with pytest.raises(HttpStatusError) as caught:
        await get((head(status, *fields) + body,))
    assert (caught.value.status, caught.value.image_id) == (status, IMAGE)
    assert str(status) in str(caught.value)
    assert is_transient(caught.value) == (status in {429, 503})


async def test_retry_after_is_read() -> None:
    with pytest.raises(HttpStatusError) as caught:
        await get((head(503, "Content-Length: 0", "Retry-After: 7"),))
    assert caught.value.retry_after == 7.0


async def test_a_server_that_hangs_up_is_a_reset() -> None:
    for step in (CLOSE, RESET):
        with pytest.raises(FetchError) as caught:
            await get((step,))
        assert caught.value.errno == errno.ECONNRESET
        assert isinstance(caught.value.__cause__, aiohttp.ClientError)
        assert is_transient(caught.value)


async def test_nobody_listens() -> None:
    async with nothing_left(), AiohttpTransport() as transport:
        with pytest.raises(FetchError) as caught:
            await read(transport, f"http://127.0.0.1:{refused_port()}/")
    assert caught.value.errno == errno.ECONNREFUSED
    assert is_transient(caught.value)


async def test_silence_in_the_header_and_in_the_body_times_out() -> None:
    limits = replace(DEFAULT_LIMITS, read_seconds=0.05)
    for script in ((HANG,), (head(200, "Content-Length: 9"), b"abc", HANG)):
        with pytest.raises(FetchError, match="read_seconds") as caught:
            await get(script, limits=limits)
        assert caught.value.errno == errno.ETIMEDOUT
        assert is_transient(caught.value)


async def test_a_tls_server_that_says_nothing_is_a_connect_time_out() -> None:
    limits = replace(DEFAULT_LIMITS, connect_seconds=0.05)
    async with nothing_left(), raw_server((HANG,)) as server, AiohttpTransport(limits) as transport:
        with pytest.raises(FetchError, match="connect_seconds") as caught:
            await read(transport, server.url().replace("http:", "https:"))
    assert caught.value.errno == errno.ETIMEDOUT


async def test_content_length_beyond_the_limit_is_refused_before_reading() -> None:
    limits = replace(DEFAULT_LIMITS, response_bytes=1000)
    with pytest.raises(LimitError, match="response_bytes") as caught:
        await get((head(200, "Content-Length: 1001"), HANG), limits=limits)
    assert not is_transient(caught.value)


async def test_bytes_beyond_the_limit_are_refused() -> None:
    limits = replace(DEFAULT_LIMITS, response_bytes=1000)
    assert len(await get((ok(BODY[:1000]),), limits=limits)) == 1000
    with pytest.raises(LimitError):
        await get((head(200, "Transfer-Encoding: chunked"), chunked(BODY[:1001])), limits=limits)


async def test_a_small_body_that_expands_is_stopped_at_the_limit() -> None:
    limits = replace(DEFAULT_LIMITS, response_bytes=1 << 20)
    bomb = gzipped(bytes(64 << 20))
    with pytest.raises(LimitError, match="response_bytes"):
        await get((ok(bomb, "Content-Encoding: gzip"),), limits=limits)


async def test_cookies_are_not_kept() -> None:
    async with raw_server((ok(b"x", "Set-Cookie: a=b"),)) as server, AiohttpTransport() as transport:
        await read(transport, server.url())
        await read(transport, server.url())
    assert "cookie" not in server.fields[1]


@pytest.mark.parametrize(
    "url", ["", "frames/1", "ftp://h/", "http://", "http://h/a b", "http://h/\r\nX: 1", "http://h/ä", "http://h:x/"]
)
async def test_what_is_no_url_is_refused(url: str) -> None:
    async with AiohttpTransport() as transport:
        with pytest.raises(FetchError) as caught:
            await read(transport, url)
    assert caught.value.image_id == IMAGE


async def test_errors_survive_pickling() -> None:
    with pytest.raises(HttpStatusError) as caught:
        await get((head(503, "Content-Length: 0"),))
    assert pickle.loads(pickle.dumps(caught.value)).status == 503


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no openssl")
    return folder


async def test_tls_is_verified(certificate: Path) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    async with nothing_left(), raw_server((ok(BODY),), tls=serving) as server:
        async with AiohttpTransport(ssl=trusting) as transport:
            assert await read(transport, server.url()) == BODY
        async with AiohttpTransport() as transport:
            with pytest.raises(FetchError, match="TLS") as caught:
                await read(transport, server.url())
    assert not is_transient(caught.value)
