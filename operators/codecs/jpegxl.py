"""JPEG XL (ISO/IEC 18181) with libjxl, as a codestream or in its container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.operators.codecs.guards import check_header
from cornerstream.operators.codecs.jpegxl_header import read_basic_info
from cornerstream.operators.codecs.stored_values import codec_values, decoded

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame

_LOSSLESS = "1.2.840.10008.1.2.4.110"


def decode_jpegxl(frame: EncodedFrame) -> DecodedFrame:
    """Decode with libjxl (imagecodecs), which asks for more input where a codestream is cut.

    Raises:
        DecodeError: The codestream is cut, is no JPEG XL, or contradicts the description.
    """
    from imagecodecs import jpegxl_decode  # noqa: PLC0415 - no codec is imported before it is needed

    metadata = frame.metadata
    header = read_basic_info(frame.data)
    check_header(header, metadata)
    samples = jpegxl_decode(bytes(frame.data), keeporientation=True, numthreads=frame.threads)
    lossless = metadata.transfer_syntax_uid == _LOSSLESS
    values = codec_values(samples, metadata, precision=header.precision, lossless=lossless)
    return decoded(frame, values, "RGB" if metadata.samples_per_pixel == 3 else "")
