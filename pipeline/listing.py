"""From instances to a series: image ids in the order of space."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cornerstream.images.volume import Place
from cornerstream.operators.geometry import sort_by_position
from cornerstream.series import Series

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.operators.metadata import InstanceMetadata


T = TypeVar("T")


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at once; the first that fails cancels the others, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a series.

    Attributes:
        image_id: Of its first frame.
        metadata: What its header says.
    """

    image_id: ImageId
    metadata: InstanceMetadata


def make_series(
    instances: Iterable[Instance],
    *,
    series_instance_uid: str,
    modality: str = "",
    series_number: int | None = None,
    series_description: str = "",
) -> Series:
    """Sort the frames of a series by position along the slice normal, then instance number, then frame number."""
    frames = [frame for instance in instances for frame in _frames(instance)]
    ordered = sort_by_position(frames, key=lambda frame: frame[1])
    first = ordered[0][1] if ordered else None
    return Series(
        image_ids=tuple(image_id for image_id, _ in ordered),
        study_instance_uid=first.study_instance_uid if first else "",
        series_instance_uid=series_instance_uid,
        modality=modality,
        series_number=series_number,
        series_description=series_description,
        rows=first.rows if first else None,
        columns=first.columns if first else None,
        image_bytes=_image_bytes(first) if first else 0,
        places=tuple(Place.of(frame) for _, frame in ordered),
        metadata=first,
    )


def _frames(instance: Instance) -> Iterator[tuple[ImageId, FrameMetadata]]:
    metadata = instance.metadata
    if not metadata.groups:  # all frames share one place, so they keep their own order
        shared = metadata.shared
        for number in range(1, metadata.number_of_frames + 1):
            yield instance.image_id.with_frame(number), shared
        return
    for number in range(1, metadata.number_of_frames + 1):
        yield instance.image_id.with_frame(number), metadata.frame(number)


def _image_bytes(frame: FrameMetadata) -> int:
    """Bytes of a decoded image; colour of whatever kind becomes 8-bit RGB, unless it has more bits."""
    grey = frame.photometric_interpretation in {"MONOCHROME1", "MONOCHROME2"}
    return frame.rows * frame.columns * (1 if grey else 3) * max(1, frame.bits_allocated // 8)
