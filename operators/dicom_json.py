"""DICOM JSON answers (PS3.18 annex F): parsed within bounds, before anything looks at them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def parse_instances(body: bytes, limits: Limits = DEFAULT_LIMITS) -> list[dict[str, object]]:
    """Parse a DICOM JSON answer: an array of data sets, or one data set alone.

    Args:
        body: The answer as it came (UTF-8).
        limits: Bounds its size and nesting.

    Raises:
        LimitError: It is too long or nested too deep.
        SplitError: It is not DICOM JSON.
    """
    if len(body) > limits.metadata_bytes:
        raise LimitError(f"the DICOM JSON has more than {limits.metadata_bytes} bytes (limits.metadata_bytes)")
    try:
        parsed: object = json.loads(body)
    except RecursionError as error:
        raise LimitError(f"the DICOM JSON is nested deeper than {limits.sequence_depth} sequences") from error
    except ValueError as error:
        raise SplitError(f"not JSON: {error}") from error
    found = parsed if isinstance(parsed, list) else [parsed]
    instances = [instance for instance in found if isinstance(instance, dict)]
    if len(instances) != len(found):
        raise SplitError("not DICOM JSON: an array of objects was expected (PS3.18 annex F)")
    return instances


def check_depth(instance: Mapping[str, object], limits: Limits) -> None:
    """Refuse a data set whose sequences are nested too deep; raises LimitError."""
    level: list[Mapping[str, object]] = [instance]
    depth = 0
    while level:
        if depth > limits.sequence_depth:
            raise LimitError(f"sequences are nested deeper than {limits.sequence_depth} (limits.sequence_depth)")
        level = [item for data_set in level for item in _items(data_set)]
        depth += 1


def _items(data_set: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    for member in data_set.values():
        if isinstance(member, dict) and member.get("vr") == "SQ" and isinstance(member.get("Value"), list):
            yield from (item for item in member["Value"] if isinstance(item, dict))
