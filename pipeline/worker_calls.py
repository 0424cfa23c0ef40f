"""Calls of the worker lane: what whoever asks for work awaits."""

from __future__ import annotations

import asyncio
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cornerstream.images.errors import DecodeError
from cornerstream.traces import Stage, Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from cornerstream.ranks import RankCell

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a call runs: in a process, and for how long at most unless the process has a clock of its own."""

    in_process: bool = False
    seconds: float | None = None


class Owner(Protocol):
    """Whom calls tell what becomes of them."""

    loop: asyncio.AbstractEventLoop

    def dropped(self, call: Call[Any]) -> None:
        """It was cancelled."""
        ...

    def reranked(self, call: Call[Any]) -> None:
        """Its rank has changed, and it has not begun."""
        ...


class Call(asyncio.Future[T]):
    """One function and its arguments; what its caller awaits.

    Cancelled, it leaves the lane at once; where it runs already it keeps its slot until it ends, and its result is
    dropped. Touched on the loop only.
    """

    __slots__ = (
        "args",
        "asked",
        "began",
        "entry",
        "function",
        "job",
        "lane",
        "number",
        "pool",
        "rank",
        "terms",
        "trace",
    )

    pool: Executor  # where its job is
    began: float  # since it has a slot
    number: int  # since it waits
    entry: int

    def __init__(
        self, lane: Owner, function: Callable[..., T], args: tuple[object, ...], rank: RankCell, terms: Terms
    ) -> None:
        super().__init__(loop=lane.loop)
        self.lane = lane
        self.function = function
        self.args = args
        self.rank = rank
        self.terms = terms
        self.trace = rank.trace or Trace()
        self.trace.at = Stage.WORKER_QUEUE
        self.asked = lane.loop.time()
        self.job: Future[T] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Leave the lane, before this returns: no worker begins it any more."""
        if not super().cancel(msg):
            return False
        self.trace.at = None
        self.lane.dropped(self)
        return True

    def fail(self, error: BaseException) -> None:
        """End it in an error."""
        self.trace.at = None
        if isinstance(error, StopIteration):  # a future refuses it
            error, cause = RuntimeError("the function raised StopIteration"), error
            error.__cause__ = cause
        self.set_exception(error)

    def settle(self, job: Future[T]) -> None:
        """End it as its job has ended, unless nobody waits for that any more."""
        if self.done():
            return
        try:
            error = job.exception()  # not raised here, so that its traceback does not hold on to this call
        except CancelledError:
            self.trace.at = None
            super().cancel()
            return
        if error is None:
            self.trace.at = None
            self.set_result(job.result())
        elif isinstance(error, BrokenExecutor):
            self.fail(caused(DecodeError(f"a worker died in the middle of its work: {error}"), error))
        else:
            self.fail(error)

    def reranked(self) -> None:
        """Tell the lane."""
        self.lane.reranked(self)

    @property
    def key(self) -> tuple[int, float, int]:
        """Its place: the smaller goes first."""
        rank = self.rank.value
        return rank.lane, rank.distance, self.number


def refusal(why: object) -> DecodeError:
    """The error of a call that nobody takes."""
    return DecodeError(f"the workers take no more work: {why}")


def caused(error: DecodeError, cause: BaseException) -> DecodeError:
    """What `raise … from` makes, for an error that is handed over instead of raised."""
    error.__cause__ = cause
    return error
