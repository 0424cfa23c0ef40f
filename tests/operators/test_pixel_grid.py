"""Every kind of image that can be made in code comes back: exactly where its syntax is lossless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.images.frames import EncodedFrame
from cornerstream.images.metadata import LookupTable, Palette
from cornerstream.operators.decoder_table import TABLE
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.frames import describing
from tests.support.pixel_grid import KINDS, Kind, encode, picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RETIRED = {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}  # nothing writes them any more; the corpus has one each
_PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)


def decoded(kind: Kind, pixels: NDArray[Any]) -> NDArray[Any]:
    """Decoded and, where it is colour, as RGB."""
    palette = None
    if kind.photometric_interpretation == "PALETTE COLOR":
        palette = Palette(*[LookupTable(_PALETTE[:, channel], 0, 8) for channel in range(3)])
    metadata = describing(pixels, kind.transfer_syntax_uid, **kind.attributes, palette=palette, pixel_vr_is_ow=False)
    return convert_to_rgb(decode_frame(EncodedFrame(metadata, encode(kind, pixels)))).pixels


def wanted(kind: Kind, pixels: NDArray[Any]) -> NDArray[Any]:
    if kind.photometric_interpretation == "PALETTE COLOR":
        return np.asarray(_PALETTE[pixels])
    if kind.transfer_syntax_uid.startswith("1.2.840.10008.1.2.4.") or not kind.photometric_interpretation.startswith(
        "YBR"
    ):
        return pixels
    luma, blue, red = np.moveaxis(pixels.astype(np.float64), -1, 0)  # PS3.3 C.7.6.3.1.2
    blue, red = blue - 128, red - 128
    rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
    return rgb.round().clip(0, 255).astype(np.uint8)


def name(kind: Kind) -> str:
    syntax = kind.transfer_syntax_uid.removeprefix("1.2.840.10008.")
    return f"{syntax} {kind.photometric_interpretation} {'/'.join(map(str, kind.bits))}"


@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_kind(kind: Kind) -> None:
    pixels = picture(kind)
    found, expected = decoded(kind, pixels), wanted(kind, pixels)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    difference = int(np.abs(found.astype(np.int64) - expected.astype(np.int64)).max())
    if kind.lossless:
        assert difference <= (1 if kind.photometric_interpretation.startswith("YBR_FULL") else 0)
    else:
        assert difference <= (1 << kind.bits[1]) / 24  # the slopes of the three channels differ by far more


def test_every_transfer_syntax_that_can_be_written_is_in_the_grid() -> None:
    assert {kind.transfer_syntax_uid for kind in KINDS} == set(TABLE) - _RETIRED
    assert len(set(KINDS)) == len(KINDS)
