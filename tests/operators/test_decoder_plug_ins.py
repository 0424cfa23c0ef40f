"""Decoders of other distributions, and registered ones: chosen by the rules of the table, behind the same guards."""

from __future__ import annotations

import io
import sys
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

import cornerstream as cs
from cornerstream.images.errors import DecodeError, UnsupportedTransferSyntaxError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decoder import Decoder, TransferSyntax
from cornerstream.operators.decoder_plug_ins import DecoderPlugIns
from cornerstream.operators.decoder_table import (
    all_transfer_syntaxes,
    check_known,
    checked_name,
    decoder_for,
    decoder_plug_ins,
    transfer_syntaxes,
)
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import split_part10
from tests.support.distributions import on_path, write_distribution
from tests.support.file_bytes import dicom_bytes
from tests.support.frames import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE = "1.2.826.0.1.3680043.9.9999.4.1"
J2K = "1.2.840.10008.1.2.4.90"
MODULE = """
import zlib
import numpy as np
from cornerstream.images.frames import DecodedFrame
from cornerstream.operators.codecs.guards import CodestreamHeader
from cornerstream.operators.decoder import Decoder, TransferSyntax

def decode(frame):
    data = frame.metadata
    pixels = np.frombuffer(zlib.decompress(frame.data[4:]), np.uint16).reshape(data.rows, data.columns)
    return DecodedFrame(data, pixels, data.photometric_interpretation, frame.timings)

def header(data):
    rows, columns = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
    return CodestreamHeader(rows, columns, 1, 16)

def wrong(frame):
    return "no frame"

def black(frame):
    return DecodedFrame(frame.metadata, np.zeros((1024, 256), np.int16), "MONOCHROME2")

ROW = TransferSyntax("{uid}", "Squeezed", (Decoder(
    name="squeezed", function="{module}:decode", header="{module}:header", releases_gil=True, reason="a test"),))
OTHER = (TransferSyntax("1.2.840.10008.1.2.4.90", "JPEG 2000", (Decoder(name="black", function="{module}:black"),)),)
BAD = "no row"
"""


def squeezed(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    rows, columns = pixels.shape
    return rows.to_bytes(2, "little") + columns.to_bytes(2, "little") + zlib.compress(pixels.tobytes())


PIXELS = np.arange(24, dtype=np.uint16).reshape(4, 6)
FRAME = EncodedFrame(metadata(PRIVATE, 4, 6, bits_allocated=16), squeezed(PIXELS))


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where distributions are found; what they brought is forgotten afterwards."""
    modules = {name for name in sys.modules if name.startswith("squeezing")}
    decoder_plug_ins.refresh()
    yield on_path(tmp_path, monkeypatch)
    decoder_plug_ins.refresh()
    for name in {name for name in sys.modules if name.startswith("squeezing")} - modules:
        del sys.modules[name]


def write(folder: Path, name: str, **entry_points: str) -> None:
    module = name.replace("-", "_")
    source = MODULE.replace("{uid}", PRIVATE).replace("{module}", module)
    points = {key: f"{module}:{value}" for key, value in entry_points.items()}
    write_distribution(folder, name, "1.0", {module: source}, {"cornerstream.decoders": points})


def test_a_private_transfer_syntax(distributions: Path) -> None:
    write(distributions, "squeezing", squeezed="ROW")
    check_known(PRIVATE)
    decoder = decoder_for(PRIVATE)
    assert (decoder.name, decoder.distribution, decoder.built_in) == ("squeezed", "squeezing 1.0", False)
    np.testing.assert_array_equal(decode_frame(FRAME).pixels, PIXELS)


def test_without_it_the_transfer_syntax_is_unknown(distributions: Path) -> None:
    with pytest.raises(UnsupportedTransferSyntaxError, match=f"no decoder for the transfer syntax {PRIVATE}"):
        decode_frame(FRAME)


def test_they_are_imported_when_the_table_has_no_answer(distributions: Path) -> None:
    write(distributions, "squeezing", squeezed="ROW", black="OTHER")
    assert decoder_for(J2K).name == "imagecodecs"
    assert decoder_for(J2K, "pylibjpeg-openjpeg").name == "pylibjpeg-openjpeg"
    assert "squeezing" not in sys.modules
    assert decoder_for(J2K, "black").distribution == "squeezing 1.0"
    assert decoder_for(J2K).name == "imagecodecs"  # the table's own stays first
    assert decoder_for(PRIVATE, "black").name == "squeezed"  # it does not decode that one
    assert checked_name("black") == "black"


def test_two_distributions_that_claim_one_transfer_syntax(distributions: Path) -> None:
    write(distributions, "squeezing-a", one="ROW")
    write(distributions, "squeezing-b", two="ROW")
    with pytest.raises(
        UnsupportedTransferSyntaxError, match=r"squeezed of squeezing-a 1\.0, squeezed of squeezing-b 1\.0; say which"
    ):
        decoder_for(PRIVATE)
    row = TransferSyntax(PRIVATE, "Mine", (Decoder(name="mine", function="squeezing_a:decode"),))
    decoder_plug_ins.register(row)
    try:
        assert decoder_for(PRIVATE).name == "mine"
        np.testing.assert_array_equal(decode_frame(FRAME).pixels, PIXELS)
    finally:
        decoder_plug_ins.unregister(PRIVATE)


def test_broken_ones_are_told_where_they_may_have_been_the_answer(distributions: Path) -> None:
    write(distributions, "squeezing-bad", bad="BAD", gone="NOTHING")
    assert decoder_for(J2K).name == "imagecodecs"
    with pytest.raises(UnsupportedTransferSyntaxError) as caught:
        decoder_for(PRIVATE)
    assert "bad = squeezing_bad:BAD of squeezing-bad 1.0 is no decoder: 'no row' is no TransferSyntax" in str(
        caught.value
    )
    assert "gone = squeezing_bad:NOTHING of squeezing-bad 1.0 does not import: AttributeError" in str(caught.value)
    with pytest.raises(ValueError, match=r"no decoder is named 'black'; there are .*; the plug-in bad"):
        checked_name("black")


def test_a_decoder_whose_module_is_gone(distributions: Path) -> None:
    lost = TransferSyntax(
        PRIVATE, "Lost", (Decoder(name="lost", function="nowhere_at_all:decode", distribution="d 1"),)
    )
    decoder_plug_ins.register(lost)
    try:
        with pytest.raises(
            UnsupportedTransferSyntaxError,
            match=r"lost \(nowhere_at_all:decode of d 1\) does not import: ModuleNotFound",
        ):
            decode_frame(FRAME)
    finally:
        decoder_plug_ins.unregister(PRIVATE)


def test_the_header_is_compared_before_it_decodes(distributions: Path) -> None:
    write(distributions, "squeezing", squeezed="ROW")
    lying = EncodedFrame(metadata(PRIVATE, 6, 4, bits_allocated=16), FRAME.data)
    with pytest.raises(DecodeError, match="has rows × columns × samples 4 × 6 × 1, the data set says 6 × 4 × 1"):
        decode_frame(lying)
    with pytest.raises(DecodeError, match="squeezed refused the frame"):
        decode_frame(EncodedFrame(FRAME.metadata, FRAME.data[:-6]))


def test_codestreams_of_the_standard_are_guarded_as_for_the_tables_own(distributions: Path) -> None:
    write(distributions, "squeezing", black="OTHER")
    (frame,) = split_part10(dicom_bytes("JPEG2000.dcm"))
    jpeg2000 = replace(frame, metadata=frame.metadata.changed({"transfer_syntax_uid": J2K}))
    assert decode_frame(jpeg2000, "black").pixels.max() == 0
    with pytest.raises(DecodeError, match="cut"):
        decode_frame(replace(jpeg2000, data=jpeg2000.data[: len(jpeg2000.data) // 2]), "black")
    other_size = replace(jpeg2000, metadata=jpeg2000.metadata.changed({"rows": 512}))
    with pytest.raises(DecodeError, match="the data set says 512"):
        decode_frame(other_size, "black")


@pytest.mark.parametrize(
    ("function", "message"), [("wrong", "returned str, not a DecodedFrame"), ("black", "the description says")]
)
def test_what_it_returns_is_looked_at(distributions: Path, function: str, message: str) -> None:
    write(distributions, "squeezing", squeezed="ROW")
    decoder = Decoder(name="mine", function=f"squeezing:{function}")
    with pytest.raises(DecodeError, match=message):
        decode_frame(FRAME, decoder)


def file_of(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    """A DICOM file in the private transfer syntax, written by pydicom."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = encapsulate([squeezed(pixels)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(PRIVATE)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    with io.BytesIO() as file:
        pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
        return file.getvalue()


async def test_a_file_in_a_session(distributions: Path) -> None:
    write(distributions, "squeezing", squeezed="ROW")
    path = distributions / "a.dcm"
    path.write_bytes(file_of(PIXELS))
    async with cs.Session() as session:
        image = await session.load(f"dicomfile:{path}")
        np.testing.assert_array_equal(image.pixels, PIXELS)
        assert image.transfer_syntax_uid == PRIVATE
        again = await session.load(session.memory.add(file_of(PIXELS)))
        np.testing.assert_array_equal(again.pixels, PIXELS)


async def test_a_registered_decoder_works_in_other_processes_too(distributions: Path) -> None:
    write(distributions, "squeezing")  # no entry point: only this process knows of the row
    row = TransferSyntax(PRIVATE, "Mine", (Decoder(name="mine", function="squeezing:decode"),))
    cs.register_decoder(row)
    try:
        async with cs.Session(isolated=True, max_workers=1) as session:
            image = await session.load(session.memory.add(file_of(PIXELS)))
            np.testing.assert_array_equal(image.pixels, PIXELS)
    finally:
        cs.unregister_decoder(PRIVATE)
    async with cs.Session() as session:
        with pytest.raises(UnsupportedTransferSyntaxError):
            await session.load(session.memory.add(file_of(PIXELS)))


def test_everything_there_is(distributions: Path) -> None:
    write(distributions, "squeezing", squeezed="ROW", black="OTHER")
    rows = {row.uid: row for row in all_transfer_syntaxes()}
    assert set(rows) == {row.uid for row in transfer_syntaxes()} | {PRIVATE}
    assert (rows[PRIVATE].name, rows[PRIVATE].available) == ("Squeezed", True)
    assert [decoder.name for decoder in rows[J2K].decoders] == ["imagecodecs", "pylibjpeg-openjpeg", "black"]


@pytest.mark.parametrize("row", [None, "row", TransferSyntax("1.2", "none", ()), (1,)])
def test_what_cannot_be_registered(row: object) -> None:
    with pytest.raises((TypeError, ValueError), match="no "):
        DecoderPlugIns().register(row)  # type: ignore[arg-type]  # that is the point
