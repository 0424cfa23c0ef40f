"""The values between the stages: an encoded frame comes out of splitting, a decoded one out of decompressing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.images.pixel_target import PixelTarget


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """The complete bytes of one frame, still compressed, with all that is needed to decode them.

    Attributes:
        metadata: Describes the frame; its `transfer_syntax_uid` says how `data` is encoded.
        data: One codestream (fragments already joined), or native pixels; 1-bit and 12-bit native frames start at
            the first bit of the first byte. Padding behind a codestream is allowed.
        timings: Seconds spent so far, by stage (`fetch`, `split`, `queue`, …).
        target: Where the pixels are wanted; a decoder that can writes into that memory. It does not travel between
            processes.
        threads: Threads that a decoder which can may use for this frame alone.
        searched: Nothing in `data` looks like the end of a fragment, which would mean that its length lies; where that is
            not known, whoever decodes it looks.
    """

    metadata: FrameMetadata
    data: bytes | memoryview
    timings: Mapping[str, float] = field(default_factory=dict)
    target: PixelTarget | None = None
    threads: int = 1
    searched: bool = True

    @property
    def nbytes(self) -> int:
        """Size of the encoded bytes."""
        return len(self.data)

    def timed(self, timings: Mapping[str, float]) -> EncodedFrame:
        """The same frame with other timings."""
        return EncodedFrame(self.metadata, self.data, timings, self.target, self.threads, self.searched)

    def __reduce__(self) -> tuple[type[EncodedFrame], tuple[object, ...]]:
        # Workers may be processes, and a memoryview does not travel.
        return EncodedFrame, (self.metadata, bytes(self.data), dict(self.timings), None, self.threads, self.searched)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """The stored values of one frame, before or after conversion to RGB.

    Attributes:
        metadata: Describes the frame as the data set does.
        pixels: Rows × columns, or rows × columns × samples whatever the planar configuration was; the Bits Stored bits
            that end at High Bit, sign-extended for signed data (PS3.5 section 8). 1-bit data is uint8 0 and 1.
        photometric_interpretation: What `pixels` are now; it differs from the metadata's when the codec converted
            (a JPEG decoded straight to RGB), or after `to_rgb`.
        timings: Seconds spent so far, by stage.
        alpha: Rows × columns, of the pixels' dtype; `None` where there is none, as in every DICOM frame.
    """

    metadata: FrameMetadata
    pixels: NDArray[np.generic]
    photometric_interpretation: str
    timings: Mapping[str, float] = field(default_factory=dict)
    alpha: NDArray[np.generic] | None = None
