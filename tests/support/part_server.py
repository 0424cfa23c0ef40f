"""A server of frames that a test holds in its hands: it sees each request, and says what comes and when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from reactivex import Observable
from reactivex.disposable import Disposable

from cornerstream.batches import FrameLists
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.list_rules import ListRules
from cornerstream.operators.parts import Part
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.wanted import FrameWaiter, Upcoming

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext

ADDRESS = "http://pacs/studies/1/series/2/instances/3"


def frame_data(number: int, size: int = 10) -> bytes:
    """The bytes of a frame, told apart by its number."""
    return number.to_bytes(4, "big") * (size // 4 + 1)


class Asked:
    """One request: waiting until it is sent, then open until it is over."""

    def __init__(self, observer: ObserverBase[Part], chosen: Callable[[], Sequence[int]], rank: RankCell) -> None:
        self.observer = observer
        self.rank = rank
        self.numbers: list[int] = []
        self.left: list[int] = []
        self.over = False
        self.located = True  # the parts say which frames they are
        self._chosen = chosen

    def send(self) -> list[int]:
        """Its turn has come."""
        self.numbers = list(self._chosen())
        self.left = list(self.numbers)
        return self.numbers

    def answer(self, count: int | None = None, size: int = 10) -> None:
        """Let parts come; all of them and the end if no count is given."""
        for _ in range(len(self.left) if count is None else min(count, len(self.left))):
            number = self.left.pop(0)
            self.part(frame_data(number, size), f"../frames/{number}" if self.located else "")
            if self.over:
                return
        if count is None:
            self.end()

    def part(self, data: bytes, location: str = "") -> None:
        """Let one part come."""
        self.observer.on_next(Part({"content-location": location} if location else {}, data))

    def end(self) -> None:
        """End the answer."""
        self.over = True
        self.observer.on_completed()

    def fail(self, error: Exception) -> None:
        """Let the request fail."""
        self.over = True
        self.observer.on_error(error)


class Member:
    """One who wants a frame, and what it heard."""

    def __init__(self, number: int, rank: Rank) -> None:
        self.number = number
        self.rank = RankCell(rank)
        self.got: list[bytes] = []
        self.errors: list[Exception] = []
        self.progress: list[Progress] = []
        self.gone = False
        self.then: Callable[[], object] = lambda: None  # what it does when it hears of an error
        self.handle: DisposableBase = Disposable()

    @property
    def waits(self) -> bool:
        """It has no answer yet and has not left."""
        return not (self.got or self.errors or self.gone)

    def on_next(self, part: Part) -> None:
        assert self.waits
        self.got.append(bytes(part.data))

    def on_error(self, error: Exception) -> None:
        assert self.waits
        self.errors.append(error)
        self.then()

    def on_completed(self) -> None:
        """The frame was the last thing to hear of."""

    def leave(self) -> None:
        """Want it no more."""
        self.gone = True
        self.handle.dispose()


class PartServer:
    """Frame lists whose requests a test answers.

    Attributes:
        requests: All that were made, in order.
    """

    def __init__(
        self, limits: Limits | None = None, budget: int = 1 << 20, scheduler: SchedulerBase | None = None
    ) -> None:
        self.requests: list[Asked] = []
        self.held: dict[Hashable, Part] = {}
        self.cached: set[ImageId] = set()
        self.rules = ListRules(
            limits or Limits(),
            budget,
            lambda rank, _: cast("LoadContext", rank),
            self.held.__setitem__,
            lambda key: self.held.pop(key, None),
            self.cached.__contains__,
            scheduler=scheduler,
        )
        self.lists = FrameLists(self.rules)

    async def want(self, *numbers: int, lane: Lane = Lane.PREFETCH, address: str = ADDRESS) -> list[Member]:
        """Let loads want frames, in the order of their numbers, and let the request be made."""
        members = [self.join(number, Rank(lane, number), address) for number in numbers]
        await turn()
        return members

    def join(self, number: int, rank: Rank, address: str = ADDRESS) -> Member:
        """Let one load want a frame."""
        member = Member(number, rank)
        waiter = FrameWaiter(cast("Any", member), member.rank, member.progress.append, number)
        member.handle = self.lists.join(ImageId("wadors", address, number), waiter, self._parts)
        return member

    def announce(self, image_ids: Sequence[ImageId]) -> Upcoming:
        """Let a stream be going to want frames."""
        upcoming = Upcoming(image_ids, Lane.PREFETCH, self.lists.ended)
        self.lists.announce(upcoming)
        return upcoming

    @property
    def open(self) -> list[Asked]:
        """Those that wait or are under way."""
        return [request for request in self.requests if not request.over]

    def _parts(self, context: LoadContext, chosen: Callable[[], Sequence[int]]) -> Observable[Part]:
        def subscribe(observer: ObserverBase[Part], _: SchedulerBase | None = None) -> DisposableBase:
            asked = Asked(observer, chosen, cast("RankCell", context))
            self.requests.append(asked)
            return Disposable(lambda: setattr(asked, "over", True))

        return Observable(subscribe)


async def turn() -> None:
    """Let the loop do what is due."""
    for _ in range(3):
        await asyncio.sleep(0)
