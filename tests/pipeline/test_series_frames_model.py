"""Images of a series wanted, left, ranked anew, sent, answered and broken in any order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import FetchError, HttpStatusError, SplitError, TruncatedError
from cornerstream.operators.split_instances import RetrievedInstance
from cornerstream.ranks import Lane, Rank
from cornerstream.stats import Counters
from tests.support.part_server import turn
from tests.support.series_server import SIZE, SeriesServer

if TYPE_CHECKING:
    from cornerstream.wanted import Upcoming
    from tests.support.series_server import Member

STREAM = ("next", "next", "next", "announce", "leave_stream")
LOADS = ("look", "leave", "rank")
SERVER = ("send", "send", "send", "large", "unreadable", "own", "own", "own_sent", "own_fails", "end", "fail")
ERRORS = (
    TruncatedError("it broke"),
    HttpStatusError("no such thing", status=404),
    SplitError("not multipart"),
    FetchError("refused"),
)
IMAGES = 24
ROOM = IMAGES * SIZE


class Run:
    """One run, with what must hold after each step."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.server = SeriesServer(ROOM, self.counters)
        self.members: list[Member] = []
        self.streams: list[Upcoming] = []
        self.sent = 0

    async def step(self, action: str, pick: int) -> None:
        getattr(self, f"_{action}")(pick)
        self.check()
        await turn()
        self.check()

    def check(self) -> None:
        for member in self.members:
            assert len(member.got) + len(member.errors) <= 1
            assert all(frame.metadata.sop_instance_uid == str(member.index + 1) for frame in member.got)
        assert len(self.server.open) <= 1
        assert self.server.rules.held == sum(size for _, size in self.server.held.values())
        assert self.server.most_held <= ROOM + 10 * SIZE  # one too many, on which it is given up
        assert len(self.server.alone) <= sum(member.waits for member in self.members)

    async def drain(self) -> None:
        """Let the server answer single requests, until nobody waits."""
        if self.server.open:
            self.server.open[0].end()
            await turn()
        for _ in range(3):
            for request in tuple(self.server.own):
                if not request.over:
                    request.answer()
            await turn()
        assert not any(member.waits for member in self.members)
        assert not any(member.completed > 1 for member in self.members)
        for stream in self.streams:
            stream.dispose()
        assert (self.server.open, self.server.alone, self.server.held) == ([], [], {})
        assert (len(self.server.series), self.server.rules.held) == (0, 0)

    def check_bytes(self) -> None:
        """What was retrieved is some load's, or wasted, or was on its way when the retrieval was given up."""
        received = sum(member.rank.trace.received for member in self.members)
        assert received + self.counters.bytes_wasted + self.counters.bytes_cancelled == self.sent

    def _announce(self, pick: int) -> None:
        self.streams.append(self.server.announce(range(pick % 5, IMAGES - pick % 3), total=IMAGES))

    def _next(self, pick: int) -> None:
        if not self.streams:
            self._announce(pick)
        stream = self.streams[pick % len(self.streams)]
        left = list(stream._image_ids[stream.position :])
        if left and not stream.is_disposed:
            index = int(left[0].address.rpartition("/")[2]) - 1
            start = self.server.ride if pick % 2 else self.server.join
            self.members.append(start(index, Rank(Lane.PREFETCH, stream.position), stream))

    def _leave_stream(self, pick: int) -> None:
        if self.streams:
            self.streams[pick % len(self.streams)].dispose()

    def _look(self, pick: int) -> None:
        self.members.append(self.server.join(pick % IMAGES, Rank(Lane.INTERACTION)))

    def _leave(self, pick: int) -> None:
        if waiting := [member for member in self.members if member.waits]:
            waiting[pick % len(waiting)].leave()

    def _rank(self, pick: int) -> None:
        if waiting := [member for member in self.members if member.waits]:
            waiting[pick % len(waiting)].rank.change(Rank(Lane(pick % 4), pick % 3))

    def _send(self, pick: int) -> None:
        self._instance(pick % (IMAGES + 4), SIZE)

    def _large(self, pick: int) -> None:
        self._instance(pick % IMAGES, 9 * SIZE)

    def _instance(self, index: int, size: int) -> None:
        if self.server.open:
            self.sent += size
            self.server.open[0].send(index, size=size)

    def _unreadable(self, _: int) -> None:
        if self.server.open:
            self.sent += SIZE
            self.server.open[0].instance(RetrievedInstance(None, SIZE))

    def _own(self, pick: int) -> None:
        if own := [request for request in self.server.own if not request.over]:
            own[pick % len(own)].answer()

    def _own_sent(self, pick: int) -> None:
        if own := [request for request in self.server.own if not request.over]:
            own[pick % len(own)].send()

    def _own_fails(self, pick: int) -> None:
        if own := [request for request in self.server.own if not request.over]:
            own[pick % len(own)].fail(ERRORS[pick % len(ERRORS)])

    def _end(self, pick: int) -> None:
        if self.server.open and pick % 3 == 0:
            self.server.open[0].end()

    def _fail(self, pick: int) -> None:
        if self.server.open and pick % 3 == 0:
            self.server.open[0].fail(ERRORS[pick % len(ERRORS)])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STREAM + LOADS + SERVER), st.integers(0, 210)), max_size=70))
def test_every_load_ends_right_and_once_whatever_happens(steps: list[tuple[str, int]]) -> None:
    async def whole() -> None:
        run = Run()
        for action, pick in steps:
            await run.step(action, pick)
        await run.drain()
        run.check_bytes()

    asyncio.run(whole())
