"""JPEG-LS (ISO/IEC 14495-1) with CharLS, lossless and near-lossless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.guards import check_header, without_padding
from cornerstream.operators.codecs.jpeg_markers import SOF_JPEG_LS, read_jpeg_header
from cornerstream.operators.codecs.stored_values import codec_values, decoded, memory_for

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.operators.codecs.jpeg_markers import JpegHeader

_LOSSLESS = "1.2.840.10008.1.2.4.80"


def decode_jpegls(frame: EncodedFrame) -> DecodedFrame:
    """Decode with CharLS (imagecodecs), which takes seconds to refuse a cut codestream: the end marker is asked for first.

    Raises:
        DecodeError: The codestream is cut, is no JPEG-LS, or contradicts the description.
    """
    from imagecodecs import jpegls_decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, header = checked_jpegls(frame)
    lossless = frame.metadata.transfer_syntax_uid == _LOSSLESS
    # Planes that lie one after the other want memory of another shape.
    out = memory_for(frame, header.size.precision) if header.interleaved else None
    samples = jpegls_decode(bytes(codestream), out=out)
    return decoded(frame, codec_values(samples, frame.metadata, precision=header.size.precision, lossless=lossless))


def checked_jpegls(frame: EncodedFrame) -> tuple[bytes | memoryview, JpegHeader]:
    """The codestream without padding, and its header, which agrees with the data set; raises DecodeError."""
    codestream = without_padding(frame.data, "JPEG-LS")
    header = read_jpeg_header(codestream)
    if header.process != SOF_JPEG_LS:
        raise DecodeError("the codestream is JPEG, the transfer syntax says JPEG-LS")
    check_header(header.size, frame.metadata)
    return codestream, header
