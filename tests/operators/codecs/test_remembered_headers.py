"""A header that was read before is judged as one that was not: the oracle is the parser that remembers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.codecs import j2k_markers, jpeg_markers
from cornerstream.operators.codecs.j2k_markers import checked_codestream
from cornerstream.operators.codecs.jpeg import checked_jpeg
from cornerstream.operators.codecs.jpegls import checked_jpegls
from tests.support.damage import samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import _lru_cache_wrapper

    Check = Callable[[EncodedFrame], tuple[bytes | memoryview, object]]

CHECKS: dict[str, Check] = {
    **dict.fromkeys(("jpeg-8", "jpeg-colour", "jpeg-progressive", "jpeg-lossless-16"), checked_jpeg),
    "jpegls-16": checked_jpegls,
    **dict.fromkeys(("j2k-16", "j2k-tiles", "j2k-colour", "htj2k-16", "htj2k-tiles"), checked_codestream),
}
MARKERS: dict[Check, bytes] = {checked_jpeg: b"\xff\xda", checked_jpegls: b"\xff\xda", checked_codestream: b"\xff\x90"}
CACHES: dict[Check, _lru_cache_wrapper[Any]] = {
    checked_jpeg: jpeg_markers._header_of,
    checked_jpegls: jpeg_markers._header_of,
    checked_codestream: j2k_markers._header_of,
}
RUNS = st.one_of(st.sampled_from([b"\xff\x90", b"\xff\xda", b"\xff\x52", b"\xff", b"\0\0"]), st.binary(max_size=4))


def verdict(check: Check, name: str, data: bytes) -> object:
    """What is found, or what is said against it."""
    try:
        codestream, header = check(EncodedFrame(samples()[name].metadata, data))
    except DecodeError as error:
        return str(error)
    return bytes(codestream), header


def judged_alike(name: str, data: bytes) -> object:
    """The verdict of whoever remembers, which is that of whoever does not."""
    check = CHECKS[name]
    found = verdict(check, name, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(j2k_markers, "_HEAD_BYTES", 0)
        patch.setattr(jpeg_markers, "_HEAD_BYTES", 0)
        assert verdict(check, name, data) == found
    return found


def head_bytes(name: str) -> int:
    """Up to the first scan or tile-part, and its own header."""
    return bytes(samples()[name].data).find(MARKERS[CHECKS[name]]) + 14


@pytest.mark.parametrize("name", CHECKS)
def test_every_byte_of_a_header_changed(name: str) -> None:
    data = bytes(samples()[name].data)
    whole = judged_alike(name, data)
    assert isinstance(whole, tuple)
    for at in range(head_bytes(name)):
        for value in {data[at] ^ 1, data[at] ^ 0x80, 0xFF, 0, 0x90, 0xDA} - {data[at]}:
            judged_alike(name, data[:at] + bytes((value,)) + data[at + 1 :])
        assert judged_alike(name, data) == whole


@pytest.mark.parametrize("name", CHECKS)
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_headers_with_something_in_between_or_missing(name: str, drawn: st.DataObject) -> None:
    data = bytes(samples()[name].data)
    judged_alike(name, data)
    start = drawn.draw(st.integers(0, head_bytes(name)))
    stop = drawn.draw(st.integers(start, min(start + 6, len(data))))
    judged_alike(name, data[:start] + drawn.draw(RUNS) + data[stop:])
    judged_alike(name, data[:stop])


@pytest.mark.parametrize("name", CHECKS)
def test_a_header_is_read_once_and_what_is_behind_it_every_time(name: str) -> None:
    data, cache = bytes(samples()[name].data), CACHES[CHECKS[name]]
    cache.cache_clear()
    whole = judged_alike(name, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(j2k_markers, "read_siz")
        patch.delattr(jpeg_markers, "_read_header")
        assert verdict(CHECKS[name], name, data) == whole
    for cut in (head_bytes(name), head_bytes(name) + 9, len(data) - 3):
        assert judged_alike(name, data[:cut]) != whole
        assert judged_alike(name, data[:cut] + b"\xff\xd9") != whole
    assert judged_alike(name, data) == whole


@pytest.mark.parametrize("name", ["jpeg-8", "jpegls-16", "j2k-16", "htj2k-16"])
@pytest.mark.parametrize("length", [1, 900, 5000])
def test_comments_that_look_like_the_end_of_the_header_or_are_long(name: str, length: int) -> None:
    """What is not remembered is read."""
    data, marker = bytes(samples()[name].data), MARKERS[CHECKS[name]]
    start = 2 if marker == b"\xff\xda" else 4 + int.from_bytes(samples()[name].data[4:6], "big")
    text = b"a" * length + marker + b"\0\4" + b"b" * length
    comment = (b"\xff\xfe" if marker == b"\xff\xda" else b"\xff\x64") + (len(text) + 2).to_bytes(2, "big") + text
    for _ in range(2):
        found = judged_alike(name, data[:start] + comment + data[start:])
        assert isinstance(found, tuple)
        assert found[0] == data[:start] + comment + data[start:]


def test_little_is_remembered() -> None:
    for cache in {*CACHES.values()}:
        most = cache.cache_parameters()["maxsize"]
        assert most is not None
        assert most * max(j2k_markers._HEAD_BYTES, jpeg_markers._HEAD_BYTES) <= 1 << 16
