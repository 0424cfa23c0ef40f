"""Lossless HTJ2K (ISO/IEC 15444-15) with OpenJPH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.operators.codecs.j2k_markers import checked_codestream
from cornerstream.operators.codecs.jpeg2000 import decode_jpeg2000, j2k_decoded
from cornerstream.operators.codecs.stored_values import memory_for

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame


def decode_htj2k(frame: EncodedFrame) -> DecodedFrame:
    """Decode with OpenJPH (imagecodecs). For lossless streams only: it wraps where lossy ones overshoot.

    OpenJPH makes a picture of half a codestream and hangs on some sizes, so both are checked first. Where it stops at a
    damaged code block, imagecodecs 2026.3 drops the error and leaves zeros from there on, in the caller's memory too; a
    last line of zeros is therefore settled by OpenJPEG, which raises.

    Raises:
        DecodeError: The codestream is cut or damaged, is no HTJ2K, or contradicts the description.
    """
    from imagecodecs import htj2k_decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, siz = checked_codestream(frame)
    # Colour without a component transform comes plane by plane unless told otherwise.
    out = memory_for(frame, siz.header.precision, signed=siz.header.signed)
    samples = htj2k_decode(bytes(codestream), planar=False, out=out)
    last_line = samples[-1] if samples.ndim == 2 else samples[-1, :, -1]  # of the component that is written last
    return j2k_decoded(frame, samples, siz.header) if last_line.any() else decode_jpeg2000(frame)
