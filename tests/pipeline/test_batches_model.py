"""Frames of one instance wanted, left, ranked anew, sent, answered and broken in any order."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st
from reactivex.testing import TestScheduler

from cornerstream.images.errors import FetchError, HttpStatusError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.ranks import Lane, Rank
from tests.support.part_server import PartServer, frame_data, turn

if TYPE_CHECKING:
    from tests.support.part_server import Asked, Member

ACTIONS = ("join", "join", "join", "leave", "rank", "send", "send", "part", "part", "part", "end", "fail", "wait")
ERRORS = (
    TruncatedError("it broke"),
    HttpStatusError("busy", status=503),
    HttpStatusError("no lists", status=400),
    SplitError("not multipart"),
    FetchError("refused"),
)
FRAMES = 12


class Run:
    """One run, with what must hold after each step."""

    def __init__(self) -> None:
        self.time = TestScheduler()
        self.server = PartServer(Limits(list_frames=4), scheduler=self.time)
        self.members: list[Member] = []
        self.excused: Counter[int] = Counter()  # frames that may be asked for once more: a request failed, or a jump

    async def step(self, action: str, pick: int) -> None:
        getattr(self, f"_{action}")(pick)
        await turn()
        self.check()

    def check(self) -> None:
        waiting = {member.number for member in self.members if member.waits}
        for member in self.members:
            assert len(member.got) + len(member.errors) <= 1
            assert all(data == frame_data(member.number) for data in member.got)
        assert len([request for request in self.server.open if not request.numbers]) <= 1
        for request in self.server.open:
            assert waiting.intersection((request.left or request.numbers[-1:]) if request.numbers else waiting)
            assert len(request.numbers) <= 4
        if not waiting:
            assert len(self.server.lists) == 0

    async def drain(self) -> None:
        """Let the server answer whatever is asked, until nobody waits."""
        for _ in range(200):
            for request in self.server.open:
                if request.over:
                    continue  # what it was for came with the one before
                if not request.numbers:
                    request.send()
                if not request.over:
                    request.answer()
                await turn()
            self.time.advance_by(60)
            await turn()
            if not any(member.waits for member in self.members):
                break
        assert not any(member.waits for member in self.members)
        assert (self.server.open, len(self.server.lists)) == ([], 0)

    def check_bytes(self) -> None:
        """No frame came twice, but for a jump, a failure, or one who came when it had gone."""
        asked = Counter(number for request in self.server.requests for number in request.numbers)
        wanted = Counter(member.number for member in self.members)
        for number, times in asked.items():
            assert times <= wanted[number] + self.excused[number]

    def _join(self, pick: int) -> None:
        lane = Lane.INTERACTION if pick % 5 == 0 else Lane.PREFETCH
        self.members.append(self.server.join(pick % FRAMES + 1, Rank(lane, pick % 7)))

    def _leave(self, pick: int) -> None:
        if waiting := [member for member in self.members if member.waits]:
            waiting[pick % len(waiting)].leave()

    def _rank(self, pick: int) -> None:
        if waiting := [member for member in self.members if member.waits]:
            member = waiting[pick % len(waiting)]
            self.excused[member.number] += 1
            member.rank.change(Rank(Lane(pick % 4), pick % 3))

    def _send(self, _: int) -> None:
        for request in self.server.open:
            if not request.numbers:
                request.send()
                return

    def _part(self, pick: int) -> None:
        if request := self._sent(pick):
            request.answer(1)

    def _end(self, pick: int) -> None:
        if request := self._sent(pick):
            request.answer()

    def _fail(self, pick: int) -> None:
        if request := self._sent(pick):
            self.excused.update(request.numbers)
            request.fail(ERRORS[pick % len(ERRORS)])

    def _wait(self, pick: int) -> None:
        self.time.advance_by(pick % 4)

    def _sent(self, pick: int) -> Asked | None:
        sent = [request for request in self.server.open if request.numbers]
        return sent[pick % len(sent)] if sent else None


@settings(max_examples=200, deadline=None)
@example([("join", 1), ("join", 2), ("join", 3), ("join", 6), ("send", 0), ("join", 210)])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 210)), max_size=60))
def test_each_frame_comes_once_to_those_who_want_it_whatever_happens(steps: list[tuple[str, int]]) -> None:
    async def whole() -> None:
        run = Run()
        for action, pick in steps:
            await run.step(action, pick)
        await run.drain()
        run.check_bytes()

    asyncio.run(whole())
