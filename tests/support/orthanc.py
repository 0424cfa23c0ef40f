"""Debian's Orthanc with its DICOMweb plugin, on loopback, for the length of a `with` block."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PLUGIN_FOLDERS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


def missing() -> str:
    """What is missing to run Orthanc; empty if nothing is."""
    if _binary() is None:
        return "Orthanc is not installed (apt-get install orthanc orthanc-dicomweb)"
    return (
        "" if _plugin() is not None else "Orthanc's DICOMweb plugin is not installed (apt-get install orthanc-dicomweb)"
    )


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running Orthanc.

    Attributes:
        origin: Such as `http://127.0.0.1:40123`.
        headers: What a request must carry to be let in; empty without a password.
        folder: Its configuration, storage and log.
    """

    origin: str
    folder: Path
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def dicomweb(self) -> str:
        """Root of its DICOMweb service."""
        return f"{self.origin}/dicom-web"

    @property
    def wado(self) -> str:
        """Its WADO-URI service, without the query."""
        return f"{self.origin}/wado"

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "orthanc.log").read_text(errors="replace")

    def request(self, path: str, body: bytes | None = None, method: str | None = None) -> Any:
        """Ask its REST interface; JSON out."""
        request = urllib.request.Request(self.origin + path, body, dict(self.headers), method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def upload(self, files: Iterable[Path]) -> list[str]:
        """Store Part 10 files; returns Orthanc's own ids."""
        return [str(self.request("/instances", path.read_bytes())["ID"]) for path in files]

    def clear(self) -> None:
        """Delete every patient."""
        for patient in self.request("/patients"):
            self.request(f"/patients/{patient}", method="DELETE")


@contextmanager
def running_orthanc(
    folder: Path, *, credentials: tuple[str, str] | None = None, options: Mapping[str, Any] | None = None
) -> Iterator[Orthanc]:
    """Start Orthanc in an empty folder, wait until it answers, and stop it surely.

    Args:
        folder: For its configuration, storage and log.
        credentials: User and password that it asks for; it lets anyone on loopback in when they are `None`.
        options: More of its configuration, such as `{"DicomWeb": {"SeriesMetadata": "MainDicomTags"}}`.

    Raises:
        RuntimeError: It did not start; the message has the end of its log.
    """
    port = _free_port()
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(_configuration(folder, port, credentials, options or {})))
    headers = {} if credentials is None else {"Authorization": _basic(*credentials)}
    server = Orthanc(f"http://127.0.0.1:{port}", folder, headers)
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([str(_binary()), str(configuration)], stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        _stop(process)


def _configuration(
    folder: Path, port: int, credentials: tuple[str, str] | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    web = {"Enable": True, "Root": "/dicom-web/", "EnableWado": True, "WadoRoot": "/wado", "Ssl": False}
    more = dict(options)
    return {
        "Name": "tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(_plugin())],
        "HttpPort": port,
        "HttpBindAddresses": ["127.0.0.1"],
        "RemoteAccessAllowed": False,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": credentials is not None,
        "RegisteredUsers": {} if credentials is None else dict([credentials]),
        "HttpThreadsCount": 50,
        "KeepAlive": True,
        "OverwriteInstances": True,
        "DicomWeb": web | more.pop("DicomWeb", {}),
    } | more


def _wait_until_ready(server: Orthanc, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.request("/system")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"Orthanc answers {error.code}\n{server.log[-2000:]}") from error
        except OSError:
            try:
                process.wait(0.05)  # nobody tells when it listens; its own end is noticed at once
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise RuntimeError(f"Orthanc did not start:\n{server.log[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _binary() -> str | None:
    sbin = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which("Orthanc", path=sbin)


def _plugin() -> Path | None:
    found = [path for folder in _PLUGIN_FOLDERS for path in sorted(Path(folder).glob("libOrthancDicomWeb.so*"))]
    return found[0] if found else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
