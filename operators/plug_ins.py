"""Plug-ins: what other distributions offer under an entry point group, imported when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points


class PlugInError(ImportError):
    """Raised when a plug-in does not import, or is not what its group asks for; says whose it is."""


@dataclass(frozen=True, slots=True)
class PlugIn:
    """One entry point of another distribution.

    Attributes:
        name: As it is written there.
        target: `module:attribute`.
        distribution: Name and version of the distribution.
    """

    name: str
    target: str
    distribution: str
    _entry: EntryPoint = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} = {self.target} of {self.distribution}"

    def load(self) -> object:
        """Import it.

        Raises:
            PlugInError: That failed, in whatever way.
        """
        try:
            return self._entry.load()
        except (Exception, SystemExit) as error:
            raise PlugInError(f"the plug-in {self} does not import: {type(error).__name__}: {error}") from error


def plug_ins(group: str) -> tuple[PlugIn, ...]:
    """The plug-ins of a group, in alphabetical order; none of them is imported."""
    found = [PlugIn(entry.name, entry.value, _distribution(entry), entry) for entry in entry_points(group=group)]
    return tuple(sorted(found, key=lambda one: (one.name, one.distribution)))


def _distribution(entry: EntryPoint) -> str:
    of = entry.dist
    return "an unknown distribution" if of is None else f"{of.name} {of.version}"
