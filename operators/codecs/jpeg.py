"""JPEG (ISO/IEC 10918-1) with libjpeg-turbo: baseline, extended of 8 and 12 bits, progressive, lossless of 2 to 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.byte_search import count_pair
from cornerstream.operators.codecs.guards import check_header, without_padding
from cornerstream.operators.codecs.jpeg_markers import SOF_JPEG_LS, JpegHeader, read_jpeg_header
from cornerstream.operators.codecs.stored_values import codec_values, decoded, memory_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame

_START_OF_SCAN = b"\xff\xda"  # nothing else looks like it in entropy-coded data
_MOST_SCANS = 256  # one for every coefficient of three components, and some to refine them


def decode_jpeg(frame: EncodedFrame) -> DecodedFrame:
    """Decode with libjpeg-turbo (imagecodecs); YCbCr becomes RGB inside the decoder.

    Raises:
        DecodeError: The codestream is cut, is no JPEG, or contradicts the description.
    """
    from imagecodecs import jpeg8_decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, header = checked_jpeg(frame)
    out = memory_for(frame, header.size.precision)
    if header.size.samples == 1:
        return _decoded(frame, jpeg8_decode(codestream, out=out), header)
    if header.lossless:  # no colour transform in the codec: the tag says what the samples are
        return _decoded(frame, jpeg8_decode(codestream, colorspace="RGB", outcolorspace="RGB", out=out), header)
    colorspace = "YCBCR" if is_ycbcr(header, frame.metadata.photometric_interpretation) else "RGB"
    return _decoded(frame, jpeg8_decode(codestream, colorspace=colorspace, outcolorspace="RGB", out=out), header, "RGB")


def is_ycbcr(header: JpegHeader, photometric_interpretation: str) -> bool:
    """Three components are YCbCr: a valid Adobe marker decides, then JFIF, then Photometric Interpretation."""
    if header.adobe_transform is not None:
        return header.adobe_transform == 1
    return header.jfif or photometric_interpretation.startswith("YBR")


def checked_jpeg(frame: EncodedFrame) -> tuple[bytes, JpegHeader]:
    """The codestream without padding, and its header, which agrees with the data set; raises DecodeError."""
    codestream = without_padding(frame.data, "JPEG")
    header = read_jpeg_header(codestream)
    if header.process == SOF_JPEG_LS:
        raise DecodeError("the codestream is JPEG-LS, the transfer syntax says JPEG")
    check_header(header.size, frame.metadata)
    _check_size(header, len(codestream) - header.scan_offset)
    whole = bytes(codestream)
    # Twelve bytes of a scan make libjpeg visit every block of the frame once more.
    scans = count_pair(whole, _START_OF_SCAN, header.scan_offset)
    if scans > _MOST_SCANS:
        raise DecodeError(f"the JPEG codestream has {scans} scans; {_MOST_SCANS} are more than any encoder writes")
    return whole, header


def _check_size(header: JpegHeader, scan_bytes: int) -> None:
    """Refuse scans that are too short for their frame, however well it compresses.

    A Huffman code has a bit at least, and there is one for the DC coefficient of every block, be the scans sequential or
    progressive, or for every sample where there are no blocks. libjpeg would fill the rest with grey.
    """
    if 8 * scan_bytes < header.units:
        raise DecodeError(
            f"{scan_bytes} bytes of JPEG scans cannot hold {header.size.rows} × {header.size.columns} pixels"
        )


def _decoded(
    frame: EncodedFrame, samples: NDArray[np.generic], header: JpegHeader, photometric_interpretation: str = ""
) -> DecodedFrame:
    values = codec_values(samples, frame.metadata, precision=header.size.precision, lossless=header.lossless)
    return decoded(frame, values, photometric_interpretation)
