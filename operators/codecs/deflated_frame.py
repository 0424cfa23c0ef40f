"""Deflated Image Frame Compression: each frame is a raw deflate stream of its native bytes (PS3.5 A.4.13, RFC 1951)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.native import native_length, native_pixels

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame


def decode_deflated_frame(frame: EncodedFrame) -> DecodedFrame:
    """Inflate a frame, never to more than its description needs, and read it as a native one.

    Raises:
        DecodeError: The stream is cut, corrupt, or of another length.
    """
    expected = native_length(frame.metadata)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    native = inflater.decompress(frame.data, expected + 2)
    if not inflater.eof or len(native) > expected + 1:
        cause = "is cut" if len(native) <= expected else "inflates to more than its description needs"
        raise DecodeError(f"the deflated frame {cause}: {len(native)} bytes so far, {expected} needed")
    return native_pixels(frame, native)
