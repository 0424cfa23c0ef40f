"""Pixels where a caller wants them: every value survives, and nothing is copied twice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cornerstream.images.errors import DecodeError
from cornerstream.images.pixel_target import PixelTarget

DTYPES = [np.dtype(name) for name in ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")]


def test_out_is_filled_and_stays_writable() -> None:
    volume = np.zeros((3, 2, 4), np.int16)
    pixels = np.arange(-4, 4, dtype=np.int16).reshape(2, 4)
    placed = PixelTarget(volume[1]).place(pixels)
    assert np.shares_memory(placed, volume)
    assert np.array_equal(volume[1], pixels)
    assert not volume[0].any()
    assert not volume[2].any()
    placed.flags.writeable = False
    assert volume[1].flags.writeable


def test_any_strides() -> None:
    volume = np.zeros((4, 2, 5), np.uint16)[::-1].transpose(1, 0, 2)[..., 2]
    pixels = np.arange(8, dtype=np.uint16).reshape(2, 4)
    PixelTarget(volume).place(pixels)
    assert np.array_equal(volume, pixels)
    assert PixelTarget(volume).memory_for((2, 4), np.dtype("u2")) is None


def test_what_is_there_already_is_not_copied() -> None:
    out = np.zeros((2, 4), np.int16)
    target = PixelTarget(out)
    memory = target.memory_for((2, 4), np.dtype("u2"))
    assert memory is not None
    assert memory.dtype == np.uint16
    memory[...] = 0xFFFF
    placed = target.place(memory.view(np.int16))
    assert np.shares_memory(placed, out)
    assert (out == -1).all()


def test_memory_that_a_decoder_cannot_use() -> None:
    out = np.zeros((2, 4), np.int16)
    for shape, dtype in (((4, 2), "i2"), ((2, 4), "u1"), ((2, 4), "f2"), ((2, 4), "u4")):
        assert PixelTarget(out).memory_for(shape, np.dtype(dtype)) is None
    assert PixelTarget(out.astype(">i2")).memory_for((2, 4), np.dtype("i2")) is None
    assert PixelTarget(dtype=np.int16).memory_for((2, 4), np.dtype("i2")) is None
    floats = np.zeros((2, 4), np.float32)
    assert PixelTarget(floats).memory_for((2, 4), np.dtype("f4")) is floats


def test_what_is_refused() -> None:
    out = np.zeros((2, 4), np.int16)
    with pytest.raises(DecodeError, match=r"shape \(2, 4\), the image has \(4, 2\)"):
        PixelTarget(out).place(np.zeros((4, 2), np.int16))
    with pytest.raises(DecodeError, match="uint16 from 0 to 40000 do not fit int16"):
        PixelTarget(out).place(np.array([[0, 1, 2, 40000]] * 2, np.uint16))
    with pytest.raises(ValueError, match="of int16, not of uint16"):
        PixelTarget(out, np.uint16)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        PixelTarget(out)


def test_another_dtype_is_one_pass_and_the_same_is_none() -> None:
    pixels = np.arange(8, dtype=np.uint16).reshape(2, 4)
    assert PixelTarget(dtype=np.uint16).place(pixels) is pixels
    placed = PixelTarget(dtype=np.float32).place(pixels)
    assert placed.dtype == np.float32
    assert np.array_equal(placed, pixels)


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.booleans())
def test_every_value_survives_or_it_is_an_error(data: Any, found: Any, wanted: Any, has_out: bool) -> None:
    pixels = data.draw(arrays.arrays(found, (2, 3), elements=arrays.from_dtype(found)))
    out = np.empty((2, 3), wanted) if has_out else None
    try:
        placed = PixelTarget(out, wanted).place(pixels)
    except DecodeError:
        assert not np.can_cast(found, wanted, "safe")
        return
    assert placed.dtype == wanted
    for value, kept in zip(pixels.reshape(-1).tolist(), placed.reshape(-1).tolist(), strict=True):
        if found.kind == wanted.kind == "f" and wanted.itemsize < found.itemsize:  # rounded
            assert kept == pytest.approx(value, rel=1e-3, abs=1e-7, nan_ok=True)
        else:
            assert kept == value or (math.isnan(kept) and math.isnan(value))
