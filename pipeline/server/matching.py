"""Attribute matching of a search (PS3.4 section C.2.2.2, PS3.18 section 8.3.4)."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.server.index import JsonElement

_RANGE_VRS = ("DA", "TM", "DT")
_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")


def tag_of(name: str) -> str:
    """The tag, as in DICOM JSON, of a keyword or of eight hexadecimal digits.

    Raises:
        ValueError: It is neither.
    """
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415 - heavy

    if _TAG.match(name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise ValueError(f"neither a keyword nor a tag: {name!r}")
    return f"{tag:08X}"


def matches(attributes: Mapping[str, JsonElement], tag: str, wanted: str) -> bool:
    """Whether an element satisfies a key: universal, UID list, range, wildcard or single value matching."""
    if wanted in ("", "*"):
        return True
    element = attributes.get(tag, {})
    return any(_value_matches(element.get("vr", ""), value, wanted) for value in element.get("Value", []))


def _value_matches(vr: str, value: Any, wanted: str) -> bool:
    if vr == "PN":
        return _wildcard(str(value.get("Alphabetic", "")).casefold(), wanted.casefold())
    if vr == "UI":
        return value in re.split(r"[,\\]", wanted)
    if vr in _RANGE_VRS and "-" in wanted:
        first, _, last = wanted.partition("-")
        return (not first or value >= first) and (not last or value[: len(last)] <= last)
    if isinstance(value, (int, float)):
        return _number(wanted) == value
    return _wildcard(str(value), wanted)


def _wildcard(value: str, wanted: str) -> bool:
    # fnmatch turns `*` into an atomic group, so no pattern takes exponential time; its [sets] are no DICOM wildcards.
    return fnmatch.fnmatchcase(value, wanted.replace("[", "[[]"))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
