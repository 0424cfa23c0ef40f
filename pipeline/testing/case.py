"""A loader under test: what it is to load, and what it owes to make of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cornerstream.images.image_id import ImageId
from cornerstream.registry import LoaderRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cornerstream.loaders.context import ImageLoader
    from cornerstream.session import Session


class ConformanceError(AssertionError):
    """Raised when a loader does not do what every loader owes; says what it did."""


def _nothing(_: Session) -> None:
    """Sessions are ready as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class LoaderCase:
    """A loader under test.

    Attributes:
        load: The loader.
        image_id: An image that it loads.
        pixels: What the pixels of that image are, exactly, dtype included.
        missing: An image id of the same scheme whose image is not there; must end in a typed error.
        frames: Where `image_id` names a resource of several frames: the pixels of each, the first one first. Where it is
            empty there is one frame, and frame 2 must be refused.
        tolerance: How far values may be from `pixels`; for what is compressed with losses, or computed.
        prepare: Called with each session before it loads, on its loop; for images that a session has to be given.
        options: Of each session, such as `headers`.
        seconds: How long a load may take before it counts as one that never ends.
        moments: At how many moments of a load it is cancelled, at most, each in a load of its own.
        sources: Image ids that `image_id` and `missing` are made of; an error may name one of them.
        loaders: Further loaders by scheme, where an image is made of others.

    An attribute that does not apply is left out, and the checks that need it pass.
    """

    load: ImageLoader
    image_id: str
    pixels: NDArray[np.generic]
    missing: str = ""
    frames: Sequence[NDArray[np.generic]] = ()
    tolerance: float = 0.0
    prepare: Callable[[Session], object] = _nothing
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 20.0
    moments: int = 40
    sources: Sequence[str] = ()
    loaders: Mapping[str, ImageLoader] = field(default_factory=dict)

    @property
    def parsed(self) -> ImageId:
        """The image id."""
        return ImageId.parse(self.image_id)

    @property
    def number_of_frames(self) -> int:
        """Frames that the resource has, from 1."""
        return len(self.frames) or 1

    def session(self, load: ImageLoader | None = None, **options: Any) -> Session:
        """A session that loads the scheme by the loader under test.

        Args:
            load: By this one instead.
            options: Of the session, beside the case's own.
        """
        from cornerstream.session import Session  # noqa: PLC0415 - importing the suite stays quick

        registry = LoaderRegistry()
        for scheme, other in self.loaders.items():
            registry.register(scheme, other)
        registry.register(self.parsed.scheme, load or self.load)
        return Session(**{"registry": registry, **self.options, **options})


def owed(condition: object, message: str) -> None:
    """Raise ConformanceError unless the condition holds."""
    if not condition:
        raise ConformanceError(message)
