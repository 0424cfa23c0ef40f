"""The tree of errors: its shape, what it prints, and that it survives a process boundary."""

from __future__ import annotations

import pickle

import pytest

from cornerstream.images import errors
from cornerstream.images.errors import (
    DecodeError,
    FetchError,
    GeometryError,
    HttpStatusError,
    ImageIdError,
    ImageLoadError,
    LimitError,
    ObserverError,
    SplitError,
    TruncatedError,
    UnknownSchemeError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.image_id import ImageId

PARENTS: dict[type[ImageLoadError], tuple[type, ...]] = {
    ImageLoadError: (Exception,),
    ImageIdError: (ImageLoadError, ValueError),
    UnknownSchemeError: (ImageLoadError, LookupError),
    FetchError: (ImageLoadError, OSError),
    HttpStatusError: (FetchError,),
    TruncatedError: (FetchError,),
    LimitError: (FetchError,),
    SplitError: (ImageLoadError, ValueError),
    UnsupportedTransferSyntaxError: (ImageLoadError,),
    DecodeError: (ImageLoadError, ValueError),
    GeometryError: (ImageLoadError, ValueError),
    ObserverError: (ImageLoadError, RuntimeError),
}
CLASSES = list(PARENTS)
ID = ImageId.parse("wadors:https://p/i/1/frames/3")


def test_the_tree_is_whole() -> None:
    assert {getattr(errors, name) for name in errors.__all__} == set(PARENTS)
    for error, parents in PARENTS.items():
        assert error.__bases__ == parents


def test_the_drawing_names_every_class() -> None:
    drawing = str(errors.__doc__)
    for error, parents in PARENTS.items():
        builtin = f" ({parents[1].__name__})" if len(parents) > 1 else ""
        assert f"{error.__name__}{builtin}" in drawing


@pytest.mark.parametrize("error", CLASSES)
def test_prints_the_image_id_and_the_message(error: type[ImageLoadError]) -> None:
    assert str(error("it broke")) == "it broke"
    assert str(error("it broke", image_id=ID)) == "wadors:https://p/i/1/frames/3: it broke"
    assert error("it broke").image_id is None


@pytest.mark.parametrize("error", CLASSES)
def test_about_names_the_image_once(error: type[ImageLoadError]) -> None:
    unnamed = error("it broke")
    assert unnamed.about(ID) is unnamed
    assert unnamed.image_id is ID
    assert unnamed.about("other:image").image_id is ID


@pytest.mark.parametrize("image_id", [None, ID, "text:id"])
@pytest.mark.parametrize("error", CLASSES)
def test_survives_pickling(error: type[ImageLoadError], image_id: ImageId | str | None) -> None:
    copy = pickle.loads(pickle.dumps(error("it broke", image_id=image_id)))
    assert type(copy) is error
    assert (copy.message, copy.image_id, str(copy)) == ("it broke", image_id, str(error("it broke", image_id=image_id)))


def test_http_status_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(HttpStatusError("busy", image_id=ID, status=503, retry_after=2.5)))
    assert (copy.status, copy.retry_after, copy.image_id) == (503, 2.5, ID)
    assert (HttpStatusError("no").status, HttpStatusError("no").retry_after) == (0, None)


def test_transfer_syntax_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(UnsupportedTransferSyntaxError("unknown", transfer_syntax_uid="1.2.3")))
    assert copy.transfer_syntax_uid == "1.2.3"


def test_fetch_errors_read_like_their_message_though_they_are_os_errors() -> None:
    error = TruncatedError("cut after 10 bytes", image_id=ID)
    assert error.errno is None
    assert "cut after 10 bytes" in str(error)
