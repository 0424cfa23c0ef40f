"""What the images of each scheme are in the tests: one line a scheme in `CASES`."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from PIL import Image

from cornerstream.images.image_id import ImageId
from cornerstream.images.volume import VolumeGeometry
from cornerstream.registry import LoaderRegistry
from cornerstream.testing import LoaderCase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from cornerstream.loaders.context import ImageLoader
    from cornerstream.phantom import PhantomStudy
    from cornerstream.server import ServerAddress
    from cornerstream.session import Session
    from tests.support.tls import Tls

_SERVE = """
import http.server, ssl, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=sys.argv[1]))
if len(sys.argv) > 2:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[2:])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@dataclass(frozen=True, slots=True)
class World:
    """Where images are.

    Attributes:
        study: A study on disk.
        pacs: The server of that study.
        pictures: A folder with `a.png`, and `a.tif` of three pages.
        web: The URL of that folder.
        tls: Of `secure`.
        secure: The URL of that folder by https.
    """

    study: PhantomStudy
    pacs: ServerAddress
    pictures: Path
    web: str
    tls: Tls
    secure: str

    @property
    def instances(self) -> str:
        """Of the first series, on the server."""
        series = self.study.series[0].series_instance_uid
        return f"{self.pacs.dicomweb}/studies/{self.study.study_instance_uid}/series/{series}/instances"

    def uri(self, scheme: str) -> str:
        """A file of the first series, by WADO-URI."""
        series = self.study.series[0]
        return (
            f"{scheme}:{self.pacs.wado}?requestType=WADO&studyUID={self.study.study_instance_uid}"
            f"&seriesUID={series.series_instance_uid}&objectUID={series.sop_instance_uids[0]}&contentType=application/dicom"
        )

    def slice(self) -> Path:
        """A file of one frame."""
        return self.study.series[0].files[0]

    def cine(self) -> Path:
        """A file of several frames, in colour."""
        return self.study.series[-1].files[0]

    def pixels(self) -> NDArray[np.generic]:
        """Of `slice`, by pydicom."""
        return pydicom.dcmread(self.slice()).pixel_array

    def picture(self) -> NDArray[np.uint8]:
        """Of `a.png`, by Pillow."""
        with Image.open(self.pictures / "a.png") as picture:
            return np.asarray(picture)

    def frames(self) -> list[NDArray[np.int16]]:
        """Three, made up."""
        return list(np.arange(60, dtype=np.int16).reshape(3, 4, 5))


def loader_of(scheme: str) -> ImageLoader:
    """The built-in loader of a scheme."""
    return LoaderRegistry().loader_for(ImageId(scheme, "x"))


def of_files(scheme: str, image_id: str, missing: str, world: World) -> LoaderCase:
    """A DICOM file of one frame."""
    return LoaderCase(loader_of(scheme), image_id, world.pixels(), missing)


def of_pictures(scheme: str, base: str, world: World) -> LoaderCase:
    """A picture, wherever the folder of pictures is."""
    case = LoaderCase(loader_of(scheme), f"{base}/a.png", world.picture(), f"{base}/no.png")
    return replace(case, options={"ssl": world.tls.trusting()}) if scheme == "https" else case


def of_data(world: World) -> LoaderCase:
    """A file of three frames that is its image id."""
    file = base64.b64encode(world.slice().read_bytes()).decode()
    image_id = f"data:application/dicom;base64,{file}"
    return LoaderCase(loader_of("data"), image_id, world.pixels(), image_id[:-400])


def of_memory(world: World) -> LoaderCase:
    """An array of three frames."""

    def prepare(session: Session) -> None:
        session.memory.add(np.stack(world.frames()), name="a")

    frames = world.frames()
    return LoaderCase(loader_of("memory"), "memory:a", frames[0], "memory:b", frames, prepare=prepare)


def of_derived(world: World) -> LoaderCase:
    """The difference of two arrays."""
    first, second, _ = world.frames()

    def prepare(session: Session) -> None:
        session.memory.add(first, name="a")
        session.memory.add(second, name="b")

    base = "derived:difference?image=memory:a&image=memory:"
    expected = first.astype(np.float32) - second
    return LoaderCase(loader_of("derived"), f"{base}b", expected, f"{base}c", prepare=prepare, sources=["memory:c"])


def of_mpr(world: World) -> LoaderCase:
    """Planes through an array, which are its slices."""
    frames = world.frames()
    array = np.stack(frames)
    ids = tuple(ImageId("memory", "a", number) for number in (1, 2, 3))
    positions = tuple((0.0, 0.0, float(index)) for index in range(3))
    geometry = VolumeGeometry(ids, 4, 5, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), positions)

    def prepare(session: Session) -> None:
        session.memory.add(
            array,
            name="a",
            pixel_spacing=(1, 1),
            image_orientation_patient=(1, 0, 0, 0, 1, 0),
            per_frame=[{"image_position_patient": position} for position in positions],
        )
        session._engine.volumes["v"] = geometry

    planes = "?origin=0,0,0&row=1,0,0&column=0,1,0&spacing=1,1&size=4,5&step=1&count=3"
    pixels = [frame.astype(np.float32) for frame in frames]
    return LoaderCase(loader_of("mpr"), f"mpr:v{planes}", pixels[0], f"mpr:w{planes}", pixels, prepare=prepare)


CASES: dict[str, Callable[[World], LoaderCase]] = {
    "data": of_data,
    "derived": of_derived,
    "dicomfile": lambda at: of_files("dicomfile", f"dicomfile:{at.slice()}", "dicomfile:/no/such.dcm", at),
    "dicomweb": lambda at: of_files("dicomweb", at.uri("dicomweb"), at.uri("dicomweb").replace("2.25.", "2.24."), at),
    "file": lambda at: of_pictures("file", at.pictures.as_uri(), at),
    "http": lambda at: of_pictures("http", at.web, at),
    "https": lambda at: of_pictures("https", at.secure, at),
    "memory": of_memory,
    "mpr": of_mpr,
    "wadors": lambda at: of_files(
        "wadors",
        f"wadors:{at.instances}/{at.study.series[0].sop_instance_uids[0]}/frames/1",
        f"wadors:{at.instances}/2.25.1/frames/1",
        at,
    ),
    "wadouri": lambda at: of_files("wadouri", at.uri("wadouri"), at.uri("wadouri").replace("2.25.", "2.24."), at),
    "web": lambda at: of_pictures("web", f"web:{at.pictures}", at),
}
"""How to load an image of each scheme."""


def write_pictures(folder: Path) -> Path:
    """A folder with pictures."""
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (24, 32), np.uint8)).save(folder / "a.png")
    return folder


@contextmanager
def serving(folder: Path, *tls: Path) -> Iterator[str]:
    """Serve a folder from a process of its own, on loopback and a free port; the URL of the folder."""
    command = [sys.executable, "-c", _SERVE, str(folder), *map(str, tls)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = re.fullmatch(r"\d+", server.stdout.readline().strip())
        assert port is not None
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port[0]}"
        finally:
            server.terminate()
