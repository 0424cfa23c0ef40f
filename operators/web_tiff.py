"""TIFF: its directories and the extents of its strips and tiles proven, decoded by libtiff (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.guards import translated
from cornerstream.operators.web_exif import known_orientation
from cornerstream.operators.web_page import WebPage, WebSamples, check_page, palette_of
from cornerstream.operators.web_tiff_directory import Directory, check_extents, check_sharing, read_directories

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_FOUND = {_RGB: "RGB", _PALETTE: "PALETTE COLOR", _CMYK: "CMYK", _YCBCR: "YBR_FULL_422"}
_ASSOCIATED, _UNASSOCIATED = 1, 2  # ExtraSamples: premultiplied alpha, straight alpha
_JPEG = 7
_GREY_DEPTHS: dict[str, tuple[int, ...]] = {"u": (1, 8, 16, 32), "i": (8, 16, 32), "f": (32, 64)}
_WIDE: dict[str, tuple[int, ...]] = {"u": (8, 16)}
# Bits of a sample that are decoded, by photometric interpretation and whether there is an extra sample.
_DEPTHS: dict[tuple[int, bool], dict[str, tuple[int, ...]]] = {
    (_WHITE_IS_ZERO, False): _GREY_DEPTHS,
    (_BLACK_IS_ZERO, False): _GREY_DEPTHS,
    (_WHITE_IS_ZERO, True): _WIDE,
    (_BLACK_IS_ZERO, True): _WIDE,
    (_RGB, False): _WIDE,
    (_RGB, True): _WIDE,
    (_PALETTE, False): {"u": (8,)},
    (_CMYK, False): {"u": (8,)},
    (_YCBCR, False): {"u": (8,)},
}
_KINDS = {1: "u", 2: "i", 3: "f"}  # SampleFormat


@dataclass(frozen=True, slots=True, eq=False)
class TiffPage:
    """Decodes one page of a TIFF; see `open_tiff`.

    Attributes:
        index: Of its directory.
        photometric: Its PhotometricInterpretation.
        samples: Of a pixel in the file.
        alpha: What its first extra sample means; 0 is nothing.
        palette: RGB entries, entries × 3.
    """

    index: int
    photometric: int
    samples: int
    alpha: int = 0
    palette: NDArray[np.uint8] | None = None

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode it, expand a palette, and take the alpha channel apart."""
        del index, out
        from imagecodecs import tiff_decode  # noqa: PLC0415 - no codec is imported before it is needed

        with translated("libtiff"):
            decoded: NDArray[Any] = tiff_decode(body, index=self.index)
        if decoded.dtype == np.bool_:
            decoded = decoded.view(np.uint8)
        if self.palette is not None:
            return WebSamples(self.palette.take(decoded, axis=0, mode="clip"))
        if decoded.ndim == 3 and self.samples > 1 and decoded.shape[0] == self.samples != decoded.shape[2]:
            decoded = np.moveaxis(decoded, 0, -1)  # in planes
        colours = 1 if self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) else 3
        if decoded.ndim == 2 or decoded.shape[2] == colours:
            return WebSamples(np.ascontiguousarray(decoded.reshape(decoded.shape[:2]) if colours == 1 else decoded))
        pixels = np.ascontiguousarray(decoded[..., 0] if colours == 1 else decoded[..., :3])
        if self.photometric == _WHITE_IS_ZERO:
            pixels = np.invert(pixels)
        return self._with_alpha(pixels, np.ascontiguousarray(decoded[..., colours]))

    def _with_alpha(self, pixels: NDArray[Any], extra: NDArray[Any]) -> WebSamples:
        """Straight alpha: what was multiplied by it is divided by it again."""
        if self.alpha == _UNASSOCIATED:
            return WebSamples(pixels, extra)
        if self.alpha != _ASSOCIATED:
            return WebSamples(pixels)
        opaque = np.iinfo(pixels.dtype).max
        share = (extra if pixels.ndim == 2 else extra[..., None]) / opaque
        straight = np.divide(pixels, share, out=np.zeros(pixels.shape), where=share > 0)
        return WebSamples(np.rint(np.minimum(straight, opaque)).astype(pixels.dtype), extra)


def open_tiff(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a TIFF complete and describe its pages; reduced copies and masks are no pages.

    Raises:
        TruncatedError: A directory, strip or tile lies behind its end.
        SplitError: Its directories contradict themselves.
        DecodeError: A page is of a kind that is not decoded.
        LimitError: It is above a limit.
    """
    directories = read_directories(body, limits)
    pictures = [found for found in directories if not found.one(254, 0) & 0b101] or directories
    check_sharing(body, pictures)
    return tuple(_page(body, found, limits) for found in pictures)


def _page(body: bytes, found: Directory, limits: Limits) -> WebPage:
    photometric, samples = found.one(262, -1), found.one(277, 1)
    colours, bits = _COLOURS.get(photometric), set(found.all(258) or (1,))
    kind = _KINDS.get(found.one(339, 1))
    if colours is None or not colours <= samples <= colours + 1 or len(bits) != 1 or kind is None:
        raise DecodeError(
            f"a TIFF of photometric interpretation {photometric} with {samples} samples of {sorted(bits)} bits "
            "is not decoded"
        )
    codec = TiffPage(
        found.index, photometric, samples, found.one(338, 0) if samples > colours else 0, _entries(found, photometric)
    )
    depth = bits.pop()
    dtype = _dtype(kind, depth, photometric, found.one(259, 1), extra=samples > colours)
    page = WebPage(
        found.rows,
        found.columns,
        bits=8 if codec.palette is not None else depth,
        samples=samples + 3 * (photometric in (_PALETTE, _CMYK)),
        codec=codec,
        dtype=dtype,
        colour=photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO),
        found=_FOUND.get(photometric, "MONOCHROME2"),
        inverted=photometric == _WHITE_IS_ZERO and samples == 1,
        orientation=known_orientation(found.one(274, 1)),
        icc_profile=found.data(34675) or None,
        palette=palette_of(codec.palette),
    )
    check_page(page, limits)
    check_extents(body, found, samples, depth)
    return page


def _dtype(kind: str, depth: int, photometric: int, compression: int, *, extra: bool) -> np.dtype[np.generic]:
    """The dtype of the pixels; raises DecodeError for what libtiff or a display does not know."""
    depths = _DEPTHS.get((photometric, extra), {}).get(kind, ())
    # libtiff makes RGB of YCbCr inside a JPEG only, and multiplies a JPEG's colours by its alpha channel.
    if depth not in depths or (compression == _JPEG and extra) or (compression != _JPEG and photometric == _YCBCR):
        raise DecodeError(
            f"a TIFF of photometric interpretation {photometric}, {depth} bits{' with alpha' * extra} and compression "
            f"{compression} is not decoded"
        )
    return np.dtype(f"{kind}{max(depth, 8) // 8}")


def _entries(found: Directory, photometric: int) -> NDArray[np.uint8] | None:
    """The palette: all red entries, then all green, then all blue ones, of 16 bits."""
    if photometric != _PALETTE:
        return None
    values = np.array(found.all(320), np.uint16)
    if len(values) != 3 << min(found.one(258, 1), 16):
        raise DecodeError(f"the TIFF palette has {len(values)} values for {found.one(258, 1)} bits a pixel")
    wide = values >> 8 if values.max() > 255 else values  # programs that wrote 8 bits are as old as TIFF 5
    return np.ascontiguousarray(wide.astype(np.uint8).reshape(3, -1).T)
