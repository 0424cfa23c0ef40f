"""`cornerstream loaders`: which loader loads which scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.cli.console import show_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.operators.plug_ins import PlugIn
    from cornerstream.registry import LoaderRegistry


def loaders() -> None:
    """List the schemes of image ids, and where the loader of each comes from."""
    from cornerstream.registry import default_registry  # noqa: PLC0415 - for `--help` to be quick

    show_table(("Scheme", "Loader", "From"), sorted(_rows(default_registry)))


def _rows(registry: LoaderRegistry) -> Iterator[tuple[str, str, str]]:
    from cornerstream.loaders import BUILT_IN  # noqa: PLC0415 - for `--help` to be quick

    registered = registry.registered()
    for scheme, target in registered.items():
        yield f"{scheme}:", target, "registered"
    for scheme, target in BUILT_IN:
        yield f"{scheme}:", target, "built in, not used: registered" if scheme in registered else "built in"
    taken = {**dict(BUILT_IN), **registered}
    for plug_in in registry.plug_ins():
        yield f"{plug_in.name.lower()}:", plug_in.target, _about(plug_in, registry.plug_ins(), taken)


def _about(plug_in: PlugIn, all_of_them: tuple[PlugIn, ...], taken: dict[str, str]) -> str:
    """Whose plug-in it is, and what keeps it from being used."""
    from cornerstream.operators.plug_ins import PlugInError  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.registry import loader_of  # noqa: PLC0415

    scheme = plug_in.name.lower()
    others = [other.distribution for other in all_of_them if other.name.lower() == scheme and other != plug_in]
    try:
        loader_of(plug_in)
    except PlugInError as error:
        return f"{plug_in.distribution}, broken: {error.__cause__ or error}"
    if scheme in taken:
        return f"{plug_in.distribution}, not used: {taken[scheme]} is"
    return f"{plug_in.distribution}, not used: also claimed by {', '.join(others)}" if others else plug_in.distribution
