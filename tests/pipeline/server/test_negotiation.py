from __future__ import annotations

import pytest

from cornerstream.server.negotiation import accepts_related, accepts_single, frame_media_type, parse_accept

JPEG_2000, NATIVE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1"


@pytest.mark.parametrize(
    ("accept", "acceptable"),
    [
        ("", True),
        ("*/*", True),
        ('multipart/related; type="image/jp2"', True),
        ("multipart/related; type=image/jp2; transfer-syntax=*", True),
        (f'multipart/related; type="image/jp2"; transfer-syntax={JPEG_2000}', True),
        (f'multipart/related; type="image/jp2"; transfer-syntax={NATIVE}', False),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', True),
        ('multipart/related; type="application/octet-stream"', False),
        ('multipart/related; type="image/jpeg", multipart/related; type="image/jp2"', True),
        ('multipart/related; type="image/jpeg"', False),
        ("multipart/related; type=image/jp2; q=0", False),
        ("multipart/related; type=image/jp2; q=zero", False),
        ("image/jp2", False),
        ("application/json", False),
    ],
)
def test_a_stored_jpeg_2000_frame(accept: str, *, acceptable: bool) -> None:
    assert accepts_related(accept, frame_media_type(JPEG_2000), JPEG_2000) is acceptable


def test_native_frames_are_what_octet_stream_means() -> None:
    assert accepts_related('multipart/related; type="application/octet-stream"', "application/octet-stream", NATIVE)


def test_commas_in_quotes_do_not_separate() -> None:
    (one,) = parse_accept('multipart/related; type="a,b"; Transfer-Syntax=1.2')
    assert one.parameters == {"type": "a,b", "transfer-syntax": "1.2"}


def test_the_best_offer_wins() -> None:
    assert accepts_single("image/png;q=0.5, image/jpeg", "image/png", "image/jpeg") == "image/jpeg"
    assert accepts_single("image/*", "image/jpeg", "image/png") == "image/jpeg"
    assert accepts_single("text/html", "image/jpeg") is None
