"""Peers: pydicom and dicomweb-client, used as their own documentation does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.machine import cores

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.common import Look, Pixels
    from cornerstream.phantom import PhantomSeries


def pydicom_plugins(transfer_syntax_uid: str) -> str:
    """The plug-ins that pydicom can use, in the order it tries them."""
    from pydicom.pixels.decoders.base import get_decoder  # noqa: PLC0415 - heavy
    from pydicom.uid import UID  # noqa: PLC0415 - heavy

    decoder = get_decoder(UID(transfer_syntax_uid))
    return "numpy" if decoder.is_native else ", ".join(decoder.available_plugins)


def rows_of(series: PhantomSeries) -> int:
    """Rows of a series' images."""
    from pydicom import dcmread  # noqa: PLC0415 - heavy

    return int(dcmread(series.files[0], stop_before_pixels=True).Rows)


def sorted_by_position(series: PhantomSeries) -> PhantomSeries:
    """A series with its files sorted by the third coordinate of Image Position (Patient), for those who do not sort."""
    from pydicom import dcmread  # noqa: PLC0415 - heavy

    def place(pair: tuple[Path, str]) -> float:
        position = dcmread(pair[0], stop_before_pixels=True).get("ImagePositionPatient")
        return float(position[2]) if position else 0.0

    pairs = sorted(zip(series.files, series.sop_instance_uids, strict=True), key=place)
    return replace(series, files=tuple(path for path, _ in pairs), sop_instance_uids=tuple(uid for _, uid in pairs))


def pixel_array_loop(series: PhantomSeries, look: Look) -> None:
    """`dcmread(path).pixel_array`, file after file; a frame at a time for a multi-frame file."""
    for path in series.files:
        pixels = _pixel_array(path)
        for frame in pixels if len(series.files) < series.frames else (pixels,):
            look(frame)


def pixel_array_threads(series: PhantomSeries, look: Look) -> None:
    """The same on one thread a core."""
    with ThreadPoolExecutor(cores()) as pool:
        for pixels in pool.map(_pixel_array, series.files):
            look(pixels)


def simple_itk(series: PhantomSeries, look: Look) -> None:
    """SimpleITK's series reader over sorted paths: one volume, in modality units."""
    itk = import_module("SimpleITK")  # heavy, of the extra `bench`, and its functions have no types
    reader = itk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in series.files])
    image = reader.Execute()  # held while it is looked at: the view does not hold it
    for pixels in itk.GetArrayViewFromImage(image):
        look(pixels)


def iter_pixels_loop(series: PhantomSeries, look: Look) -> None:
    """`pydicom.pixels.iter_pixels` of a multi-frame file."""
    from pydicom.pixels.utils import iter_pixels  # noqa: PLC0415 - heavy

    for path in series.files:
        for frame in iter_pixels(path):
            look(frame)


def iter_series_loop(url: str, study_uid: str, series: PhantomSeries, look: Look) -> None:
    """dicomweb-client's `iter_series`, streamed, and `pixel_array`; in the server's order."""
    from dicomweb_client import DICOMwebClient  # noqa: PLC0415 - heavy

    client = DICOMwebClient(url)
    stored = (("application/dicom", "*"),)
    for dataset in client.iter_series(study_uid, series.series_instance_uid, media_types=stored):
        pixels = dataset.pixel_array
        for frame in pixels if len(series.files) < series.frames else (pixels,):
            look(frame)


def instance_frames_loop(url: str, study_uid: str, series: PhantomSeries, look: Look) -> None:
    """dicomweb-client's `retrieve_instance_frames`, one frame a request, and pydicom's decoder."""
    from dicomweb_client import DICOMwebClient  # noqa: PLC0415 - heavy
    from pydicom import Dataset  # noqa: PLC0415 - heavy
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415 - heavy
    from pydicom.encaps import encapsulate  # noqa: PLC0415 - heavy
    from pydicom.uid import UID  # noqa: PLC0415 - heavy

    client = DICOMwebClient(url)
    syntax = UID(series.transfer_syntax_uid)
    stored = (("application/octet-stream", "*"),)
    for item in client.retrieve_series_metadata(study_uid, series.series_instance_uid):
        dataset = Dataset.from_json(item, bulk_data_uri_handler=lambda *_: b"")
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        frames = int(dataset.get("NumberOfFrames", 1))
        dataset.NumberOfFrames = 1
        for number in range(1, frames + 1):
            (data,) = client.retrieve_instance_frames(
                study_uid, series.series_instance_uid, dataset.SOPInstanceUID, [number], media_types=stored
            )
            dataset.add_new("PixelData", "OW", encapsulate([bytes(data)]) if syntax.is_encapsulated else bytes(data))
            look(dataset.pixel_array)


def _pixel_array(path: Path) -> Pixels:
    from pydicom import dcmread  # noqa: PLC0415 - heavy

    return dcmread(path).pixel_array
