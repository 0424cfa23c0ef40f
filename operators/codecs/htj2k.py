"""Lossless HTJ2K (ISO/IEC 15444-15) with OpenJPH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerstream.operators.codecs.description import frame_shape
from cornerstream.operators.codecs.j2k_markers import checked_codestream
from cornerstream.operators.codecs.jpeg2000 import decode_jpeg2000, j2k_decoded
from cornerstream.operators.codecs.stored_values import memory_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.operators.codecs.guards import CodestreamHeader


def decode_htj2k(frame: EncodedFrame) -> DecodedFrame:
    """Decode with OpenJPH (imagecodecs). For lossless streams only: it wraps where lossy ones overshoot.

    OpenJPH makes a picture of half a codestream and hangs on some sizes, so both are checked first. Where it stops at a
    damaged code block, imagecodecs 2026.3 drops the error and leaves the memory from there on as it was: zeros, here. A
    last line of zeros is therefore settled by OpenJPEG, which raises.

    Raises:
        DecodeError: The codestream is cut or damaged, is no HTJ2K, or contradicts the description.
    """
    from imagecodecs import htj2k_decode  # noqa: PLC0415 - no codec is imported before it is needed

    codestream, siz = checked_codestream(frame)
    # Colour without a component transform comes plane by plane unless told otherwise.
    samples = htj2k_decode(bytes(codestream), planar=False, out=_zeros(frame, siz.header))
    last_line = samples[-1] if samples.ndim == 2 else samples[-1, :, -1]  # of the component that is written last
    return j2k_decoded(frame, samples, siz.header) if last_line.any() else decode_jpeg2000(frame)


def _zeros(frame: EncodedFrame, header: CodestreamHeader) -> NDArray[np.generic]:
    """Memory for the samples, the caller's if there is some, without anything of what was there before."""
    memory = memory_for(frame, header.precision, signed=header.signed)
    if memory is None:
        size = 1 if header.precision <= 8 else 2 if header.precision <= 16 else 4
        return np.zeros(frame_shape(frame.metadata), f"{'i' if header.signed else 'u'}{size}")
    memory.fill(0)
    return memory
