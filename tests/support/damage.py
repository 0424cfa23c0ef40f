"""Damaged codestreams: one real frame per codec and flavour, and seeded variants of each.

A variant depends on the codestream, the other one, the seed and its place alone, so that one that fails can be had
again: `variant(samples()["jpegls-16"].data, seed=1, index=41)`.
"""

from __future__ import annotations

import io
import random
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import dcmread
from rle.utils import encode_pixel_data

from cornerstream.images.frames import EncodedFrame
from tests.support.corpus import corpus_available, corpus_root
from tests.support.frames import bundled, describing, read_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_JPEG_FAMILY = "1.2.840.10008.1.2.4."
_CORPUS = {
    "jpeg-spectral-12": "dicom/cs3d__CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm",
    "jpeg-progressive-12": "dicom/cs3d__CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm",
    "jpegls-planes": "dicom/pydicom-data__JLSL_RGB_ILV0.dcm",
    "jpegls-clinical": "dicom/dicomparser__CT0012.not_fragmented_bot_jpeg_ls.80.dcm",
    "j2k-1-bit": "dicom/pydicom-data__liver_j2k.dcm",
    "htj2k-clinical": "dicom/dicomhtj2k__CT1_JPH",
}


@cache
def samples() -> dict[str, EncodedFrame]:
    """One real frame per codec and flavour; those of the corpus when it is there.

    Everything else is encoded here, from 64 to 128 pixels a side of two files inside pydicom's wheel.
    """
    found = {**_jpeg(), **_jpegls(), **_jpeg2000(), **_htj2k(), **_jpegxl(), **_bytewise()}
    if corpus_available():
        found |= {name: read_frames(corpus_root() / path)[0] for name, path in _CORPUS.items()}
    return found


def variants(codestream: bytes, seed: int, count: int = 300, other: bytes | None = None) -> Iterator[bytes]:
    """Damaged forms of a codestream: flipped bits, overwritten, missing and repeated runs, cuts, splices.

    Args:
        codestream: A whole one.
        seed: Another seed, other damage.
        count: How many.
        other: A second codestream that ends are taken from; itself, shifted, where there is none.
    """
    return (variant(codestream, seed, index, other) for index in range(count))


def variant(codestream: bytes, seed: int, index: int, other: bytes | None = None) -> bytes:
    """One of `variants`; every kind of damage comes round in turn."""
    rng = random.Random(f"{seed}:{index}:{len(codestream)}")  # of a string: the same in every process
    damaged = _DAMAGE[index % len(_DAMAGE)](bytes(codestream), rng, codestream if other is None else bytes(other))
    return damaged if damaged != codestream else _flip_anywhere(damaged, rng, b"")


def _flip(data: bytes, rng: random.Random, start: int, end: int) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        damaged[rng.randrange(start, min(end, len(data)))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _flip_anywhere(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    return _flip(data, rng, 0, len(data))


def _flip_header(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    return _flip(data, rng, 0, 160)


def _overwrite_header(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    at = rng.randrange(min(160, len(data)))
    run = bytes(rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256))) for _ in range(rng.choice((1, 2, 4))))
    return data[:at] + run + data[at + len(run) :]


def _overwrite(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((2, 8, 64, len(data) // 4))
    run = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return (data[:at] + run + data[at + length :])[: len(data)]


def _cut(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _cut_and_ended(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + data[-rng.choice((2, 2, 2, 12)) :]


def _remove(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((1, 2, 16, len(data) // 3))
    return data[:at] + data[at + length :]


def _repeat(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((1, 2, 16, len(data) // 3))
    return data[: at + length] + data[at:]


def _splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + other[rng.randrange(len(other)) if rng.randrange(2) else min(at, len(other) - 2) :]


_DAMAGE: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _flip_anywhere,
    _flip_header,
    _overwrite,
    _cut_and_ended,
    _overwrite_header,
    _splice,
    _remove,
    _repeat,
    _cut,
    _flip_anywhere,
)


def _grey(bits: int = 16) -> NDArray[np.uint16]:
    """A CT slice of 128 × 128; its values use 12 bits."""
    pixels: NDArray[np.uint16] = dcmread(bundled("CT_small")).pixel_array.astype(np.uint16)
    shifted = np.left_shift(pixels, bits - 12) if bits > 12 else np.right_shift(pixels, 12 - bits)
    return shifted.astype(np.uint16)


def _grey8() -> NDArray[np.uint8]:
    return _grey(8).astype(np.uint8)


def _colour() -> NDArray[np.uint8]:
    """96 × 128 pixels of an ultrasound image."""
    pixels: NDArray[np.uint8] = dcmread(bundled("examples_rgb_color")).pixel_array[60:156, 100:228]
    return np.ascontiguousarray(pixels)


def _frame(pixels: NDArray[Any], syntax: int | str, data: Any, **attributes: Any) -> EncodedFrame:
    uid = f"{_JPEG_FAMILY}{syntax}" if isinstance(syntax, int) else syntax
    return EncodedFrame(describing(pixels, uid, **attributes), bytes(data))


def _pillow(pixels: NDArray[Any], kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _jpeg() -> dict[str, EncodedFrame]:
    grey8, grey12, grey16, colour = _grey8(), _grey(12), _grey(16), _colour()
    jpeg = imagecodecs.jpeg8_encode
    ybr = {"photometric_interpretation": "YBR_FULL_422"}
    return {
        "jpeg-8": _frame(grey8, 50, jpeg(grey8, level=90)),
        "jpeg-colour": _frame(colour, 50, _pillow(colour, quality=90, subsampling=1), **ybr),
        "jpeg-colour-420-restarts": _frame(colour, 50, _pillow(colour, subsampling=2, restart_marker_rows=1), **ybr),
        "jpeg-12": _frame(grey12, 51, jpeg(grey12, level=95, bitspersample=12), bits_stored=12),
        "jpeg-progressive": _frame(colour, 55, _pillow(colour, progressive=True), **ybr),
        "jpeg-lossless-16": _frame(grey16, 70, jpeg(grey16, lossless=True, bitspersample=16)),
        "jpeg-lossless-12": _frame(
            grey12, 57, jpeg(grey12, lossless=True, predictor=6, bitspersample=12), bits_stored=12
        ),
        "jpeg-lossless-colour": _frame(colour, 70, jpeg(colour, lossless=True)),
    }


def _jpegls() -> dict[str, EncodedFrame]:
    grey8, grey16, colour = _grey8(), _grey(16), _colour()
    line = read_frames(bundled("SC_rgb_jls_lossy_line"))[0]
    encode = imagecodecs.jpegls_encode
    return {
        "jpegls-8": _frame(grey8, 80, encode(grey8)),
        "jpegls-16": _frame(grey16, 80, encode(grey16)),
        "jpegls-colour": _frame(colour, 80, encode(colour)),
        "jpegls-near": _frame(grey16, 81, encode(grey16, level=4)),
        "jpegls-lines": line,
    }


def _jpeg2000() -> dict[str, EncodedFrame]:
    grey16, signed, colour = _grey(16), _grey(16).view(np.int16), _colour()

    j2k: dict[str, Any] = {"codecformat": "j2k", "level": 0, "reversible": True}

    def encode(pixels: NDArray[Any], **options: Any) -> bytes:
        return bytes(imagecodecs.jpeg2k_encode(pixels, **j2k | options))

    return {
        "j2k-16": _frame(grey16, 90, encode(grey16)),
        "j2k-signed": _frame(signed, 90, encode(signed)),
        "j2k-colour": _frame(colour, 90, encode(colour), photometric_interpretation="YBR_RCT"),
        "j2k-boxes": _frame(colour, 90, encode(colour, codecformat="jp2")),
        "j2k-tiles": _frame(grey16, 90, _pillow(grey16, "JPEG2000", no_jp2=True, tile_size=(48, 48))),
        "j2k-lossy": _frame(
            colour, 91, encode(colour, level=40, reversible=False), photometric_interpretation="YBR_ICT"
        ),
    }


def _htj2k() -> dict[str, EncodedFrame]:
    grey16, colour = _grey(16), _colour()
    encode = imagecodecs.htj2k_encode
    return {
        "htj2k-16": _frame(grey16, 201, encode(grey16, reversible=True)),
        "htj2k-colour": _frame(colour, 201, encode(colour, reversible=True, rgb=True)),
        "htj2k-tiles": _frame(grey16, 202, encode(grey16, reversible=True, tile=(48, 48), tlm=True)),
        "htj2k-lossy": _frame(colour, 203, encode(colour, level=0.01, reversible=False, rgb=True)),
    }


def _jpegxl() -> dict[str, EncodedFrame]:
    grey16, colour = _grey(16), _colour()

    def encode(pixels: NDArray[Any], **options: Any) -> bytes:
        return bytes(imagecodecs.jpegxl_encode(pixels, numthreads=1, effort=3, **({"usecontainer": False} | options)))

    jpeg = _pillow(colour, quality=90, subsampling=0)
    boxed = encode(grey16, lossless=True, usecontainer=True)
    bare = boxed[boxed.index(b"jxlc") + 4 :]  # 16 bits are a level that libjxl writes with a container only
    return {
        "jpegxl-16": _frame(grey16, 110, bare),
        "jpegxl-colour": _frame(colour, 110, encode(colour, lossless=True)),
        "jpegxl-boxes": _frame(grey16, 110, boxed),
        "jpegxl-of-jpeg": _frame(colour, 111, imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True, numthreads=1)),
        "jpegxl-lossy": _frame(colour, 112, encode(colour, distance=1.0)),
    }


def _bytewise() -> dict[str, EncodedFrame]:
    grey8, grey16, colour = _grey8(), _grey(16), _colour()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return {
        "rle-8": _frame(grey8, "1.2.840.10008.1.2.5", encode_rle(grey8)),
        "rle-16": _frame(grey16, "1.2.840.10008.1.2.5", encode_rle(grey16)),
        "rle-colour": _frame(colour, "1.2.840.10008.1.2.5", encode_rle(colour)),
        "deflated": _frame(grey16, "1.2.840.10008.1.2.8.1", deflater.compress(grey16.tobytes()) + deflater.flush()),
        "native": _frame(grey16, "1.2.840.10008.1.2.1", grey16.tobytes()),
    }


def encode_rle(pixels: NDArray[Any]) -> bytes:
    """RLE Lossless of an array, by pylibjpeg-rle."""
    count = 1 if pixels.ndim == 2 else 3
    encoded = encode_pixel_data(
        pixels.tobytes(),
        byteorder="<",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=count,
        bits_allocated=8 * pixels.itemsize,
        bits_stored=8 * pixels.itemsize,
        number_of_frames=1,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2" if count == 1 else "RGB",
    )
    return bytes(encoded)
