"""`cornerstream loaders`: which loader loads which scheme."""

from cornerstream.cli.console import show_table


def loaders() -> None:
    """List the schemes of image ids, and where the loader of each comes from."""
    from cornerstream.loaders import BUILT_IN  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.registry import default_registry  # noqa: PLC0415

    built_in = dict(BUILT_IN)
    rows = [
        (f"{scheme}:", target, "built in" if built_in.get(scheme) == target else "entry point")
        for scheme, target in default_registry.schemes().items()
    ]
    show_table(("Scheme", "Loader", "From"), rows)
