"""What an image no longer shows: stored colour before it is RGB, palettes at their full depth, the formula of YBR_FULL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import FrameSplitter
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.corpus.files import CorpusFile, each_file, sha256
from tests.corpus.pixels import stored_faults
from tests.support.corpus import corpus_root

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame

pytestmark = pytest.mark.corpus

BY_FORMULA = {
    "PS3.3 C.7.6.3.1.2 full-range BT.601, rounded",
    "chroma repeated, PS3.3 C.7.6.3.1.2 full-range BT.601, rounded",
}
PACKED = "packed Y Y Cb Cr bytes as stored"


def encoded(file: CorpusFile) -> list[EncodedFrame]:
    corpus_root()
    splitter = FrameSplitter()
    return [*splitter.feed(file.path.read_bytes()), *splitter.close()]


def is_stored(frame: DecodedFrame) -> bool:
    """It holds what the file does; a JPEG's YCbCr and subsampled chroma are converted while they are decoded."""
    return frame.photometric_interpretation == frame.metadata.photometric_interpretation


@each_file(lambda file: file.has_pixels and file.is_colour)
def test_stored_colour(file: CorpusFile) -> None:
    frames = encoded(file)
    assert len(frames) == file.number_of_frames
    for index, frame in enumerate(frames):
        decoded = decode_frame(frame)
        if file.facts["stored_layout"] == PACKED:
            stored = np.frombuffer(frame.data, np.uint8)
            assert sha256(stored[: file.facts["stored"][index]["shape"][-1]]) == file.facts["stored"][index]["sha256"]
        elif is_stored(decoded) and not file.facts.get("rgb_tag_conflict"):
            assert stored_faults(file.facts, index, decoded.pixels) == []
        else:
            assert file.facts["transfer_syntax"].startswith("1.2.840.10008.1.2.4.")
            assert decoded.photometric_interpretation == "RGB"


@each_file(lambda file: "palette" in file.facts)
def test_palettes_at_their_full_depth(file: CorpusFile) -> None:
    facts = file.facts["palette"]
    for frame, wanted in zip(encoded(file), facts["lut_values_sha256"], strict=False):
        palette = frame.metadata.palette
        assert palette is not None
        indices = decode_frame(frame).pixels.astype(np.int64)
        tables = [
            table.values.take(np.clip(indices - table.first_value, 0, len(table.values) - 1))
            for table in (palette.red, palette.green, palette.blue)
        ]
        assert sha256(np.stack(tables, axis=-1).astype(facts["lut_dtype"])) == wanted


@each_file(lambda file: file.facts.get("rgb_rule") in BY_FORMULA)
def test_ybr_is_within_one_of_the_formula(file: CorpusFile) -> None:
    """The formula in float64, rounded, is what is expected, to the bit; the library may round otherwise by one."""
    for index, frame in enumerate(encoded(file)):
        decoded = decode_frame(frame)
        wanted = by_formula(decoded.pixels)
        assert sha256(wanted) == file.facts["rgb"][index]["sha256"]
        found = convert_to_rgb(decoded).pixels
        assert np.abs(found.astype(np.int64) - wanted).max() <= 1


def by_formula(ybr: NDArray[np.generic]) -> NDArray[np.uint8]:
    """PS3.3 C.7.6.3.1.2, solved for R, G and B."""
    luma, blue, red = np.moveaxis(ybr.astype(np.float64), -1, 0)
    rgb = (
        luma + 1.402 * (red - 128),
        luma - (0.114 * 1.772 * (blue - 128) + 0.299 * 1.402 * (red - 128)) / 0.587,
        luma + 1.772 * (blue - 128),
    )
    return np.stack(rgb, axis=-1).round().clip(0, 255).astype(np.uint8)
