from __future__ import annotations

from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from cornerstream.operators.codestreams import (
    HTJ2K,
    JPEG_2000,
    JPEG_LS,
    JPEG_XL,
    RLE,
    codestream_transfer_syntaxes,
    family_of,
)

PIXELS = (np.arange(64 * 64).reshape(64, 64) % 251).astype(np.uint8)


def encoded(codec: Any, **options: Any) -> bytes:
    return bytes(codec(PIXELS, **options))


JPEG_BASELINE = encoded(imagecodecs.jpeg8_encode)
JPEG_PREDICTOR_6 = encoded(imagecodecs.ljpeg_encode)
JLS = encoded(imagecodecs.jpegls_encode)
J2K = encoded(imagecodecs.jpeg2k_encode, codecformat="j2k", reversible=True)
J2K_LOSSY = encoded(imagecodecs.jpeg2k_encode, codecformat="j2k", reversible=False, level=30)
HTJ2K_REVERSIBLE = encoded(imagecodecs.htj2k_encode, reversible=True)
HTJ2K_LOSSY = encoded(imagecodecs.htj2k_encode, reversible=False)
RLE_FRAME = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x00\x01"
DOT = "1.2.840.10008.1.2"


def with_predictor(data: bytes, predictor: int) -> bytes:
    scan = data.index(b"\xff\xda")
    at = scan + 5 + 2 * data[scan + 4]
    return data[:at] + bytes([predictor]) + data[at + 1 :]


JPEG_LOSSLESS = with_predictor(JPEG_PREDICTOR_6, 1)


def ts(*numbers: int) -> set[str]:
    return {f"{DOT}.4.{number}" for number in numbers}


@pytest.mark.parametrize(
    ("data", "possible"),
    [
        (JPEG_BASELINE, ts(50, 51)),
        (JPEG_LOSSLESS, ts(57, 70)),
        (JPEG_PREDICTOR_6, ts(57)),
        (JLS, JPEG_LS),
        (J2K, JPEG_2000),
        (encoded(imagecodecs.jpeg2k_encode, codecformat="jp2", reversible=True), JPEG_2000),
        (J2K_LOSSY, ts(91, 93)),
        (HTJ2K_REVERSIBLE, HTJ2K),
        (HTJ2K_LOSSY, ts(203)),
        (encoded(imagecodecs.jpegxl_encode, lossless=True), JPEG_XL),
        (RLE_FRAME, RLE),
        (b"", set()),
        (bytes(100), set()),
        (b"\xff\xd8\xff", set()),
        (b"\xff\x4f\xff\x51", set()),
        (RLE_FRAME[:63], set()),
        (b"\x02" + RLE_FRAME[1:], set()),
    ],
)
def test_what_encoders_write(data: bytes, possible: set[str]) -> None:
    assert codestream_transfer_syntaxes(data) == possible


@pytest.mark.parametrize(
    "name",
    ["JPEG-lossy.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm",
     "SC_rgb_jpeg_dcmtk.dcm", "examples_jpeg2k.dcm", "examples_ybr_color.dcm"],
)  # fmt: skip
def test_pydicoms_files_are_what_they_say(name: str) -> None:
    dataset = dcmread(str(get_testdata_file(name, download=False)))
    frame = next(generate_frames(BytesIO(dataset.PixelData), number_of_frames=1))
    assert dataset.file_meta.TransferSyntaxUID in codestream_transfer_syntaxes(frame)


def test_fill_bytes_and_segments_are_passed_over() -> None:
    comment = b"\xff\xff\xfe\x00\x06\xff\xc3\x00\x00"
    assert codestream_transfer_syntaxes(JPEG_BASELINE[:2] + comment + JPEG_BASELINE[2:]) == ts(50, 51)


def test_families() -> None:
    assert family_of(f"{DOT}.4.91") == JPEG_2000
    assert family_of(f"{DOT}.1") == frozenset()
    assert family_of("") == frozenset()


@given(st.sampled_from([JPEG_BASELINE, JPEG_LOSSLESS, J2K, HTJ2K_LOSSY, RLE_FRAME]), st.data())
def test_any_cut_and_any_flip_are_survived(data: bytes, draw: st.DataObject) -> None:
    cut = data[: draw.draw(st.integers(0, min(len(data), 300)))]
    at = draw.draw(st.integers(0, max(0, len(cut) - 1)))
    flipped = cut[:at] + bytes([draw.draw(st.integers(0, 255))]) + cut[at + 1 :]
    assert codestream_transfer_syntaxes(flipped) <= JPEG_2000 | HTJ2K | RLE | JPEG_LS | JPEG_XL | ts(
        50, 51, 53, 55, 57, 70
    )
