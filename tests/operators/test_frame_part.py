from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex.subject import Subject

from cornerstream.images.errors import FetchError, ImageIdError, SplitError, UnsupportedTransferSyntaxError
from cornerstream.images.metadata import FrameMetadata
from cornerstream.operators.frame_part import encoded_frame, join_metadata, located_frame_number
from cornerstream.operators.metadata import InstanceMetadata
from cornerstream.operators.parts import Part

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame

EXPLICIT = "1.2.840.10008.1.2.1"
OCTETS = "application/octet-stream"


def instance(frames: int = 2) -> InstanceMetadata:
    return InstanceMetadata(
        FrameMetadata(
            transfer_syntax_uid="",
            rows=2,
            columns=3,
            photometric_interpretation="MONOCHROME2",
            number_of_frames=frames,
        )
    )


def part(content_type: str = f"{OCTETS}; transfer-syntax={EXPLICIT}") -> Part:
    return Part({"content-type": content_type}, bytes(6))


class Heard:
    """One subscription of `join_metadata` with both of its sources in hand."""

    def __init__(self, frame_number: int = 2) -> None:
        self.parts: Subject[Part] = Subject()
        self.metadata: Subject[InstanceMetadata] = Subject()
        self.frames: list[EncodedFrame] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.subscription = self.parts.pipe(join_metadata(self.metadata, frame_number)).subscribe(
            self.frames.append, self.errors.append, self._complete
        )

    def _complete(self) -> None:
        self.completed += 1


def test_a_part_and_metadata_make_a_frame() -> None:
    frame = encoded_frame(part(), instance(), 2)
    assert (frame.metadata.frame_number, frame.metadata.transfer_syntax_uid, frame.data) == (2, EXPLICIT, bytes(6))


def test_a_frame_that_is_not_there_and_a_part_that_says_nothing() -> None:
    with pytest.raises(ImageIdError):
        encoded_frame(part(), instance(), 3)
    with pytest.raises(UnsupportedTransferSyntaxError):
        encoded_frame(part(""), instance(), 1)


@pytest.mark.parametrize("metadata_first", [True, False])
def test_whichever_comes_first(metadata_first: bool) -> None:
    heard = Heard()
    if metadata_first:
        heard.metadata.on_next(instance())
    heard.parts.on_next(part())
    assert heard.frames == []  # there may be more parts
    heard.parts.on_completed()
    if not metadata_first:
        assert heard.frames == []
        heard.metadata.on_next(instance())
    assert [frame.metadata.frame_number for frame in heard.frames] == [2]
    assert (heard.completed, heard.errors) == (1, [])
    assert heard.frames[0].timings["fetch"] >= 0
    assert not heard.metadata.observers


@pytest.mark.parametrize(("count", "words"), [(0, "no part"), (2, "several parts")])
def test_another_number_of_parts_is_refused(count: int, words: str) -> None:
    heard = Heard()
    heard.metadata.on_next(instance())
    for _ in range(count):
        heard.parts.on_next(part())
    heard.parts.on_completed()
    assert [type(error) for error in heard.errors] == [SplitError]
    assert str(heard.errors[0]) == f"the answer has {words} where one frame was asked for"


def test_a_second_part_ends_it_at_once() -> None:
    """The others may be gigabytes: they are not waited for."""
    heard = Heard()
    heard.parts.on_next(part())
    heard.parts.on_next(part())
    assert [type(error) for error in heard.errors] == [SplitError]
    assert not heard.parts.observers
    assert not heard.metadata.observers


def test_what_fails_ends_the_other() -> None:
    for fails, other in (("parts", "metadata"), ("metadata", "parts")):
        heard = Heard()
        getattr(heard, fails).on_error(FetchError("gone"))
        assert [type(error) for error in heard.errors] == [FetchError]
        assert not getattr(heard, other).observers


def test_an_own_error_is_the_observers() -> None:
    heard = Heard(frame_number=9)
    heard.metadata.on_next(instance())
    heard.parts.on_next(part())
    heard.parts.on_completed()
    assert [type(error) for error in heard.errors] == [ImageIdError]
    assert heard.frames == []


def test_sources_that_are_there_already() -> None:
    frames: list[EncodedFrame] = []
    rx.just(part()).pipe(join_metadata(rx.just(instance()), 1)).subscribe(frames.append)
    assert [frame.metadata.frame_number for frame in frames] == [1]


def test_disposed_midway_leaves_both() -> None:
    heard = Heard()
    heard.parts.on_next(part())
    heard.subscription.dispose()
    assert not heard.parts.observers
    assert not heard.metadata.observers
    assert (heard.frames, heard.errors, heard.completed) == ([], [], 0)


@pytest.mark.parametrize(
    ("location", "number"),
    [
        ("", None),
        ("http://pacs/studies/1/series/2/instances/3/frames/7", 7),
        ("../frames/12/", 12),
        ("/frames/5?token=1", 5),
        ("http://pacs/instances/3/frames/1,2", None),
        ("http://pacs/instances/3/frames/7/rendered", None),
    ],
)
def test_the_frame_that_a_part_says_it_is(location: str, number: int | None) -> None:
    assert located_frame_number(Part({"content-location": location}, b"")) == number
