"""One small instance on a server that answers for it as the test says, byte for byte."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cornerstream.operators.retry_with_backoff import backoff_policy
from tests.support.raw_server import RawServer, Script, ok, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

PIXELS = bytes(range(1, 9))
"""The one frame that `DATA_SET` describes: 2 rows of 4."""

DATA_SET: dict[str, Any] = {
    "00080018": {"vr": "UI", "Value": ["3"]},
    "0020000E": {"vr": "UI", "Value": ["2"]},
    "00280002": {"vr": "US", "Value": [1]},
    "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
    "00280010": {"vr": "US", "Value": [2]},
    "00280011": {"vr": "US", "Value": [4]},
    "00280100": {"vr": "US", "Value": [8]},
    "00280101": {"vr": "US", "Value": [8]},
    "00280102": {"vr": "US", "Value": [7]},
    "00280103": {"vr": "US", "Value": [0]},
}
MULTIPART = 'Content-Type: multipart/related; type="application/octet-stream"; boundary=b'
SERIES = b'[{"0020000E": {"vr": "UI", "Value": ["2"]}}]'


def multipart(*frames: bytes) -> bytes:
    """A legal body of native frames."""
    part = b"--b\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n"
    return b"".join(part % frame for frame in frames) + b"--b--\r\n"


@dataclass
class Instance:
    """What a server says of `/studies/1/series/2/instances/3`; each answer may be replaced.

    Attributes:
        frame: Answers `…/frames/1`.
        metadata: Answers `…/metadata`, of the instance and of its series.
        series: Answers the search for series.
        file: Answers everything else: WADO-URI, bulk data.
    """

    frame: Script = (ok(multipart(PIXELS), MULTIPART),)
    metadata: Script = (ok(json.dumps([DATA_SET]).encode()),)
    series: Script = (ok(SERIES),)
    file: Script = (ok(b"nothing"),)
    server: RawServer = field(init=False)

    @property
    def wadors(self) -> str:
        return f"wadors:{self.server.origin}/studies/1/series/2/instances/3/frames/1"

    @property
    def wadouri(self) -> str:
        return f"wadouri:{self.server.origin}/file.dcm"

    def answer(self, target: str) -> Script:
        for end, script in (("/frames/1", self.frame), ("/metadata", self.metadata), ("/series", self.series)):
            if target.endswith(end):
                return script
        return self.file


@asynccontextmanager
async def serving(instance: Instance) -> AsyncIterator[Instance]:
    """Run its server while the context lasts."""
    async with raw_server(choose=instance.answer) as instance.server:
        yield instance


def without_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders try once: what is transient fails at once, not after three delays."""
    _retry_by(monkeypatch, backoff_policy(attempts=1))


def without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders try as often as ever, without waiting in between."""
    _retry_by(monkeypatch, backoff_policy(first_delay=0, jitter=0))


def _retry_by(monkeypatch: pytest.MonkeyPatch, policy: object) -> None:
    # Patched where it is defined: `retry_with_backoff` and the lists of frames ask there, each time.
    monkeypatch.setattr("cornerstream.operators.retry_with_backoff.backoff_policy", lambda *_, **__: policy)
