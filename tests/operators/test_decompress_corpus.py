"""Every frame of the shared corpus, split by the library itself, against its expected stored values and RGB."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.images.errors import ImageLoadError
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import FrameSplitter
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.corpus import corpus_available, corpus_root, expected

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame

pytestmark = pytest.mark.corpus

FILES: dict[str, dict[str, Any]] = expected()["files"] if corpus_available() else {}
# no_preamble files name no transfer syntax, and none is guessed
IMAGES = sorted(
    name for name, facts in FILES.items() if facts["category"] in ("image", "odd") and facts["transfer_syntax"]
)
MALFORMED = sorted(name for name, facts in FILES.items() if facts["category"] == "malformed")
SECOND = {
    "pylibjpeg-openjpeg": ("4.90", "4.91", "4.201", "4.202", "4.203"),
    "pylibjpeg-rle": ("5",),
}
ONE_DECODER_ONLY = {
    "dicom/pydicom-data__liver_rle.dcm",  # eight pixels a byte; pylibjpeg-rle reads one pixel a byte
}


def split(name: str) -> list[EncodedFrame]:
    splitter = FrameSplitter()
    return [*splitter.feed((corpus_root() / name).read_bytes()), *splitter.close()]


def sha256(pixels: NDArray[np.generic]) -> str:
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()


def close_to(pixels: NDArray[np.generic], fact: dict[str, Any], tolerance: dict[str, float]) -> bool:
    """The frame itself, or one that cannot be told from it by extremes and mean within the tolerance of lossy codecs."""
    if sha256(pixels) == fact["sha256"]:
        return True
    means = np.atleast_1d(fact["mean"])
    found = pixels.reshape(-1, len(means)).mean(axis=0)
    extremes = [(pixels.min(), fact["min"]), (pixels.max(), fact["max"])] if "min" in fact else []
    return bool(np.all(np.abs(found - means) <= tolerance["mean_abs"])) and all(
        abs(float(value) - wanted) <= tolerance["max_abs"] for value, wanted in extremes
    )


def converted_by_codec(frame: DecodedFrame) -> bool:
    """Stored values of these are the codec's own YCbCr, or packed; only their RGB can be compared."""
    return frame.metadata.photometric_interpretation in ("YBR_FULL", "YBR_FULL_422") and (
        frame.photometric_interpretation != frame.metadata.photometric_interpretation
    )


@pytest.mark.parametrize("name", IMAGES)
def test_stored_values_and_rgb(name: str) -> None:
    facts = FILES[name]
    frames = split(name)
    assert len(frames) == facts["frames"]
    for fact, rgb_fact, frame in zip(
        facts["stored"], facts.get("rgb") or [None] * len(facts["stored"]), frames, strict=False
    ):
        decoded = decode_frame(frame)
        if not converted_by_codec(decoded) and not facts.get("rgb_tag_conflict"):
            assert decoded.pixels.dtype == facts["stored_dtype"]
            if facts["lossless"]:
                assert sha256(decoded.pixels) == fact["sha256"]
            assert close_to(decoded.pixels, fact, facts["tolerance_stored"])
        if rgb_fact is not None:
            rgb = convert_to_rgb(decoded)
            assert rgb.photometric_interpretation == "RGB"
            assert rgb.pixels.dtype == rgb_fact["dtype"]
            assert list(rgb.pixels.shape) == rgb_fact["shape"]
            assert close_to(rgb.pixels, rgb_fact, facts["tolerance_rgb"])


@pytest.mark.parametrize("prefer", SECOND)
def test_two_decoders_agree(prefer: str) -> None:
    corpus_root()  # skips where there is no corpus
    compared = 0
    for name in IMAGES:
        facts = FILES[name]
        if (
            facts["transfer_syntax"].removeprefix("1.2.840.10008.1.2.") not in SECOND[prefer]
            or name in ONE_DECODER_ONLY
        ):
            continue
        for frame in split(name)[:3]:
            first, second = decode_frame(frame), decode_frame(frame, prefer)
            difference = np.abs(first.pixels.astype(np.int64) - second.pixels.astype(np.int64)).max()
            assert difference <= (0 if facts["lossless"] else 1), name
            compared += 1
    assert compared >= 5


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_refused_or_give_a_picture_of_the_right_shape(name: str) -> None:
    facts = FILES[name]
    try:
        frames = [decode_frame(frame) for frame in split(name)]
    except ImageLoadError:
        return
    # 200 bytes changed inside a codestream cannot always be told; everything else must be refused
    assert facts["expect"].startswith("corrupt codestream")
    assert all(frame.pixels.shape[:2] == (frame.metadata.rows, frame.metadata.columns) for frame in frames)


def test_the_helper_for_hashes_sees_one_wrong_value() -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    fact = {"sha256": sha256(pixels), "min": 0, "max": 11, "mean": 5.5}
    assert close_to(pixels, fact, {"max_abs": 0, "mean_abs": 0})
    wrong = pixels.copy()
    wrong[2, 3] += 1
    assert not close_to(wrong, fact, {"max_abs": 0, "mean_abs": 0})
