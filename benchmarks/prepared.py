"""Bodies that a static server only has to send: searches, metadata, frames, instances and the series, as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from benchmarks.floors import frame_places, read_place
from benchmarks.observed import observed_server

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.coded import Coded

ROOT = "/dicom-web"
BODY = "body"
_BOUNDARY = "6f1c0d1f5a6e4d2d9b1e7d5f1b0a9c33"
_RELATED = 'multipart/related; type="{}"; boundary=' + _BOUNDARY
# Content type by the form of the path; whatever is not there is answered with 404, lists of frames among it.
CONTENT_TYPES = (
    (r"/frames/[0-9]+$", _RELATED.format("application/octet-stream")),
    (r"/(metadata|studies/[^/]+/series)$", "application/dicom+json"),
    (r"/(series|instances)/[^/]+$", _RELATED.format("application/dicom")),
)
_ADDRESSES = ("00081190", "7FE00010")  # Retrieve URL, and Pixel Data by BulkDataURI: of the server that was asked


def prepare(root: Path, coded: Coded) -> None:
    """Write every body below a folder: that of `/a/b` is the file `a/b/body`."""
    series = coded.series
    study_path = f"{ROOT}/studies/{coded.study_uid}"
    series_path = f"{study_path}/series/{series.series_instance_uid}"
    with observed_server(coded.folder, quick=True) as server:
        origin = server.dicomweb.removesuffix(ROOT)
        _put(root, f"{study_path}/series", _json(_asked(f"{origin}{study_path}/series")))
        models = {model["00080018"]["Value"][0]: model for model in _asked(f"{origin}{series_path}/metadata")}
    _put(root, f"{series_path}/metadata", _json([models[uid] for uid in series.sop_instance_uids]))
    files = [path.read_bytes() for path in series.files]
    syntax = f"transfer-syntax={series.transfer_syntax_uid}"
    _put(root, series_path, _multipart(f"application/dicom; {syntax}", files))
    frames = iter([read_place(place) for place in frame_places(series)])
    for uid, file in zip(series.sop_instance_uids, files, strict=True):
        path = f"{series_path}/instances/{uid}"
        _put(root, path, _multipart(f"application/dicom; {syntax}", [file]))
        _put(root, f"{path}/metadata", _json([models[uid]]))
        for number in range(1, coded.images // len(files) + 1):
            body = _multipart(f"application/octet-stream; {syntax}", [next(frames)])
            _put(root, f"{path}/frames/{number}", body)


def _asked(url: str) -> list[dict[str, Any]]:
    with urlopen(Request(url, headers={"Accept": "application/dicom+json"}), timeout=60) as answer:
        models: list[dict[str, Any]] = json.load(answer)
    return [{tag: element for tag, element in model.items() if tag not in _ADDRESSES} for model in models]


def _json(models: list[dict[str, Any]]) -> bytes:
    return json.dumps(models, separators=(",", ":")).encode()


def _multipart(content_type: str, parts: Iterable[bytes]) -> bytes:
    """A multipart body (RFC 2046 section 5.1.1), its parts with their lengths."""
    pieces: list[bytes] = []
    for part in parts:
        head = f"--{_BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Length: {len(part)}\r\n\r\n"
        pieces += [head.encode(), part, b"\r\n"]
    return b"".join([*pieces, f"--{_BOUNDARY}--\r\n".encode()])


def _put(root: Path, path: str, body: bytes) -> None:
    folder = root / path.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BODY).write_bytes(body)
