"""Kinds of images made in code: transfer syntax × photometric interpretation × bits, encoded by somebody else's encoder.

`tests/operators/test_pixel_grid.py` decodes each; `tools/evidence.py` lists them beside the corpus.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

UID = "1.2.840.10008.1.2"
NATIVE = (UID, f"{UID}.1", f"{UID}.1.98", f"{UID}.1.99", f"{UID}.2")
RLE, DEFLATED_FRAME = f"{UID}.5", f"{UID}.8.1"
JPEG_BASELINE, JPEG_EXTENDED = f"{UID}.4.50", f"{UID}.4.51"
JPEG_LOSSLESS = (f"{UID}.4.57", f"{UID}.4.70")
JPEG_LS, JPEG_LS_NEAR = f"{UID}.4.80", f"{UID}.4.81"
J2K, J2K_LOSSY = f"{UID}.4.90", f"{UID}.4.91"
JPEG_XL, JPEG_XL_RECOMPRESSED, JPEG_XL_LOSSY = f"{UID}.4.110", f"{UID}.4.111", f"{UID}.4.112"
HTJ2K = (f"{UID}.4.201", f"{UID}.4.202", f"{UID}.4.203")
LOSSY = {JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR, J2K_LOSSY, JPEG_XL_RECOMPRESSED, JPEG_XL_LOSSY}


@dataclass(frozen=True, order=True)
class Kind:
    """One kind of image.

    Attributes:
        bits: Bits Allocated, Bits Stored and Pixel Representation; High Bit is Bits Stored − 1.
    """

    transfer_syntax_uid: str
    photometric_interpretation: str
    bits: tuple[int, int, int]

    @property
    def samples(self) -> int:
        return 1 if self.photometric_interpretation in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR") else 3

    @property
    def lossless(self) -> bool:
        return self.transfer_syntax_uid not in LOSSY

    @property
    def dtype(self) -> str:
        allocated, _, signed = self.bits
        return f"{'i' if signed else 'u'}{max(8, allocated) // 8}"

    @property
    def attributes(self) -> dict[str, Any]:
        """By their names in `FrameMetadata`."""
        allocated, stored, signed = self.bits
        return {
            "photometric_interpretation": self.photometric_interpretation,
            "bits_allocated": allocated,
            "bits_stored": stored,
            "high_bit": stored - 1,
            "pixel_representation": signed,
        }


_GREY = ((8, 8, 0), (8, 8, 1), (8, 7, 0), (16, 10, 0), (16, 12, 0), (16, 12, 1), (16, 16, 0), (16, 16, 1))
_DEEP = (*_GREY, (32, 32, 0), (32, 32, 1))
_UNSIGNED = tuple(bits for bits in _GREY if not bits[2])


def _kinds() -> Iterator[Kind]:
    """MONOCHROME1 differs from MONOCHROME2 in nothing but its display: one depth of each family is enough."""
    for uid in NATIVE:
        yield from _of(uid, ((1, 1, 0), *_DEEP), (8, 16, 32), "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422")
    yield from _of(RLE, _GREY, (8, 16), "PALETTE COLOR", "YBR_FULL")  # pydicom writes no 32-bit RLE
    yield from _of(DEFLATED_FRAME, ((1, 1, 0), *_DEEP), (8, 16), "PALETTE COLOR")
    for uid in (*JPEG_LOSSLESS, JPEG_LS):
        yield from _of(uid, _GREY, (8, 16), "PALETTE COLOR")
    for uid in (J2K, *HTJ2K):
        yield from _of(uid, _GREY, (8, 16), "PALETTE COLOR", "YBR_RCT")
    yield from _of(JPEG_XL, _UNSIGNED, (8, 16), "PALETTE COLOR")
    yield from _of(JPEG_LS_NEAR, _GREY, (8, 16))
    yield from _of(J2K_LOSSY, _GREY, (8, 16), "YBR_ICT")
    yield from _of(JPEG_XL_LOSSY, ((8, 8, 0), (16, 16, 0)), (8, 16))
    for uid in (JPEG_BASELINE, JPEG_XL_RECOMPRESSED):
        yield from _of(uid, ((8, 8, 0),), (), "YBR_FULL", "YBR_FULL_422")
    yield from _of(JPEG_EXTENDED, ((8, 8, 0), (16, 12, 0)), (), "YBR_FULL")


def _of(uid: str, grey: tuple[tuple[int, int, int], ...], rgb: tuple[int, ...], *eight_bits: str) -> Iterator[Kind]:
    yield from (Kind(uid, "MONOCHROME2", bits) for bits in grey)
    yield Kind(uid, "MONOCHROME1", (8, 8, 0))
    yield from (Kind(uid, "RGB", (bits, bits, 0)) for bits in rgb)
    yield from (Kind(uid, photometric, (8, 8, 0)) for photometric in eight_bits)


KINDS = tuple(_kinds())


def picture(kind: Kind, rows: int = 12, columns: int = 14) -> NDArray[Any]:
    """Stored values: all there can be, extremes included, where the syntax is lossless, else a smooth slope."""
    allocated, stored, signed = kind.bits
    low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    shape = (rows, columns) if kind.samples == 1 else (rows, columns, 3)
    if kind.lossless:
        values = np.random.default_rng(allocated * 100 + stored).integers(low, high, shape, np.int64, endpoint=True)
        values.flat[:2] = low, high
    else:
        slope = np.add.outer(np.arange(rows), np.arange(columns)) / (rows + columns - 2)
        values = (low + (high - low) * (0.25 + slope / 2)).round().astype(np.int64)
        values = values if kind.samples == 1 else np.stack([values, values[::-1], values[:, ::-1]], axis=-1)
    if kind.photometric_interpretation == "YBR_FULL_422":
        values[:, 1::2, 1:] = values[:, ::2, 1:]
    return values.astype(kind.dtype)


def encode(kind: Kind, pixels: NDArray[Any]) -> bytes:
    """A codestream, or native bytes, by an encoder of somebody else's."""
    return next(function(kind, pixels) for uids, function in _ENCODERS if kind.transfer_syntax_uid in uids)


def _native(kind: Kind, pixels: NDArray[Any]) -> bytes:
    if kind.bits[0] == 1:
        return np.packbits(pixels, bitorder="little").tobytes()
    if kind.photometric_interpretation == "YBR_FULL_422":
        pairs = pixels.reshape(pixels.shape[0], -1, 2, 3)
        return np.concatenate([pairs[..., 0], pairs[..., 0, 1:]], axis=-1).tobytes()
    return pixels.astype(pixels.dtype.newbyteorder(">" if kind.transfer_syntax_uid == f"{UID}.2" else "<")).tobytes()


def _deflated_frame(kind: Kind, pixels: NDArray[Any]) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(_native(kind, pixels)) + compressor.flush()


def _rle(kind: Kind, pixels: NDArray[Any]) -> bytes:
    from pydicom.pixels.encoders.base import RLELosslessEncoder  # noqa: PLC0415 - heavy

    allocated, stored, signed = kind.bits
    return RLELosslessEncoder.encode(
        pixels, encoding_plugin="pydicom", rows=pixels.shape[0], columns=pixels.shape[1], number_of_frames=1,
        samples_per_pixel=kind.samples, bits_allocated=allocated, bits_stored=stored, pixel_representation=signed,
        photometric_interpretation=kind.photometric_interpretation, planar_configuration=0,
    )  # fmt: skip


def _words(kind: Kind, pixels: NDArray[Any]) -> NDArray[Any]:
    """JPEG and JPEG-LS know no sign: its bits, without those above Bits Stored."""
    mask = (1 << kind.bits[1]) - 1
    return np.asarray(pixels.view(pixels.dtype.str.replace("i", "u")) & mask)


def _jpeg_lossless(kind: Kind, pixels: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(_words(kind, pixels), lossless=True, bitspersample=kind.bits[1]))


def _jpeg(kind: Kind, pixels: NDArray[Any]) -> bytes:
    colour: dict[str, Any] = {"colorspace": "RGB", "outcolorspace": "YCBCR"} if kind.samples == 3 else {}
    subsampling = "422" if kind.photometric_interpretation == "YBR_FULL_422" else "444"
    return bytes(
        imagecodecs.jpeg8_encode(pixels, level=98, subsampling=subsampling, bitspersample=kind.bits[1], **colour)
    )


def _jpeg_ls(kind: Kind, pixels: NDArray[Any]) -> bytes:
    near = 0 if kind.lossless else 1
    return bytes(imagecodecs.jpegls_encode(_words(kind, pixels), level=near))


def _j2k(kind: Kind, pixels: NDArray[Any]) -> bytes:
    loss: dict[str, Any] = {"level": 0, "reversible": True} if kind.lossless else {"level": 60, "reversible": False}
    transform = kind.photometric_interpretation in ("YBR_RCT", "YBR_ICT")
    return bytes(
        imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", bitspersample=kind.bits[1], mct=transform, **loss)
    )


def _htj2k(kind: Kind, pixels: NDArray[Any]) -> bytes:
    transform = kind.photometric_interpretation == "YBR_RCT"
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True, rgb=transform))


def _jpeg_xl(kind: Kind, pixels: NDArray[Any]) -> bytes:
    if kind.transfer_syntax_uid == JPEG_XL_RECOMPRESSED:
        return bytes(imagecodecs.jpegxl_encode_jpeg(_jpeg(kind, pixels)))
    loss: dict[str, Any] = {} if kind.lossless else {"distance": 0.5}
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=kind.lossless, effort=3, numthreads=1, **loss))


_ENCODERS: tuple[tuple[tuple[str, ...], Callable[[Kind, NDArray[Any]], bytes]], ...] = (
    (NATIVE, _native),
    ((RLE,), _rle),
    ((DEFLATED_FRAME,), _deflated_frame),
    (JPEG_LOSSLESS, _jpeg_lossless),
    ((JPEG_BASELINE, JPEG_EXTENDED), _jpeg),
    ((JPEG_LS, JPEG_LS_NEAR), _jpeg_ls),
    ((J2K, J2K_LOSSY), _j2k),
    (HTJ2K, _htj2k),
    ((JPEG_XL, JPEG_XL_RECOMPRESSED, JPEG_XL_LOSSY), _jpeg_xl),
)
