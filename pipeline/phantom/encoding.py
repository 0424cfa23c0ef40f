"""How the phantom's pixels are stored: as different scanners do, in different transfer syntaxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
RESCALE_INTERCEPT = -1024


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a CT series is stored.

    Attributes:
        signed: Signed 16-bit values with a padding value outside of the field, as some scanners write them; otherwise
            unsigned 12-bit ones.
    """

    transfer_syntax_uid: str
    description: str
    signed: bool = False

    @property
    def bits_stored(self) -> int:
        """Bits of a stored value."""
        return 16 if self.signed else 12

    @property
    def encapsulated(self) -> bool:
        """Whether frames are codestreams."""
        return self.transfer_syntax_uid != EXPLICIT_LITTLE_ENDIAN

    def stored(self, hu: NDArray[np.int16]) -> NDArray[np.int16] | NDArray[np.uint16]:
        """Stored values of Hounsfield units: the modality LUT backwards."""
        values = hu - np.int16(RESCALE_INTERCEPT)
        return values if self.signed else np.clip(values, 0, 4095).astype(np.uint16)

    def encode(self, stored: NDArray[np.int16] | NDArray[np.uint16]) -> bytes:
        """One frame: native pixels or a codestream; the codecs release the interpreter lock."""
        import imagecodecs  # noqa: PLC0415 - heavy

        if self.transfer_syntax_uid == JPEG_2000_LOSSLESS:
            return bytes(imagecodecs.jpeg2k_encode(stored, level=0, codecformat="j2k", bitspersample=self.bits_stored))
        if self.transfer_syntax_uid == HTJ2K_LOSSLESS:
            return bytes(imagecodecs.htj2k_encode(stored, reversible=True))
        return stored.astype(stored.dtype.newbyteorder("<")).tobytes()


CT_SYNTAXES = (
    Syntax(EXPLICIT_LITTLE_ENDIAN, "Thorax 1.5 mm, uncompressed"),
    Syntax(JPEG_2000_LOSSLESS, "Thorax 1.5 mm, JPEG 2000 lossless", signed=True),
    Syntax(HTJ2K_LOSSLESS, "Thorax 1.5 mm, HTJ2K lossless"),
)


def encode_colour(rgb: NDArray[np.uint8]) -> bytes:
    """One RGB frame as baseline JPEG with chroma halved across (4:2:2)."""
    import imagecodecs  # noqa: PLC0415 - heavy

    return bytes(imagecodecs.jpeg8_encode(rgb, level=88, colorspace="rgb", outcolorspace="ycbcr", subsampling="422"))
