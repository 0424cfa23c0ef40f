"""One download of a file, or of some of its frames, and those who wait for them. On the loop only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.file_rules import no_such_frame
from cornerstream.held_frames import HeldFrames
from cornerstream.waiting import Run, Waiter, hand_over

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from typing import Protocol

    from reactivex import Observable

    from cornerstream.file_rules import FileRules
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.file_map import FileMap

    class File(Protocol):
        """The file whose frames are wanted, as a download sees it."""

        rules: FileRules
        key: Hashable
        file_map: FileMap | None

        @property
        def whole_only(self) -> bool:
            """It is not to be had by ranges."""
            ...

        def source(self, run: FileRun) -> Observable[EncodedFrame]:
            """The frames of one download."""
            ...

        def settle(self, run: FileRun, file_map: FileMap) -> range | None:
            """Which neighbouring frames a run reads; `None`: the whole file."""
            ...

        def learn(self, file_map: FileMap) -> None:
            """Keep where the frames lie."""
            ...

        def refuse(self, *, lasting: bool) -> None:
            """What is under way is read whole from now on."""
            ...

        def overtake(self, run: FileRun) -> None:
            """Frames that a download brings late are asked for by their own bytes."""
            ...

        def keep_early(self, encoded: EncodedFrame) -> None:
            """Keep a frame that came before it was wanted."""
            ...

        def announced(self, after: int = 0) -> Iterator[int]:
            """The frames behind one that streams are going to want, in their order."""
            ...

        def is_announced(self, number: int) -> bool:
            """A stream is going to want the frame."""
            ...

        def ended(self, run: FileRun) -> None:
            """A run is over."""
            ...


class FileRun(Run):
    """One download. It is the `FileWish` of what it reads: what that is may be settled when the header is known.

    Frames of a whole file are held while the file may still be kept. When it outgrows that, those that streams are going
    to want are held as far as there is room, and the download pauses when there is none and nobody waits; without
    streams it goes on for those who wait, and ends with them.

    Args:
        file: What it reads.
        span: The frames to read, if that is settled; else the header tells.

    Attributes:
        passed: Frames come in order: those up to this number are behind.
    """

    def __init__(self, file: File, span: range | None = None) -> None:
        super().__init__()
        self._file = file
        self._span = span
        self._missing = set(span or ())
        self._held = HeldFrames(file.rules)
        self._largest = 0
        self._handed_over: set[int] = set()
        self._whole = False
        self._outgrown = False
        self._paused: asyncio.Event | None = None
        self.passed = 0

    def start(self) -> None:
        """Subscribe to the file."""
        source = rx.defer(lambda _: self._file.source(self))
        self.upstream.disposable = source.subscribe(self._on_next, self._on_error, self._on_completed)

    # What is read.

    @property
    def whole(self) -> bool:
        """All frames come: whoever wants the first one begins like whoever wants them all."""
        if self._span is None and not self._whole:
            self._whole = self._file.whole_only or any(waiter.number == 1 for waiter in self.waiters)
        return self._whole

    @property
    def brings_some(self) -> bool:
        """Only some of the frames come, and it is settled which."""
        return self._span is not None and not self._whole

    @property
    def file_map(self) -> FileMap | None:
        """Where its frames lie, if that is known already."""
        return self._file.file_map

    def settle(self, file_map: FileMap) -> range | None:
        """Which neighbouring frames to read; `None`: the whole file after all."""
        if self._span is None:
            self._span = self._file.settle(self, file_map)
            self._missing = set(self._span or ())
            self._whole = self._span is None
        return self._span

    def read_whole(self, *, refused: bool = False) -> None:
        """The whole file is being read."""
        self._file.refuse(lasting=refused)
        self._whole = True

    def mapped(self, file_map: FileMap) -> None:
        """Frames that are far from coming need not be waited for."""
        self._file.learn(file_map)
        self._file.overtake(self)

    async def ready(self) -> None:
        """Wait while there is no room for another frame."""
        if self._paused is not None:
            await self._paused.wait()

    # Who waits.

    def may_have(self, frame_number: int) -> bool:
        """The frame is here, or still to come."""
        if self.brings_some:
            return frame_number in self._missing
        return frame_number > self.passed or frame_number in self._held

    def holds(self, frame_number: int) -> bool:
        """The frame is here."""
        return frame_number in self._held

    def wait(self, waiter: Waiter[EncodedFrame]) -> None:
        """Answer with the frame if it is here, else when it comes."""
        encoded = self._held.get(waiter.number)
        if encoded is None:
            self.add(waiter)
            self._go_on()
            return
        self._hand_over(encoded, waiter)
        self.look_again()
        waiter.succeed(encoded)

    def leave(self, waiter: Waiter[EncodedFrame]) -> None:
        """The last one who leaves without its frame cancels; one who got it lets the file come to its end."""
        if waiter in self.waiters:
            self.remove(waiter)
            if not self.waiters and (self.brings_some or not self._is_expected):
                self._cancel()

    def look_again(self) -> None:
        """There is more room than before, or less is announced: go on, pause or end."""
        if not self._outgrown:
            return
        for number in self._held.numbers():
            if not self._file.is_announced(number):
                self._held.drop(number)
        if self.waiters:
            self._go_on()
        elif not self._is_expected:
            self._cancel()
        elif self._held.fits(self._largest):
            self._go_on()
        else:
            self._pause()

    def end(self) -> None:
        """Stop, and hold nothing."""
        self._release()
        self.upstream.dispose()

    # What comes.

    def _on_next(self, encoded: EncodedFrame) -> None:
        number = encoded.metadata.frame_number
        self._whole = self._whole or self._span is None
        self.passed = max(self.passed, number)
        self._missing.discard(number)
        waiters = [waiter for waiter in self.waiters if waiter.number == number]
        self._keep(encoded, taken=bool(waiters))
        for waiter in waiters:
            self._hand_over(encoded, waiter)
            self.remove(waiter)
            waiter.succeed(encoded)
        self.look_again()

    def _on_error(self, error: Exception) -> None:
        self._forget()
        self.let_go()
        self.fail(error)

    def _on_completed(self) -> None:
        nbytes = self._held.nbytes
        frames = self._forget()
        self.let_go()
        if self._whole and not self._outgrown and len(frames) > 1:  # the image of a single frame is kept itself
            self._file.rules.put(self._file.key, frames, nbytes)
        elif self._outgrown:
            self._leave_to_cache(frames)
        self.fail(no_such_frame(self.passed))

    def _hand_over(self, encoded: EncodedFrame, waiter: Waiter[EncodedFrame]) -> None:
        """The bytes of a frame are those of the load that gets it first."""
        if encoded.metadata.frame_number not in self._handed_over:
            self._handed_over.add(encoded.metadata.frame_number)
            hand_over(self.rank, encoded.nbytes, waiter.rank, self._file.rules.recorder)

    # What is held.

    def _keep(self, encoded: EncodedFrame, *, taken: bool) -> None:
        number = encoded.metadata.frame_number
        if self.brings_some:
            if not taken:
                self._file.keep_early(encoded)
            return
        self._largest = max(self._largest, encoded.nbytes)
        if not self._outgrown and not self._held.fits(encoded.nbytes):
            self._outgrown = True
            for held in self._held.numbers():
                if held in self._handed_over or not self._file.is_announced(held):
                    self._held.drop(held)
        wanted = not self._outgrown or (not taken and self._file.is_announced(number))
        if wanted and number not in self._held and self._held.fits(encoded.nbytes):
            self._held.add(encoded)

    def _release(self) -> dict[int, EncodedFrame]:
        """Hold nothing any longer; what was held."""
        frames = self._held.release()
        self._go_on()
        return frames

    def _leave_to_cache(self, frames: dict[int, EncodedFrame]) -> None:
        for encoded in frames.values():
            self._file.keep_early(encoded)

    # When it goes on.

    @property
    def _is_expected(self) -> bool:
        """A stream is going to want what comes next, or something behind it."""
        file = self._file
        return file.is_announced(self.passed + 1) or next(file.announced(self.passed), None) is not None

    def _pause(self) -> None:
        if self._paused is None:
            self._paused = asyncio.Event()
            self.rank.trace.rest()

    def _go_on(self) -> None:
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.set()
            self.rank.trace.go_on()

    def _cancel(self) -> None:
        frames = self._forget()
        self.give_up(self._file.rules.recorder)
        if self._outgrown:
            self._leave_to_cache(frames)

    def _forget(self) -> dict[int, EncodedFrame]:
        frames = self._release()
        self._file.ended(self)
        return frames
