"""What the images of each scheme are in the tests: one line a scheme in `CASES`."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames

from cornerstream.images.image_id import ImageId
from cornerstream.images.volume import VolumeGeometry
from cornerstream.registry import LoaderRegistry
from cornerstream.testing import LoaderCase
from tests.support.file_bytes import dicom_bytes

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
http.server.ThreadingHTTPServer.request_queue_size = 128  # a connection that finds no place is tried again after a second
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
        """Of the second series, whose frames are compressed, on the server."""
        series = self.study.series[1].series_instance_uid
        return f"{self.pacs.dicomweb}/studies/{self.study.study_instance_uid}/series/{series}/instances"

    def uri(self, scheme: str, series_index: int = 1) -> str:
        """The first file of a series, by WADO-URI."""
        series = self.study.series[series_index]
        return (
            f"{scheme}:{self.pacs.wado}?requestType=WADO&studyUID={self.study.study_instance_uid}"
            f"&seriesUID={series.series_instance_uid}&objectUID={series.sop_instance_uids[0]}&contentType=application/dicom"
        )

    def slice(self) -> Path:
        """A file of one frame."""
        return self.study.series[1].files[0]

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
    """A file that is its image id."""
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


def of_archive(world: World) -> LoaderCase:
    """A member of a zip archive."""
    archive = world.pictures / "a.zip"
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        file.write(world.slice(), "head/1.dcm")
    return of_files("dicomfile", f"dicomfile:zip://head/1.dcm::{archive}", f"dicomfile:zip://no::{archive}", world)


def of_store(world: World) -> LoaderCase:
    """A file in a store of fsspec."""
    import fsspec  # noqa: PLC0415 - of an extra

    fsspec.filesystem("memory").pipe("/conformance/1.dcm", world.slice().read_bytes())
    base = "dicomfile:memory://conformance"
    return of_files("dicomfile", f"{base}/1.dcm", f"{base}/no.dcm", world)


def of_upload(world: World) -> LoaderCase:
    """A file object of many frames, given to the session."""

    def prepare(session: Session) -> None:
        session.memory.add(Uploaded(dicom_bytes("rtdose.dcm")), name="a")

    frames = list(pydicom.dcmread(BytesIO(dicom_bytes("rtdose.dcm"))).pixel_array)
    return LoaderCase(loader_of("memory"), "memory:a", frames[0], "memory:b", frames, prepare=prepare)


def of_cine(world: World) -> LoaderCase:
    """A file of many frames in colour, on a server; Pillow decodes JPEG as well, and smooths its chroma otherwise."""
    dataset = pydicom.dcmread(world.cine())
    frames = []
    for data in generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames)):
        with Image.open(BytesIO(data)) as picture:
            frames.append(np.asarray(picture.convert("RGB")))
    case = of_files("wadouri", world.uri("wadouri", -1), world.uri("wadouri", -1).replace("2.25.", "2.24."), world)
    return replace(case, pixels=frames[0], frames=frames, tolerance=4)


class Uploaded:
    """A file object that is nothing else."""

    def __init__(self, data: bytes) -> None:
        self._file = BytesIO(data)
        self.read, self.seek = self._file.read, self._file.seek


def of_pages(world: World) -> LoaderCase:
    """A TIFF of three pages."""
    frames = [np.full((6, 8), 50 * number, np.uint8) for number in (1, 2, 3)]
    pages = [Image.fromarray(frame) for frame in frames]
    pages[0].save(world.pictures / "a.tif", save_all=True, append_images=pages[1:])
    base = f"{world.web}/"
    return LoaderCase(loader_of("http"), f"{base}a.tif", frames[0], f"{base}no.tif", frames)


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
        f"wadors:{at.instances}/{at.study.series[1].sop_instance_uids[0]}/frames/1",
        f"wadors:{at.instances}/2.25.1/frames/1",
        at,
    ),
    "wadouri": lambda at: of_files("wadouri", at.uri("wadouri"), at.uri("wadouri").replace("2.25.", "2.24."), at),
    "web": lambda at: of_pictures("web", f"web:{at.pictures}", at),
}
"""How to load an image of each scheme."""

MORE: dict[str, Callable[[World], LoaderCase]] = {
    "archive": of_archive,
    "cine": of_cine,
    "pages": of_pages,
    "store": of_store,
    "upload": of_upload,
}
"""Further ways in which loaders have their bytes."""


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
