from __future__ import annotations

import pytest

from cornerstream.hosts import Host, Transfer, origin_of_url
from cornerstream.ranks import Lane, Rank, RankCell

MB = 1_000_000


def begin(host: Host, lane: Lane, now: float = 0.0) -> Transfer:
    return host.begin(RankCell(Rank(lane)), now)


def measured(latency: float = 0.05, rate: float = 20e6) -> Host:
    """A host whose link is known."""
    host = Host(8, 1)
    transfer = begin(host, Lane.PREFETCH)
    host.answered(transfer, 4 * MB, latency)
    now = latency
    while not host.link.rate:
        host.received(transfer, 100_000, now, more=True)
        now += 100_000 / rate
    host.end(transfer, complete=True)
    host.average = 500_000
    return host


def admitted(host: Host, lane: Lane, now: float = 1.0) -> int:
    """How many of a lane start now."""
    count = 0
    while host.admits(lane, now):
        begin(host, lane, now)
        count += 1
    return count


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://pacs:8443/dicom-web/studies?x=http://other/", "https://pacs:8443"),
        ("HTTPS://me:secret@Pacs/", "https://pacs"),
        ("http://pacs?query", "http://pacs"),
        ("no url", "no url"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of_url(url) == origin


def test_an_unknown_link_takes_all_slots_but_the_last() -> None:
    host = Host(4, 1)
    assert admitted(host, Lane.PREFETCH) == 3
    assert admitted(host, Lane.BACKGROUND) == 0
    assert admitted(host, Lane.INTERACTION) == 1


def test_a_known_link_takes_what_fills_it() -> None:
    host = measured()  # half a megabyte is on its way for 50 ms, and 25 ms long
    assert [admitted(host, Lane.PREFETCH, now) for now in (1.0, 1.01, 1.03, 1.05, 1.06)] == [1, 0, 1, 0, 1]


def test_it_says_when_there_will_be_room() -> None:
    host = measured()
    assert host.room_in(1.0) <= 0
    begin(host, Lane.PREFETCH, 1.0)
    seconds = host.room_in(1.0)
    assert seconds == pytest.approx(0.025 - 0.004)
    assert not host.admits(Lane.PREFETCH, 1.0 + seconds - 0.001)
    assert host.admits(Lane.PREFETCH, 1.0 + seconds + 0.001)


def test_what_has_come_makes_room() -> None:
    host = measured()
    large = begin(host, Lane.PREFETCH, 1.0)
    host.answered(large, 4 * MB, 1.05)
    assert not host.admits(Lane.PREFETCH, 1.05)
    host.received(large, 2 * MB, 1.1, more=True)
    assert not host.admits(Lane.PREFETCH, 1.1)
    host.received(large, 1 * MB, 1.15, more=True)
    assert host.admits(Lane.PREFETCH, 1.15)  # a megabyte to come: 50 ms of it


def test_no_prefetch_starts_beside_an_interaction_and_thumbnails_keep_to_the_link() -> None:
    host = measured()
    click = begin(host, Lane.INTERACTION, 1.0)
    assert not host.admits(Lane.PREFETCH, 1.0)
    assert not host.admits(Lane.BACKGROUND, 1.0)
    assert admitted(host, Lane.THUMBNAIL, 1.0) == 0
    assert admitted(host, Lane.THUMBNAIL, 1.03) == 1
    assert admitted(host, Lane.INTERACTION, 1.03) == 6
    host.end(click, complete=True)


def test_thumbnails_alone_take_every_slot() -> None:
    assert admitted(measured(), Lane.THUMBNAIL) == 8


def test_an_answer_that_came_to_be_urgent_holds_prefetch_back() -> None:
    host = measured()
    rank = RankCell(Rank(Lane.PREFETCH))
    host.begin(rank, 1.0)
    assert host.admits(Lane.PREFETCH, 1.03)
    rank.change(Rank(Lane.INTERACTION))
    assert not host.admits(Lane.PREFETCH, 1.03)
    rank.change(Rank(Lane.PREFETCH))
    assert host.admits(Lane.PREFETCH, 1.03)


def test_an_urgent_answer_that_nobody_reads_holds_nothing_back_for_long() -> None:
    host = measured()
    click = begin(host, Lane.INTERACTION, 1.0)
    assert not host.admits(Lane.PREFETCH, 5.0)  # its header may take its time
    host.answered(click, 4 * MB, 5.0)
    assert not host.admits(Lane.PREFETCH, 5.9)
    assert host.admits(Lane.PREFETCH, 6.1)
    host.received(click, 1000, 6.2, more=True)
    assert not host.admits(Lane.PREFETCH, 6.2)


def test_answers_that_stall_leave_the_link_to_others() -> None:
    host = measured()
    host.average = 4 * MB
    for now in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0):
        assert admitted(host, Lane.PREFETCH, now) == 1
        for transfer in host.transfers:
            transfer.answered = True
        assert admitted(host, Lane.PREFETCH, now + 0.01) == 0
    assert admitted(host, Lane.PREFETCH, 8.0) == 0  # never the last slot
    assert admitted(host, Lane.INTERACTION, 8.0) == 1


def test_sizes_are_learnt_from_promises_and_from_what_came() -> None:
    host = Host(8, 1)
    framed, unframed = begin(host, Lane.PREFETCH), begin(host, Lane.PREFETCH)
    assert (framed.expected, host.average) == (0, 0)
    host.answered(framed, 800, 0.1)
    host.answered(unframed, None, 0.1)
    assert (framed.remaining, unframed.remaining, host.average) == (800, 0, 800)
    host.received(unframed, 1600, 0.2, more=False)
    host.end(unframed, complete=True)
    assert host.average == 1200
    assert begin(host, Lane.PREFETCH).expected == 1200
    host.received(framed, 1, 0.2, more=False)
    host.end(framed, complete=False)
    assert host.average == 1200  # what was left says nothing


def test_a_latency_of_long_ago_is_looked_at_again_over_an_empty_link() -> None:
    host = measured()
    open_still = begin(host, Lane.PREFETCH, 20.0)
    assert not host.admits(Lane.PREFETCH, 20.0)
    assert host.admits(Lane.INTERACTION, 20.0)
    host.end(open_still, complete=True)
    assert host.admits(Lane.PREFETCH, 20.1)
    alone = begin(host, Lane.PREFETCH, 20.1)
    assert not host.admits(Lane.PREFETCH, 20.1)
    host.answered(alone, 500_000, 20.16)
    assert host.link.latency == pytest.approx(0.06)
    assert host.admits(Lane.PREFETCH, 20.16)
    assert host.room_in(20.16) <= 0


def test_the_wait_for_an_empty_link_ends() -> None:
    host = measured()
    begin(host, Lane.PREFETCH, 20.0)
    assert not host.admits(Lane.PREFETCH, 20.0)
    assert not host.admits(Lane.PREFETCH, 20.4)
    assert host.admits(Lane.PREFETCH, 20.6)
