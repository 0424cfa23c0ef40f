"""JPEG 2000 and HTJ2K: OpenJPEG, OpenJPH and pylibjpeg-openjpeg against each other, cut and lying codestreams."""

from __future__ import annotations

import struct
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.images.pixel_target import PixelTarget
from cornerstream.operators.codecs.j2k_coding import Area, CodingStyle, packets_of, segments
from cornerstream.operators.codecs.j2k_markers import check_tile_parts, read_siz
from cornerstream.operators.decompress import decode_frame
from tests.support.frames import describing

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOSSLESS, LOSSY, HT_LOSSLESS, HT_RPCL, HT = (f"1.2.840.10008.1.2.4.{tail}" for tail in (90, 91, 201, 202, 203))
DECODERS = {
    LOSSLESS: ("imagecodecs", "pylibjpeg-openjpeg"),
    HT_LOSSLESS: ("imagecodecs-htj2k", "imagecodecs", "pylibjpeg-openjpeg"),
}


def encode(pixels: NDArray[Any], uid: str = LOSSLESS, **options: Any) -> bytes:
    if uid.endswith(("201", "202")):
        return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, reversible=True, **options))


def decode(
    pixels: NDArray[Any], data: bytes, uid: str = LOSSLESS, prefer: str | None = None, **tags: Any
) -> DecodedFrame:
    return decode_frame(EncodedFrame(describing(pixels, uid, **tags), data), prefer)


@pytest.fixture(scope="module")
def noise() -> NDArray[np.uint16]:
    return np.random.default_rng(5).integers(0, 4096, (40, 50)).astype(np.uint16)


@pytest.mark.parametrize("uid", DECODERS)
@given(st.sampled_from(["u1", "u2", "i2"]), st.booleans(), st.data())
@settings(max_examples=20, deadline=None)
def test_lossless_round_trip_by_every_decoder(uid: str, dtype: str, colour: bool, data: st.DataObject) -> None:
    shape = st.tuples(st.integers(1, 20), st.integers(1, 20), *[st.just(3)] * (colour and dtype == "u1"))
    pixels = data.draw(arrays(dtype, shape))
    encoded = encode(pixels, uid)
    for prefer in DECODERS[uid]:
        decoded = decode(pixels, encoded, uid, prefer).pixels
        assert decoded.dtype == pixels.dtype
        assert np.array_equal(decoded, pixels)


@pytest.mark.parametrize("photometric", ["YBR_RCT", "YBR_ICT"])
def test_the_codec_has_undone_its_transform(photometric: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    frame = decode(pixels, encode(pixels), photometric_interpretation=photometric)
    assert frame.photometric_interpretation == "RGB"
    assert np.array_equal(frame.pixels, pixels)


def test_a_codestream_that_calls_signed_data_unsigned() -> None:
    pixels = np.array([[-4096, -1, 0, 4095]], np.int16)
    unsigned = pixels.view(np.uint16) & 0x1FFF
    decoded = decode(pixels, encode(unsigned, bitspersample=13), bits_stored=13).pixels
    assert np.array_equal(decoded, pixels)


def test_a_codestream_that_calls_unsigned_data_signed() -> None:
    pixels = np.array([[0, 1, 32768, 65535]], np.uint16)
    assert np.array_equal(decode(pixels, encode(pixels.view(np.int16))).pixels, pixels)


def test_codestreams_of_fewer_bits_than_the_container() -> None:
    pixels = np.array([[-128, 127, 5]], np.int8)
    decoded = decode(pixels, encode(pixels), bits_allocated=16, bits_stored=8).pixels
    assert decoded.dtype == np.int16
    assert decoded.tolist() == [[-128, 127, 5]]


def test_bits_above_bits_stored_are_masked_in_lossless_data_and_kept_in_lossy() -> None:
    pixels = np.array([[0x0FFF, 0x1001, 0xF123]], np.uint16)
    data = encode(pixels)
    assert decode(pixels, data, bits_stored=12).pixels.tolist() == [[0x0FFF, 0x001, 0x123]]
    # the same bits under a lossy transfer syntax are overshoot
    assert decode(pixels, data, LOSSY, bits_stored=12).pixels.tolist() == [[0x0FFF, 0x1001, 0xF123]]


def test_lossy_htj2k_does_not_wrap() -> None:
    edges = np.where(np.add.outer(np.arange(64), np.arange(64)) % 16 < 8, 0, 255).astype(np.uint8)
    data = bytes(imagecodecs.htj2k_encode(edges, level=0.2, reversible=False))
    first = decode(edges, data, HT).pixels
    assert np.array_equal(first, decode(edges, data, HT, "pylibjpeg-openjpeg").pixels)
    assert np.abs(first.astype(int) - edges).max() < 128


def test_jp2_boxes_around_the_codestream_are_taken_off(noise: NDArray[np.uint16]) -> None:
    boxed = bytes(imagecodecs.jpeg2k_encode(noise, codecformat="jp2", level=0, reversible=True))
    assert boxed[4:8] == b"jP  "
    for prefer in DECODERS[LOSSLESS]:
        assert np.array_equal(decode(noise, boxed, LOSSLESS, prefer).pixels, noise)


@pytest.mark.parametrize("uid", DECODERS)
@pytest.mark.parametrize("ending", [b"", b"\xff\xd9"], ids=["cut", "cut and ended"])
def test_every_cut_is_refused_by_framing(uid: str, ending: bytes, noise: NDArray[np.uint16]) -> None:
    data = encode(noise, uid)
    for length in range(0, len(data) - 2, len(data) // 40):
        with pytest.raises(DecodeError):
            decode(noise, data[:length] + ending, uid)


def test_padding_is_allowed(noise: NDArray[np.uint16]) -> None:
    for padding in (b"\0", b"\0\0", b"\xff"):
        assert np.array_equal(decode(noise, encode(noise) + padding).pixels, noise)


def with_siz(codestream: bytes, **values: int) -> bytes:
    """Its SIZ segment saying something else."""
    names = ("x1", "y1", "x0", "y0", "tile_x", "tile_y", "tile_x0", "tile_y0")
    fields = dict(zip(names, struct.unpack_from(">8I", codestream, 8), strict=True)) | values
    return codestream[:8] + struct.pack(">8I", *fields.values()) + codestream[40:]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x1": 65535, "y1": 65535, "tile_x": 65535, "tile_y": 65535}, "65535 × 65535 × 1, the data set says 40 × 50"),
        ({"y1": 41}, "41 × 50"),
        ({"tile_x": 0}, "contradict each other"),
        ({"x0": 50}, "contradict each other"),
        ({"tile_x0": 1}, "contradict each other"),
        ({"tile_x": 1, "tile_y": 1, "x1": 2000, "y1": 2000}, "more tiles than there can be"),
    ],
)
@pytest.mark.parametrize("uid", DECODERS)
def test_sizes_that_cannot_be_are_refused_before_decoding(
    uid: str, noise: NDArray[np.uint16], fields: dict[str, int], message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(noise, with_siz(encode(noise, uid), **fields), uid)


def test_depths_that_differ_or_do_not_fit_are_refused(noise: NDArray[np.uint16]) -> None:
    data = encode(noise)
    with pytest.raises(DecodeError, match="38 bits a sample, Bits Allocated is 16"):
        decode(noise, data[:42] + b"\x25" + data[43:])
    with pytest.raises(DecodeError, match="subsampled"):
        decode(noise, data[:43] + b"\2" + data[44:])


@pytest.mark.parametrize("data", [b"", b"\xff\xd9", b"\xff\x4f\xff\x51\xff\xd9", b"garbage" * 20 + b"\xff\xd9"])
def test_what_is_no_jpeg_2000_is_refused(data: bytes, noise: NDArray[np.uint16]) -> None:
    with pytest.raises(DecodeError):
        decode(noise, data)


@given(st.binary(max_size=120))
def test_headers_of_garbage_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        segments(b"\xff\x4f\xff\x51" + data + b"\xff\xd9", 2, 0xFF90)
    try:
        siz = read_siz(b"\xff\x4f\xff\x51" + data)
    except DecodeError:
        return
    assert siz.header.rows > 0
    assert siz.header.columns > 0
    with pytest.raises(DecodeError):
        check_tile_parts(b"\xff\x4f\xff\x51" + data, siz)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # OpenJPH's dropped errors
@pytest.mark.parametrize("uid", DECODERS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_flipped_bytes_give_a_picture_of_the_right_shape_or_a_decode_error(uid: str, data: st.DataObject) -> None:
    pixels = np.arange(400, dtype=np.uint16).reshape(20, 20)
    damaged = bytearray(encode(pixels, uid))
    for _ in range(3):
        damaged[data.draw(st.integers(0, len(damaged) - 3))] = data.draw(st.integers(0, 255))
    try:
        assert decode(pixels, bytes(damaged), uid).pixels.shape == pixels.shape
    except DecodeError:
        return


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_htj2k_code_block_that_openjph_reports_is_refused(noise: NDArray[np.uint16]) -> None:
    data = encode(noise, HT_LOSSLESS)
    reported: list[object] = []  # newer imagecodecs raise instead
    refused = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", reported.append)
        for at in range(200, len(data) - 2, 40):
            damaged = data[:at] + bytes(10) + data[at + 10 :]
            before = len(reported)
            try:
                decode(noise, damaged, HT_LOSSLESS)
            except DecodeError:
                refused += 1
                continue
            assert len(reported) == before, "an error was reported, and a picture returned"
    assert refused, "no damage was found: the test proves nothing"


@pytest.mark.parametrize("value", [0x5A5A, 0xA5A5, 0])
def test_a_last_line_of_one_value_is_no_damage(value: int) -> None:
    for pixels in (np.full((5, 4), value, np.uint16), np.full((3, 4, 3), value & 0xFF, np.uint8)):
        assert np.array_equal(decode(pixels, encode(pixels, HT_LOSSLESS), HT_LOSSLESS).pixels, pixels)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_the_callers_memory_held_is_no_pixel_of_a_damaged_frame(noise: NDArray[np.uint16]) -> None:
    """OpenJPH stops at the damage; what is behind it must be known to be nothing."""
    data = encode(noise, HT_LOSSLESS)
    refused = 0
    for at in range(200, len(data) - 2, 40):
        damaged = EncodedFrame(describing(noise, HT_LOSSLESS), data[:at] + bytes(10) + data[at + 10 :])
        memory = np.full_like(noise, 0xA5A5)
        try:
            pixels = decode_frame(replace(damaged, target=PixelTarget(memory))).pixels
        except DecodeError:
            refused += 1
            continue
        assert not (pixels == 0xA5A5).any()
    assert refused, "no damage was found: the test proves nothing"


def test_many_tile_parts_are_followed_in_time(noise: NDArray[np.uint16]) -> None:
    whole = encode(noise)
    main = with_siz(whole[: whole.index(b"\xff\x90")], x1=1 << 15, y1=1, tile_x=1, tile_y=1)
    parts = [struct.pack(">HHHIBBH", 0xFF90, 10, tile, 14, 0, 1, 0xFF93) for tile in range(1 << 15)]
    codestream = b"".join([main, *parts, b"\xff\xd9"])
    start = time.thread_time()
    check_tile_parts(codestream, read_siz(codestream))
    assert time.thread_time() - start < 1
    with pytest.raises(DecodeError, match="missing"):
        check_tile_parts(b"".join([main, *parts[:-1], b"\xff\xd9"]), read_siz(codestream))


def test_coding_styles_without_layers_are_refused(noise: NDArray[np.uint16]) -> None:
    data = encode(noise)
    layers = data.index(b"\xff\x52") + 6
    with pytest.raises(DecodeError, match="says 0 packets"):
        decode(noise, data[:layers] + b"\0\0" + data[layers + 2 :])


def test_more_packets_than_bytes_are_refused_in_every_header(noise: NDArray[np.uint16]) -> None:
    data = encode(noise)
    style, tile = data.index(b"\xff\x52"), data.index(b"\xff\x90")
    size = 2 + int.from_bytes(data[style + 2 : style + 4], "big")
    many = data[style : style + 6] + b"\xff\xff" + data[style + 8 : style + size]  # layers
    with pytest.raises(DecodeError, match="packets, in a codestream of"):
        decode(noise, data[:style] + many + data[style + size :])
    length = int.from_bytes(data[tile + 6 : tile + 10], "big") + size
    part = data[tile : tile + 6] + length.to_bytes(4, "big") + data[tile + 10 : tile + 12] + many + data[tile + 12 :]
    with pytest.raises(DecodeError, match="packets, in a codestream of"):
        decode(noise, data[:tile] + part)


@given(st.lists(st.tuples(st.none() | st.integers(0, 4), st.integers(0, 3), st.integers(1, 3)), max_size=6))
def test_packets_are_those_of_every_component(found: list[tuple[int | None, int, int]]) -> None:
    styles = tuple(CodingStyle(component, layers, ((exponent, exponent),)) for component, layers, exponent in found)
    area, own = Area(0, 0, 16, 16), {style.component: style for style in styles}
    layers = own[None].layers if None in own else 1
    each = [own.get(component, own.get(None)) for component in range(3)]
    wanted = sum(
        layers * (16 >> style.precincts[0][0]) ** 2  # precincts across, and down
        for style in each
        if style is not None
    )
    assert packets_of(styles, area, 3) == wanted
