"""The demonstration's summary, and whether it all really worked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.cli.console import counted, megabytes, show_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.cli.census import Census
    from cornerstream.cli.demo_figures import Act, Streamed
    from cornerstream.phantom import PhantomSeries, PhantomStudy


@dataclass(slots=True)
class Report:
    """What was done, as it is done.

    Attributes:
        stage: What is being done now.
        left: What there is more after the session than before it; `None` until it is closed.
        interrupted: Loads that had been cancelled when Ctrl-C had done its work.
    """

    stage: str = "starting"
    streamed: list[Streamed] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    left: Census | None = None
    interrupted: int = 0

    def told(self) -> str:
        """What was cancelled, after Ctrl-C."""
        images = sum(one.images for one in self.streamed)
        return (
            f"the demonstration while {self.stage}; {counted(self.interrupted, 'load')} cancelled, "
            f"{counted(images, 'image')} had come"
        )

    def show(self) -> None:
        """Draw the summary."""
        rows = [
            (
                one.series.series_description,
                str(one.images),
                f"{one.images / one.seconds:.0f}",
                megabytes(one.received),
                megabytes(one.nbytes),
                f"{one.first_image * 1000:.0f} ms",
                f"{one.seconds:.1f} s",
            )
            for one in self.streamed
        ]
        columns = ("Streamed", "#Images", "#Images/s", "#Received", "#Decoded", "#First image", "#Time")
        show_table(columns, rows, title="Series")
        show_table(("Figure", "#Value", ""), list(self._figures()), title="Summary")

    def _figures(self) -> Iterator[tuple[str, str, str]]:
        images, seconds = sum(one.images for one in self.streamed), sum(one.seconds for one in self.streamed)
        received = sum(one.received for one in self.streamed)
        yield "images streamed", str(images), "in order, every one checked by its UID"
        yield "images/s", f"{images / seconds:.0f}", "over all series"
        yield "received", megabytes(received), f"{megabytes(received / seconds)}/s"
        yield "time to first image", f"{self.streamed[0].first_image * 1000:.0f} ms", "of the first series"
        for act in self.acts:
            yield from _act_figures(act)
        yield (
            "bytes not fetched, measured",
            megabytes(sum(act.loads.spared for act in self.acts)),
            "promised by servers, cut off by cancelling",
        )
        yield (
            "bytes not fetched, estimated",
            megabytes(sum(act.loads.unsent for act in self.acts)),
            "of loads cancelled before their answer",
        )
        if self.left is not None:
            yield from _leftovers(self.left)

    def problems(self, study: PhantomStudy) -> list[str]:
        """What did not go as it should have; empty when all went well."""
        by_uid = {one.series.series_instance_uid: one for one in self.streamed}
        found = [
            f"{series.description}: {problem}"
            for series in study.series
            if (problem := _problem(series, by_uid.get(series.series_instance_uid)))
        ]
        found += [f"{act.name}: did not end as it should" for act in self.acts if not act.complete]
        if not sum(act.loads.cancelled for act in self.acts):
            found.append("nothing was cancelled")
        if self.left is None or not self.left.is_nothing:
            found.append(f"something is left: {self.left}")
        return found


def _act_figures(act: Act) -> Iterator[tuple[str, str, str]]:
    if act.shown:
        yield f"{act.name}: moves", str(act.wishes), f"{act.shown} shown while still wanted, {act.loads.images} loaded"
        yield f"{act.name}: last image", f"{act.settled * 1000:.0f} ms", "from the last move to its image"
    else:
        yield f"{act.name}: asked for", str(act.wishes), f"{act.loads.images} loaded when it was cancelled"
        yield (
            f"{act.name}: stopped",
            f"{act.settled * 1000:.1f} ms",
            "from cancelling to no socket open, no decoder at work",
        )
    yield f"{act.name}: loads cancelled", str(act.loads.cancelled), ""


def _leftovers(left: Census) -> Iterator[tuple[str, str, str]]:
    yield (
        "sockets left",
        "unknown" if left.sockets is None else str(left.sockets),
        "after the session, counted by the system",
    )
    yield "tasks left", str(left.tasks), ""
    yield "threads left", str(left.threads), ""


def _problem(series: PhantomSeries, streamed: Streamed | None) -> str:
    if streamed is None:
        return "not listed"
    if streamed.images != series.frames:
        return f"{streamed.images} images of {series.frames}"
    expected = list(reversed(series.sop_instance_uids))  # written from the head down, listed along the normal: upwards
    if len(expected) == 1:
        expected *= series.frames
    return "" if streamed.sop_instance_uids == expected else "not in the order of positions"
