"""QIDO-RS: search for studies, series and instances (PS3.18 section 10.6)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from cornerstream.server.folder import FOLDER
from cornerstream.server.index import INSTANCE_KEYWORDS, SERIES_KEYWORDS, STUDY_KEYWORDS, IndexedInstance, first_value
from cornerstream.server.matching import matches, tag_of
from cornerstream.server.negotiation import accepts_single
from cornerstream.server.reply import DICOM_JSON, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cornerstream.server.index import JsonElement

Attributes = dict[str, "JsonElement"]

_LEVELS = ("study", "series", "instance")
_KEYWORDS = {"study": STUDY_KEYWORDS, "series": SERIES_KEYWORDS, "instance": INSTANCE_KEYWORDS}
# Returned at every level whether asked for or not: the text encoding, and what identifies the parents.
_ALWAYS = ("SpecificCharacterSet", "StudyInstanceUID", "SeriesInstanceUID")
_DEFAULTS = {
    "study": STUDY_KEYWORDS,
    "series": ("Modality", "SeriesDescription", "SeriesNumber", "PerformedProcedureStepStartDate",
               "PerformedProcedureStepStartTime", "BodyPartExamined"),
    "instance": ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "NumberOfFrames", "Rows", "Columns",
                 "BitsAllocated"),
}  # fmt: skip
_NOT_KEYS = ("limit", "offset", "includefield", "fuzzymatching", "fault", "accept")


@dataclass(frozen=True, slots=True)
class Query:
    """A search, read from the query part of a URL.

    Attributes:
        keys: Wanted value by tag.
        limit: Results at most; `None` is no limit.
        offset: Results left out at the start.
        include: Tags to return beside the usual ones; `None` returns all that are indexed.
    """

    keys: Mapping[str, str]
    limit: int | None = None
    offset: int = 0
    include: frozenset[str] | None = frozenset()

    @classmethod
    def parse(cls, parameters: Iterable[tuple[str, str]]) -> Query:
        """Read name and value pairs.

        Raises:
            ValueError: A name is no attribute, or a limit or offset no number from 0.
        """
        pairs = list(parameters)
        fields = [name for key, value in pairs if key == "includefield" for name in value.split(",")]
        numbers = {key: _natural(value) for key, value in pairs if key in ("limit", "offset")}
        keys = {tag_of(key): value for key, value in pairs if key not in _NOT_KEYS}
        include = None if "all" in fields else frozenset(tag_of(name) for name in fields)
        return cls(keys, numbers.get("limit"), numbers.get("offset", 0), include)


async def search_studies(request: web.Request) -> Reply:
    """`GET /studies`."""
    return await _search(request, "study")


async def search_series(request: web.Request) -> Reply:
    """`GET /series` and `GET /studies/{study}/series`."""
    return await _search(request, "series")


async def search_instances(request: web.Request) -> Reply:
    """`GET /instances`, also below a study and a series."""
    return await _search(request, "instance")


async def _search(request: web.Request, level: str) -> Reply:
    if accepts_single(request.headers.get("Accept", ""), DICOM_JSON, "application/json") is None:
        raise web.HTTPNotAcceptable(text=f"a search is answered as {DICOM_JSON}")
    try:
        query = Query.parse(request.query.items())
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    below = request.app[FOLDER].find(request) if request.match_info else request.app[FOLDER].index.select()
    base = str(request.url.origin()) + request.path.partition("/studies")[0].partition("/series")[0]
    base = base.removesuffix("/instances")
    return await asyncio.to_thread(lambda: Reply.of_json(search(below, level, query, base)))


def search(instances: Iterable[IndexedInstance], level: str, query: Query, base_url: str) -> list[Attributes]:
    """Search instances, at one level.

    Args:
        instances: All below the searched study or series.
        level: `study`, `series` or `instance`.
        query: Keys may be of this level or of those above.
        base_url: Root of the DICOMweb service, for Retrieve URL.
    """
    groups: dict[str, list[IndexedInstance]] = {}
    for instance in instances:
        groups.setdefault(_uid(instance, level), []).append(instance)
    results = (_result(group, level, base_url) for group in groups.values())
    found = [one for one in results if all(matches(one, tag, value) for tag, value in query.keys.items())]
    last = None if query.limit is None else query.offset + query.limit
    return [_fields(one, level, query.include) for one in found[query.offset : last]]


def _uid(instance: IndexedInstance, level: str) -> str:
    uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
    return uids[_LEVELS.index(level)]


def _result(group: list[IndexedInstance], level: str, base_url: str) -> Attributes:
    """All attributes of one study, series or instance that the index has, with those of the levels above."""
    first = group[0]
    levels = _LEVELS[: _LEVELS.index(level) + 1]
    tags = {tag_of(name) for one in levels for name in _KEYWORDS[one]}
    result = {tag: element for tag, element in first.attributes.items() if tag in tags}
    if "00080005" in first.attributes:  # JSON is UTF-8 (PS3.18 section F.2), whatever the file is
        result["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    path = "".join(f"/{name}/{_uid(first, one)}" for one, name in zip(levels, _PLURALS, strict=False))
    result["00081190"] = {"vr": "UR", "Value": [base_url + path]}
    return result | _computed(group, level)


def _computed(group: list[IndexedInstance], level: str) -> Attributes:
    if level == "study":
        modalities = {first_value(one.attributes, "00080060") for one in group} - {None}
        return {
            "00080061": {"vr": "CS", "Value": sorted(modalities)},  # Modalities in Study
            "00201206": {"vr": "IS", "Value": [len({one.series_instance_uid for one in group})]},
            "00201208": {"vr": "IS", "Value": [len(group)]},
        }
    if level == "series":
        return {"00201209": {"vr": "IS", "Value": [len(group)]}}
    return {"00083002": {"vr": "UI", "Value": [group[0].transfer_syntax_uid]}}


def _fields(result: Attributes, level: str, include: frozenset[str] | None) -> Attributes:
    if include is None:
        return dict(sorted(result.items()))
    computed = {"00081190", "00080061", "00201206", "00201208", "00201209", "00083002"}
    wanted = {tag_of(name) for name in (*_ALWAYS, *_DEFAULTS[level])} | computed | include
    return {tag: element for tag, element in sorted(result.items()) if tag in wanted}


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"not a number from 0: {text!r}")
    return int(text[:18])


_PLURALS = ("studies", "series", "instances")
