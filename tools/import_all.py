"""Import every module of a package as it is installed."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import walk_packages


def import_all(package: str) -> list[str]:
    """Import every module; their names, in order."""
    root = import_module(package)
    names = [package, *(module.name for module in walk_packages(root.__path__, f"{package}."))]
    names = [name for name in names if not name.endswith("__main__")]
    for name in names:
        import_module(name)
    return names


if __name__ == "__main__":
    sys.stdout.write(f"imported {len(import_all(sys.argv[1]))} modules\n")
