"""Pictures made in code: PNG chunk by chunk, and whatever Pillow writes."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from cornerstream.images.image_id import ImageId
from cornerstream.operators.web_image import decode_web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerstream.images.image import Image

ID = ImageId.parse("web:/picture")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def ihdr(columns: int, rows: int, bits: int, color_type: int, interlace: int = 0) -> bytes:
    """The first chunk of a PNG."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, color_type, 0, 0, interlace))


def lines(samples: NDArray[Any], bits: int) -> bytes:
    """Rows × columns × samples as PNG has them before deflate, each line without a filter."""
    packed = []
    for line in samples.reshape(samples.shape[0], -1):
        if bits == 16:
            packed.append(b"\0" + line.astype(">u2").tobytes())
        else:
            each = np.unpackbits(line.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
            packed.append(b"\0" + np.packbits(each.reshape(-1)).tobytes())
    return b"".join(packed)


def interlaced_lines(samples: NDArray[Any], bits: int) -> bytes:
    """The same in seven passes (W3C PNG 8.1)."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = (samples[y::down, x::across] for x, y, across, down in passes)
    return b"".join(lines(part, bits) for part in parts if part.size)


def png(
    samples: NDArray[Any],
    bits: int,
    color_type: int,
    extra: Sequence[bytes] = (),
    *,
    interlaced: bool = False,
    pieces: int = 1,
) -> bytes:
    """A PNG of samples as they are in the file.

    Args:
        samples: Rows × columns × samples.
        bits: Of a sample.
        color_type: As in IHDR.
        extra: Chunks between IHDR and IDAT.
        interlaced: In seven passes.
        pieces: IDAT chunks.
    """
    rows, columns = samples.shape[:2]
    data = zlib.compress(interlaced_lines(samples, bits) if interlaced else lines(samples, bits))
    step = -(-len(data) // pieces)
    idat = (chunk(b"IDAT", data[at : at + step]) for at in range(0, len(data), step))
    return b"".join((SIGNATURE, ihdr(columns, rows, bits, color_type, interlaced), *extra, *idat, chunk(b"IEND")))


def grey_png(rows: int = 4, columns: int = 5, *extra: bytes) -> bytes:
    """A small grey PNG of 8 bits."""
    return png(noise((rows, columns, 1)), 8, 0, extra)


def noise(shape: tuple[int, ...], bits: int = 8, seed: int = 1) -> NDArray[Any]:
    """Random samples of so many bits."""
    dtype = np.uint16 if bits > 8 else np.uint8
    return np.random.default_rng(seed).integers(0, 1 << bits, shape, dtype=dtype)


def smooth(rows: int, columns: int, samples: int = 3) -> NDArray[np.uint8]:
    """A picture without edges, which lossy codecs keep close."""
    ramp = np.add.outer(np.linspace(0, 120, rows), np.linspace(0, 100, columns))
    return np.stack([ramp + 10 * index for index in range(samples)], axis=-1).astype(np.uint8)


def saved(pixels: NDArray[Any] | Pillow.Image, form: str, **options: Any) -> bytes:
    """A picture as Pillow writes it."""
    picture = pixels if isinstance(pixels, Pillow.Image) else Pillow.fromarray(pixels)
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def opened(body: bytes) -> Pillow.Image:
    """A picture as Pillow reads it."""
    return Pillow.open(BytesIO(body))


def decoded(body: bytes, **options: Any) -> Image:
    """The first picture of a file, as `web:` image ids give it."""
    return decode_web(body, ID, **options)


def exif(orientation: int, *, big: bool = False) -> bytes:
    """EXIF data with an orientation and nothing else."""
    order = ">" if big else "<"
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)
