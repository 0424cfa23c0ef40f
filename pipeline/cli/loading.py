"""Images to files, in order: a stream, each image written as it comes, failures named, Ctrl-C told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.cli.console import FAILED, complain, counted
from cornerstream.cli.progress import image_progress
from cornerstream.images.redaction import redacted
from cornerstream.stream_window import ImageFailure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cornerstream.cli.files import Writer
    from cornerstream.image_stream import Placed
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
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
    stream = session.stream(image_ids, ahead=ahead, errors="yield", keep=False)
    with image_progress("loading", len(image_ids), session, tally) as advance:
        try:
            async with aclosing(stream.placed.__aiter__()) as outcomes:
                async for outcome in outcomes:
                    await _take(outcome, writer, tally)
                    advance()
        finally:
            tally.cancelled = stream.progress_now.images_ahead


async def _take(outcome: Placed[Image | ImageFailure], writer: Writer, tally: Tally) -> None:
    if isinstance(outcome.value, ImageFailure):
        _note_failure(outcome.value.image_id, outcome.value.error, tally)
    else:
        tally.nbytes += outcome.value.nbytes
        await _write(writer, outcome.value, outcome.place.index + 1, tally)


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
