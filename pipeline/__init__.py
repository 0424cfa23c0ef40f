"""cornerstream streams medical images reactively, and stops at once when nobody wants them any more.

::

    image id → session → loader → fetch → split → decompress → RGB → Image
                                    ↑ network lane    ↑ worker lane
    dispose  → last subscriber gone → socket closed, queued decode dropped, nothing cached

The names below are imported when they are first used, so that importing the package stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerstream.defaults import (
        default_session,
        load_and_cache_image,
        load_image,
        register_decoder,
        register_image_loader,
        register_unknown_image_loader,
        unregister_decoder,
        unregister_image_loader,
    )
    from cornerstream.disk import DiskCache
    from cornerstream.events import SessionEvent
    from cornerstream.image_stream import ImageStream, Placed
    from cornerstream.images.errors import GeometryError, ImageLoadError
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.limits import Limits
    from cornerstream.images.load_object import ImageLoadObject, Progress
    from cornerstream.images.metadata import ImageQuality, VoiWindow
    from cornerstream.images.volume import Volume
    from cornerstream.loaders.context import ImageLoader, LoadContext
    from cornerstream.policies import Directional, PrefetchPolicy, Situation, Window, around, in_order, middle_out
    from cornerstream.prefetch import Prefetch
    from cornerstream.process_workers import ProcessWorkers
    from cornerstream.ranks import Lane, Rank
    from cornerstream.registry import LoaderRegistry
    from cornerstream.scroll import Scroll
    from cornerstream.series import Series
    from cornerstream.session import Session
    from cornerstream.stats import SessionStats
    from cornerstream.stream_progress import StreamProgress
    from cornerstream.stream_window import ImageFailure
    from cornerstream.study import Study
    from cornerstream.study_policies import StudyPolicy, StudySituation, next_series, priors_last
    from cornerstream.summaries import Summary
    from cornerstream.traces import Stage
    from cornerstream.volume_load import VolumeLoad

__version__ = "0.1.0"

_HOMES = {
    "Directional": "policies",
    "DiskCache": "disk",
    "GeometryError": "images.errors",
    "Image": "images.image",
    "ImageFailure": "stream_window",
    "ImageId": "images.image_id",
    "ImageLoadError": "images.errors",
    "ImageLoadObject": "images.load_object",
    "ImageLoader": "loaders.context",
    "ImageQuality": "images.metadata",
    "ImageStream": "image_stream",
    "Lane": "ranks",
    "Limits": "images.limits",
    "LoadContext": "loaders.context",
    "LoaderRegistry": "registry",
    "Placed": "image_stream",
    "Prefetch": "prefetch",
    "PrefetchPolicy": "policies",
    "ProcessWorkers": "process_workers",
    "Progress": "images.load_object",
    "Rank": "ranks",
    "Scroll": "scroll",
    "Series": "series",
    "Session": "session",
    "SessionEvent": "events",
    "SessionStats": "stats",
    "Situation": "policies",
    "Stage": "traces",
    "StreamProgress": "stream_progress",
    "Study": "study",
    "StudyPolicy": "study_policies",
    "StudySituation": "study_policies",
    "Summary": "summaries",
    "VoiWindow": "images.metadata",
    "Volume": "images.volume",
    "VolumeLoad": "volume_load",
    "Window": "policies",
    "around": "policies",
    "default_session": "defaults",
    "in_order": "policies",
    "load_and_cache_image": "defaults",
    "load_image": "defaults",
    "middle_out": "policies",
    "next_series": "study_policies",
    "priors_last": "study_policies",
    "register_decoder": "defaults",
    "register_image_loader": "defaults",
    "register_unknown_image_loader": "defaults",
    "unregister_decoder": "defaults",
    "unregister_image_loader": "defaults",
}

__all__ = [
    "Directional",
    "DiskCache",
    "GeometryError",
    "Image",
    "ImageFailure",
    "ImageId",
    "ImageLoadError",
    "ImageLoadObject",
    "ImageLoader",
    "ImageQuality",
    "ImageStream",
    "Lane",
    "Limits",
    "LoadContext",
    "LoaderRegistry",
    "Placed",
    "Prefetch",
    "PrefetchPolicy",
    "ProcessWorkers",
    "Progress",
    "Rank",
    "Scroll",
    "Series",
    "Session",
    "SessionEvent",
    "SessionStats",
    "Situation",
    "Stage",
    "StreamProgress",
    "Study",
    "StudyPolicy",
    "StudySituation",
    "Summary",
    "VoiWindow",
    "Volume",
    "VolumeLoad",
    "Window",
    "around",
    "default_session",
    "in_order",
    "load_and_cache_image",
    "load_image",
    "middle_out",
    "next_series",
    "priors_last",
    "register_decoder",
    "register_image_loader",
    "register_unknown_image_loader",
    "unregister_decoder",
    "unregister_image_loader",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
