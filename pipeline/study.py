"""Studies of a DICOMweb server: QIDO-RS for what there is, WADO-RS metadata for the images (PS3.18 10.6, 10.4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from cornerstream.images.errors import HttpStatusError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.listing import Instance, make_series, together
from cornerstream.operators.attributes import JsonAttributes, integer, text
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.read_metadata import instances_of
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.series import Listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.engine import Engine
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.series import Series

_JSON = {"Accept": "application/dicom+json"}
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Study:
    """A study as QIDO-RS describes it.

    Attributes:
        url: Its address on the server.
        study_date: DICOM DA, `YYYYMMDD`.
        modalities: Modalities in Study.
    """

    url: str
    study_instance_uid: str
    patient_id: str = ""
    study_date: str = ""
    study_description: str = ""
    modalities: str = ""


async def list_studies(engine: Engine, base_url: str, matches: Mapping[str, str]) -> list[Study]:
    """Ask a server for its studies.

    Args:
        engine: Whose lanes and limits hold.
        base_url: The service's root.
        matches: Attributes by DICOM keyword, `*` and `?` as wildcards.

    Raises:
        FetchError: The server cannot be asked.
        SplitError: Its answer is no DICOM JSON.
    """
    query = f"?{urlencode(matches)}" if matches else ""
    base_url = base_url.rstrip("/")
    answer = await _get_json(_context(engine), f"{base_url}/studies{query}")
    return [_study(base_url, JsonAttributes(item)) for item in answer]


def series_of_study(engine: Engine, base_url: str, study_uid: str) -> Listing[Series]:
    """The listing of a study's series; see `list_study`."""
    listing: Listing[Series] = Listing(
        engine.host, partial(engine.tracked, lambda: list_study(engine, base_url, study_uid, listing.skipped))
    )
    return listing


async def list_study(engine: Engine, base_url: str, study_uid: str, skipped: dict[str, ImageLoadError]) -> list[Series]:
    """Ask a server for the series of a study, and for the metadata of their instances.

    The metadata is kept for the loads to come, but where it only refers to lookup tables. Series without images are left out.

    Args:
        engine: Whose lanes and limits hold.
        base_url: The service's root.
        study_uid: Study Instance UID.
        skipped: Gets the instances that cannot be used, with the reason of each.

    Raises:
        FetchError: The server cannot be asked.
        SplitError: Its answer is no DICOM JSON.
    """
    context = _context(engine)
    study_url = f"{base_url.rstrip('/')}/studies/{quote(study_uid, safe='')}"
    answer = await _get_json(context, f"{study_url}/series")
    series = await together(_series(engine, context, study_url, item, skipped) for item in answer)
    return sorted(
        (one for one in series if len(one)), key=lambda one: (one.series_number or 0, one.series_instance_uid)
    )


async def _series(
    engine: Engine,
    context: LoadContext,
    study_url: str,
    answer: Mapping[str, object],
    skipped: dict[str, ImageLoadError],
) -> Series:
    attributes = JsonAttributes(answer)
    uid = text(attributes, "SeriesInstanceUID")
    url = f"{study_url}/series/{quote(uid, safe='')}"
    body = await _get(context, f"{url}/metadata")
    read = await context.workers.run(instances_of, body, context.limits)
    instances = []
    for sop_instance_uid, found in read.items():
        address = f"{url}/instances/{sop_instance_uid}"
        if isinstance(found, ImageLoadError):
            skipped[address] = found
            continue
        if found.complete:
            engine.resources.put(("metadata", f"{address}/metadata"), found.metadata, found.metadata.nbytes)
        instances.append(Instance(ImageId("wadors", address, in_path=True), found.metadata))
    return make_series(
        instances,
        series_instance_uid=uid,
        modality=text(attributes, "Modality"),
        series_number=integer(attributes, "SeriesNumber"),
        series_description=text(attributes, "SeriesDescription"),
    )


def _study(base_url: str, attributes: JsonAttributes) -> Study:
    uid = text(attributes, "StudyInstanceUID")
    return Study(
        url=f"{base_url}/studies/{uid}",
        study_instance_uid=uid,
        patient_id=text(attributes, "PatientID"),
        study_date=text(attributes, "StudyDate"),
        study_description=text(attributes, "StudyDescription"),
        modalities="/".join(str(value) for value in attributes.values("ModalitiesInStudy")),
    )


def _context(engine: Engine) -> LoadContext:
    def unheard(_: Progress) -> None:
        """A listing has no progress of its own."""

    return engine.context(RankCell(Rank(Lane.INTERACTION)), unheard)


async def _get_json(context: LoadContext, url: str) -> list[dict[str, object]]:
    body = await _get(context, url)
    return await context.workers.run(parse_instances, body, context.limits) if body else []


async def _get(context: LoadContext, url: str) -> bytes:
    """A JSON answer; a server that has nothing to say answers 204 (PS3.18 8.3.4.1)."""
    try:
        return await read_whole(Body(HttpRequest(url, _JSON), context.http), context.limits.metadata_bytes)
    except HttpStatusError as error:
        if error.status == _NO_CONTENT:
            return b""
        raise
