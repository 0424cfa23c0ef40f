"""What a link can carry, estimated from what it delivered: when to ask for more, and not sooner.

The bytes that fill a link are its rate times its latency (BBR: Cardwell et al., ACM Queue 14/5, 2016): fewer leave it
idle, more only stand in a queue, and an urgent request stands behind them. So the next request starts one latency before
the bytes under way come to their end. No clock inside: times are passed in.
"""

from __future__ import annotations

from collections import deque
from math import inf
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_REACTION_SECONDS = 0.004  # from the last bytes of one answer to the next request
_RATES = 10  # spans a rate is remembered for
_SPAN_SECONDS = (0.05, 0.5)  # over which a rate is measured: at least, at most
_SPAN_LATENCIES = 2.0
_CYCLE = 16  # spans; in the first two of each the link is offered twice as much
_RAISED = 2
_SETTLED = 4  # spans of a cycle after which what was offered in addition is gone
_BETTER = 1.15  # more than this over the usual rate is no chance
_GAINS = (1.0, 8.0)
_GAIN_UP = 1.25
_GAIN_DOWN = 0.97
_LATENCY_SECONDS = 10.0  # a latency is believed for
_LONGER = 1.5  # than before: the way to the server is another one
_DRAIN_SECONDS = 0.5  # longest wait for an empty link


class LinkEstimate:
    """The estimate of one link: the recent least time to an answer, and the recent greatest rate of delivery.

    Nothing is held back before a rate was measured while more was wanted than came: a rate of few requests says nothing
    about the link. From time to time the link is offered more; where that brings more (servers that need long for some
    answers, a link that became faster), more is under way from then on.
    """

    __slots__ = (
        "_begun",
        "_bytes",
        "_draining",
        "_filled",
        "_gain",
        "_phase",
        "_probed",
        "_rates",
        "_usual",
        "_verified",
        "latency",
    )

    def __init__(self) -> None:
        self.latency = inf
        self._verified = -inf  # when an answer last came over an empty link
        self._draining: float | None = None
        self._rates: deque[float] = deque(maxlen=_RATES)
        self._usual: list[float] = []
        self._probed: list[float] = []
        self._gain = _GAINS[0]
        self._phase = _SETTLED
        self._begun: float | None = None
        self._bytes = 0
        self._filled = False

    def __repr__(self) -> str:
        return f"<LinkEstimate {self.latency * 1000:.1f} ms, {self.rate / 1e6:.1f} MB/s, gain {self._gain:.2f}>"

    @property
    def rate(self) -> float:
        """Bytes a second; 0 when it is not known yet."""
        return max(self._rates, default=0.0)

    @property
    def lead_seconds(self) -> float:
        """How long before the link runs empty the next request is to start; infinite while nothing is known."""
        return (self.latency + _REACTION_SECONDS) * self._offer if self._rates else inf

    def empty_at(self, now: float, transfers: Iterable[tuple[float, float]]) -> float:
        """When the link will have delivered what is under way.

        Args:
            now: The time.
            transfers: When each was asked for, or 0 if its answer has begun; and the bytes still to come.
        """
        rate, at = self.rate, now
        for asked, nbytes in sorted(transfers):
            at = max(at, asked + self.latency) + nbytes / rate
        return at

    def answered(self, now: float, seconds: float, *, alone: bool) -> None:
        """An answer began after so many seconds; `alone`: nothing else was under way when it was asked for.

        Only an answer over an empty link can make the latency greater: all others may have queued behind our own.
        """
        if alone:
            if self._draining is not None and seconds > _LONGER * self.latency:
                self._rates.clear()  # measured with too little under way: start afresh
            self.latency = seconds
            self._verified = now
            self._draining = None
        else:
            self.latency = min(self.latency, seconds)

    def received(self, now: float, nbytes: int, *, filled: bool) -> None:
        """Bytes came; `filled`: more was wanted, and nothing but this estimate or the slots held it back."""
        if self._begun is None:
            self._restart(now, filled=filled)  # these bytes came over the time before it
            return
        self._bytes += nbytes
        self._filled = self._filled and filled
        if now - self._begun >= self._span:
            self._measured(self._bytes / (now - self._begun))
            self._restart(now, filled=filled)

    def idle(self) -> None:
        """Nothing is under way: the time until there is does not count."""
        self._begun = None

    def drains(self, now: float) -> bool:
        """Nothing new, so that the next request finds the link empty and tells its latency; not for long."""
        if self.latency == inf or now - self._verified < _LATENCY_SECONDS:
            return False
        if self._draining is None:
            self._draining = now
        elif now - self._draining > _DRAIN_SECONDS:  # something stays open for long: what is known must do
            self._draining = None
            self._verified = now
            return False
        return True

    @property
    def _span(self) -> float:
        least, most = _SPAN_SECONDS
        return min(most, max(least, _SPAN_LATENCIES * self.latency))

    @property
    def _offer(self) -> float:
        return self._gain * (2.0 if self._phase < _RAISED else 1.0)

    def _restart(self, now: float, *, filled: bool) -> None:
        self._begun = now
        self._bytes = 0
        self._filled = filled

    def _measured(self, rate: float) -> None:
        if self._filled:
            self._rates.append(rate)
            self._advance(rate)
        elif self._rates and rate > self.rate:
            self._rates.append(rate)  # whatever the reason for less would have been, it can do this

    def _advance(self, rate: float) -> None:
        """Walk through the cycle: twice the offer, a pause for it to pass, the usual offer."""
        if 1 <= self._phase <= _RAISED:  # a raised offer shows one latency later
            self._probed.append(rate)
        elif self._phase >= _SETTLED:
            self._usual.append(rate)
        self._phase = (self._phase + 1) % _CYCLE
        if self._phase == _SETTLED:
            self._compare()

    def _compare(self) -> None:
        least, most = _GAINS
        if self._usual and self._probed and median(self._probed) > _BETTER * median(self._usual):
            self._gain = min(most, self._gain * _GAIN_UP)
        else:
            self._gain = max(least, self._gain * _GAIN_DOWN)
        self._usual.clear()
        self._probed.clear()
