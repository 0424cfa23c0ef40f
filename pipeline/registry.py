"""Which loader loads which scheme."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from cornerstream.images.errors import UnknownSchemeError
from cornerstream.images.image_id import ImageId
from cornerstream.loaders import BUILT_IN
from cornerstream.operators.plug_ins import PlugIn, PlugInError, plug_ins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.loaders.context import ImageLoader

ENTRY_POINTS = "cornerstream.loaders"


class LoaderRegistry:
    """Loaders by scheme: registered ones first, then the built-in ones, then other distributions' entry points.

    Built-in loaders and entry points are imported when their scheme is first asked for. A scheme that two distributions
    claim is loaded by neither, until one of them is registered.
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
            UnknownSchemeError: There is none; or the plug-in that claims the scheme does not import; or several claim it.
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
        sources = {plug_in.name.lower(): plug_in.target for plug_in in self.plug_ins()}
        sources |= dict(BUILT_IN)
        sources |= self.registered()
        return MappingProxyType(dict(sorted(sources.items())))

    def registered(self) -> Mapping[str, str]:
        """The schemes that were registered, and the names of their loaders."""
        return {scheme: _name_of(loader) for scheme, loader in self._registered.items()}

    def plug_ins(self) -> tuple[PlugIn, ...]:
        """The loaders that other distributions offer, whether they are used or not; none is imported."""
        return plug_ins(ENTRY_POINTS)

    def _import(self, image_id: ImageId) -> ImageLoader | None:
        target = dict(BUILT_IN).get(image_id.scheme)
        loader = self._plug_in(image_id) if target is None else _imported(target)
        if loader is not None:
            self._imported[image_id.scheme] = loader
        return loader

    def _plug_in(self, image_id: ImageId) -> ImageLoader | None:
        scheme = image_id.scheme
        claims = [plug_in for plug_in in self.plug_ins() if plug_in.name.lower() == scheme]
        if not claims:
            return None
        if len(claims) > 1:
            raise UnknownSchemeError(
                f"the scheme {scheme!r} is claimed by {' and by '.join(map(str, claims))}; "
                f"say which by register_image_loader({scheme!r}, …)",
                image_id=image_id,
            )
        try:
            return loader_of(claims[0])
        except PlugInError as error:
            raise UnknownSchemeError(
                f"no loader for the scheme {scheme!r}: {error}; register_image_loader() takes another one",
                image_id=image_id,
            ) from error


def loader_of(plug_in: PlugIn) -> ImageLoader:
    """Import the loader that a plug-in offers.

    Raises:
        PlugInError: It does not import, or is nothing that can be called.
    """
    loader = plug_in.load()
    if not callable(loader):
        raise PlugInError(f"the plug-in {plug_in} is no loader: {type(loader).__name__} cannot be called")
    made: ImageLoader = loader
    return made


def _imported(target: str) -> ImageLoader:
    module, _, name = target.partition(":")
    loader: ImageLoader = getattr(import_module(module), name)
    return loader


def _name_of(loader: object) -> str:
    return f"{getattr(loader, '__module__', '?')}:{getattr(loader, '__qualname__', type(loader).__name__)}"


default_registry = LoaderRegistry()
