from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reactivex import operators as ops
from reactivex.subject import Subject

from cornerstream.images.errors import FetchError, ImageIdError, ImageLoadError, SplitError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.images.load_object import Progress
from cornerstream.images.metadata import FrameMetadata
from cornerstream.loaders.context import LoadContext
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.resources import RankedResources, SharedResources

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import DisposableBase


def encoded(frame_number: int, size: int = 10) -> EncodedFrame:
    metadata = FrameMetadata(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=1,
        columns=size,
        photometric_interpretation="MONOCHROME2",
        frame_number=frame_number,
    )
    return EncodedFrame(metadata, bytes(size))


class Source:
    """A shared source that the test holds, with the contexts it was asked for with."""

    def __init__(self) -> None:
        self.subjects: list[Subject[EncodedFrame]] = []
        self.live = 0
        self.contexts: list[LoadContext] = []

    def __call__(self, context: LoadContext) -> Observable[EncodedFrame]:
        self.contexts.append(context)
        subject: Subject[EncodedFrame] = Subject()
        self.subjects.append(subject)
        self.live += 1
        return subject.pipe(ops.finally_action(self._ended))

    def emit(self, *frame_numbers: int, size: int = 10) -> None:
        for number in frame_numbers:
            self.subjects[-1].on_next(encoded(number, size))

    def _ended(self) -> None:
        self.live -= 1


class Taker:
    """One load that asks for a frame, and what it heard."""

    def __init__(self, world: World, frame_number: int, key: str = "file", rank: Rank | None = None) -> None:
        self.rank = RankCell(rank or Rank())
        self.progress: list[Progress] = []
        self.values: list[int] = []
        self.errors: list[Exception] = []
        self.completed = 0
        resources = RankedResources(world.shared, self.rank, self.progress.append)
        self.subscription: DisposableBase = resources.frame(key, world.source, frame_number).subscribe(
            lambda frame: self.values.append(frame.metadata.frame_number), self.errors.append, self._complete
        )

    def _complete(self) -> None:
        self.completed += 1


class World:
    """Shared resources with a held source, and the progress hooks of their fetches."""

    def __init__(self, budget: int = 100_000) -> None:
        self.source = Source()
        self.ranks: list[RankCell] = []
        self.report: list[Callable[[Progress], None]] = []
        self.shared = SharedResources(budget, self._context)

    def take(self, frame_number: int, rank: Rank | None = None) -> Taker:
        return Taker(self, frame_number, rank=rank)

    def _context(self, rank: RankCell, on_progress: Callable[[Progress], None]) -> LoadContext:
        self.ranks.append(rank)
        self.report.append(on_progress)
        nothing: Any = None  # nobody uses them here
        return LoadContext(nothing, nothing, nothing, DEFAULT_LIMITS)


def test_many_frames_cost_one_fetch_and_each_is_handed_over_as_it_comes() -> None:
    world = World()
    takers = [world.take(number) for number in (3, 1, 2, 1)]
    world.source.emit(1)
    assert [taker.values for taker in takers] == [[], [1], [], [1]]
    world.source.emit(2, 3)
    assert [taker.completed for taker in takers] == [1, 1, 1, 1]
    assert len(world.source.subjects) == 1


def test_a_late_one_gets_a_frame_that_has_passed() -> None:
    world = World()
    world.take(3)
    world.source.emit(1, 2)
    assert world.take(1).values == [1]
    assert len(world.source.subjects) == 1


def test_a_complete_file_is_kept_and_a_wrong_frame_of_it_refused() -> None:
    world = World()
    world.take(1)
    world.source.emit(1, 2)
    world.source.subjects[0].on_completed()
    assert world.take(2).values == [2]
    assert isinstance(world.take(3).errors[0], ImageIdError)
    assert len(world.source.subjects) == 1


def test_the_file_of_a_single_frame_is_not_kept() -> None:
    world = World()
    world.take(1)
    world.source.emit(1)
    world.source.subjects[0].on_completed()
    assert world.shared.kept.nbytes == 0


def test_a_frame_that_never_comes_is_an_error() -> None:
    world = World()
    taker = world.take(7)
    world.source.emit(1, 2)
    world.source.subjects[0].on_completed()
    assert str(taker.errors[0]) == "there is no such frame; the file has 2 frames, counted from 1"


def test_the_last_one_who_leaves_without_its_frame_cancels() -> None:
    world = World()
    one, two = world.take(1), world.take(2)
    world.source.emit(1)
    assert one.values == [1]
    assert world.source.live == 1
    two.subscription.dispose()
    assert world.source.live == 0
    assert len(world.shared.files) == 0


def test_who_got_its_frame_lets_the_file_come_to_its_end() -> None:
    world = World()
    taker = world.take(1)
    world.source.emit(1)
    taker.subscription.dispose()
    assert world.source.live == 1
    assert world.ranks[0].value.lane is Lane.BACKGROUND
    world.source.emit(2)
    world.source.subjects[0].on_completed()
    assert world.take(2).values == [2]


def test_a_file_that_outgrows_the_budget_keeps_nothing_and_stops_when_nobody_waits() -> None:
    world = World(budget=1000)
    one, three = world.take(1), world.take(3)
    world.source.emit(1, size=600)
    world.source.emit(2, size=600)
    late = world.take(1)  # it has passed and was let go: the file starts anew
    assert len(world.source.subjects) == 2
    world.source.subjects[0].on_next(encoded(3, 600))
    assert (one.values, three.values, late.values) == ([1], [3], [])
    assert world.source.live == 1
    world.source.emit(1, size=600)
    assert late.values == [1]


def test_each_who_waits_gets_an_error_of_its_own_to_name_its_image() -> None:
    world = World()
    takers = [world.take(1), world.take(2)]
    cause = SplitError("broken", image_id="wadouri:first")
    world.source.subjects[0].on_error(cause)
    errors = [taker.errors[0] for taker in takers]
    for name, error in zip("ab", errors, strict=True):
        assert isinstance(error, SplitError)
        assert str(error.about(name)) == f"{name}: broken"
        assert error.__cause__ is cause
    assert world.take(1).errors == []  # failures are not kept
    assert len(world.source.subjects) == 2


def test_the_fetch_has_the_best_rank_of_those_who_wait_and_tells_all_its_bytes() -> None:
    world = World()
    far, near = world.take(1, Rank(Lane.PREFETCH, 9)), world.take(2, Rank(Lane.PREFETCH, 2))
    assert world.ranks[0].value == Rank(Lane.PREFETCH, 2)
    far.rank.change(Rank(Lane.INTERACTION))
    assert world.ranks[0].value == Rank(Lane.INTERACTION)
    world.report[0](Progress(5, 10))
    assert far.progress == near.progress == [Progress(5, 10)]


def test_a_source_that_cannot_be_made_is_an_error_and_is_forgotten() -> None:
    world = World()

    def broken(context: LoadContext) -> Observable[EncodedFrame]:
        raise FetchError("no such place")

    errors: list[Exception] = []
    resources = RankedResources(world.shared, RankCell(), lambda _: None)
    resources.frame("x", broken, 1).subscribe(on_error=errors.append)
    resources.once("x", broken, lambda _: 0).subscribe(on_error=errors.append)
    assert [type(error) for error in errors] == [FetchError, FetchError]
    assert (len(world.shared.files), world.shared.values) == (0, {})


class Once:
    """Asks for one shared value."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.subject: Subject[str] = Subject()
        self.fetches = 0

    def ask(self) -> tuple[list[str], list[Exception], DisposableBase]:
        values: list[str] = []
        errors: list[Exception] = []
        resources = RankedResources(self.world.shared, RankCell(), lambda _: None)
        subscription = resources.once("key", self._fetch, len).subscribe(values.append, errors.append)
        return values, errors, subscription

    def _fetch(self, context: LoadContext) -> Observable[str]:
        self.fetches += 1
        return self.subject


def test_a_value_is_fetched_once_and_kept() -> None:
    once = Once(World())
    first, _, _ = once.ask()
    second, _, _ = once.ask()
    once.subject.on_next("value")
    assert (first, second, once.ask()[0], once.fetches) == (["value"], ["value"], ["value"], 1)


def test_a_value_is_cancelled_by_the_last_who_leaves() -> None:
    once = Once(World())
    _, _, first = once.ask()
    values, _, second = once.ask()
    first.dispose()
    assert once.subject.observers
    second.dispose()
    assert not once.subject.observers
    once.ask()
    assert (once.fetches, values) == (2, [])


def test_a_value_that_fails_or_never_comes_is_not_kept() -> None:
    once = Once(World())
    _, errors, _ = once.ask()
    once.subject.on_error(FetchError("gone"))
    once.subject = Subject()
    _, more, _ = once.ask()
    once.subject.on_completed()
    assert isinstance(errors[0], FetchError)
    assert isinstance(more[0], ImageLoadError)
    assert once.fetches == 2


def test_clearing_cancels_everything() -> None:
    world = World()
    world.take(1)
    world.shared.put("k", "v", 1)
    world.shared.clear()
    assert (world.source.live, world.shared.kept.nbytes) == (0, 0)


@pytest.mark.parametrize("frame_number", [1, 2])
def test_disposing_twice_or_after_the_end_does_nothing(frame_number: int) -> None:
    world = World()
    taker = world.take(frame_number)
    world.source.emit(1, 2)
    taker.subscription.dispose()
    taker.subscription.dispose()
    assert world.source.live == 1
