"""Stored values of lossless files by decoders that the library does not choose.

Each gives words; what they mean (Bits Stored, High Bit, sign) is worked out here from the definition in `expected.json`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.corpus.files import CorpusFile

    Frames = list[NDArray[np.generic]]

UID = "1.2.840.10008.1.2."
NATIVE = ("1.2.840.10008.1.2", UID + "1", UID + "2", UID + "1.99")
JPEG_LOSSLESS = (UID + "4.57", UID + "4.70")
_DCMTK = {
    **dict.fromkeys(NATIVE, ("dcmconv", "+te")),
    **dict.fromkeys(JPEG_LOSSLESS, ("dcmdjpeg", "+cn", "+te")),
    UID + "4.80": ("dcmdjpls", "+te"),
    UID + "5": ("dcmdrle", "+te"),
}

PYDICOM_READS = (*NATIVE, UID + "5", UID + "4.80")
DCMTK_READS = tuple(_DCMTK)

# Where they refuse a file or are wrong, and why; `expected.json` has other decoders that agree with us on each.
PYDICOM_DISAGREES = {
    "dicom/derived__pub_bits12_packed.dcm": "does not know 12 Bits Allocated",
    "dicom/derived__pub_highbit15_bits12.dcm": "ignores High Bit, and masks the lower bits",
    "dicom/pydicom-data__liver_rle.dcm": "does not know RLE of eight 1-bit pixels a byte",
}
DCMTK_DISAGREES = {
    "dicom/derived__pub_bits12_packed.dcm": "leaves 12-bit pixels packed",
    "dicom/fo-dicom__GH364.dcm": "refuses an item tag outside of a sequence",
    "dicom/pydicom-data__JLSL_08_07_0_1F.dcm": "refuses the codestream",
    "dicom/pydicom-data__liver_rle.dcm": "does not know RLE of eight 1-bit pixels a byte",
    "dicom/pydicom__rtdose_expb.dcm": "swaps the bytes of 32-bit pixels in OW as if they were 16-bit words",
}


def by_pydicom(file: CorpusFile) -> Frames:
    """pydicom's own readers: native, its RLE in Python, and JPEG-LS through pyjpegls."""
    return _frames(file, pixel_array(pydicom.dcmread(file.path, force=True), raw=True))


def by_dcmtk(file: CorpusFile) -> Frames:
    """DCMTK decodes the file to explicit little endian, whose words are taken as they stand."""
    program, *options = _DCMTK[file.facts["transfer_syntax"]]
    with TemporaryDirectory() as folder:
        decoded = Path(folder) / "decoded.dcm"
        subprocess.run([program, *options, str(file.path), str(decoded)], check=True, capture_output=True, timeout=30)
        return _frames(file, _words(pydicom.dcmread(decoded)))


def by_liblj92(file: CorpusFile) -> Frames:
    """Lossless JPEG by the second implementation in imagecodecs, which damaged input can crash."""
    from imagecodecs import ljpeg_decode  # noqa: PLC0415 - not of every build

    data_set = pydicom.dcmread(file.path)
    streams = generate_frames(data_set.PixelData, number_of_frames=file.number_of_frames)
    return [stored(ljpeg_decode(stream), file.facts) for stream in streams]


def stored(words: NDArray[np.generic], facts: dict[str, Any]) -> NDArray[np.generic]:
    """The Bits Stored bits that end at High Bit, sign-extended for signed pixels."""
    if words.dtype.kind == "f":
        return words.astype(words.dtype.newbyteorder("="))
    bits = facts["bits_stored"]
    values = (
        words.view(words.dtype.str.replace("i", "u")).astype(np.uint64) >> np.uint64(facts["high_bit"] + 1 - bits)
    ) & np.uint64((1 << bits) - 1)
    signed = values.astype(np.int64)
    if facts["pixel_representation"]:
        signed -= (values >> np.uint64(bits - 1)).astype(np.int64) << bits
    return signed.astype(facts["stored_dtype"])


def _words(data_set: pydicom.Dataset) -> NDArray[np.generic]:
    """Native little endian pixels: frames (where there are several) × rows × columns (× samples)."""
    frames, samples = int(data_set.get("NumberOfFrames") or 1), data_set.SamplesPerPixel
    words: NDArray[np.generic]
    if data_set.BitsAllocated == 1:
        words = np.unpackbits(np.frombuffer(data_set.PixelData, np.uint8), bitorder="little")
    else:
        keyword, kind = ("FloatPixelData", "f") if "FloatPixelData" in data_set else ("PixelData", "u")
        words = np.frombuffer(data_set[keyword].value, f"<{kind}{data_set.BitsAllocated // 8}")
    size = (data_set.Rows, data_set.Columns)
    words = words[: frames * size[0] * size[1] * samples]
    if samples == 1:
        words = words.reshape(frames, *size)
    elif data_set.PlanarConfiguration:
        words = np.moveaxis(words.reshape(frames, samples, *size), 1, -1)
    else:
        words = words.reshape(frames, *size, samples)
    return words if frames > 1 else words[0]


def _frames(file: CorpusFile, words: NDArray[np.generic]) -> Frames:
    """One array a frame, colour by pixel."""
    several = words if file.number_of_frames > 1 else words[np.newaxis]
    return [stored(frame, file.facts) for frame in several]
