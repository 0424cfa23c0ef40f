from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.hosts import Host
from cornerstream.link import LinkEstimate
from cornerstream.ranks import Lane
from tests.support.simulated_link import SimulatedLink


def simulated(
    latency: float, rate: float, *, size: int = 500_000, framed: bool = True, serial: bool = False
) -> SimulatedLink:
    return SimulatedLink(Host(8, 1), latency, rate, size, framed, serial)


def rate_between(link: SimulatedLink, start: int, end: int) -> float:
    return mean(link.delivered.get(second, 0) for second in range(start, end))


def under_way_after(link: SimulatedLink, start: float) -> float:
    return mean(nbytes for now, nbytes in link.under_way if now > start)


def test_when_a_link_will_be_empty() -> None:
    estimate = LinkEstimate()
    estimate.answered(0.05, 0.05, alone=True)
    for step in range(40):
        estimate.received(step * 0.01, 100_000, filled=True)
    assert estimate.rate == pytest.approx(1e7)
    assert estimate.empty_at(1.0, []) == 1.0
    assert estimate.empty_at(1.0, [(0.0, 200_000)]) == pytest.approx(1.02)
    assert estimate.empty_at(1.0, [(1.0, 100_000), (0.0, 200_000)]) == pytest.approx(1.06)  # a gap before the second
    assert estimate.empty_at(1.0, [(1.0, 100_000), (0.0, 700_000)]) == pytest.approx(1.08)
    assert estimate.lead_seconds == pytest.approx(0.054)


@pytest.mark.parametrize("framed", [True, False], ids=["framed", "unknown sizes"])
def test_a_wide_area_link_is_filled_and_no_more(framed: bool) -> None:
    link = simulated(0.05, 20e6, framed=framed)
    link.run(12)
    assert rate_between(link, 2, 12) > 0.95 * 20e6
    assert under_way_after(link, 2) < 1.7 * 20e6 * 0.05  # one answer more than fits, against 3.5 MB in seven slots
    assert link.host.link.latency == pytest.approx(0.05, rel=0.2)
    assert link.host.link.rate == pytest.approx(20e6, rel=0.1)


def test_a_local_link_is_filled_by_few() -> None:
    link = simulated(0.001, 100e6)
    link.run(2)
    assert rate_between(link, 1, 2) > 0.95 * 100e6
    assert under_way_after(link, 1) < 1_500_000


def test_small_answers_over_a_long_way_take_every_slot_but_the_last() -> None:
    link = simulated(0.05, 20e6, size=20_000)
    link.run(5)
    assert rate_between(link, 2, 5) > 0.95 * 7 * 20_000 / 0.051
    assert max(link.most.values()) == 7


def test_a_server_that_takes_its_time_for_each_answer_is_asked_for_all_it_makes_at_once() -> None:
    link = simulated(0.02, 1e12)
    link.run(3)
    assert rate_between(link, 2, 3) > 0.9 * 7 * 500_000 / 0.02


def test_a_server_that_makes_one_answer_at_a_time_is_not_buried() -> None:
    link = simulated(0.02, 1e12, serial=True)
    link.run(15)
    assert rate_between(link, 2, 15) > 0.93 * 500_000 / 0.02
    assert under_way_after(link, 2) < 4 * 500_000  # not all seven; where it is drained the wait is known again
    assert link.host.link.latency < 0.06


def test_nothing_oscillates() -> None:
    link = simulated(0.05, 20e6)
    link.run(20)
    seconds = [link.delivered[second] for second in range(3, 20)]
    assert min(seconds) > 0.85 * 20e6  # a second with a pause for the latency in it is the least


@pytest.mark.parametrize(("before", "after"), [(20e6, 5e6), (5e6, 40e6)])
def test_a_link_that_changes_is_followed(before: float, after: float) -> None:
    link = simulated(0.05, before)
    link.run(4)
    link.rate = after
    link.run(16)
    assert rate_between(link, 11, 16) > 0.9 * after
    assert under_way_after(link, 11) < 2 * after * 0.05 + 2 * 500_000


def test_a_latency_that_grows_is_found_out() -> None:
    link = simulated(0.01, 20e6)
    link.run(4)
    link.latency = 0.05
    link.run(20)
    assert link.host.link.latency == pytest.approx(0.05, rel=0.2)
    assert rate_between(link, 12, 20) > 0.9 * 20e6


def test_an_urgent_answer_comes_soon_whatever_is_fetched_ahead() -> None:
    waits = []
    for moment in range(20):
        link = simulated(0.05, 20e6)
        link.run(2 + moment * 0.037)
        begun, urgent = link.now, link.ask(Lane.INTERACTION)
        while urgent in link.host.transfers:
            link.run(link.now + 0.001)
        waits.append(link.now - begun)
    assert sorted(waits)[10] < 1.5 * (0.05 + 500_000 / 20e6)


def test_few_requests_say_nothing_about_the_link() -> None:
    estimate = LinkEstimate()
    estimate.answered(0.05, 0.05, alone=True)
    for step in range(100):
        estimate.received(0.05 + step * 0.01, 1000, filled=False)
    assert estimate.lead_seconds == float("inf")


def test_an_idle_time_is_no_slow_link() -> None:
    estimate = LinkEstimate()
    estimate.answered(0, 0.01, alone=True)
    for begin in (1, 100, 200):
        for step in range(20):
            estimate.received(begin + step * 0.01, 100_000, filled=True)
        estimate.idle()
    assert estimate.rate == pytest.approx(1e7)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(0.0001, 1), st.integers(0, 1 << 20), st.booleans(), st.sampled_from("arid")), max_size=200
    )
)
def test_an_estimate_is_of_what_was_seen(
    steps: list[tuple[float, int, bool, str]],
) -> None:
    estimate, now, least, best = LinkEstimate(), 0.0, float("inf"), 0.0
    for seconds, nbytes, flag, kind in steps:
        now += seconds
        if kind == "a":
            estimate.answered(now, seconds, alone=flag)
            least = seconds if flag else min(least, seconds)
        elif kind == "r":
            if estimate.latency < float("inf"):
                estimate.received(now, nbytes, filled=flag)
                best = max(best, nbytes / seconds)
        elif kind == "i":
            estimate.idle()
        else:
            estimate.drains(now)
        assert estimate.latency == least
        assert estimate.rate <= best * (1 + 1e-9)
        assert estimate.lead_seconds > estimate.latency or estimate.latency == float("inf")
