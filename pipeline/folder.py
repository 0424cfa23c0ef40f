"""Series of a folder: headers read in parallel, pixels untouched."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from itertools import batched
from pathlib import Path
