"""HTTP that is wrong, odd or endless, as far as a session's images: a typed error that names the image, or the pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import (
    FetchError,
    HttpStatusError,
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.limits import Limits
from cornerstream.session import Session
from tests.support.hostile import MULTIPART, PIXELS, Instance, multipart, serving, without_retries
from tests.support.leaks import nothing_left
from tests.support.part10 import native
from tests.support.raw_server import Script, Step, chunked, head, ok

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

BODY = multipart(PIXELS)
FILE = native(PIXELS)
# Only what is to end by a time limit has a short one: on a busy machine everything else takes longer.
LIMITS = Limits(read_seconds=50, connect_seconds=50, response_seconds=50, response_bytes=1 << 20)
HURRIED = replace(LIMITS, read_seconds=0.1)
CLOSE, HANG = Step.CLOSE, Step.HANG


@pytest.fixture
async def instance(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Instance, None]:
    without_retries(monkeypatch)
    async with nothing_left(), serving(Instance()) as instance:
        yield instance


def answer(*fields: str, body: bytes = BODY) -> Script:
    return (head(200, MULTIPART, *fields) + body, CLOSE)


def raw(head_: bytes) -> Script:
    return (head_ + MULTIPART.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY, CLOSE)


SIZE = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
STATUS = b"HTTP/1.1 200 OK\r\n"

REFUSED: dict[str, tuple[Script, type[ImageLoadError]]] = {
    "length too large": (answer(f"Content-Length: {len(BODY) + 1}"), TruncatedError),
    "length too small": (answer(f"Content-Length: {len(BODY) - 3}"), FetchError),
    "length too small for the last frame": (answer("Content-Length: 60"), FetchError),
    "two lengths": (answer(SIZE, "Content-Length: 5"), FetchError),
    "length twice": (answer(SIZE, SIZE), FetchError),
    "length as a list": (answer(f"{SIZE}, {len(BODY)}"), FetchError),
    "length and chunks": (answer(SIZE, CHUNKED, body=chunked(BODY)), FetchError),
    "chunks and length": (answer(CHUNKED, SIZE), FetchError),
    "negative length": (answer("Content-Length: -5"), FetchError),
    "signed length": (answer(f"Content-Length: +{len(BODY)}"), FetchError),
    "hexadecimal length": (answer("Content-Length: 0x5"), FetchError),
    "empty length": (answer("Content-Length:"), FetchError),
    "length of 2**63": (answer(f"Content-Length: {1 << 63}"), LimitError),
    "length of 2**64": (answer(f"Content-Length: {(1 << 64) + len(BODY)}"), FetchError),
    "length of 30 digits": (answer("Content-Length: " + "9" * 30), FetchError),
    "gzip as transfer coding": (answer("Transfer-Encoding: gzip, chunked", body=chunked(BODY)), FetchError),
    "unknown transfer coding": (answer("Transfer-Encoding: xchunked"), FetchError),
    "chunked is not the last coding": (answer("Transfer-Encoding: chunked, gzip", body=chunked(BODY)), FetchError),
    "chunked twice": (answer(CHUNKED, CHUNKED, body=chunked(BODY)), FetchError),
    "chunk of 2**63": (answer(CHUNKED, body=b"8000000000000000\r\n" + BODY), FetchError),
    "chunk of 2**64": (answer(CHUNKED, body=b"1%016x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"), FetchError),
    "negative chunk": (answer(CHUNKED, body=b"-3\r\nabc\r\n0\r\n\r\n"), FetchError),
    "chunk in C": (answer(CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"), FetchError),
    "chunk lines end with LF": (answer(CHUNKED, body=chunked(BODY).replace(b"\r\n", b"\n")), FetchError),
    "chunk longer than it says": (answer(CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n"), FetchError),
    "trailer of a megabyte": (answer(CHUNKED, body=chunked(BODY, last=b"0\r\nA: " + b"x" * (1 << 20))), FetchError),
    "10,000 trailers": (answer(CHUNKED, body=chunked(BODY, last=b"0\r\n" + b"A: x\r\n" * 10_000)), FetchError),
    "header field of a megabyte": (answer(SIZE, "X: " + "x" * (1 << 20)), FetchError),
    "10,000 header fields": (answer(SIZE, *["X: y"] * 10_000), FetchError),
    "129 header fields": (answer(SIZE, *["X: y"] * 127), FetchError),
    "NUL in a header": (answer(SIZE, "X: a\0b"), FetchError),
    "status line without end": ((b"HTTP/1.1 200 " + b"x" * 100_000, HANG), FetchError),
    "silence in the status line": ((b"HTTP/1.1 20", HANG), FetchError),
    "silence in the header": ((b"HTTP/1.1 200 OK\r\nX: ", HANG), FetchError),
    "silence in the body": ((head(200, MULTIPART, SIZE) + BODY[:-9], HANG), FetchError),
    "silence at the end of a body": ((head(200, MULTIPART) + BODY[:-9], HANG), FetchError),
    "status of 10 digits": (raw(b"HTTP/1.1 2000000000 OK\r\n"), FetchError),
    "HTTP/9.9": (raw(b"HTTP/9.9 200 OK\r\n"), FetchError),
    "HTTP/0.9": ((BODY, CLOSE), FetchError),
    "SSH": ((b"SSH-2.0-OpenSSH_9.9\r\n", CLOSE), FetchError),
    "zeros": ((bytes(1 << 20), CLOSE), FetchError),
    "206": ((head(206, MULTIPART, SIZE, "Content-Range: bytes 0-9/10") + BODY, CLOSE), HttpStatusError),
    "204": ((head(204), CLOSE), HttpStatusError),
    "304": ((head(304), CLOSE), HttpStatusError),
    "101": ((head(101, "Upgrade: websocket", "Connection: Upgrade") + BODY, CLOSE), HttpStatusError),
    "999": ((head(999, SIZE) + BODY, CLOSE), HttpStatusError),
    "empty 200": (answer("Content-Length: 0", body=b""), FetchError),
    "empty chunked 200": (answer(CHUNKED, body=chunked()), FetchError),
    "redirect in a circle": ((head(302, "Location: 1", "Content-Length: 0"),), LimitError),
    "redirect without end": ((head(301, "Location: 1", "Content-Length: 99999999"), bytes(9)), LimitError),
    "redirect to a file": ((head(302, "Location: file:///etc/passwd", "Content-Length: 0"),), FetchError),
    "redirect to a script": ((head(302, "Location: javascript:x", "Content-Length: 0"),), FetchError),
    "redirect to another port": ((head(302, "Location: http://127.0.0.1:9/", "Content-Length: 0"),), FetchError),
    "redirect to https": ((head(302, "Location: https://127.0.0.1/", "Content-Length: 0"),), FetchError),
    "redirect to no port": ((head(302, "Location: http://127.0.0.1:99999999/", "Content-Length: 0"),), FetchError),
    "redirect to no host": ((head(302, "Location: http://[::1", "Content-Length: 0"),), FetchError),
    "redirect in Latin-1": ((b"HTTP/1.1 302 Found\r\nLocation: /\xe9\xff\r\nContent-Length: 0\r\n\r\n",), FetchError),
    "error page": ((ok(b"<html>please log in</html>", "Content-Type: text/html"),), UnsupportedTransferSyntaxError),
    "JSON": ((ok(b"[{}]", "Content-Type: application/dicom+json"),), UnsupportedTransferSyntaxError),
    "a file": ((ok(FILE, "Content-Type: application/dicom"),), UnsupportedTransferSyntaxError),
    "no content type": ((ok(BODY),), SplitError),
    "two content types": ((ok(BODY, MULTIPART, "Content-Type: image/jpeg"),), SplitError),
    "multipart without being one": ((ok(PIXELS, MULTIPART),), SplitError),
    "a JPEG without being one": ((ok(PIXELS, "Content-Type: image/jpeg"),), UnsupportedTransferSyntaxError),
    "brotli": (answer(SIZE, "Content-Encoding: br"), FetchError),
    "zstd": (answer(SIZE, "Content-Encoding: zstd"), FetchError),
    "two content codings": (answer(SIZE, "Content-Encoding: gzip, gzip"), FetchError),
    "a content coding twice": (answer(SIZE, "Content-Encoding: gzip", "Content-Encoding: gzip"), FetchError),
    "chunk extension without end": ((head(200, MULTIPART, CHUNKED) + b"3;" + b"x" * 100_000, HANG), FetchError),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(instance: Instance, name: str) -> None:
    instance.frame, kind = REFUSED[name]
    async with Session(limits=HURRIED if HANG in instance.frame else LIMITS) as session:
        with pytest.raises(kind) as caught:
            await session.load(instance.wadors)
        assert str(caught.value).startswith(instance.wadors)
        assert session.stats().running == 0


ACCEPTED: dict[str, Script] = {
    "chunk extension of a megabyte": answer(
        CHUNKED, body=b"%x;%s\r\n%s\r\n0\r\n\r\n" % (len(BODY), b"x" * (1 << 20), BODY)
    ),
    "1,000 continues": (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + ok(BODY, MULTIPART),),
    "space in front of a colon": answer(SIZE.replace(":", " :")),
    "no reason": raw(b"HTTP/1.1 200\r\n"),
    "Latin-1 in a header": raw(STATUS + b"X: \xe9\xff\r\n"),
    "folded header": raw(STATUS + b"X: a\r\n b\r\n"),
    "122 header fields": answer(SIZE, *["X: y"] * 122),
    "bytes of a next answer": answer(CHUNKED, body=chunked(BODY)),
}


@pytest.mark.parametrize("script", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_accepted(instance: Instance, script: Script) -> None:
    instance.frame = script
    async with Session(limits=LIMITS) as session:
        assert (await session.load(instance.wadors)).pixels.tobytes() == PIXELS


ENDLESS: dict[str, tuple[bytes, bytes, type[FetchError], str]] = {
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, FetchError, "read_seconds"),
    "header": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", FetchError, "not an HTTP answer"),
    "header field": (b"HTTP/1.1 200 OK\r\nX: ", b"x", FetchError, "not an HTTP answer"),
    "body that drips": (head(200, MULTIPART) + BODY[:-9], b"x", LimitError, "response_seconds"),
    "body with a length that drips": (
        head(200, MULTIPART, "Content-Length: 999999"),
        b"x",
        LimitError,
        "response_seconds",
    ),
    "chunk extension that drips": (head(200, MULTIPART, CHUNKED) + b"3;", b"x" * 99, LimitError, "response_seconds"),
    "epilogue": (head(200, MULTIPART, CHUNKED), b"400\r\n" + bytes(1024) + b"\r\n", LimitError, "response_"),
    "preamble at full speed": (head(200, MULTIPART), bytes(1 << 16), LimitError, "response_bytes"),
    "trailers": (head(200, MULTIPART, CHUNKED) + b"0\r\n", b"A: b\r\n", FetchError, "ends before|not an HTTP"),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_answer_without_end_ends(instance: Instance, name: str) -> None:
    """Silence is what aiohttp watches for; a server that is never silent has `read_seconds` and `response_seconds` too."""
    first, again, kind, limit = ENDLESS[name]
    instance.frame = (first, Step.REPEAT, again)
    limits = {
        "read_seconds": replace(LIMITS, read_seconds=0.2, connect_seconds=0.5),  # a header has both
        "response_seconds": replace(LIMITS, response_seconds=0.3),
    }.get(limit, LIMITS)
    async with Session(limits=limits) as session:
        with pytest.raises(kind, match=limit):
            await session.load(instance.wadors)
    await instance.server.left.wait()


FILES: dict[str, tuple[Script, type[ImageLoadError]]] = {
    "error page": ((ok(b"<html>please log in</html>" * 20, "Content-Type: text/html"),), SplitError),
    "multipart": ((ok(BODY * 5, MULTIPART),), SplitError),
    "length too small": ((head(200, f"Content-Length: {len(FILE) - 4}") + FILE, CLOSE), ImageLoadError),
    "206": ((head(206, f"Content-Length: {len(FILE)}") + FILE, CLOSE), HttpStatusError),
    "empty": ((ok(b""),), FetchError),
    "redirect": ((head(302, "Location: file:///etc/passwd", "Content-Length: 0"),), FetchError),
    "JPEG": ((ok(b"\xff\xd8\xff\xe0" + bytes(999), "Content-Type: image/jpeg"),), SplitError),
}


@pytest.mark.parametrize("name", FILES)
async def test_files_refused(instance: Instance, name: str) -> None:
    instance.file, kind = FILES[name]
    async with Session(limits=LIMITS) as session:
        with pytest.raises(kind) as caught:
            await session.load(instance.wadouri)
        assert str(caught.value).startswith(instance.wadouri)


async def test_a_reader_that_takes_its_time_is_not_the_server_s(instance: Instance) -> None:
    """`response_seconds` counts what the server lets its reader wait, not what the reader does between two chunks."""
    instance.frame = (ok(BODY, MULTIPART),)
    async with Session(limits=replace(LIMITS, response_seconds=1e9)) as session:
        assert (await session.load(instance.wadors)).pixels.tobytes() == PIXELS
