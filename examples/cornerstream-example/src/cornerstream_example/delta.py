"""A private transfer syntax: the size, then each sample's difference from its left neighbour, deflated."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame
from cornerstream.operators.codecs.guards import CodestreamHeader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import EncodedFrame

TRANSFER_SYNTAX_UID = "1.2.826.0.1.3680043.10.1661.4.1"
_SIZE = struct.Struct("<2H")


def encode(pixels: NDArray[np.uint16]) -> bytes:
    """Encode rows × columns of 16 bits."""
    differences = np.diff(pixels, axis=1, prepend=np.uint16(0)).astype("<u2")
    return _SIZE.pack(*pixels.shape) + zlib.compress(differences.tobytes())


def decode(frame: EncodedFrame) -> DecodedFrame:
    """Decode; never to more than the data set says.

    Raises:
        DecodeError: It is cut, or holds more or fewer samples.
    """
    metadata = frame.metadata
    expected = metadata.rows * metadata.columns * 2
    inflater = zlib.decompressobj()
    data = inflater.decompress(frame.data[_SIZE.size :], expected + 1)
    if len(data) != expected or not inflater.eof:
        raise DecodeError(f"the frame holds {len(data)} bytes so far, its description needs {expected}")
    differences = np.frombuffer(data, "<u2").reshape(metadata.rows, metadata.columns)
    pixels = np.cumsum(differences, axis=1, dtype=np.uint16)
    return DecodedFrame(metadata, pixels, metadata.photometric_interpretation, frame.timings)


def header(data: bytes | memoryview) -> CodestreamHeader:
    """What a codestream says about itself; compared with the data set before it is decoded."""
    if len(data) < _SIZE.size:
        raise DecodeError(f"the frame has {len(data)} bytes, which is no frame")
    rows, columns = _SIZE.unpack_from(data)
    return CodestreamHeader(rows, columns, samples=1, precision=16)
