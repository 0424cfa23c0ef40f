"""Where series come from: a folder, or a DICOMweb server, a study or a series on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import typer

from cornerstream.cli.console import complain, counted
from cornerstream.operators.storage_address import is_url

if TYPE_CHECKING:
    from cornerstream.series import Series
    from cornerstream.session import Session

_URL = re.compile(r"https?://", re.IGNORECASE)
_WEB = re.compile(
    r"(?P<root>https?://[^?#]+?)(?:/studies(?:/(?P<study>[^/?#]+)(?:/series(?:/(?P<series>[^/?#]+))?)?)?)?/*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, one file, an archive, or the URL of a store."""

    path: Path | str

    async def list_series(self, session: Session) -> list[Series]:
        """Its series; says how many of its files are none of theirs."""
        listing = session.folder(self.path)
        series = await listing
        if listing.skipped:
            complain(f"left out: {counted(len(listing.skipped), 'file')} that cannot be read as a DICOM image")
        return series


@dataclass(frozen=True, slots=True)
class Web:
    """A DICOMweb server, or a study or series on it.

    Attributes:
        root: The service's root.
        study_uid: Empty for all studies.
        series_uid: Empty for all series.
    """

    root: str
    study_uid: str = ""
    series_uid: str = ""

    async def list_series(self, session: Session) -> list[Series]:
        """Its series, study after study."""
        uids = [self.study_uid] if self.study_uid else await self._study_uids(session)
        found = [one for uid in uids for one in await session.study(self.root, uid)]
        return [one for one in found if self.series_uid in {"", one.series_instance_uid}]

    async def _study_uids(self, session: Session) -> list[str]:
        return [study.study_instance_uid for study in await session.studies(self.root)]


def parse_source(text: str) -> Folder | Web:
    """Read what a command was given.

    Args:
        text: A folder, a file, the URL of a store (`s3://…`, `zip://…`), or `https://server/root[/studies/{uid}[/series/{uid}]]`.

    Raises:
        typer.BadParameter: It is neither.
    """
    if not _URL.match(text):
        if is_url(text):
            return Folder(text)
        path = Path(text)
        if not path.exists():
            raise typer.BadParameter(f"there is no folder {text!r}; a URL starts with http:// or https://")
        return Folder(path)
    parts = _WEB.fullmatch(text)
    if parts is None or "/studies/" in parts["root"]:
        raise typer.BadParameter("a DICOMweb URL reads https://server/root[/studies/UID[/series/UID]], without a query")
    return Web(parts["root"].rstrip("/"), unquote(parts["study"] or ""), unquote(parts["series"] or ""))
