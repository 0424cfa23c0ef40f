"""Metadata of files that differ in little, as those of one series do: what was read once is not read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerstream.operators.keywords import ATTRIBUTES
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.own_attributes import OWN_TAGS, read_own

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cornerstream.images.limits import Limits
    from cornerstream.operators.attributes import WrittenAttributes
    from cornerstream.operators.metadata import InstanceMetadata

RESOLVED_TAGS = frozenset(  # functional groups take the place of what is an instance's own
    ATTRIBUTES[keyword][0] for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
)
_KNOWN = 8  # kinds of headers remembered
_LONGEST = 1 << 12  # bytes of a value: to compare longer ones costs what reading them does


class MetadataMemo:
    """Reads attributes as `read_attributes` does; two headers that differ in an instance's own attributes only cost one.

    It holds what headers say and belongs to whoever reads one series, or one folder, with it.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, InstanceMetadata] = {}
        self._limits: Limits | None = None

    def __call__(
        self,
        attributes: WrittenAttributes,
        transfer_syntax_uid: str,
        limits: Limits,
        *,
        pixel_keyword: str = "PixelData",
        pixel_vr_is_ow: bool = True,
    ) -> InstanceMetadata:
        """See `read_attributes`."""
        if limits is not self._limits:  # what was within others need not be within these
            self._known.clear()
            self._limits = limits
        key = _key(attributes, transfer_syntax_uid, pixel_keyword, pixel_vr_is_ow)
        known = None if key is None else self._known.get(key)
        if known is not None:
            return replace(known, shared=known.shared.changed(read_own(attributes)))
        read = read_attributes(
            attributes, transfer_syntax_uid, limits, pixel_keyword=pixel_keyword, pixel_vr_is_ow=pixel_vr_is_ow
        )
        if key is not None:
            if len(self._known) == _KNOWN:
                del self._known[next(iter(self._known))]
            self._known[key] = read
        return read


def _key(attributes: WrittenAttributes, *described: Hashable) -> Hashable | None:
    """All that metadata depends on but an instance's own attributes; `None` where it is too much, or not all."""
    elements = attributes.elements
    if not RESOLVED_TAGS.isdisjoint(elements):
        return None
    found: list[Hashable] = [attributes.character_set, *described]
    for tag, element in elements.items():
        if element.spans is not None or len(element.value) > _LONGEST:
            return None
        if tag not in OWN_TAGS:
            found += (tag, element.vr, element.value)
    encoding = next(iter(elements.values())).encoding if elements else None  # that of all, where none is a sequence's
    return (*found, None if encoding is None else (encoding.implicit, encoding.big_endian))
