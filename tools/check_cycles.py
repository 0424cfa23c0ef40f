"""Fail when modules of a package import each other in a circle; imports for type checkers only do not count."""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

import grimp


def find_cycle(package: str) -> list[str]:
    """One circle of module names, the first repeated at the end; empty if there is none."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


if __name__ == "__main__":
    cycle = find_cycle(sys.argv[1])
    sys.exit(f"import cycle: {' -> '.join(cycle)}" if cycle else 0)
