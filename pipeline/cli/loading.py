"""Images to files, in order: a window of loads ahead of the writer, failures named, Ctrl-C told."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cornerstream.cli.console import FAILED, complain, counted
from cornerstream.cli.progress import image_progress
from cornerstream.images.redaction import redacted
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from cornerstream.cli.files import Writer
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.load import Load
    from cornerstream.session import Session


@dataclass(slots=True)
class Tally:
    """What became of the images so far.

    Attributes:
        cancelled: Loads that were under way when they were cancelled.
        nbytes: Bytes of pixels of the images that came.
    """

    wanted: int = 0
    written: int = 0
    failed: int = 0
    cancelled: int = 0
    nbytes: int = 0

    @property
    def code(self) -> int:
        """The exit code."""
        return FAILED if self.failed else 0

    def told(self) -> str:
        """What became of the images, after Ctrl-C."""
        begun = self.written + self.failed + self.cancelled
        return (
            f"{counted(self.cancelled, 'load')} cancelled, {counted(self.wanted - begun, 'load')} not begun, "
            f"{counted(self.written, 'image')} written"
        )


async def write_images(
    session: Session, image_ids: Sequence[ImageId], writer: Writer, tally: Tally, *, ahead: int = 8
) -> None:
    """Load images and write each to its file, in order; holds `ahead` images at most.

    Args:
        session: Loads them, on this loop.
        image_ids: What is loaded.
        writer: Writes the files.
        tally: Is kept up to date, also when this is cancelled.
        ahead: Loads ahead of the writer.
    """
    tally.wanted = len(image_ids)
    with image_progress("loading", len(image_ids), session, tally) as advance:
        async with aclosing(_outcomes(session, image_ids, ahead, tally)) as outcomes:
            async for number, outcome in outcomes:
                if isinstance(outcome, Exception):
                    _note_failure(image_ids[number - 1], outcome, tally)
                else:
                    tally.nbytes += outcome.nbytes
                    await _write(writer, outcome, number, tally)
                advance()


async def _outcomes(
    session: Session, image_ids: Sequence[ImageId], ahead: int, tally: Tally
) -> AsyncGenerator[tuple[int, Image | Exception], None]:
    """Every image or its error, in order and with its number from 1; leaving it cancels the loads ahead."""
    rest = iter(enumerate(image_ids, 1))
    window: deque[tuple[int, Load, asyncio.Future[Image]]] = deque()

    def begin(count: int) -> None:
        for number, image_id in islice(rest, count):
            load = session.load(image_id, lane=Lane.PREFETCH, distance=number, keep=False)
            window.append((number, load, asyncio.ensure_future(load)))

    begin(ahead)
    try:
        while window:
            number, _, future = window[0]
            await asyncio.wait([future])
            window.popleft()
            begin(1)
            yield number, _outcome(future)
    finally:
        tally.cancelled += len(window)
        for _, load, _ in window:
            load.cancel()
        await asyncio.gather(*(future for _, _, future in window), return_exceptions=True)


def _outcome(future: asyncio.Future[Image]) -> Image | Exception:
    """The image, or what it failed with; a cancellation goes on as one."""
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - whatever fails here fails for one image, and is named
        return error


async def _write(writer: Writer, image: Image, number: int, tally: Tally) -> None:
    """Write on a thread; a cancellation waits for the file, so that it is there whole and is counted."""
    writing = asyncio.ensure_future(asyncio.to_thread(writer.write, image, number))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        _note_written(image.image_id, writing, tally)
        raise
    except (OSError, ValueError):
        _note_written(image.image_id, writing, tally)
        return
    tally.written += 1


def _note_written(image_id: ImageId, writing: asyncio.Future[Path], tally: Tally) -> None:
    error = writing.exception()
    if error is None:
        tally.written += 1
    else:
        _note_failure(image_id, error, tally)


def _note_failure(image_id: ImageId, error: BaseException, tally: Tally) -> None:
    tally.failed += 1
    text, name = str(error), redacted(str(image_id))
    complain(f"{type(error).__name__}: {text if text.startswith(name) else f'{name}: {text}'}")
