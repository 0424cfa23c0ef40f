from __future__ import annotations

import asyncio
import email
import email.policy
import time
import tracemalloc
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.multipart import MultipartSplitter, boundary_of, split_parts
from tests.support.corpus import corpus_available, corpus_root, expected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerstream.operators.parts import Part

CT = 'multipart/related; type="application/octet-stream"; boundary="b"'
IMAGE = ImageId.parse("wadors:http://pacs/studies/1/frames/1")
BCHARS = "0123456789abcXYZ'()+_,-./:=? "


def build(bodies: Sequence[bytes], boundary: str = "b", preamble: bytes = b"", epilogue: bytes = b"\r\n") -> bytes:
    delimiter = b"--" + boundary.encode()
    parts = [b"%s\r\nContent-Type: image/jls\r\n\r\n%s\r\n" % (delimiter, body) for body in bodies]
    return preamble + b"".join(parts) + delimiter + b"--" + epilogue


def push(data: bytes, content_type: str, sizes: Sequence[int], limits: Limits = DEFAULT_LIMITS) -> list[Part]:
    """Split `data` fed in chunks whose sizes repeat."""
    splitter, parts, at, turn = MultipartSplitter(content_type, limits), list[Any](), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        parts += splitter.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return [*parts, *splitter.close()]


bodies = st.lists(
    st.binary(max_size=60)
    | st.sampled_from([b"\r\n", b"\r", b"\n--b", b"--b", b"\r\n-", b"\r\n--", b"\r\r\n--", b"\r\n\r\n"])
    | st.binary(max_size=9).map(lambda x: x + b"\r\n--c" + x),
    min_size=1,
    max_size=5,
)
boundaries = st.text(BCHARS, min_size=1, max_size=70).filter(lambda text: text[-1] != " ")


def legal(parts: Sequence[bytes], boundary: str) -> bool:
    return not any(b"\r\n--" + boundary.encode() in b"\r\n" + part + b"\r\n" for part in parts)


@settings(max_examples=150, deadline=None)
@given(bodies, boundaries, st.lists(st.integers(1, 40), min_size=1, max_size=5), st.sampled_from([b"", b"pre\r\n"]))
def test_what_is_built_comes_back_in_any_chunking(
    parts: list[bytes], boundary: str, sizes: list[int], preamble: bytes
) -> None:
    if legal(parts, boundary):
        data = build(parts, boundary, preamble)
        found = push(data, f'multipart/related; boundary="{boundary}"', sizes)
        assert [part.data for part in found] == parts
        assert {part.content_type for part in found} == {"image/jls"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abc \r\n-", max_size=30).map(str.encode), min_size=1, max_size=4), boundaries)
def test_the_standard_library_reads_the_same(parts: list[bytes], boundary: str) -> None:
    if not legal(parts, boundary) or any(b"\n--" + boundary.encode() in b"\n" + p.replace(b"\r", b"\n") for p in parts):
        return  # `email` takes a lone LF or CR for a line end
    data = build(parts, boundary)
    content_type = f'multipart/related; boundary="{boundary}"'
    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + data, policy=email.policy.HTTP
    )
    theirs = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    assert [part.data for part in split_parts(data, content_type)] == theirs


@settings(max_examples=100, deadline=None)
@given(bodies, st.text("abcXYZ'+_-.", min_size=1, max_size=70))
def test_aiohttp_reads_the_same(parts: list[bytes], boundary: str) -> None:
    if not legal(parts, boundary):
        return
    data, content_type = build(parts, boundary), f'multipart/related; boundary="{boundary}"'

    async def theirs() -> list[bytes]:
        stream = aiohttp.StreamReader(aiohttp.base_protocol.BaseProtocol(asyncio.get_running_loop()), 2**16)
        stream.feed_data(data)
        stream.feed_eof()
        reader = aiohttp.MultipartReader({"Content-Type": content_type}, stream)
        found = []
        while part := await reader.next():
            assert isinstance(part, aiohttp.BodyPartReader)
            found.append(bytes(await part.read()))
        return found

    assert [part.data for part in split_parts(data, content_type)] == asyncio.run(theirs())


WELL_FORMED = {
    "no header": b"--b\r\n\r\nbody\r\n--b--",
    "padding": b"--b \t \r\n\r\nbody\r\n--b--  \r\n",
    "epilogue": b"--b\r\n\r\nbody\r\n--b--\r\n--b\r\nnothing: of this\r\n\r\ncounts",
    "epilogue after LF": b"--b\r\n\r\nbody\r\n--b--\n",
    "folded header": b"--b\r\nContent-Type: image/jls;\r\n transfer-syntax=1\r\n\r\nbody\r\n--b--\r\n",
    "length": b"--b\r\nCONTENT-LENGTH:4 \r\n\r\nbody\r\n--b--\r\n",
    "preamble": b"pre --b amble\n--b\r\r\n--b\r\n\r\nbody\r\n--b--\r\n",
}


@pytest.mark.parametrize("data", WELL_FORMED.values(), ids=WELL_FORMED.keys())
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_legal_bodies(data: bytes, size: int) -> None:
    assert [part.data for part in push(data, CT, [size])] == [b"body"]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_part_without_a_body_may_end_with_its_header(size: int) -> None:
    data = b"--b\r\nA: 1\r\n\r\n--b\r\n\r\n--b\r\n\r\n\r\n--b--"
    assert [(dict(part.headers), part.data) for part in push(data, CT, [size])] == [
        ({"a": "1"}, b""),
        ({}, b""),
        ({}, b""),
    ]


SPLIT_ERRORS = {
    "LF boundary": b"--b\nA: 1\r\n\r\nbody\r\n--b--\r\n",
    "LF header": b"--b\r\nA: 1\n\nbody\r\n--b--\r\n",
    "LF between headers": b"--b\r\nA: 1\nB: 2\r\n\r\nbody\r\n--b--\r\n",
    "all LF": b"pre\n--b\nA: 1\n\nbody\n--b--\n",
    "longer boundary": b"--b\r\n\r\nbody\r\n--bc\r\n\r\nbody\r\n--b--",
    "longer closing boundary": b"--b\r\n\r\nbody\r\n--b--c\r\n",
    "endless padding": b"--b" + b" " * 500 + b"\r\n\r\nbody\r\n--b--",
    "no part": b"--b--\r\n",
    "another boundary": b"--c\r\n\r\nbody\r\n--c--\r\n",
    "no colon": b"--b\r\nnonsense\r\n\r\nbody\r\n--b--",
    "space in name": b"--b\r\na b: 1\r\n\r\nbody\r\n--b--",
    "folded first": b"--b\r\n folded\r\n\r\nbody\r\n--b--",
    "two types": b"--b\r\nContent-Type: a/b\r\nContent-Type: a/c\r\n\r\nbody\r\n--b--",
    "nested": b"--b\r\nContent-Type: Multipart/mixed; boundary=c\r\n\r\nbody\r\n--b--",
    "body too long": b"--b\r\nContent-Length: 3\r\n\r\nbody\r\n--b--",
    "length no number": b"--b\r\nContent-Length: -4\r\n\r\nbody\r\n--b--",
}


@pytest.mark.parametrize("data", SPLIT_ERRORS.values(), ids=SPLIT_ERRORS.keys())
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_contradictions_are_split_errors(data: bytes, size: int) -> None:
    with pytest.raises(SplitError):
        push(data, CT, [size])


def test_a_part_shorter_than_its_length_is_truncated() -> None:
    with pytest.raises(TruncatedError, match="Content-Length 5 ends after 4"):
        split_parts(b"--b\r\nContent-Length: 5\r\n\r\nbody\r\n--b--", CT)


def test_a_cut_at_any_byte_never_gives_a_short_part() -> None:
    frames = [b"first\r\n--", b"", b"\r\nlast"]
    data = build(frames, preamble=b"pre\r\n", epilogue=b"")
    for cut in range(len(data)):
        for size in (1, 4, 1000):
            splitter, found = MultipartSplitter(CT), list[bytes]()
            for at in range(0, cut, size):
                found += [bytes(part.data) for part in splitter.feed(data[at : min(cut, at + size)])]
            with pytest.raises((TruncatedError, SplitError)):
                splitter.close()
            assert found == frames[: len(found)]
            assert len(found) < len(frames)
    assert [part.data for part in split_parts(data, CT)] == frames


@pytest.mark.parametrize(
    "content_type",
    ["multipart/related", "multipart/related; boundary=", 'multipart/related; boundary=""', "multipart/byteranges; boundary=b",
     "multipart/related; boundary=" + "x" * 71, 'multipart/related; boundary="b "', 'multipart/related; boundary="ä"',
     "multipart/related; boundary=a; boundary=b", 'multipart/related; boundary="b', "multipart", "", "  "],
)  # fmt: skip
def test_content_types_that_do_not_frame_are_refused(content_type: str) -> None:
    with pytest.raises(SplitError):
        MultipartSplitter(content_type)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/related; boundary=b", "b"),
        ("Multipart/Related;BOUNDARY=b;", "b"),
        ('multipart/related; boundary="=_Part 1/(a)"; type=image/jp2', "=_Part 1/(a)"),
        ("multipart/related; boundary=----=_Part_1/2.3; start=x", "----=_Part_1/2.3"),
        (r'multipart/related; boundary="a\"b;c"', 'a"b;c'),
        ("multipart/mixed; boundary=" + "x" * 70, "x" * 70),
        ("image/jpeg", None),
    ],
)
def test_boundaries(content_type: str, boundary: str | None) -> None:
    assert boundary_of(content_type) == boundary


def test_a_response_that_is_not_multipart_is_one_part() -> None:
    (part,) = push(b"\xff\xd8 one frame", "image/jpeg; transfer-syntax=1.2", [3])
    assert (part.data, part.content_type) == (b"\xff\xd8 one frame", "image/jpeg; transfer-syntax=1.2")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("parts", build([b"", b"", b""])),
        ("part_bytes", build([b"12345"])),
        ("part_bytes", b"--b\r\nContent-Length: 5\r\n\r\n"),
        ("part_headers", b"--b\r\n" + b"a: 1\r\n" * 3 + b"\r\n\r\n--b--"),
        ("part_header_bytes", b"--b\r\na: " + b"x" * 50),
        ("part_header_bytes", b"--b\r\na: " + b"x" * 50 + b"\r\n\r\n\r\n--b--"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_limits_are_named(name: str, data: bytes, size: int) -> None:
    limits = replace(DEFAULT_LIMITS, parts=2, part_bytes=4, part_headers=2, part_header_bytes=40)
    with pytest.raises(LimitError, match=f"limits.{name}="):
        push(data, CT, [size], limits)


def test_a_single_part_has_the_limit_of_a_part() -> None:
    with pytest.raises(LimitError, match="part_bytes"):
        push(b"12345", "image/jpeg", [2], replace(DEFAULT_LIMITS, part_bytes=4))


def test_a_hundred_thousand_empty_parts_are_refused_fast() -> None:
    """Refused, and as many parts as are allowed accepted, in half a second (aiohttp's reader takes 27)."""
    data, seconds = build([b""] * 100_000), list[float]()
    for size in (65536, 1000, len(data)):
        start = time.process_time()
        with pytest.raises(LimitError, match=r"limits\.parts=20000"):
            push(data, CT, [size])
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5
    many = DEFAULT_LIMITS.parts
    assert len(push(build([b""] * many), CT, [65536])) == many


def test_a_large_part_is_held_once() -> None:
    size, chunk = 32 << 20, bytes(1 << 16)
    splitter = MultipartSplitter(CT)
    tracemalloc.start()
    try:
        splitter.feed(b"--b\r\n\r\n")
        for _ in range(size // len(chunk)):
            splitter.feed(chunk)
        (part,) = splitter.feed(b"\r\n--b--\r\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(part.data) == size
    assert peak < 1.3 * size


@pytest.mark.corpus
@pytest.mark.skipif(not corpus_available(), reason="no corpus")
def test_the_corpus() -> None:
    seen = 0
    for name, entry in expected("dicomweb").items():
        if "content_type_header" not in entry:
            continue
        data = (corpus_root() / "dicomweb" / name).read_bytes()
        for size in (1 << 16, 997):
            found = push(data, entry["content_type_header"], [size])
            assert [sha256(part.data).hexdigest() for part in found] == [part["body_sha256"] for part in entry["parts"]]
            assert [part.content_type.partition(";")[0] for part in found] == [p["media_type"] for p in entry["parts"]]
        seen += 1
    assert seen == 8


@pytest.mark.corpus
@pytest.mark.skipif(not corpus_available(), reason="no corpus")
def test_the_corpus_body_that_is_not_well_formed_is_refused() -> None:
    data = (corpus_root() / "dicomweb" / "cs3d__wadors_CTImageEvenAligned.multipart.bin").read_bytes()
    with pytest.raises(TruncatedError):
        split_parts(data, "multipart/related; boundary=EVENBOUNDARY")
