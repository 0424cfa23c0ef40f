"""JPEG 2000 and HTJ2K with OpenJPEG: through imagecodecs, or through pylibjpeg-openjpeg."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.j2k_markers import checked_codestream
from cornerstream.operators.codecs.stored_values import codec_values, decoded, memory_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.operators.codecs.guards import CodestreamHeader

# .90 and .201, .202: what the encoder got is what comes out.
_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"})


def decode_jpeg2000(frame: EncodedFrame) -> DecodedFrame:
    """Decode with imagecodecs: the workers are the parallelism, and only where some have nothing to do it uses threads.

    Raises:
        DecodeError: The codestream is cut, is no JPEG 2000, or contradicts the description.
    """
    from imagecodecs import jpeg2k_decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, siz = checked_codestream(frame)
    out = memory_for(frame, siz.header.precision, signed=siz.header.signed)
    return j2k_decoded(frame, jpeg2k_decode(bytes(codestream), numthreads=frame.threads, out=out), siz.header)


def decode_openjpeg(frame: EncodedFrame) -> DecodedFrame:
    """Decode with pylibjpeg-openjpeg, which holds the interpreter lock.

    Raises:
        DecodeError: The codestream is cut, is no JPEG 2000, contradicts the description, or does not begin at the origin
            of its reference grid (pylibjpeg-openjpeg would allocate from there on).
    """
    from openjpeg.utils import decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, siz = checked_codestream(frame)
    if siz.area.x0 or siz.area.y0:
        raise DecodeError("pylibjpeg-openjpeg decodes no JPEG 2000 image with an offset; imagecodecs does")
    return j2k_decoded(frame, decode(bytes(codestream), j2k_format=0), siz.header)


def j2k_decoded(frame: EncodedFrame, samples: NDArray[np.generic], header: CodestreamHeader) -> DecodedFrame:
    """Stored values of JPEG 2000 samples; the decoder has undone RCT and ICT, so that those are RGB now."""
    metadata = frame.metadata
    lossless = metadata.transfer_syntax_uid in _LOSSLESS
    values = codec_values(samples, metadata, precision=header.precision, lossless=lossless)
    transformed = metadata.photometric_interpretation in ("YBR_RCT", "YBR_ICT")
    return decoded(frame, values, "RGB" if transformed else "")
