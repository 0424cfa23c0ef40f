from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from cornerstream.server import FAULTS, LEDGER, create_app, running_app
from tests.pipeline.cli.processes import interrupt, line_with, program

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy
    from cornerstream.server.ledger import Ledger

_HELD_AT = 100


def told(stderr: str) -> tuple[int, int, int]:
    """What was cancelled, not begun and written, by the message."""
    found = re.fullmatch(r"cancelled: (\d+) loads? cancelled, (\d+) loads? not begun, (\d+) images? written\n", stderr)
    assert found, stderr
    cancelled, not_begun, written = map(int, found.groups())
    return cancelled, not_begun, written


def held(ledger: Ledger) -> bool:
    """Three requests for frames are held in the middle of their bodies."""
    return len([request for request in ledger.open if request.bytes_sent == _HELD_AT]) == 3


def sizes(folder: Path) -> list[int]:
    """Of every file, the hidden ones too: nothing half written stays."""
    return [file.stat().st_size for file in folder.iterdir()]


@pytest.mark.parametrize("command", ["load", "stream"])
async def test_ctrl_c_cancels_and_says_what(small_study: PhantomStudy, tmp_path: Path, command: str) -> None:
    app = create_app(small_study.folder, faults=True)
    series = small_study.series[0]
    upwards = list(reversed(series.sop_instance_uids))
    app[FAULTS].rules["|".join(f"{uid}/frames" for uid in upwards[2:])] = f"hold-body:{_HELD_AT}"
    async with running_app(app) as address:
        url = f"{address.dicomweb}/studies/{small_study.study_instance_uid}/series/{series.series_instance_uid}"
        what = [url] if command == "stream" else [f"wadors:{url}/instances/{uid}/frames/1" for uid in upwards]
        async with program(command, *what, "-o", tmp_path, "--format", "raw", "--ahead", "3") as process:
            await app[LEDGER].wait_until(held)
            code, _, stderr = await interrupt(process)
            await app[LEDGER].wait_until_idle()
    cancelled, not_begun, written = told(stderr)
    assert (code, cancelled, not_begun, written) == (130, 3, 1, 2)
    assert sizes(tmp_path) == [64 * 64 * 2] * 2


async def test_ctrl_c_while_series_are_listed(small_study: PhantomStudy) -> None:
    app = create_app(small_study.folder, faults=True)
    app[FAULTS].rules["/metadata"] = "hold"
    async with running_app(app) as address, program("series", address.dicomweb) as process:
        await app[LEDGER].wait_until(lambda ledger: any("/metadata" in request.url for request in ledger.open))
        assert await interrupt(process) == (130, "", "cancelled: the listing\n")
        await app[LEDGER].wait_until_idle()


async def test_serve_until_ctrl_c(small_study: PhantomStudy) -> None:
    async with program("serve", small_study.folder, "--port", "0") as process:
        root = (await line_with(process, "DICOMweb")).split()[-1]
        image_id = (await line_with(process, "image id")).split()[-1]
        await line_with(process, "ready")
        answer = await asyncio.to_thread(urlopen, image_id.removeprefix("wadors:"))
        with answer:
            assert answer.status == 200
            assert answer.read()
        assert await interrupt(process) == (130, "", "cancelled: the server has stopped\n")
    with pytest.raises(URLError):
        await asyncio.to_thread(urlopen, f"{root}/studies")


async def test_serve_names_a_port_that_is_taken(small_study: PhantomStudy) -> None:
    async with running_app(create_app(small_study.folder)) as address:
        port = address.origin.rpartition(":")[2]
        async with program("serve", small_study.folder, "--port", port) as process:
            stdout, stderr = await process.communicate()
    assert process.returncode == 1
    assert (stdout, stderr.decode().count("\n")) == (b"", 1)
    assert f"cannot listen on 127.0.0.1, port {port}" in stderr.decode()


@pytest.mark.parametrize("stage", ["1  ", "3  "])
async def test_ctrl_c_during_the_demonstration(tmp_path: Path, stage: str) -> None:
    arguments = ("demo", "--slices", "8", "--seconds", "30", "--keep", tmp_path)
    async with program(*arguments) as process:
        await line_with(process, stage)
        code, stdout, stderr = await interrupt(process)
    assert code == 130
    assert re.fullmatch(r"cancelled: the demonstration while .+; \d+ loads? cancelled, \d+ images? had come\n", stderr)
    assert "Montage" not in stdout
    assert "montage.png" not in os.listdir(tmp_path)  # noqa: PTH208 - a look, not a walk
