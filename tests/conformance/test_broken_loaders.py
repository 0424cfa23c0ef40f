"""The conformance suite tells broken loaders from good ones, and says what is broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cornerstream.testing import CHECKS, ConformanceError, LoaderCase, check_loader
from tests.conformance import broken, broken_ends

if TYPE_CHECKING:
    from collections.abc import Callable

BY_NAME = {check.__name__: check for check in CHECKS}
FAULTS = [
    (broken.ReturnsNothing, "returns_an_image_load_object", "returned NoneType"),
    (broken.ReturnsAnother, "returns_an_image_load_object", "the load of x:other"),
    (broken.RaisesAtOnce, "returns_an_image_load_object", "raised FetchError"),
    (broken.StartsATask, "is_cold", "started 1 tasks"),
    (broken.AsksAWorker, "is_cold", "asked for 1 requests or workers"),
    (broken.StartsAThread, "is_cold", "started a thread"),
    (broken.OpensAFile, "is_cold", "descriptors are left open"),
    (broken.LoadsOnce, "each_subscription_is_a_load", ""),
    (broken.UsedUp, "loads_again", "it was read before"),
    (broken.Falls, "quality_rises_to_complete", "quality falls"),
    (broken.NeverComplete, "quality_rises_to_complete", "last image is LOSSY"),
    (broken.NeverComplete, "cancelled_after_its_end", "not in the cache"),
    (broken.NeverComplete, "one_who_leaves_disturbs_nobody", "loaded again"),
    (broken.NeverEnds, "quality_rises_to_complete", "did not come to an end"),
    (broken.NeverEnds, "pixels_are_right", "did not come to an end"),
    (broken.NeverEnds, "cancelled_at_every_step", "did not come to an end"),
    (broken.Empty, "quality_rises_to_complete", "it failed|without an image"),
    (broken.GoesOn, "quality_rises_to_complete", "after its end|completed 2 times"),
    (broken.Short, "pixels_are_right", r"shape \(3, 5\), not \(4, 5\)"),
    (broken.OtherDtype, "pixels_are_right", "int32, not int16"),
    (broken.OnePixelOff, "pixels_are_right", "not the expected ones"),
    (broken.Writable, "pixels_are_right", "written to"),
    (broken.NamesAnother, "pixels_are_right", "says that it is x:other"),
    (broken.FirstFrameOnly, "frames_are_right", "not the expected ones"),
    (broken.FirstFrameOnly, "frames_out_of_range_are_refused", "it loaded"),
    (broken.KeepsOut, "pixels_go_where_they_are_wanted", "pixels are (others|not the expected ones)"),
    (broken.InTheMainThread, "works_from_a_thread", "main thread"),
    (broken_ends.Untyped, "errors_are_typed_and_name_the_image", "KeyError, none of"),
    (broken_ends.TypedAsAnything, "errors_are_typed_and_name_the_image", "ImageLoadError, none of"),
    (broken_ends.BlamesAnother, "errors_are_typed_and_name_the_image", "names x:other"),
    (broken_ends.Swallows, "errors_are_typed_and_name_the_image", "without an image and without an error"),
    (broken_ends.Invents, "errors_are_typed_and_name_the_image", "is not there, and it loaded"),
    (broken_ends.KeepsFailures, "failures_are_not_kept", "same error twice"),
    (broken_ends.DeliversAfterwards, "cancelled_at_every_turn", "still runs|after it was cancelled"),
    (broken_ends.DeliversAfterwards, "cancelled_at_every_step", "still runs|after it was cancelled"),
    (broken_ends.LeavesATask, "closed_with_its_session", "tasks are left after its session was closed"),
    (broken_ends.SaysGoodbye, "cancelled_at_every_turn", "signals after it was cancelled"),
    (broken_ends.SaysGoodbye, "cancelled_at_every_step", "signals after it was cancelled before the call of a worker"),
    (broken_ends.CannotBeCancelled, "cancelled_at_every_turn", "still runs"),
    (broken_ends.KeepsItsTurn, "cancelled_at_every_step", "did not come to an end"),
    (broken_ends.LeavesATask, "pixels_are_right", "tasks are left"),
    (broken_ends.LeavesAThread, "pixels_are_right", "a thread is left"),
    (broken_ends.LeavesADescriptor, "pixels_are_right", "descriptors are left open: /"),
]


def case_of(loader: broken.Good) -> LoaderCase:
    return LoaderCase(
        loader, "x:good", broken.FRAMES[0], "x:missing", list(broken.FRAMES), seconds=loader.seconds, moments=12
    )


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_loader_passes(check: Callable[[LoaderCase], None]) -> None:
    check(case_of(broken.Good()))


@pytest.mark.parametrize(("kind", "check", "message"), FAULTS)
@pytest.mark.filterwarnings("ignore:.*:ResourceWarning", "ignore:.*:pytest.PytestUnraisableExceptionWarning")
def test_a_broken_loader_fails_the_check_of_what_is_broken(kind: type[broken.Good], check: str, message: str) -> None:
    loader = kind()
    try:
        with pytest.raises(Exception, match=message or ".") as caught:
            BY_NAME[check](case_of(loader))
    finally:
        for descriptor in getattr(loader, "files", []):
            os.close(descriptor)
    told = isinstance(caught.value, ConformanceError)
    assert told or "main thread" in message or "read before" in message, repr(caught.value)


def test_every_check_has_a_loader_that_fails_it() -> None:
    without = {"cancelled_before_it_begins"}  # what begins too early is found by `is_cold`
    assert {check for _, check, _ in FAULTS} | without == set(BY_NAME)


def test_all_failures_are_told_together() -> None:
    with pytest.raises(ConformanceError) as caught:
        check_loader(case_of(broken.Short()))
    lines = str(caught.value).splitlines()
    assert {"pixels_are_right", "loads_again"} <= {line.partition(":")[0] for line in lines}
    check_loader(case_of(broken.Good()))


def test_it_needs_neither_pytest_nor_the_tests() -> None:
    code = "import sys, cornerstream.testing; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert not re.search(r"\b(_pytest|pytest|tests|hypothesis|aiohttp)\b", run.stdout)
