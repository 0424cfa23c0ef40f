"""DICOM JSON answers (PS3.18 annex F): parsed within bounds, before anything looks at them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_ESCAPED = re.compile(r"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|.)")


def parse_instances(body: bytes, limits: Limits = DEFAULT_LIMITS) -> list[dict[str, object]]:
    """Parse a DICOM JSON answer: an array of data sets, or one data set alone.

    Halves of a surrogate pair, which are no text, become U+FFFD; of members with one name the last one counts; a byte
    order mark is skipped (RFC 8259, sections 4, 8.1 and 8.2).

    Args:
        body: The answer as it came (UTF-8).
        limits: Bounds its size, nesting and number of values.

    Raises:
        LimitError: It is too long, has too many values or is nested too deep.
        SplitError: It is not DICOM JSON.
    """
    if len(body) > limits.metadata_bytes:
        raise LimitError(f"the DICOM JSON has more than {limits.metadata_bytes} bytes (limits.metadata_bytes)")
    # A container takes 20 times the memory of its brackets. Commas inside texts count as well: it is a bound.
    if sum(map(body.count, (b",", b"[", b"{"))) > limits.json_values:
        raise LimitError(f"the DICOM JSON has more than {limits.json_values} values (limits.json_values)")
    try:
        parsed: object = json.loads(_text(body))
    except RecursionError as error:
        raise _too_deep(limits) from error
    except ValueError as error:
        raise SplitError(f"not JSON: {error}") from error
    _check_nesting(parsed, limits)
    found = parsed if isinstance(parsed, list) else [parsed]
    instances = [instance for instance in found if isinstance(instance, dict)]
    if len(instances) != len(found):
        raise SplitError("not DICOM JSON: an array of objects was expected (PS3.18 annex F)")
    return instances


def _text(body: bytes) -> str:
    decoded = body.decode("utf-8-sig")
    if "\\ud" not in decoded and "\\uD" not in decoded:
        return decoded
    return _ESCAPED.sub(lambda match: "\\ufffd" if match[1] else match[0], decoded)


def _check_nesting(parsed: object, limits: Limits) -> None:
    """Refuse what is nested deeper than sequences may be, whatever it is: to print, compare or pickle it would recurse."""
    level: list[object] = [parsed]
    for _ in range(3 * limits.sequence_depth + 5):  # a sequence is three: member, array of items, item
        found: list[object] = []
        for container in level:
            found += (
                container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
            )
        level = [child for child in found if isinstance(child, (dict, list))]
        if not level:
            return
    raise _too_deep(limits)


def _too_deep(limits: Limits) -> LimitError:
    return LimitError(f"the DICOM JSON is nested deeper than {limits.sequence_depth} sequences (limits.sequence_depth)")


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
