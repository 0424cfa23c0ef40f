from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import UnsupportedTransferSyntaxError
from cornerstream.operators.content_types import MEDIA_TYPES, octet_stream_syntax, transfer_syntax_of
from cornerstream.operators.multipart import split_parts
from tests.operators.test_codestreams import (
    HTJ2K_LOSSY,
    HTJ2K_REVERSIBLE,
    J2K,
    J2K_LOSSY,
    JLS,
    JPEG_BASELINE,
    JPEG_LOSSLESS,
    RLE_FRAME,
)
from tests.support.corpus import corpus_available, corpus_root, expected

DOT = "1.2.840.10008.1.2"
EXPLICIT, IMPLICIT, BIG, DEFLATED = f"{DOT}.1", DOT, f"{DOT}.2", f"{DOT}.1.99"


def ts(number: int) -> str:
    return f"{DOT}.4.{number}"


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (f"image/jp2;transfer-syntax={ts(90)}", ts(90)),
        (f'IMAGE/JP2; charset=x; Transfer-Syntax="{ts(91)}"', ts(91)),
        (f"application/octet-stream; transfer-syntax={ts(80)}", ts(80)),
        (f"application/octet-stream; transfer-syntax={EXPLICIT}", EXPLICIT),
        ("application/octet-stream; transfer-syntax=1.2.3.4", "1.2.3.4"),
        (f"image/x-dicom-rle; transfer-syntax={DOT}.5", f"{DOT}.5"),
    ],
)
@pytest.mark.parametrize("stored", ["", EXPLICIT, ts(70)])
def test_what_the_part_says_decides(content_type: str, found: str, stored: str) -> None:
    assert transfer_syntax_of(content_type, stored, b"whatever") == found


@pytest.mark.parametrize(
    ("content_type", "stored", "data", "found"),
    [
        ("image/jpeg", ts(50), JPEG_BASELINE, ts(50)),
        ("image/jpeg", ts(51), JPEG_BASELINE, ts(51)),
        ("image/jpeg", "", JPEG_BASELINE, ts(50)),
        ("image/jpeg", ts(90), JPEG_BASELINE, ts(50)),  # transcoded without a word
        ("image/jpeg", EXPLICIT, JPEG_LOSSLESS, ts(57)),
        ("image/jpeg", ts(70), JPEG_LOSSLESS, ts(70)),
        ("image/jpeg", ts(70), JPEG_BASELINE, ts(50)),
        ("image/jpeg; transfer-syntax=*", "", JPEG_BASELINE, ts(50)),
        ("image/jls", "", JLS, ts(80)),
        ("image/jls", ts(81), JLS, ts(81)),
        ("image/jp2", "", J2K, ts(90)),
        ("image/jp2", ts(90), J2K_LOSSY, ts(91)),
        ("image/jphc", "", HTJ2K_REVERSIBLE, ts(201)),
        ("image/jphc", ts(202), HTJ2K_REVERSIBLE, ts(202)),
        ("image/jphc", "", HTJ2K_LOSSY, ts(203)),
        ("image/dicom-rle", "", RLE_FRAME, f"{DOT}.5"),
        ("application/octet-stream", ts(90), J2K, ts(90)),
        ("application/octet-stream", ts(90), J2K_LOSSY, ts(91)),
        ("application/octet-stream", ts(70), JPEG_LOSSLESS, ts(70)),
    ],
)
def test_a_silent_part_is_what_its_codestream_and_the_metadata_leave(
    content_type: str, stored: str, data: bytes, found: str
) -> None:
    assert transfer_syntax_of(content_type, stored, data, 4096) == found


@pytest.mark.parametrize("stored", ["", EXPLICIT, IMPLICIT, BIG, DEFLATED, ts(90)])
def test_native_pixels_are_explicit_little_endian_whatever_was_stored(stored: str) -> None:
    assert transfer_syntax_of("application/octet-stream", stored, bytes(100), 100) == EXPLICIT
    assert octet_stream_syntax(stored, bytes(100), 99) == EXPLICIT  # padded to an even length


@pytest.mark.parametrize("stored", ["", EXPLICIT])
def test_bytes_that_nobody_calls_compressed_are_native(stored: str) -> None:
    assert octet_stream_syntax(stored, bytes(100), None) == EXPLICIT


def test_native_pixels_that_begin_like_a_codestream_by_chance() -> None:
    assert octet_stream_syntax(EXPLICIT, J2K, len(J2K)) == EXPLICIT


@pytest.mark.parametrize(
    ("content_type", "stored", "data", "native"),
    [
        (f"image/jpeg; transfer-syntax={ts(90)}", "", J2K, None),
        (f"image/jp2; transfer-syntax={EXPLICIT}", EXPLICIT, J2K, None),
        ("image/jpeg", ts(50), J2K, None),
        ("image/jp2", ts(90), JPEG_BASELINE, None),
        ("image/jp2", ts(90), HTJ2K_REVERSIBLE, None),
        ("image/jls", ts(80), b"", None),
        ("image/dicom-rle", "", bytes(100), None),
        ("application/octet-stream", "", J2K, len(J2K)),
        ("application/octet-stream", ts(50), J2K, len(J2K)),
        ("application/octet-stream", EXPLICIT, JPEG_BASELINE, 4096),
        ("application/octet-stream", ts(90), bytes(100), None),
        ("application/octet-stream", ts(90), bytes(100), 101 * 2),
        ("application/octet-stream", "1.2.3.4", bytes(100), 99 * 2),
        ("image/png", "", b"\x89PNG", None),
        ("text/html; charset=utf-8", EXPLICIT, b"<html>", 6),
        ("application/dicom", EXPLICIT, bytes(100), 100),
        ("", EXPLICIT, bytes(100), 100),
        ("rubbish", EXPLICIT, bytes(100), 100),
    ],
)
def test_nothing_is_guessed(content_type: str, stored: str, data: bytes, native: int | None) -> None:
    with pytest.raises(UnsupportedTransferSyntaxError):
        transfer_syntax_of(content_type, stored, data, native)


@given(
    st.sampled_from(["application/octet-stream", *MEDIA_TYPES]),
    st.sampled_from(["", EXPLICIT, ts(90), ts(70)]),
    st.binary(max_size=99),
)
def test_any_bytes_end_in_a_transfer_syntax_or_the_typed_error(content_type: str, stored: str, data: bytes) -> None:
    try:
        found = transfer_syntax_of(content_type, stored, data, 50)
    except UnsupportedTransferSyntaxError:
        found = DOT
    assert found.startswith(DOT)


@pytest.mark.corpus
@pytest.mark.skipif(not corpus_available(), reason="no corpus")
def test_the_corpus_with_and_without_its_parameters() -> None:
    for name, entry in expected("dicomweb").items():
        if "content_type_header" in entry:
            data = (corpus_root() / "dicomweb" / name).read_bytes()
            for part, about in zip(split_parts(data, entry["content_type_header"]), entry["parts"], strict=True):
                wanted = about["transfer_syntax"]
                assert transfer_syntax_of(part.content_type) == wanted
                assert transfer_syntax_of(about["media_type"], wanted, bytes(part.data)) == wanted
                assert (
                    transfer_syntax_of("application/octet-stream", wanted, bytes(part.data), len(part.data)) == wanted
                )
