"""Multipart that is wrong, odd or endless: a typed error, or every part as it was sent, in bounded time and memory."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from email import policy
from email.parser import BytesParser
from time import process_time
from typing import TYPE_CHECKING

import pytest
from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.multipart import MultipartSplitter, split_parts
from cornerstream.session import Session
from tests.support.hostile import PIXELS, Instance, multipart, serving, without_retries
from tests.support.leaks import nothing_left
from tests.support.raw_server import ok

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

OCTETS = b"Content-Type: application/octet-stream"
KIND = 'multipart/related; type="application/octet-stream"; boundary='
LINE = b"\r\n"


def part(*fields: bytes, data: bytes = PIXELS, boundary: bytes = b"b", end: bytes = b"--") -> bytes:
    """One part and, unless `end` says otherwise, the end of the body."""
    return LINE.join([b"--" + boundary, *fields, b"", data, b"--" + boundary + end]) + LINE


@pytest.fixture
async def instance(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Instance, None]:
    without_retries(monkeypatch)
    async with nothing_left(), serving(Instance()) as instance:
        yield instance


def fields(count: int, length: int) -> list[bytes]:
    """So many header lines of so many bytes each, Content-Type among them."""
    return [OCTETS, *(b"X: " + b"x" * (length - 3) for _ in range(count - 1))]


SEVENTY = b"x" * 70
ACCEPTED: dict[str, tuple[bytes, str]] = {
    "128 headers": (part(*fields(128, 9)), "b"),
    "8,190 bytes of header": (part(OCTETS, b"X: " + b"x" * (8190 - len(OCTETS) - 5)), "b"),
    "boundary of 70 characters": (part(OCTETS, boundary=SEVENTY), SEVENTY.decode()),
    "quoted boundary": (part(OCTETS, boundary=b"=_Part 1/(a)"), '"=_Part 1/(a)"'),
    "escapes in a quoted boundary": (part(OCTETS, boundary=b"a'b"), r'"a\'\b"'),
    "start and type": (part(OCTETS, b"Content-ID: <1>"), 'b; start="<1>"; start-info="x"; charset=utf-8'),
    "charset that there is none of": (part(OCTETS + b"; charset=klingon"), "b; charset=klingon"),
    "folded header": (part(b"Content-Type:\r\n\tapplication/octet-stream"), "b"),
    "header in another case": (part(OCTETS.upper().replace(b"APPLICATION", b"application")), "b"),
    "Latin-1 in a header": (part(OCTETS, b"X: \xe9\xff"), "b"),
    "padding behind a boundary": (part(OCTETS).replace(b"--b\r\n", b"--b \t\r\n").replace(b"--b--", b"--b-- "), "b"),
    "length": (part(OCTETS, b"Content-Length: 8"), "b"),
    "binary transfer encoding": (part(OCTETS, b"Content-Transfer-Encoding: BINARY"), "b"),
    "preamble and epilogue": (b" --b--\r\n--a" + LINE + part(OCTETS) + b"--b\r\n\r\n--b", "b"),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_accepted(instance: Instance, name: str) -> None:
    body, boundary = ACCEPTED[name]
    instance.frame = (ok(body, f"Content-Type: {KIND}{boundary}"),)
    async with Session() as session:
        assert (await session.load(instance.wadors)).pixels.tobytes() == PIXELS


REFUSED: dict[str, tuple[bytes, str, type[ImageLoadError]]] = {
    "129 headers": (part(*fields(129, 9)), "b", LimitError),
    "8,191 bytes of header": (part(OCTETS, b"X: " + b"x" * (8191 - len(OCTETS) - 5)), "b", LimitError),
    "a header of 8,191 bytes": (part(b"X: " + b"x" * 8188), "b", LimitError),
    "100 headers of 100 bytes": (part(*fields(100, 100)), "b", LimitError),
    "a header without end": (b"--b\r\nX: " + b"x" * 100_000, "b", LimitError),
    "boundary of 71 characters": (part(OCTETS, boundary=SEVENTY + b"x"), "x" * 71, SplitError),
    "empty boundary": (part(OCTETS, boundary=b""), '""', SplitError),
    "boundary that ends with a space": (part(OCTETS, boundary=b"b "), '"b "', SplitError),
    "another boundary": (part(OCTETS, boundary=b"c"), "b", SplitError),
    "two boundaries": (part(OCTETS), "b; boundary=c", SplitError),
    "LF": (part(OCTETS).replace(LINE, b"\n"), "b", SplitError),
    "CR": (part(OCTETS).replace(LINE, b"\r"), "b", SplitError),
    "LF in the header": (part(OCTETS).replace(LINE + LINE, b"\n\n"), "b", SplitError),
    "nested": (part(b"Content-Type: multipart/related; boundary=c", data=part(OCTETS, boundary=b"c")), "b", SplitError),
    "part over the limit": (part(OCTETS, data=bytes(2000)), "b", LimitError),
    "length over the limit": (part(OCTETS, b"Content-Length: 2000"), "b", LimitError),
    "length of 30 digits": (part(OCTETS, b"Content-Length: " + b"9" * 30), "b", LimitError),
    "length too large": (part(OCTETS, b"Content-Length: 9"), "b", TruncatedError),
    "length too small": (part(OCTETS, b"Content-Length: 7"), "b", SplitError),
    "length below zero": (part(OCTETS, b"Content-Length: -8"), "b", SplitError),
    "length twice": (part(OCTETS, b"Content-Length: 8", b"Content-Length: 8"), "b", SplitError),
    "100,000 empty parts": (b"--b\r\n\r\n" * 100_000 + b"--b--", "b", SplitError),
    "no part": (b"--b--\r\n", "b", SplitError),
    "empty part": (part(OCTETS, data=b""), "b", ImageLoadError),
    "boundary in the pixels": (part(OCTETS, data=PIXELS + b"\r\n--bc" + PIXELS), "b", SplitError),
    "boundary and more in the pixels": (part(OCTETS, data=PIXELS + b"\r\n--b\r\n" + PIXELS), "b", ImageLoadError),
    "two content types": (part(OCTETS, OCTETS), "b", SplitError),
    "NUL in a header": (part(OCTETS, b"X: a\0b"), "b", SplitError),
    "NUL in a name": (part(OCTETS, b"X\0: a"), "b", SplitError),
    "no colon": (part(OCTETS, b"X"), "b", SplitError),
    "folded from the start": (part(b" X: y", OCTETS), "b", SplitError),
    "base64": (part(OCTETS, b"Content-Transfer-Encoding: base64", data=b"AQIDBAUGBwg="), "b", SplitError),
    "gzip in a part": (part(OCTETS, b"Content-Encoding: gzip"), "b", SplitError),
    "no closing boundary": (part(OCTETS, end=b""), "b", TruncatedError),
    "rubbish behind the closing boundary": (part(OCTETS, end=b"--x"), "b", SplitError),
    "padding without end": (part(OCTETS, end=b" " * 10_000), "b", SplitError),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(instance: Instance, name: str) -> None:
    body, boundary, kind = REFUSED[name]
    instance.frame = (ok(body, f"Content-Type: {KIND}{boundary}"),)
    async with Session(limits=Limits(part_bytes=1000)) as session:
        with pytest.raises(kind) as caught:
            await session.load(instance.wadors)
        assert str(caught.value).startswith(instance.wadors)


@pytest.mark.parametrize(
    "kind", ["multipart/related", "multipart/byteranges; boundary=b", "multipart/form-data; boundary=b"]
)
async def test_no_boundary_and_other_kinds(instance: Instance, kind: str) -> None:
    instance.frame = (ok(part(OCTETS), f"Content-Type: {kind}"),)
    async with Session() as session:
        with pytest.raises(SplitError):
            await session.load(instance.wadors)


async def test_100_000_parts_on_the_wire(instance: Instance) -> None:
    """Half a second of processor time at most, server, transport and splitter together."""
    instance.frame = (ok(b"--b\r\n\r\n" * 100_000 + b"--b--", f"Content-Type: {KIND}b"),)
    seconds = []
    async with Session() as session:
        for _ in range(3):
            begin = process_time()
            with pytest.raises(SplitError):
                await session.load(instance.wadors)
            seconds.append(process_time() - begin)
    assert min(seconds) < 0.5


def test_prefixes_of_the_boundary_at_every_split_of_chunks() -> None:
    """Pixels made of beginnings of the delimiter, in two chunks cut at every place."""
    delimiter = b"\r\n--b"
    pixels = (
        b"".join(delimiter[:end] for end in range(1, len(delimiter))) + b"\r" + delimiter[:-1] + b"c" + delimiter[:-1]
    )
    body = multipart(pixels, b"", pixels[::-1])
    for cut in range(len(body) + 1):
        splitter = MultipartSplitter(KIND + "b")
        found = [*splitter.feed(body[:cut]), *splitter.feed(body[cut:]), *splitter.close()]
        assert [one.data for one in found] == [pixels, b"", pixels[::-1]], cut


boundaries = st.from_regex(
    r"[A-Za-z0-9'()+_,\-./:=?]([A-Za-z0-9'()+_,\-./:=? ]{0,30}[A-Za-z0-9'()+_,\-./:=?])?", fullmatch=True
)
data = st.binary(max_size=80) | st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"b", b"\r\n--", b"\0"]), max_size=20
).map(b"".join)
values = st.text("abc 0/;=\"'\xe9\xff\t", max_size=20).map(str.strip)
headers = st.dictionaries(
    st.sampled_from(["X-A", "X-B", "Content-ID", "content-location", "DICOM"]), values, max_size=4
)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=4)


def push(
    body: bytes, kind: str, lengths: Sequence[int], limits: Limits = DEFAULT_LIMITS
) -> list[tuple[dict[str, str], bytes]]:
    """Header fields and body of the parts of a body that comes in chunks of these lengths, over and over."""
    splitter, found, at, turn = MultipartSplitter(kind, limits), [], 0, 0
    while at < len(body):
        found += splitter.feed(body[at : at + lengths[turn % len(lengths)]])
        at, turn = at + lengths[turn % len(lengths)], turn + 1
    return [(dict(one.headers), bytes(one.data)) for one in [*found, *splitter.close()]]


async def by_aiohttp(body: bytes, kind: str) -> list[tuple[dict[str, str], bytes]]:
    stream = StreamReader(BaseProtocol(asyncio.get_running_loop()), 1 << 16)
    stream.feed_data(body)
    stream.feed_eof()
    reader, found = MultipartReader({"Content-Type": kind}, stream), []
    while one := await reader.next():
        assert isinstance(one, BodyPartReader)
        items = {
            name.lower(): value.encode("utf-8", "surrogateescape").decode("latin-1")
            for name, value in one.headers.items()
        }
        found.append((items, bytes(await one.read())))
    return found


def by_mail(body: bytes, kind: str) -> list[bytes]:
    message = BytesParser(policy=policy.HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    return [payload for one in message.iter_parts() if isinstance(payload := one.get_payload(decode=True), bytes)]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(headers, data), min_size=1, max_size=4), boundaries, sizes, st.booleans())
def test_legal_bodies_in_any_chunking(
    parts: list[tuple[dict[str, str], bytes]], boundary: str, lengths: list[int], sized: bool
) -> None:
    delimiter, kind = b"--" + boundary.encode(), f'multipart/related; boundary="{boundary}"'
    if any(delimiter in line for _, one in parts for line in re.split(rb"[\r\n]", one)):
        return
    body = b""
    for names, one in parts:
        lines = [f"{name}: {value}".encode("latin-1") for name, value in names.items()]
        lines += [b"Content-Length: %d" % len(one)] if sized else []
        body += LINE.join([delimiter, *lines, b"", one, b""])
    body += delimiter + b"--\r\n"
    found = push(body, kind, lengths)
    assert found == asyncio.run(by_aiohttp(body, kind))
    assert [one for _, one in found] == [one for _, one in parts]
    if not any(set(one) & {10, 13} for _, one in parts):  # `email` takes a lone CR or LF for a line end
        assert [one for _, one in found] == by_mail(body, kind)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"--b", b"--", LINE, b"\n", b": ", b"X", OCTETS, b" ", b"\0"]), max_size=30).map(
        b"".join
    ),
    sizes,
)
def test_any_bytes(body: bytes, lengths: list[int]) -> None:
    """A typed error or parts; the same whatever the chunks are."""
    ends = []
    for chunks in (lengths, [1], [max(1, len(body))]):
        try:
            ends.append(push(body, KIND + "b", chunks))
        except ImageLoadError as error:
            ends.append([({"error": type(error).__name__}, b"")])
    assert ends[0] == ends[1] == ends[2]


def test_a_header_in_single_bytes_takes_bounded_time() -> None:
    begin = process_time()
    with pytest.raises(LimitError):
        push(b"--b\r\n" + b"X: y\r\n" * 2000, KIND + "b", [1], replace(DEFAULT_LIMITS, part_headers=10_000))
    assert process_time() - begin < 2


def test_what_looks_like_a_boundary_takes_bounded_time() -> None:
    """Four megabytes of beginnings of a delimiter of 70 characters, in chunks that cut them."""
    begin = process_time()
    near = (b"\r\n--" + SEVENTY[:-1]) * (4 * 1024 * 1024 // 73)
    (one,) = push(part(data=near, boundary=SEVENTY), KIND + SEVENTY.decode(), [4099])
    assert one[1] == near
    assert process_time() - begin < 2
    assert split_parts(part(data=near, boundary=SEVENTY), KIND + SEVENTY.decode())[0].data == near
