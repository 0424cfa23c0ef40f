"""Servers that do not let frames go by themselves: their instances are asked for, once that is known at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
from reactivex.disposable import Disposable

from cornerstream.images.errors import FetchError, HttpStatusError, ImageIdError, ImageLoadError, SplitError
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import FrameMetadata
from cornerstream.operators.bridge import running_tasks
from cornerstream.operators.metadata import InstanceMetadata
from cornerstream.ranks import BestRank
from cornerstream.refusals import Refusals, is_refused, kind_of
from cornerstream.traces import Stage
from tests.support.leaks import turns

if TYPE_CHECKING:
    import asyncio

    from reactivex import Observable
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase


SPEAKING = (400, 406, 415, 500, 501)
SILENT = (401, 403, 404, 410, 416, 429, 502, 503, 504)
PACS = "http://pacs/studies/1/series/2/instances/"


def refusal(status: int = 500) -> HttpStatusError:
    return HttpStatusError(f"answered {status}", status=status)


def metadata_of(syntax: str = "", sop_class: str = "1.2", frames: int = 1) -> InstanceMetadata:
    shared = FrameMetadata(
        transfer_syntax_uid=syntax,
        rows=1,
        columns=1,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        number_of_frames=frames,
        sop_class_uid=sop_class,
    )
    return InstanceMetadata(shared)


class Way:
    """A way to a frame that a test holds in its hands: `end` answers all who go it."""

    def __init__(self) -> None:
        self.asked = 0
        self.tasks: set[asyncio.Task[Any]] | None = None
        self.observers: list[ObserverBase[Any]] = []

    @property
    def stage(self) -> Observable[Any]:
        def subscribe(observer: ObserverBase[Any], _: SchedulerBase | None = None) -> DisposableBase:
            self.asked += 1
            self.tasks = running_tasks.get()
            self.observers.append(observer)
            return Disposable(lambda: self.observers.remove(observer) if observer in self.observers else None)

        return rx.create(subscribe)

    def end(self, value: object) -> None:
        for observer in tuple(self.observers):
            if isinstance(value, Exception):
                observer.on_error(value)
            else:
                observer.on_next(value)
                observer.on_completed()


class Asking:
    """One load and its two ways."""

    def __init__(self, refusals: Refusals, text: str, metadata: Observable[InstanceMetadata]) -> None:
        self.frame, self.instance = Way(), Way()
        self.heard: list[object] = []
        rank = BestRank()
        self.trace = rank.trace
        image_id = ImageId.parse(f"wadors:{text}")
        either = refusals.either(image_id, rank, metadata, self.frame.stage, self.instance.stage)
        self.subscription = either.subscribe(self.heard.append, self.heard.append)

    @property
    def asked(self) -> tuple[int, int]:
        return self.frame.asked, self.instance.asked


@dataclass
class Pacs:
    """Loads that share what is known of refusals."""

    refusals: Refusals

    def ask(self, uid: str = "1", number: int = 1, *, metadata: InstanceMetadata | Exception | None = None) -> Asking:
        said = metadata or metadata_of()
        source: Observable[InstanceMetadata] = rx.throw(said) if isinstance(said, Exception) else rx.just(said)
        return Asking(self.refusals, f"{PACS}{uid}/frames/{number}", source)


@pytest.fixture
async def pacs() -> Pacs:
    return Pacs(Refusals())


@pytest.mark.parametrize("status", [*SPEAKING, *SILENT])
def test_which_statuses_speak_of_the_representation(status: int) -> None:
    assert is_refused(refusal(status)) is (status in SPEAKING)
    assert not is_refused(FetchError("gone"))
    assert not is_refused(SplitError("no image"))


def test_what_instances_that_are_refused_have_in_common() -> None:
    assert kind_of(metadata_of("1.2.840.10008.1.2.4.201", frames=9)) == ("transfer syntax", "1.2.840.10008.1.2.4.201")
    assert kind_of(metadata_of("")) == ("class", "1.2")
    assert kind_of(metadata_of("", frames=2)) is None
    assert kind_of(metadata_of("", sop_class="")) is None


async def test_a_frame_that_comes_is_all_that_is_asked_for(pacs: Pacs) -> None:
    load = pacs.ask()
    load.frame.end("frame")
    assert (load.heard, load.asked, len(pacs.refusals)) == (["frame"], (1, 0), 0)


@pytest.mark.parametrize("status", SPEAKING)
async def test_a_refused_frame_comes_out_of_its_instance_and_that_is_remembered(pacs: Pacs, status: int) -> None:
    load = pacs.ask("1")
    load.frame.end(refusal(status))
    load.instance.end("frame")
    assert (load.heard, load.asked) == (["frame"], (1, 1))
    assert [pacs.ask("1", 2).asked, pacs.ask("7").asked] == [(0, 1)] * 2
    assert pacs.ask("8", metadata=metadata_of(sop_class="other")).asked == (1, 0)
    assert pacs.ask("9", metadata=metadata_of("named")).asked == (1, 0)


@pytest.mark.parametrize("error", [*map(refusal, SILENT), FetchError("gone"), SplitError("no image")])
async def test_another_error_is_the_error(pacs: Pacs, error: Exception) -> None:
    load = pacs.ask()
    load.frame.end(error)
    assert (load.heard, load.asked, pacs.ask().asked) == ([error], (1, 0), (1, 0))


async def test_what_is_remembered_is_the_transfer_syntax_where_it_is_named(pacs: Pacs) -> None:
    load = pacs.ask("1", metadata=metadata_of("htj2k", frames=9))
    load.frame.end(refusal())
    load.instance.end("frame")
    assert pacs.ask("2", metadata=metadata_of("htj2k", "other", frames=3)).asked == (0, 1)
    assert pacs.ask("3", metadata=metadata_of("explicit", frames=9)).asked == (1, 0)
    assert pacs.ask("4", metadata=metadata_of()).asked == (1, 0)
    other = Asking(pacs.refusals, "http://other/studies/1/series/2/instances/1/frames/1", rx.just(metadata_of("htj2k")))
    assert other.asked == (1, 0)


async def test_of_instances_with_several_frames_and_no_name_only_they_themselves_are_remembered(pacs: Pacs) -> None:
    load = pacs.ask("1", metadata=metadata_of(frames=9))
    load.frame.end(refusal())
    load.instance.end("frame")
    assert pacs.ask("1", 2, metadata=metadata_of(frames=9)).asked == (0, 1)
    assert pacs.ask("2", metadata=metadata_of(frames=9)).asked == (1, 0)


@pytest.mark.parametrize("error", [refusal(406), refusal(404), FetchError("gone"), SplitError("damaged")])
async def test_an_instance_that_is_not_to_be_had_either_leaves_the_error_of_the_frame(
    pacs: Pacs, error: ImageLoadError
) -> None:
    load = pacs.ask()
    load.frame.end(refusal())
    load.instance.end(error)
    (heard,) = load.heard
    assert isinstance(heard, HttpStatusError)
    assert (heard.status, heard.message) == (500, f"answered 500; the other way: {error.message}")
    assert pacs.ask().asked == pacs.ask("2").asked == (1, 0)


async def test_a_frame_that_is_not_there_is_no_reason_to_ask_for_its_instance(pacs: Pacs) -> None:
    load = pacs.ask("1", 10, metadata=metadata_of(frames=9))
    load.frame.end(refusal(400))
    (heard,) = load.heard
    assert isinstance(heard, HttpStatusError)
    assert (heard.status, load.asked) == (400, (1, 0))
    assert isinstance(heard.__cause__, ImageIdError)
    assert pacs.ask("1", 9, metadata=metadata_of(frames=9)).asked == (1, 0)


async def test_metadata_that_cannot_be_had_are_no_reason_not_to(pacs: Pacs) -> None:
    load = pacs.ask("1", metadata=refusal())
    load.frame.end(refusal())
    load.instance.end("frame")
    assert load.heard == ["frame"]
    assert pacs.ask("1").asked == (0, 1)
    assert pacs.ask("2").asked == (1, 0)


async def test_where_something_is_known_and_the_metadata_fail_the_frame_is_asked_for(pacs: Pacs) -> None:
    first = pacs.ask("1")
    first.frame.end(refusal())
    first.instance.end("frame")
    assert pacs.ask("2", metadata=FetchError("gone")).asked == (1, 0)


async def test_who_has_not_asked_yet_need_not_find_out(pacs: Pacs) -> None:
    finder, sent, queued, other = (
        pacs.ask("1"),
        pacs.ask("2"),
        pacs.ask("3"),
        pacs.ask("4", metadata=metadata_of("explicit")),
    )
    sent.trace.at = Stage.CONNECTING
    for load in (queued, other):
        load.trace.at = Stage.NETWORK_QUEUE
    finder.frame.end(refusal())
    await turns()
    assert [load.asked for load in (sent, queued, other)] == [(1, 0)] * 3  # it may have been that one instance
    finder.instance.end("frame")
    await turns()
    assert (sent.asked, queued.asked) == ((1, 0), (1, 1))
    assert queued.frame.observers == []
    assert other.asked == (1, 0)
    assert len(other.frame.observers) == 1
    sent.frame.end("sent")
    queued.instance.end("queued")
    other.frame.end("other")
    assert [load.heard for load in (sent, queued, other)] == [["sent"], ["queued"], ["other"]]


async def test_what_has_been_sent_while_its_metadata_came_is_not_called_back(pacs: Pacs) -> None:
    finder, said = pacs.ask("1"), Way()
    load, leaver = (Asking(pacs.refusals, f"{PACS}{uid}/frames/1", said.stage) for uid in "23")
    finder.frame.end(refusal())
    finder.instance.end("frame")
    await turns()
    assert (load.asked, len(said.observers)) == ((1, 0), 2)
    leaver.subscription.dispose()
    assert len(said.observers) == 1
    load.trace.at = Stage.BODY
    said.end(metadata_of())
    assert (load.asked, len(load.frame.observers)) == ((1, 0), 1)
    load.subscription.dispose()
    assert load.frame.observers == []


async def test_the_other_frames_of_an_instance_go_the_second_way_at_the_first_refusal(pacs: Pacs) -> None:
    loads = [pacs.ask("1", number, metadata=metadata_of("htj2k", frames=9)) for number in range(1, 5)]
    loads[0].frame.end(refusal())
    assert [len(load.frame.observers) for load in loads[1:]] == [1] * 3  # not while whoever tells of it is at work
    await turns()
    assert [load.asked for load in loads] == [(1, 1)] * 4
    assert [len(load.frame.observers) for load in loads] == [0] * 4
    for load in loads:
        load.instance.end(refusal(406))
    assert [load.asked for load in loads] == [(1, 1), (2, 1), (2, 1), (2, 1)]  # they have not heard of it themselves
    loads[1].frame.end("frame")
    loads[2].frame.end(refusal(501))
    assert loads[1].heard == ["frame"]
    assert [error.status for error in loads[2].heard if isinstance(error, HttpStatusError)] == [501]
    assert loads[2].asked == (2, 1)


async def test_who_turns_round_keeps_its_tasks_where_its_session_has_them(pacs: Pacs) -> None:
    tasks: set[asyncio.Task[Any]] = set()
    token = running_tasks.set(tasks)
    load = pacs.ask("1", 2, metadata=metadata_of("htj2k", frames=9))
    running_tasks.reset(token)
    pacs.ask("1", metadata=metadata_of("htj2k", frames=9)).frame.end(refusal())
    await turns()
    assert load.asked == (1, 1)
    assert load.instance.tasks is tasks


async def test_what_was_known_is_forgotten_when_it_is_no_longer_so(pacs: Pacs) -> None:
    first = pacs.ask("1")
    first.frame.end(refusal())
    first.instance.end("frame")
    second = pacs.ask("2")
    second.instance.end(refusal(406))
    assert second.asked == (1, 1)
    second.frame.end("frame")
    assert second.heard == ["frame"]
    assert pacs.ask("3").asked == (1, 0)


@pytest.mark.parametrize("error", [FetchError("gone"), refusal(503), refusal(401), ImageIdError("no such frame")])
async def test_an_error_that_is_not_about_the_way_ends_the_second_one(pacs: Pacs, error: Exception) -> None:
    first = pacs.ask("1")
    first.frame.end(refusal())
    first.instance.end("frame")
    second = pacs.ask("2")
    second.instance.end(error)
    assert (second.heard, second.asked) == ([error], (0, 1))
    assert pacs.ask("3").asked == (0, 1)


@pytest.mark.parametrize("way", ["frame", "instance", "known", "metadata"])
async def test_disposed_in_either_way(pacs: Pacs, way: str) -> None:
    if way in {"known", "metadata"}:
        first = pacs.ask("0")
        first.frame.end(refusal())
        first.instance.end("frame")
    said = Way()
    load = Asking(pacs.refusals, f"{PACS}1/frames/1", said.stage) if way == "metadata" else pacs.ask("1")
    if way == "instance":
        load.frame.end(refusal())
    open_ways = {"frame": load.frame, "metadata": said}.get(way, load.instance)
    assert len(open_ways.observers) == 1
    load.subscription.dispose()
    await turns()
    assert (load.frame.observers, load.instance.observers, said.observers) == ([], [], [])
    assert (load.heard, len(pacs.refusals)) == ([], 0)


async def test_memory_is_bounded(pacs: Pacs) -> None:
    for number in range(1100):
        text = f"http://pacs{number % 70}/studies/1/series/2/instances/{number}/frames/1"
        load = Asking(pacs.refusals, text, rx.just(metadata_of(f"syntax{number}")))
        load.frame.end(refusal())
        load.instance.end("frame")
    assert (len(pacs.refusals._instances), len(pacs.refusals._kinds), len(pacs.refusals)) == (1024, 64, 0)
