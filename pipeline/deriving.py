"""Images that a session computes from others: planes through volumes, differences, averages, fusions."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cornerstream.images.derived_address import DerivedAddress
from cornerstream.images.errors import GeometryError
from cornerstream.images.image_id import ImageId
from cornerstream.images.plane import Plane, Sampling
from cornerstream.images.plane_address import PlaneAddress
from cornerstream.images.volume import Place
from cornerstream.interchange import Interchange
from cornerstream.listing import together
from cornerstream.operators.resample_planes import ORIENTATIONS, stack_of_planes, volume_key
from cornerstream.operators.resample_points import voxel_along
from cornerstream.operators.volume_geometry import volume_geometry
from cornerstream.ranks import Lane, Rank
from cornerstream.series import Home, Listing, Series, image_ids_of, series_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerstream.engine import Engine
    from cornerstream.images.derived_address import Operation
    from cornerstream.images.image import Image
    from cornerstream.images.plane import Combination, Interpolation
    from cornerstream.images.volume import Vector, VolumeGeometry
    from cornerstream.operators.resample_planes import Orientation

Directions = tuple["Vector", "Vector"]
_OF_IMAGES = (
    "study_instance_uid",
    "series_instance_uid",
    "modality",
    "series_number",
    "series_description",
    "rows",
    "columns",
)


class Deriving(Interchange):
    """What a session computes of its images. Nothing of it is loaded before the image is."""

    def mpr(  # noqa: PLR0913 - all by keyword, all optional
        self,
        series: Series | Sequence[ImageId | str],
        plane: Orientation | Directions = "coronal",
        *,
        spacing: float | None = None,
        step: float | None = None,
        slab: float = 0.0,
        combine: Combination = "mean",
        interpolation: Interpolation = "linear",
        fill: float = math.nan,
        allow_missing: bool = False,
    ) -> Series:
        """The planes that cover a series in one orientation, as a series that streams, scrolls and prefetches like any other.

        Their pixels are float32 in modality units (HU for CT). While slices come, a load emits partial images, those first
        that give most of the plane.

        Args:
            series: A series that was listed, so that it is known where its images lie; see `placed` for others.
            plane: `axial`, `coronal` or `sagittal` in the patient's axes, or the directions of rows and of columns in LPS.
            spacing: Millimetres between pixels; the smaller of the series' own pixel spacings by default.
            step: Millimetres between planes; the size of the series' voxels in that direction by default.
            slab: Thickness in millimetres over which `combine` combines values; 0 takes the plane's own.
            combine: `mean`, `maximum` (MIP) or `minimum`.
            interpolation: `nearest`, `linear`, or `cubic`, which needs evenly spaced slices.
            fill: Value outside the volume.
            allow_missing: Where slices are missing, interpolate across the gap.

        Raises:
            GeometryError: The series is no volume (`reason` says why), or the directions, the spacing or the step are none.
            ValueError: There is no such plane, combination or interpolation.
        """
        geometry = self._geometry(series, allow_missing=allow_missing)
        if isinstance(plane, str) and plane not in ORIENTATIONS:
            raise ValueError(f"{plane!r} is none of {', '.join(ORIENTATIONS)}")
        directions = ORIENTATIONS[plane] if isinstance(plane, str) else plane
        first, step, count = stack_of_planes(geometry, directions, spacing, step)
        sampling = Sampling(interpolation, slab, combine, fill)
        written = PlaneAddress(self._held(geometry), first, sampling, step, count).image_id
        address = PlaneAddress.of(written)  # with as many digits as the image ids have
        name = plane if isinstance(plane, str) else "oblique"
        return replace(_series_of_planes(address, geometry, series_of(series), name), home=Home(self))

    def mpr_plane(  # noqa: PLR0913 - all by keyword
        self,
        series: Series | Sequence[ImageId | str],
        *,
        origin: Vector,
        row_direction: Vector,
        column_direction: Vector,
        spacing: float | tuple[float, float],
        size: tuple[int, int],
        slab: float = 0.0,
        combine: Combination = "mean",
        interpolation: Interpolation = "linear",
        fill: float = math.nan,
        allow_missing: bool = False,
    ) -> ImageId:
        """The image id of one plane through a series, wherever it lies; see `mpr` for what is not explained here.

        Args:
            series: As in `mpr`.
            origin: The centre of its first pixel, in LPS, in millimetres.
            row_direction: Unit vector along a row.
            column_direction: Unit vector along a column, perpendicular to the other.
            spacing: Millimetres between pixels, or between rows and between columns.
            size: Rows and columns.
            slab: As in `mpr`.
            combine: As in `mpr`.
            interpolation: As in `mpr`.
            fill: As in `mpr`.
            allow_missing: As in `mpr`.

        Raises:
            GeometryError: The series is no volume, or that is no plane.
            ValueError: There is no such combination or interpolation.
        """
        geometry = self._geometry(series, allow_missing=allow_missing)
        between = (spacing, spacing) if isinstance(spacing, int | float) else spacing
        plane = Plane(origin, row_direction, column_direction, between, *size)
        return PlaneAddress(self._held(geometry), plane, Sampling(interpolation, slab, combine, fill)).image_id

    def placed(self, image_ids: Sequence[ImageId | str], *, lane: Lane = Lane.INTERACTION) -> Listing[Series]:
        """Image ids as a list of one series that knows where its images lie; they are loaded for that, into the cache.

        What was listed by `study` or `folder` knows it already.

        Args:
            image_ids: The images.
            lane: The lane of the loads.
        """
        engine = self._engine
        listing: Listing[Series] = Listing(
            engine.host, partial(engine.tracked, partial(self._place, engine, image_ids, lane))
        )
        return listing.of(self)

    def derive(self, operation: Operation, *images: ImageId | str, opacity: float = 0.5) -> ImageId:
        """The image id of an image that is computed from others, pixel by pixel.

        Args:
            operation: `difference` (the first minus the second) or `average`, in modality units as float32; or `fusion`: the
                second, in colours, over the first, in grey, both through their windows, as RGB.
            images: Two for a difference or a fusion, two or more for an average. They lie in one place and are of one size.
            opacity: Of the second image in a fusion, 0 to 1, where it is brightest; it is transparent where it is black.

        Raises:
            ImageIdError: An image id does not parse.
            ValueError: There is no such operation, or it takes another number of images, or the opacity is another number.
        """
        return DerivedAddress(operation, tuple(ImageId.parse(one) for one in images), opacity).image_id

    def _geometry(self, series: Series | Sequence[ImageId | str], *, allow_missing: bool) -> VolumeGeometry:
        wanted = series_of(series)
        if not wanted.places and len(wanted):
            raise GeometryError(
                "mere image ids do not say where they lie; take a series of session.study or session.folder, or "
                "session.placed(image_ids)[0]",
                reason="position",
                image_ids=wanted.image_ids,
            )
        return volume_geometry(wanted.image_ids, wanted.places, allow_missing=allow_missing)

    def _held(self, geometry: VolumeGeometry) -> str:
        """Let image ids name a volume from now on; its key."""
        key = volume_key(geometry)
        self._engine.volumes[key] = geometry
        return key

    async def _place(self, engine: Engine, image_ids: Sequence[ImageId | str], lane: Lane) -> list[Series]:
        ids = image_ids_of(image_ids)
        found: dict[int, Image] = {}  # the first one only: a series may be larger than the memory

        async def place(number: int) -> Place:
            image = await self._load_on(engine, ids[number], Rank(lane, number))
            if number == 0:
                found[0] = image
            return Place.of(image)

        places = tuple(await together(place(number) for number in range(len(ids))))
        series = Series(tuple(ids), places=places)
        first = found.get(0)
        if first is None:
            return [series]
        known = {name: getattr(first, name) for name in _OF_IMAGES}
        return [replace(series, image_bytes=first.nbytes, **known)]


def _series_of_planes(address: PlaneAddress, geometry: VolumeGeometry, of: Series, name: str) -> Series:
    """A series whose images are planes."""
    first = address.plane
    place = Place(
        first.rows,
        first.columns,
        image_orientation_patient=(*first.row_direction, *first.column_direction),
        pixel_spacing=first.pixel_spacing,
        slice_thickness=address.sampling.slab or voxel_along(geometry, first.normal),
        frame_of_reference_uid=geometry.frame_of_reference_uid or None,
    )
    numbers, image_id = range(1, address.count + 1), address.image_id
    return Series(
        tuple(image_id.with_frame(number) for number in numbers) if address.count > 1 else (image_id,),
        study_instance_uid=of.study_instance_uid,
        modality=of.modality,
        series_description=f"{of.series_description} ({name})".strip(),
        rows=first.rows,
        columns=first.columns,
        image_bytes=4 * first.rows * first.columns,
        places=tuple(replace(place, image_position_patient=address.at(number).origin) for number in numbers),
    )
