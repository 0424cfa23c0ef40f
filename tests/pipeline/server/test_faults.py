"""Every fault, seen by a client that knows nothing of cornerstream; no test waits for time to pass."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import aiohttp
import pytest

from cornerstream.server import create_app, running_app
from cornerstream.server.faults import Fault
from tests.support.multipart import mail_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.pipeline.server.conftest import Served

CUT = (aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


def frame_url(served: Served, fault: str = "") -> str:
    return served.instance_url(0) + "/frames/1" + (f"?fault={fault}" if fault else "")


async def body_until_cut(served: Served, fault: str) -> tuple[Mapping[str, str], bytes]:
    """Header and the bytes that came before the connection broke."""
    got = b""

    async def receive(response: aiohttp.ClientResponse) -> None:
        nonlocal got
        async for chunk in response.content.iter_any():
            got += chunk

    async with served.client.get(frame_url(served, fault)) as response:
        with pytest.raises(CUT):
            await receive(response)
        return response.headers, got


async def test_without_faults_nothing_happens(served: Served) -> None:
    app = create_app(served.study.folder)
    async with running_app(app) as address:
        url = frame_url(served, "404").replace(served.address.origin, address.origin)
        assert (await served.get(url, X_Fault="503")).status == 200


async def test_drip_is_whole_in_small_pieces(served: Served) -> None:
    whole = await served.get(frame_url(served))
    chunks = []
    async with served.client.get(frame_url(served, "drip:1000:0.001")) as response:
        async for chunk, _ in response.content.iter_chunks():
            chunks.append(chunk)
    assert max(map(len, chunks)) <= 4000
    assert len(chunks) > 2
    ((_, body),) = mail_parts(response.headers["Content-Type"], b"".join(chunks))
    assert body == mail_parts(whole.content_type, whole.body)[0][1]


async def test_cut_promises_more_than_it_sends(served: Served) -> None:
    headers, got = await body_until_cut(served, "cut:500")
    assert len(got) == 500
    assert int(headers["Content-Length"]) > 8192


async def test_cut_chunked_never_ends_its_chunks(served: Served) -> None:
    headers, got = await body_until_cut(served, "cut-chunked:500")
    assert len(got) == 500
    assert headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize("fault", ["cut:0", "cut-chunked:0"])
async def test_cut_before_the_body(served: Served, fault: str) -> None:
    with pytest.raises(CUT):
        await served.get(frame_url(served, fault))


async def test_cut_makes_up_a_length_where_there_was_none(served: Served) -> None:
    url = f"{served.instance_url(3)}/frames/1,2,3,4,5,6,7,8,9,10?fault=cut:20"
    async with served.client.get(url) as response:
        assert int(response.headers["Content-Length"]) > 1000
        with pytest.raises(CUT):
            await response.read()


@pytest.mark.parametrize("fault", ["reset", "reset:0", "reset:500"])
async def test_reset(served: Served, fault: str) -> None:
    with pytest.raises(CUT):
        await served.get(frame_url(served, fault))
    await served.ledger.wait_until_idle()
    assert served.ledger.served[-1].outcome == "cut"


async def test_boundary_is_another_than_the_body_has(served: Served) -> None:
    answer = await served.get(frame_url(served, "boundary"))
    assert answer.content_type.endswith("boundary=another")
    assert b"--another" not in answer.body
    assert len(answer.body) > 8192


async def test_no_content_type(served: Served) -> None:
    answer = await served.get(frame_url(served, "no-content-type"))
    assert "Content-Type" not in answer.headers
    assert len(answer.body) > 8192


async def test_gzip_comes_unasked(served: Served) -> None:
    answer = await served.get(frame_url(served, "gzip"), Accept_Encoding="identity")
    assert answer.headers["Content-Encoding"] == "gzip"
    ((_, body),) = mail_parts(answer.content_type, gzip.decompress(answer.body))
    assert len(body) == 8192


async def test_a_status_so_many_times_for_each_url(served: Served) -> None:
    for url in (frame_url(served, "503:2:7"), served.instance_url(1) + "/frames/1?fault=503:2:7"):
        answers = [await served.get(url) for _ in range(4)]
        assert [one.status for one in answers] == [503, 503, 200, 200]
        assert answers[0].headers["Retry-After"] == "7"


@pytest.mark.parametrize("status", [404, 429, 500])
async def test_a_status_for_ever(served: Served, status: int) -> None:
    assert [(await served.get(frame_url(served, str(status)))).status for _ in range(3)] == [status] * 3


async def test_the_header_asks_as_well(served: Served) -> None:
    assert (await served.get(frame_url(served), X_Fault="404")).status == 404


async def test_rules_are_for_urls_that_ask_for_nothing(served: Served) -> None:
    served.faults.rules["/frames/"] = "404"
    assert (await served.get(frame_url(served))).status == 404
    assert (await served.get(frame_url(served, "500"))).status == 500
    assert (await served.get(served.instance_url(0) + "/metadata")).status == 200


@pytest.mark.parametrize("fault", ["nonsense", "cut:1:2", "drip:a", "hold:1", "600", "99", ":"])
async def test_an_unknown_fault_is_a_bad_request(served: Served, fault: str) -> None:
    assert (await served.get(frame_url(served, fault))).status == 400


def test_faults_are_parsed() -> None:
    assert Fault.parse("drip:10:0.5") == Fault("drip", (10, 0.5))
    assert Fault.parse("503") == Fault("503")


@pytest.mark.parametrize("fault", ["hold", "hold-body:100", "hold-body:0", "drip:10:3600"])
async def test_the_server_sees_the_client_go(served: Served, fault: str) -> None:
    asked = asyncio.ensure_future(served.get(frame_url(served, fault)))
    await served.ledger.wait_until(lambda ledger: len(ledger.open) == 1)
    (entry,) = served.ledger.open
    sent = {"hold": 0, "hold-body:100": 100, "hold-body:0": 0, "drip:10:3600": 10}[fault]
    await served.ledger.wait_until(lambda _: entry.bytes_sent >= sent)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await served.ledger.wait_until_idle()
    ended = served.ledger.served[-1]
    assert (ended.outcome, ended.bytes_sent) == ("client gone", sent)


async def test_a_body_shorter_than_where_it_is_held_comes_whole(served: Served) -> None:
    answer = await served.get(frame_url(served, "hold-body:100000000"))
    assert answer.status == 200
    await served.ledger.wait_until_idle()
    assert served.ledger.served[-1].outcome == "finished"


async def test_a_hundred_held_requests_are_all_seen_to_close(served: Served) -> None:
    asked = [asyncio.ensure_future(served.get(frame_url(served, "hold-body:64") + f"&n={n}")) for n in range(100)]
    await served.ledger.wait_until(lambda ledger: sum(one.bytes_sent for one in ledger.open) == 64 * 100)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await served.ledger.wait_until_idle()
    assert [one.outcome for one in served.ledger.served] == ["client gone"] * 100


async def test_what_is_sent_whole_is_finished(served: Served) -> None:
    answer = await served.get(frame_url(served))
    await served.get(served.address.dicomweb + "/studies/1.2.3")
    await served.ledger.wait_until_idle()
    assert [(one.outcome, one.bytes_sent) for one in served.ledger.served] == [
        ("finished", len(answer.body)),
        ("finished", 0),
    ]
