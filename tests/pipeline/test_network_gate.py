"""The network gate: which request goes when, by rank, slots, bytes and origins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cornerstream.network_gate import NetworkGate
from cornerstream.ranks import Lane, Rank
from tests.support.gate_requests import Requests
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import Callable

A, B = "http://a/1", "http://b/1"


def gate(slots: int = 8, *, per_host: int | None = None, max_bytes: float = float("inf")) -> NetworkGate:
    return NetworkGate(slots, reserved=1, per_host=per_host, max_bytes=max_bytes, clock=lambda: 0.0)


async def test_an_origin_that_is_full_lets_others_pass() -> None:
    requests = Requests(gate(8, per_host=2))
    here = [requests.ask(Lane.INTERACTION, url=A) for _ in range(4)]
    there = requests.ask(Lane.PREFETCH, url=B)
    await turns()
    assert requests.started == [*here[:2], there]
    here[0].finish.set()
    await turns()
    assert requests.started == [*here[:2], there, here[2]]
    await requests.end()


async def test_prefetch_leaves_one_slot_of_all_and_one_of_each_origin() -> None:
    requests = Requests(gate(4, per_host=3))
    for url in (A, A, A, B, B):
        requests.ask(Lane.PREFETCH, url=url)
    await turns()
    assert [one.url for one in requests.started] == [A, A, B]
    requests.ask(Lane.INTERACTION, url=A)
    await turns()
    assert requests.started[-1].lane == Lane.INTERACTION
    await requests.end()


async def test_bytes_in_flight_are_bounded_and_a_larger_answer_goes_alone() -> None:
    requests = Requests(gate(max_bytes=1000))
    first = requests.ask(Lane.PREFETCH)
    await turns()
    assert first.passage is not None
    first.passage.answered(5000)
    others = [requests.ask(Lane.PREFETCH) for _ in range(3)]
    await turns()
    assert requests.started == [first]
    first.passage.received(4500)  # 500 are to come; the next is expected to have 5000 as well
    await turns()
    assert requests.started == [first]
    first.finish.set()
    await turns()
    assert requests.started == [first, others[0]]
    await requests.end()


async def test_bytes_fetched_ahead_do_not_count_against_what_the_user_waits_for() -> None:
    requests = Requests(gate(max_bytes=1000))
    ahead = requests.ask(Lane.PREFETCH)
    await turns()
    assert ahead.passage is not None
    ahead.passage.answered(900)
    click, second = requests.ask(Lane.INTERACTION), requests.ask(Lane.INTERACTION)
    await turns()
    assert requests.started == [ahead, click]
    click.finish.set()
    await turns()
    assert requests.started == [ahead, click, second]
    await requests.end()


async def test_no_prefetch_starts_on_the_origin_of_an_interaction() -> None:
    requests = Requests(gate())
    click = requests.ask(Lane.INTERACTION, url=A)
    here, background = requests.ask(Lane.PREFETCH, url=A), requests.ask(Lane.BACKGROUND, url=A)
    there = requests.ask(Lane.PREFETCH, url=B)
    await turns()
    assert requests.started == [click, there]
    click.finish.set()
    await turns()
    assert requests.started == [click, there, here, background]
    await requests.end()


async def test_prefetch_starts_again_when_an_open_request_is_urgent_no_more() -> None:
    requests = Requests(gate())
    click, ahead = requests.ask(Lane.INTERACTION), requests.ask(Lane.PREFETCH)
    await turns()
    assert requests.started == [click]
    click.rank.change(Rank(Lane.PREFETCH, 7))
    await turns()
    assert requests.started == [click, ahead]
    await requests.end()


async def test_cancelled_in_the_turn_of_its_start_a_request_is_not_under_way() -> None:
    requests = Requests(gate())
    click, ahead = requests.ask(Lane.INTERACTION), requests.ask(Lane.PREFETCH)
    await turns()
    click.rank.change(Rank(Lane.PREFETCH))  # lets the other in, in the next turn
    await asyncio.sleep(0)
    assert requests.gate.held == 2
    assert ahead.waits
    ahead.task.cancel()
    await turns()
    assert requests.started == [click]
    assert (requests.gate.held, requests.gate.waiting) == (1, 0)
    await requests.end()


async def test_those_who_wait_are_looked_at_though_nothing_happens() -> None:
    now = [0.0]
    requests = Requests(NetworkGate(8, reserved=1, clock=lambda: now[0]))
    click, ahead = requests.ask(Lane.INTERACTION), requests.ask(Lane.PREFETCH)
    await turns()
    assert click.passage is not None
    click.passage.answered(1000)
    now[0] = 2.0  # nobody reads it
    while ahead.waits:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    assert requests.started == [click, ahead]
    await requests.end()


async def test_equals_go_in_turn_whatever_their_ranks_were_on_the_way() -> None:
    requests = Requests(gate(1))
    holder = requests.ask(Lane.INTERACTION)
    await turns()
    waiting = [requests.ask(Lane.PREFETCH, distance) for distance in range(5)]
    await turns()
    for request in reversed(waiting):
        request.rank.change(Rank(Lane.BACKGROUND))
        request.rank.change(Rank(Lane.PREFETCH, 3))
    for request in [holder, *waiting]:
        request.finish.set()
    await asyncio.gather(*(request.task for request in waiting))
    assert requests.started == [holder, *waiting]
    await requests.end()


async def test_ten_thousand_new_ranks_cost_little() -> None:
    requests = Requests(gate(1))
    requests.ask(Lane.INTERACTION)
    waiting = [requests.ask(Lane.PREFETCH, distance) for distance in range(1000)]
    await turns()
    (origin,) = requests.gate._origins.values()
    sizes = []
    for number in range(10_000):
        waiting[number % 1000].rank.change(Rank(Lane.PREFETCH, float(number * 7919 % 10_007)))
        sizes.append(len(origin.waiters._heap))
    assert max(sizes) < 3000  # and so each costs a push on a heap of bounded size
    await requests.end()


async def test_hundreds_that_end_in_one_turn_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    grant = NetworkGate._grant

    def looked(self: NetworkGate) -> None:
        looks.append(self.held)
        grant(self)

    requests = Requests(gate(300, max_bytes=100_000))
    for _ in range(300):
        requests.ask(Lane.INTERACTION)
    await turns()
    assert requests.gate.held == 300
    monkeypatch.setattr(NetworkGate, "_grant", looked)
    for request in requests.everybody:
        assert request.passage is not None
        request.passage.answered(1000)
        request.rank.change(Rank(Lane.THUMBNAIL))
        request.task.cancel()
    await turns()
    assert requests.gate.held == 0
    assert looks == [300, 0]  # once for the answers and the new ranks, once for the ends
    await requests.end()


async def test_one_who_leaves_the_line_lets_those_behind_go() -> None:
    requests = Requests(gate(max_bytes=1000))
    held = requests.ask(Lane.INTERACTION, url=A)
    await turns()
    assert held.passage is not None
    held.passage.answered(800)
    large, small = requests.ask(Lane.INTERACTION, url=A), requests.ask(Lane.INTERACTION, 1, url=B)
    await turns()
    assert requests.started == [held]
    large.task.cancel()
    await turns()
    assert requests.started == [held, small]
    await requests.end()


async def test_origins_that_are_idle_are_forgotten() -> None:
    requests = Requests(gate())
    kept = requests.ask(Lane.INTERACTION, url="http://kept/")
    await turns()
    for number in range(200):
        request = requests.ask(Lane.INTERACTION, url=f"http://host{number}/")
        request.finish.set()
        await request.task
    assert len(requests.gate._origins) <= 64
    assert kept in requests.under_way()
    await requests.end()


@pytest.mark.parametrize(
    "make",
    [lambda: NetworkGate(0), lambda: NetworkGate(1, per_host=0), lambda: NetworkGate(1, max_bytes=0)],
    ids=["slots", "per host", "bytes"],
)
def test_caps_of_nothing_are_refused(make: Callable[[], NetworkGate]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make()
