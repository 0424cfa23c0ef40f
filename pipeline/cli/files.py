"""Writing images to files: names that cannot lead elsewhere, and no file that is half there."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cornerstream.cli.formats import Format, encode, suffix

if TYPE_CHECKING:
    from cornerstream.cli.formats import Window
    from cornerstream.images.image import Image

_UID = re.compile(r"[0-9.]{1,64}")  # PS3.5 section 9.1
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes images into a folder.

    Attributes:
        folder: Made when the first image is written.
        window: Center and width for `png`; `None` takes the image's own.
        force: Replace files that are there.
        numbered: Digits of a number in front of every name, so that names sort as the series does; 0 writes none.
    """

    folder: Path
    form: Format = Format.PNG
    window: Window | None = None
    force: bool = False
    numbered: int = 0

    def write(self, image: Image, number: int) -> Path:
        """Write one image; blocks.

        Args:
            image: What is written.
            number: Its place among the images, from 1.

        Raises:
            FileExistsError: The file is there, and is not to be replaced.
            OSError: It cannot be written.
            ValueError: The format cannot hold the image.
        """
        prefix = f"{number:0{self.numbered}}_" if self.numbered else ""
        path = self.folder / f"{prefix}{stem(image)}{suffix(image, self.form)}"
        self._refuse_to_replace(path)
        content = encode(image, self.form, self.window)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._put(path, content)
        return path

    def _put(self, path: Path, content: bytes) -> None:
        """Write beside it, then rename: nobody ever sees a part of a file under its name."""
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o666 & ~_umask())
            self._refuse_to_replace(path)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _refuse_to_replace(self, path: Path) -> None:
        if not self.force and path.exists():
            raise FileExistsError(f"{path} is there already; --force replaces it")


def stem(image: Image) -> str:
    """A file name made of the SOP Instance UID and the frame number; what is no UID is cleaned, and told apart by a hash."""
    uid = image.sop_instance_uid
    if not _UID.fullmatch(uid) or not uid.strip("."):
        source = uid or str(image.image_id)
        digest = hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:12]
        cleaned = re.sub(r"[^A-Za-z0-9-]+", "_", uid).strip("_")[:_LONGEST] or "image"
        uid = f"{cleaned}_{digest}"
    return f"{uid}_frame{image.frame_number:04}" if image.number_of_frames > 1 else uid


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
