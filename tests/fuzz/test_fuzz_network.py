"""Damaged answers of servers: real multipart bodies, real DICOM JSON, whole HTTP responses on a socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
import zlib
from contextlib import suppress
from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import ImageLoadError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.content_encoding import Inflater
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.media_types import parse_content_type
from cornerstream.operators.metadata import read_json
from cornerstream.operators.multipart import MultipartSplitter, boundary_of, split_parts
from cornerstream.operators.read_metadata import instances_of
from cornerstream.session import Session
from tests.fuzz.mutations import budget, mutated
from tests.hostile.test_cuts import FRAMINGS
from tests.support.corpus import corpus_available, corpus_root, expected
from tests.support.hostile import DATA_SET, MULTIPART, PIXELS, Instance, multipart, serving, without_retries
from tests.support.leaks import nothing_left
from tests.support.raw_server import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long
LIMITS = Limits(parts=50, part_bytes=1 << 20, read_seconds=0.2, response_seconds=1.0, response_bytes=1 << 20)


def _bodies() -> Iterator[tuple[str, bytes]]:
    """Content-Type and body: those of the corpus, their parts shortened, and one made here."""
    yield MULTIPART.partition(": ")[2], multipart(PIXELS, b"", PIXELS * 9)
    for name, entry in expected("dicomweb").items() if corpus_available() else ():
        if content_type := entry.get("content_type_header"):
            body = (corpus_root() / "dicomweb" / name).read_bytes()
            for part in split_parts(body, content_type):
                body = body.replace(part.data, part.data[:200])
                body = body.replace(
                    b"Content-Length: %d\r" % len(part.data), b"Content-Length: %d\r" % len(part.data[:200])
                )
            yield content_type, body


def _documents() -> Iterator[bytes]:
    """DICOM JSON of the corpus, the first instance of each document, and one made here."""
    yield json.dumps([DATA_SET]).encode()
    for path in sorted((corpus_root() / "dicomweb").glob("*.json")) if corpus_available() else ():
        parsed = json.loads(path.read_bytes())
        if (
            path.name != "expected.json"
            and len(text := json.dumps(parsed[:1] if isinstance(parsed, list) else parsed)) < 40_000
        ):
            yield text.encode()


BODIES = list(_bodies())
DOCUMENTS = list(_documents())
MULTIPART_TOKENS = [
    b"\r\n", b"\n", b"\r\n\r\n", b"--", b"--\r\n", b"\r\n--", b": ", b"Content-Type: ", b"Content-Length: 8\r\n", b"multipart/related",
    b"--b", b"--b5f8e2a1-9c3d-4f70", b"--=_Part 1/(a)", b"Content-Encoding: gzip\r\n", b" ", b"\t", b"\0",
]  # fmt: skip
JSON_TOKENS = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"0.5", b"-1", b"\\ud800", b'"vr"',
    b'"Value"', b'"SQ"', b'"InlineBinary"', b'"BulkDataURI"', b'"00280010"', b'"00281101"', b'"52009230"', b'"00283006"', b"9" * 30,
]  # fmt: skip
HTTP_TOKENS = [
    *MULTIPART_TOKENS, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"chunked",
    b"Connection: close\r\n", b"0\r\n\r\n", b"Content-Encoding: gzip\r\n", b"206", b"302", b"Location: /\r\n", b"100", b";x=y", b"ffffffff",
]  # fmt: skip


@budget(2500)
@given(st.sampled_from(range(len(BODIES))), st.data(), st.lists(st.integers(1, 300), min_size=1, max_size=3))
def test_multipart(index: int, data: st.DataObject, sizes: list[int]) -> None:
    """The same end in any chunking; and no part that is not in the body as it stands, between two boundaries."""
    content_type, base = BODIES[index]
    body = data.draw(mutated([base], MULTIPART_TOKENS))
    ends = []
    for lengths in (sizes, [len(body) + 1]):
        splitter, found, at, turn = MultipartSplitter(content_type, LIMITS), [], 0, 0
        try:
            while at < len(body):
                found += splitter.feed(body[at : at + lengths[turn % len(lengths)]])
                at, turn = at + lengths[turn % len(lengths)], turn + 1
            found += splitter.close()
            ends.append([bytes(one.data) for one in found])
        except ImageLoadError as error:
            ends.append([type(error).__name__.encode()])
    assert ends[0] == ends[1]
    delimiter = b"\r\n--" + (boundary_of(content_type) or "").encode()
    if len(ends[0]) != 1 or not ends[0][0].endswith(b"Error"):
        assert all(b"\r\n" + one + delimiter in body for one in ends[0])
        assert not any(delimiter in one for one in ends[0])


@budget(2500)
@given(mutated(DOCUMENTS, JSON_TOKENS))
def test_dicom_json(body: bytes) -> None:
    begin = process_time()
    with suppress(ImageLoadError):
        for instance in parse_instances(body):
            with suppress(ImageLoadError):
                found = read_json(instance)
                pickle.dumps(found.frame(1))
        for uid in instances_of(body):
            uid.encode()
    assert process_time() - begin < 5


@budget(2000)
@given(
    mutated([text.encode("latin-1") for text, _ in BODIES], [b";", b"=", b'"', b"\\", b" ", b"boundary", b"/", b","])
)
def test_content_types(field: bytes) -> None:
    with suppress(SplitError):
        parse_content_type(field.decode("latin-1"))
        boundary_of(field.decode("latin-1"))


@budget(2000)
@given(
    mutated(
        [gzip.compress(BODIES[0][1], mtime=0), gzip.compress(b"a") + gzip.compress(bytes(9999))], [b"\x1f\x8b\x08\0"]
    ),
    st.integers(1, 50),
)
def test_gzip(body: bytes, size: int) -> None:
    """What comes out is what the standard library makes of it, or an error on both sides."""
    inflater, found = Inflater("gzip"), list[bytes]()
    try:
        for at in range(0, len(body), size):
            found += inflater.inflate(body[at : at + size])
        inflater.close()
    except (SplitError, TruncatedError):
        return
    assert b"".join(found) == gzip.decompress(body)


@budget(1500)
@given(mutated([zlib.compress(BODIES[0][1])], [b"\x78\x9c"], most=2), st.integers(1, 50))
def test_deflate(body: bytes, size: int) -> None:
    inflater, found = Inflater("deflate"), list[bytes]()
    try:
        for at in range(0, len(body), size):
            found += inflater.inflate(body[at : at + size])
        inflater.close()
    except (SplitError, TruncatedError):
        return
    with suppress(zlib.error):  # bare deflate, which only we accept
        assert b"".join(found) == zlib.decompress(body)


def test_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole responses over every framing, damaged anywhere, through a session: an image of the declared shape or an error."""
    without_retries(monkeypatch)
    wires = [frame(multipart(PIXELS), MULTIPART) for frame in FRAMINGS.values()]

    async def load(instance: Instance, session: Session, wire: bytes) -> None:
        instance.frame = (wire, Step.CLOSE)
        with suppress(ImageLoadError):
            image = await session.load(instance.wadors, keep=False)
            assert (image.pixels.shape, image.pixels.dtype.name) == ((2, 4), "uint8")

    async def fuzz(runner: asyncio.AbstractEventLoop) -> None:
        async with nothing_left(), serving(Instance()) as instance, Session(limits=LIMITS) as session:
            await session.load(instance.wadors, keep=False)

            @budget(2500)
            @given(mutated(wires, HTTP_TOKENS))
            def each(wire: bytes) -> None:
                asyncio.run_coroutine_threadsafe(load(instance, session, wire), runner).result(30)

            await asyncio.to_thread(each)
        await runner.shutdown_default_executor()

    with asyncio.Runner() as runner:
        runner.run(fuzz(runner.get_loop()))
