"""The alpha channel: pixels laid over a background (straight alpha, W3C PNG 13.16; not premultiplied)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Background: TypeAlias = float | tuple[float, float, float]
"""A grey level or an RGB colour; 0 is black and 1 is white, whatever the depth of the pixels."""


def composed(
    pixels: NDArray[Any], alpha: NDArray[Any], background: Background, white: int, opaque: int
) -> NDArray[Any]:
    """Pixels over a background.

    Args:
        pixels: Rows × columns, or rows × columns × 3; 0 is black.
        alpha: Rows × columns, from 0 (the background) to `opaque` (the pixel).
        background: A grey level, or a colour, which makes colour of grey pixels too.
        white: The largest value of a pixel.
        opaque: The largest value of the alpha channel.

    Returns:
        In the dtype of the pixels, rounded to the nearest if that is an integer.

    Raises:
        ValueError: The background is no grey level or colour from 0 to 1.
    """
    behind = np.asarray(background, np.float64)
    if behind.shape not in ((), (3,)) or not ((behind >= 0) & (behind <= 1)).all():
        raise ValueError(f"a background is a grey level or a colour of three, each from 0 to 1; not {background!r}")
    if pixels.ndim == 2 and behind.shape:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    opacity = alpha / float(opaque)
    share = opacity[..., None] if pixels.ndim == 3 else opacity
    mixed = pixels * share + behind * white * (1.0 - share)
    rounded: NDArray[Any] = np.rint(mixed) if pixels.dtype.kind in "iu" else mixed
    return rounded.astype(pixels.dtype)


def with_alpha(shown: NDArray[np.uint8], alpha: NDArray[Any], opaque: int) -> NDArray[np.uint8]:
    """Display pixels with the alpha channel as their last sample: rows × columns × 2 or × 4.

    Args:
        shown: Rows × columns, or rows × columns × 3.
        alpha: Rows × columns, from 0 to `opaque`.
        opaque: The largest value of the alpha channel.
    """
    last = np.rint(alpha * (255.0 / opaque)).astype(np.uint8)
    return np.dstack((shown, last))
