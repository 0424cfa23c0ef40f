"""The conformance suite of image loaders: any loader passes or fails it in three lines of pytest.

::

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_loader(check):
        check(LoaderCase(load, "mine:/scans/a", pixels, missing="mine:/scans/none"))

Each check is a function that runs a session of its own, needs no plug-in of pytest (nor pytest itself), and raises
`ConformanceError`, an AssertionError that says what the loader did and what it owes.
"""

from cornerstream.testing.case import ConformanceError, LoaderCase
from cornerstream.testing.suite import CHECKS, check_loader

__all__ = ["CHECKS", "ConformanceError", "LoaderCase", "check_loader"]
