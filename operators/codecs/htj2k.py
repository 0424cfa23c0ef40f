"""Lossless HTJ2K (ISO/IEC 15444-15) with OpenJPH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.operators.codecs.j2k_markers import checked_codestream
from cornerstream.operators.codecs.jpeg2000 import j2k_decoded

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame


def decode_htj2k(frame: EncodedFrame) -> DecodedFrame:
    """Decode with OpenJPH (imagecodecs). For lossless streams only: it wraps where lossy ones overshoot.

    OpenJPH makes a picture of half a codestream and hangs on some sizes, so both are checked first.

    Raises:
        DecodeError: The codestream is cut, is no HTJ2K, or contradicts the description.
    """
    from imagecodecs import htj2k_decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, header = checked_codestream(frame)
    return j2k_decoded(frame, htj2k_decode(codestream), header)
