"""Instances as DICOMweb addresses name them."""

from __future__ import annotations

import pytest

from cornerstream.images.image_id import ImageId
from cornerstream.images.instance_address import InstanceAddress, instance_address

SERIES = "https://pacs/dicom-web/studies/1/series/2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"wadors:{SERIES}/instances/3/frames/1", InstanceAddress(SERIES, "3")),
        (f"wadors:{SERIES}/instances/3", InstanceAddress(SERIES, "3")),
        (f"wadors:{SERIES}/instances/3/?key=a/b", InstanceAddress(f"{SERIES}?key=a/b", "3")),
        (f"wadors:{SERIES}/instances//frames/1", None),
        (f"wadors:{SERIES}", None),
        ("wadouri:https://pacs/wado?objectUID=3", None),
        ("wadors:https://pacs/studies/1/series/2/frames/3", None),
        ("dicomfile:/scans/ct.dcm", None),
    ],
)
def test_the_series_and_the_instance(text: str, expected: InstanceAddress | None) -> None:
    assert instance_address(ImageId.parse(text)) == expected
