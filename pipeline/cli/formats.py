"""Images as bytes of a file format: `png` as displayed; `npy`, `raw` and `tiff` as the stored values."""

from __future__ import annotations

import io
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cornerstream.images.image import Image

Window = tuple[float, float]
_SAMPLE_FORMAT = 339  # TIFF 6.0, section 19
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_PILLOW_MODES: dict[tuple[str, int], str] = {
    ("uint8", 2): "L",
    ("uint8", 3): "RGB",
    ("uint16", 2): "I;16",
    ("int16", 2): "I;16",  # Pillow has no signed mode of 16 bits; the tag says how the bits are to be read
    ("int32", 2): "I",
    ("float32", 2): "F",
}


class Format(StrEnum):
    """A file format that images are written in."""

    PNG = "png"
    NPY = "npy"
    RAW = "raw"
    TIFF = "tiff"


def encode(image: Image, form: Format, window: Window | None = None) -> bytes:
    """The whole file.

    Args:
        image: What is written.
        form: How.
        window: Center and width in modality units, for `png`.

    Raises:
        ValueError: The format cannot hold such pixels, or the window's width is not allowed.
    """
    if form is Format.PNG:
        return _png(image.to_display(window))
    return _STORED[form](image.pixels)


def suffix(image: Image, form: Format) -> str:
    """The end of the file's name; raw pixels say there what they are, such as `.512x512.uint16.raw`."""
    if form is not Format.RAW:
        return f".{form}"
    return f".{'x'.join(map(str, image.pixels.shape))}.{image.pixels.dtype.name}.raw"


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from cornerstream.images.display import to_png  # noqa: PLC0415 - only PNG needs Pillow

    return to_png(pixels)


def _npy(pixels: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()


def _raw(pixels: NDArray[np.generic]) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _tiff(pixels: NDArray[np.generic]) -> bytes:
    from PIL import Image as Pillow  # noqa: PLC0415 - only TIFF needs it

    if pixels.dtype == np.int8:
        pixels = pixels.astype(np.int16)
    mode = _PILLOW_MODES.get((pixels.dtype.name, pixels.ndim))
    if mode is None:
        kind = "colour" if pixels.ndim == 3 else "grey"
        raise ValueError(f"tiff is not written for {kind} pixels of {pixels.dtype}; use npy or raw")
    size = (pixels.shape[1], pixels.shape[0])
    file = io.BytesIO()
    kind_of = {"u": _UNSIGNED, "i": _SIGNED, "f": _FLOAT}[pixels.dtype.kind]
    Pillow.frombytes(mode, size, _raw(pixels)).save(file, "TIFF", tiffinfo={_SAMPLE_FORMAT: kind_of})
    return file.getvalue()


_STORED: Mapping[Format, Callable[[NDArray[np.generic]], bytes]] = {
    Format.NPY: _npy,
    Format.RAW: _raw,
    Format.TIFF: _tiff,
}
