"""All checks, in the order in which a new loader comes to pass them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.testing.cancels import (
    cancelled_after_its_end,
    cancelled_at_every_step,
    cancelled_at_every_turn,
    cancelled_before_it_begins,
    closed_with_its_session,
    one_who_leaves_disturbs_nobody,
)
from cornerstream.testing.case import ConformanceError
from cornerstream.testing.delivers import (
    each_subscription_is_a_load,
    frames_are_right,
    is_cold,
    loads_again,
    pixels_are_right,
    pixels_go_where_they_are_wanted,
    quality_rises_to_complete,
    returns_an_image_load_object,
    works_from_a_thread,
)
from cornerstream.testing.refuses import (
    errors_are_typed_and_name_the_image,
    failures_are_not_kept,
    frames_out_of_range_are_refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.testing.case import LoaderCase

CHECKS: tuple[Callable[[LoaderCase], None], ...] = (
    returns_an_image_load_object,
    is_cold,
    quality_rises_to_complete,
    pixels_are_right,
    frames_are_right,
    each_subscription_is_a_load,
    loads_again,
    pixels_go_where_they_are_wanted,
    works_from_a_thread,
    errors_are_typed_and_name_the_image,
    failures_are_not_kept,
    frames_out_of_range_are_refused,
    cancelled_before_it_begins,
    cancelled_at_every_turn,
    cancelled_at_every_step,
    cancelled_after_its_end,
    one_who_leaves_disturbs_nobody,
    closed_with_its_session,
)
"""Each is named by what a loader owes, and takes a `LoaderCase`."""


def check_loader(case: LoaderCase) -> None:
    """Run every check, without pytest.

    Raises:
        ConformanceError: Some failed; the message has a line for each.
    """
    failures = []
    for check in CHECKS:
        try:
            check(case)
        except Exception as error:  # noqa: BLE001 - whatever a loader does to a check is that check's failure
            failures.append(f"{check.__name__}: {error}")
    if failures:
        raise ConformanceError("\n".join(failures))
