"""SimpleITK, the resampler that is compared with."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # SWIG's types, on Python 3.12 and later
    sitk: Any = import_module("SimpleITK")  # its stubs have no types
