"""The nouns: image ids, frames, images, loads and their errors. Imports no codec, no web client and no reader."""

from cornerstream.images.errors import (
    DecodeError,
    FetchError,
    GeometryError,
    HttpStatusError,
    ImageIdError,
    ImageLoadError,
    LimitError,
    ObserverError,
    SplitError,
    TruncatedError,
    UnknownSchemeError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.load_object import ImageLoadObject, Progress
from cornerstream.images.metadata import FrameMetadata, ImageQuality, LookupTable, Palette, VoiWindow
from cornerstream.images.overlay import Overlay
from cornerstream.images.volume import Place, Volume, VolumeGeometry

__all__ = [
    "DEFAULT_LIMITS",
    "DecodeError",
    "DecodedFrame",
    "EncodedFrame",
    "FetchError",
    "FrameMetadata",
    "GeometryError",
    "HttpStatusError",
    "Image",
    "ImageId",
    "ImageIdError",
    "ImageLoadError",
    "ImageLoadObject",
    "ImageQuality",
    "LimitError",
    "Limits",
    "LookupTable",
    "ObserverError",
    "Overlay",
    "Palette",
    "Place",
    "Progress",
    "SplitError",
    "TruncatedError",
    "UnknownSchemeError",
    "UnsupportedTransferSyntaxError",
    "VoiWindow",
    "Volume",
    "VolumeGeometry",
]
