"""`data:` image ids, beyond what the conformance suite asks of every loader."""

from __future__ import annotations

import asyncio
import base64
import io

import numpy as np
import pydicom
import pytest

from cornerstream.images.errors import ImageIdError, ImageLoadError, LimitError
from cornerstream.images.limits import Limits
from cornerstream.operators import data_url
from cornerstream.session import Session
from tests.support.file_bytes import dicom_bytes, png_bytes


def url(data: bytes, said: str = "") -> str:
    return f"data:{said};base64,{base64.b64encode(data).decode()}"


async def test_frames_of_one_url_are_unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    parse = data_url.parse_data_url

    def counted(address: str, limits: Limits) -> data_url.DataUrl:
        calls.append(len(address))
        return parse(address, limits)

    monkeypatch.setattr(data_url, "parse_data_url", counted)
    dose = url(dicom_bytes("rtdose.dcm"), "application/dicom")
    async with Session() as session:
        images = await asyncio.gather(*(session.load(f"{dose}?frame={number}") for number in range(1, 16)))
        with pytest.raises(ImageIdError, match="no frame 16") as caught:
            await session.load(f"{dose}?frame=16")
        assert session.stats().file_bytes > len(dicom_bytes("rtdose.dcm"))
    assert len(str(caught.value)) < 200
    assert len(calls) == 1
    expected = pydicom.dcmread(io.BytesIO(dicom_bytes("rtdose.dcm"))).pixel_array
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]), expected)


async def test_in_other_processes() -> None:
    async with Session(isolated=True, max_workers=1) as session:
        assert (await session.load(url(png_bytes()))).pixels.shape == (3, 4)
        assert (await session.load(url(dicom_bytes()))).pixels.shape == (128, 128)
        assert (await session.load(session.memory.add(memoryview(dicom_bytes())))).rows == 128
        assert (await session.load(session.memory.add(io.BytesIO(png_bytes())))).rows == 3


async def test_limits_are_those_of_the_session() -> None:
    async with Session(limits=Limits(response_bytes=1000)) as session:
        assert (await session.load(url(png_bytes()))).rows == 3
        for image_id in (url(dicom_bytes()), session.memory.add(dicom_bytes())):
            with pytest.raises(LimitError, match="response_bytes=1000"):
                await session.load(image_id)


async def test_no_message_repeats_the_data() -> None:
    text = url(dicom_bytes()[:-400] + b"damaged")
    async with Session() as session:
        load = session.load(text)
        assert len(repr(load)) < 150
        with pytest.raises(ImageLoadError) as caught:
            await load
        assert len(str(caught.value)) < 400
        load = session.load(text)
        waiting = load.begin()
        load.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await waiting
        assert len(str(cancelled.value)) < 150
