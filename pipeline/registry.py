"""Which loader loads which scheme."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageIdError, UnknownSchemeError
from cornerstream.images.image_id import ImageId
from cornerstream.loaders import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.loaders.context import ImageLoader

ENTRY_POINTS = "cornerstream.loaders"


class LoaderRegistry:
    """Loaders by scheme: registered ones first, then the built-in ones, then other distributions' entry points.

    Built-in loaders and entry points are imported when their scheme is first asked for.
    """

    def __init__(self) -> None:
        self._registered: dict[str, ImageLoader] = {}
        self._imported: dict[str, ImageLoader] = {}
        self._unknown: ImageLoader | None = None

    def register(self, scheme: str, loader: ImageLoader) -> None:
        """Use `loader` for `scheme` from now on, in place of any other.

        Raises:
            ImageIdError: `scheme` is no URL scheme (RFC 3986, section 3.1).
        """
        self._registered[ImageId(scheme, "-").scheme] = loader

    def unregister(self, scheme: str) -> None:
        """Take a registered loader back; a built-in one for the scheme holds again."""
        self._registered.pop(scheme.lower(), None)

    def register_unknown(self, loader: ImageLoader | None) -> ImageLoader | None:
        """Use `loader` for every scheme that has none; returns the one it replaces."""
        self._unknown, before = loader, self._unknown
        return before

    def loader_for(self, image_id: ImageId) -> ImageLoader:
        """The loader of an image id's scheme.

        Raises:
            UnknownSchemeError: There is none.
            ImageIdError: The entry point that claims the scheme cannot be imported.
        """
        scheme = image_id.scheme
        loader = self._registered.get(scheme) or self._imported.get(scheme) or self._import(image_id) or self._unknown
        if loader is None:
            known = ", ".join(self.schemes())
            raise UnknownSchemeError(
                f"no loader for the scheme {scheme!r}; register_image_loader() adds one (known: {known})",
                image_id=image_id,
            )
        return loader

    def schemes(self) -> Mapping[str, str]:
        """Every scheme and where its loader comes from, in alphabetical order."""
        sources = {entry.name.lower(): entry.value for entry in entry_points(group=ENTRY_POINTS)}
        sources |= dict(BUILT_IN)
        sources |= {scheme: _name_of(loader) for scheme, loader in self._registered.items()}
        return MappingProxyType(dict(sorted(sources.items())))

    def _import(self, image_id: ImageId) -> ImageLoader | None:
        scheme = image_id.scheme
        target = dict(BUILT_IN).get(scheme)
        if target is not None:
            module, _, name = target.partition(":")
            loader: ImageLoader = getattr(import_module(module), name)
        else:
            found = next((e for e in entry_points(group=ENTRY_POINTS) if e.name.lower() == scheme), None)
            if found is None:
                return None
            try:
                loader = found.load()
            except Exception as error:
                raise ImageIdError(
                    f"the loader {found.value} of the scheme {scheme!r} does not import: {error!r}", image_id=image_id
                ) from error
        self._imported[scheme] = loader
        return loader


def _name_of(loader: object) -> str:
    return f"{getattr(loader, '__module__', '?')}:{getattr(loader, '__qualname__', type(loader).__name__)}"


default_registry = LoaderRegistry()
