"""Addresses of files that are not simply on disk: URLs of stores, and members of archives.

::

    s3://bucket/ct.dcm                       a file of a store
    zip://head/1.dcm::/scans/study.zip       a member of an archive on disk
    zip://head/1.dcm::s3://bucket/study.zip  a member of an archive in a store
    zip:///scans/study.zip                   the archive itself, to be listed

They are chained as fsspec chains them, and percent-encoded as URLs are: `%`, `?`, `#` and a member's `:` are written `%25`,
`%3F`, `%23` and `%3A`, so that a frame can be selected behind them and an image id reads back as it was written.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

_URL = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+(://|::)", re.IGNORECASE)  # one letter is a drive of Windows
_ZIP = "zip://"
_ESCAPES = str.maketrans({mark: f"%{ord(mark):02X}" for mark in "%?#"})
_MEMBER_ESCAPES = _ESCAPES | {ord(":"): "%3A"}


class ArchiveAddress(NamedTuple):
    """A member of an archive, or the archive itself.

    Attributes:
        archive: Path or URL of the archive, as it was written.
        member: The member's name, decoded; empty for the archive itself.
    """

    archive: str
    member: str = ""


def is_url(address: str) -> bool:
    """It names a store or an archive, not a path or a `file:` URL.

    >>> [is_url(one) for one in ("s3://bucket/ct.dcm", "zip://a::b.zip", "/scans/ct.dcm", "file:///a", "C://a")]
    [True, True, False, False, False]
    """
    return _URL.match(address) is not None


def is_in_store(address: str) -> bool:
    """Its bytes come from a store, those of its archive if it has one.

    >>> [is_in_store(one) for one in ("s3://b/ct.dcm", "zip://a::s3://b/c.zip", "zip://a::/b.zip", "/a")]
    [True, True, False, False]
    """
    archived = in_archive(address)
    return is_url(address if archived is None else archived.archive)


def in_archive(address: str) -> ArchiveAddress | None:
    """The archive and the member that an address names; `None` if it names none.

    >>> in_archive("zip://head/50%25.dcm::/scans/study.zip")
    ArchiveAddress(archive='/scans/study.zip', member='head/50%.dcm')
    >>> in_archive("zip:///scans/study.zip")
    ArchiveAddress(archive='/scans/study.zip', member='')
    """
    if address[: len(_ZIP)].lower() != _ZIP:
        return None
    member, chained, archive = address[len(_ZIP) :].partition("::")
    return ArchiveAddress(archive, unquote(member)) if chained else ArchiveAddress(member)


def member_address(archive: str, member: str) -> str:
    """The address of a member.

    Args:
        archive: Address of the archive.
        member: Its name, as it stands in the archive.

    >>> member_address("/scans/study.zip", "head/is it?.dcm")
    'zip://head/is it%3F.dcm::/scans/study.zip'
    """
    return f"{_ZIP}{member.translate(_MEMBER_ESCAPES)}::{archive}"


def store_address(url: str) -> str:
    """The address of a file in a store, from its URL as the store has it, nothing encoded."""
    return url.translate(_ESCAPES)


def store_url(address: str) -> str:
    """The URL of a file as a store has it; what stands behind a `?` is the store's, such as a version."""
    path, question, query = address.partition("?")
    return f"{unquote(path)}{question}{query}"
