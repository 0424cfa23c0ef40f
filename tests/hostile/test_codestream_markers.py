"""Markers and fields that make a decoder allocate, loop or guess, in codestreams whose size is the declared one."""

from __future__ import annotations

import io
import struct
import time
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import samples
from tests.support.frames import describing
from tests.support.headers import segment, sof_marker, tile_parts, with_cod, with_jpegxl_extras, with_siz, with_sof
from tests.support.trials import decoders_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEGS = ["jpeg-8", "jpeg-colour", "jpeg-12", "jpeg-progressive", "jpeg-lossless-16", "jpeg-lossless-colour"]
JPEGLS = ["jpegls-8", "jpegls-16", "jpegls-colour"]
JPEG_2000 = [(name, decoder) for name in ("j2k-16", "j2k-tiles", "htj2k-16", "htj2k-tiles") for decoder in range(3)]


def codestream(name: str) -> bytes:
    return bytes(samples()[name].data)


def refused(name: str, data: bytes, match: str, decoder: str | None = None) -> None:
    """Within a second of processor time, too."""
    start = time.thread_time()
    with pytest.raises(DecodeError, match=match):
        decode_frame(EncodedFrame(samples()[name].metadata, data), decoder)
    assert time.thread_time() - start < 1


def same(name: str, data: bytes) -> bool:
    decoded = decode_frame(EncodedFrame(samples()[name].metadata, data)).pixels
    return np.array_equal(decoded, decode_frame(samples()[name]).pixels)


def with_segment(data: bytes, added: bytes, before: int = 0xDA) -> bytes:
    at = segment(data, before).start
    return data[:at] + added + data[at:]


def parameters(*payload: int) -> bytes:
    """An LSE segment of JPEG-LS."""
    return b"\xff\xf8" + struct.pack(">H", len(payload) + 2) + bytes(payload)


@pytest.mark.parametrize("name", JPEGS + JPEGLS)
def test_two_frame_headers(name: str) -> None:
    data = codestream(name)
    header = segment(data, sof_marker(data))
    huge = with_sof(data, rows=60_000, columns=60_000)[header]
    for other in (data[header], huge):
        refused(name, data[: header.start] + other + data[header.start :], "two frame headers")
        refused(name, data[: header.stop] + other + data[header.stop :], "two frame headers")
        refused(name, data[:-2] + other + data[-2:], "refused the frame")  # behind the first scan


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("marker", [0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_hierarchical_and_arithmetic_processes(name: str, marker: int) -> None:
    refused(name, with_sof(codestream(name), marker=marker), f"FF {marker:02X}. is in no transfer syntax")


@pytest.mark.parametrize("name", JPEGS + JPEGLS)
def test_lines_that_are_counted_behind_the_scan(name: str) -> None:
    data, lines = with_sof(codestream(name), rows=0), samples()[name].metadata.rows
    refused(name, data[:-2] + b"\xff\xdc\0\4" + struct.pack(">H", lines) + data[-2:], "0 × 128 ×")


@pytest.mark.parametrize("name", JPEGS + JPEGLS)
def test_endless_headers(name: str) -> None:
    data = codestream(name)
    assert same(name, with_segment(data, b"\xff" * 3000))  # fill bytes
    refused(name, with_segment(data, b"\xff" * 2_000_000), "no frame header in front of a scan")
    refused(name, with_segment(data, b"\xff\xfe\0\2" * 500_000), "no frame header in front of a scan")  # comments


def test_a_progressive_jpeg_of_endless_scans() -> None:
    """Unrefused, a frame of 64 megapixels spends 35 ms on every 12 bytes."""
    blank = np.zeros((1024, 1024), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(blank).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    described = describing(blank, "1.2.840.10008.1.2.4.55")
    assert not decode_frame(EncodedFrame(described, data[:-2] + scan * 200 + data[-2:])).pixels.any()
    start = time.thread_time()
    with pytest.raises(DecodeError, match="the JPEG codestream has 100006 scans"):
        decode_frame(EncodedFrame(described, data[:-2] + scan * 100_000 + data[-2:]))
    assert time.thread_time() - start < 0.1


@pytest.mark.parametrize("name", JPEGLS)
@pytest.mark.parametrize(
    "added",
    [
        b"\xff\xdd\0\4\0\1",  # a restart interval
        parameters(1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),  # MAXVAL 1
        parameters(1, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255),  # RESET 65535
        parameters(2, 1, 1, *range(256)),  # a mapping table
        parameters(4, 4, 0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60),  # oversize: 60,000 × 60,000
        parameters(4, 2, 0, 128, 0, 128),
        parameters(99, 1),
    ],
)
def test_presets_of_jpeg_ls(name: str, added: bytes) -> None:
    refused(name, with_segment(codestream(name), added), "refused the frame")
    assert same(name, with_segment(codestream(name), b"\xff\xdd\0\4\0\0"))  # no restart interval


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        (0b0_0_0_101, "to be turned"),
        (0b0_1_0_000, "preview"),
        (0b1_0_0_000, "animation"),
        (0b1_0_0_0_0_0_0, "floats"),
        (3 << 7 | 23 << 9 | 1 << 19, r"24 bits|× 1, the data set|× 3, the data set"),
        (0b01_1_00_0_000_000, "1 channels beside"),
        (0b11_1_00_0_000_000 | 0xFFF << 12, "4096 channels beside"),
    ],
    ids=["orientation", "preview", "animation", "floats", "depth", "opacity", "4096 channels"],
)
def test_what_no_frame_is_in_jpeg_xl(extras: int, message: str) -> None:
    for name in ("jpegxl-16", "jpegxl-colour", "jpegxl-lossy"):
        refused(name, with_jpegxl_extras(codestream(name), extras), message)


def test_animations_opacity_and_floats_that_libjxl_wrote() -> None:
    pixels = np.zeros((16, 16), np.uint8)
    described = describing(pixels, "1.2.840.10008.1.2.4.110")
    for other in (np.zeros((3, 16, 16), np.uint8), np.zeros((16, 16, 2), np.uint8), np.zeros((16, 16), np.float32)):
        data = bytes(imagecodecs.jpegxl_encode(other, lossless=True, numthreads=1))
        with pytest.raises(DecodeError, match=r"animation|beside|floats"):
            decode_frame(EncodedFrame(described, data))


@pytest.mark.parametrize(("name", "decoder"), JPEG_2000)
def test_coding_styles_that_cannot_be(name: str, decoder: int) -> None:
    names = decoders_of(samples()[name])
    prefer, data = names[decoder % len(names)], codestream(name)
    refused(name, with_cod(data, precincts=(0x00,)), "precincts of one sample", prefer)  # OpenJPH dies of it
    refused(name, with_cod(data, layers=65_535), "packets, in a codestream of", prefer)
    refused(name, with_cod(data, layers=0), "0 packets", prefer)
    style = data[segment(data, 0x52)]
    refused(name, with_segment(data, style, 0x5C), "2 segments of FF52", prefer)
    for marker in (0x52, 0x5C):
        at = segment(data, marker)
        refused(name, data[: at.start] + data[at.stop :], f"0 segments of FF{marker:02X}", prefer)
    refused(name, with_segment(data, b"\xff\x64\0\2" * 100_000, 0x5C), "does not end", prefer)  # comments
    refused(name, with_segment(data, with_siz(data, x1=9)[2 : segment(data, 0x51).stop], 0x5C), "2 segments", prefer)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201"])
def test_more_packets_than_bytes(uid: str) -> None:
    """Unrefused, a blank frame of 4000 × 4000 with precincts of 2 × 2 costs a decoder 8 GiB and 17 seconds."""
    blank = np.zeros((512, 512), np.uint16)
    frame = EncodedFrame(describing(blank, uid), encoded(blank, uid))
    for prefer in decoders_of(frame):
        for marker in (0x52, 0x53):
            data = with_cod(bytes(frame.data), precincts=(0x11,), marker=marker)
            with pytest.raises(DecodeError, match="87360 packets, in a codestream of"):
                decode_frame(EncodedFrame(frame.metadata, data), prefer)


def encoded(pixels: NDArray[np.uint16], uid: str) -> bytes:
    if uid.endswith("201"):
        return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, reversible=True))


@pytest.mark.parametrize(("name", "decoder"), JPEG_2000)
def test_coding_styles_of_a_tile_are_looked_at_too(name: str, decoder: int) -> None:
    names = decoders_of(samples()[name])
    data, prefer = codestream(name), names[decoder % len(names)]
    head, part, *rest = tile_parts(data)
    changed = with_cod(data, precincts=(0x00,))
    style = changed[segment(changed, 0x52)]
    length = struct.pack(">I", len(part) + len(style))
    refused(name, b"".join((head, part[:6], length, part[10:12], style, part[12:], *rest)), "precincts of one", prefer)


@pytest.mark.parametrize("name", ["j2k-tiles", "htj2k-tiles"])
def test_every_tile_has_to_be_there(name: str) -> None:
    head, *parts, end = tile_parts(codestream(name))
    assert same(name, b"".join((head, *parts, end)))
    assert len(parts) == 9
    for index in range(len(parts)):
        for decoder in decoders_of(samples()[name]):
            data = b"".join((head, *parts[:index], *parts[index + 1 :], end))
            refused(name, data, "tiles or tile-parts of 9 are missing", decoder)
    other = parts[0][:4] + b"\0\x09" + parts[0][6:]
    refused(name, b"".join((head, *parts, other, end)), "a tile 9, of 9")
    again = parts[8][:11] + b"\2" + parts[8][12:]  # it says that there are two parts
    refused(name, b"".join((head, *parts[:8], again, end)), "tiles or tile-parts of 9 are missing")


def test_an_image_that_begins_elsewhere_on_its_grid() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True, offset=(5, 3), tile_offset=(2, 1), tile_size=(40, 40))
    frame = EncodedFrame(describing(pixels, "1.2.840.10008.1.2.4.90"), stream.getvalue())
    assert np.array_equal(decode_frame(frame).pixels, pixels)
    with pytest.raises(DecodeError, match="no JPEG 2000 image with an offset; imagecodecs does"):
        decode_frame(frame, "pylibjpeg-openjpeg")


def test_boxes_are_not_believed() -> None:
    """A palette in JP2 boxes would turn indices into colours; the data set has its own (PS3.5 A.4.4)."""
    data = codestream("j2k-boxes")
    at = data.index(b"jp2c") - 4
    palette = struct.pack(">HB3B", 2, 3, 7, 7, 7) + bytes(6)
    box = struct.pack(">I4s", 8 + len(palette), b"pclr") + palette
    assert same("j2k-boxes", data[:at] + box + data[at:])
    refused("j2k-boxes", data[:at] + struct.pack(">I4s", 8, b"free") * 100_000 + data[at:], "hold no codestream")
    for length in (2, 7, 1 << 31, len(data) + 1):
        refused("j2k-boxes", data[:at] + struct.pack(">I", length) + data[at + 4 :], "hold no codestream")
