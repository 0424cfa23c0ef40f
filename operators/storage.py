"""Stores: files behind fsspec's file systems (`s3:`, `gs:`, `az:`, `memory:`, …), read by ranges.

fsspec is imported when the first store is used. Its synchronous face is used, on threads that may wait: where a store has an
asynchronous one, fsspec runs that on a loop of its own, never on ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import FetchError, ImageIdError, ImageLoadError
from cornerstream.images.redaction import redacted
from cornerstream.operators.byte_source import FileVersion
from cornerstream.operators.storage_address import is_url, store_address, store_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEADER = 1 << 16  # bytes of the first request: most headers are shorter
_LEAST = 1 << 14  # of another one: to ask for less costs the same
_MOST = 1 << 18
_NEAR = 1 << 16  # where the next read is no farther, the one after is asked for along with it
_TAGS = (
    "ETag",
    "etag",
    "version_id",
    "generation",
    "md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
_WEB = frozenset({"http", "https"})


class Stores:
    """The file systems of a session, made when they are first used. Every method may be called from any thread.

    Args:
        options: What file systems are made with, by protocol (`s3`) or by the beginning of a URL (`s3://bucket`), the
            longest that fits. They stay here: no name, address, message or repr has them.
    """

    def __init__(self, options: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self._options = {key: dict(value) for key, value in (options or {}).items()}
        self._systems: dict[str, Any] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<Stores, options for {', '.join(self._options) or 'none'}>"

    def __reduce__(self) -> tuple[type[Stores], tuple[()]]:
        raise TypeError("stores do not travel: credentials stay in their process")

    def find(self, address: str) -> tuple[Any, str]:
        """The file system of an address, and the path in it.

        Raises:
            ImageIdError: No store has such addresses.
            FetchError: What the store needs is not installed, or it cannot be reached.
        """
        url = store_url(address)
        origin = "/".join(url.split("/", 3)[:3])
        with self._lock, self._translated(address):
            system = self._systems.get(origin)
            if system is None:
                system, path = _made(url, self.options_for(url))
                if "::" not in url:  # a chain has a system of its own for each of its files
                    self._systems[origin] = system
                return system, path
            return system, str(system._strip_protocol(url))  # noqa: SLF001 - what fsspec's own url_to_fs does

    def options_for(self, url: str) -> dict[str, dict[str, object]]:
        """The options of each protocol of a URL's chain."""
        found = {}
        for link in url.split("::"):
            protocol = link.partition("://")[0]
            fits = [key for key in self._options if key == protocol or ("://" in key and _is_below(link, key))]
            if fits:
                found[protocol] = self._options[max(fits, key=len)]
        return found

    def close(self) -> None:
        """Let go of the file systems, and of what they were made with."""
        with self._lock:
            self._systems.clear()

    def secret_free(self, text: str) -> str:
        """A text without the values of options."""
        for value in _texts(self._options):
            text = text.replace(value, "…")
        return redacted(text)

    @contextmanager
    def _translated(self, address: str) -> Iterator[None]:
        with translated(self.secret_free(address), self):
            yield


@contextmanager
def translated(name: str, stores: Stores) -> Iterator[None]:
    """Make a FetchError of whatever a file system raises; some raise no OSError.

    Raises:
        FetchError: Something was raised that is no error of ours.
    """
    try:
        yield
    except ImageLoadError:
        raise
    except FileNotFoundError as error:
        raise FetchError(f"cannot read {name}: there is no such file") from error
    except ImportError as error:
        raise FetchError(f"cannot read {name}: {error}; pip install what it names") from error
    except Exception as error:
        reason = stores.secret_free(str(error) or type(error).__name__)
        raise FetchError(f"cannot read {name}: {reason}") from error


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file in a store.

    Attributes:
        address: Its URL, percent-encoded.
        stores: Where its file system comes from.
    """

    address: str
    stores: Stores = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its address, without credentials that are written into it."""
        return redacted(self.address)

    @contextmanager
    def opened(self) -> Iterator[OpenStoreFile]:
        """Look at it as it is now; nothing of it is read before that is asked for.

        Raises:
            FetchError: It is not there, or cannot be read; also what is read inside.
        """
        system, path = self.stores.find(self.address)
        with translated(self.name, self.stores):
            system.invalidate_cache(path)  # it may have been written again since its folder was listed
            found = system.info(path)
        if found.get("type") == "directory":
            raise FetchError(f"cannot read {self.name}: it is a folder")
        yield OpenStoreFile(system, path, version_of(self.name, found), self.stores)


class OpenStoreFile:
    """A file of a store, while it is read.

    Args:
        system: An fsspec file system.
        path: In it.
        version: The file as it is.
        stores: What they keep to themselves is in no message.
    """

    __slots__ = ("_ahead", "_data", "_path", "_start", "_stores", "_system", "version")

    def __init__(self, system: Any, path: str, version: FileVersion, stores: Stores) -> None:
        self.version = version
        self._stores = stores
        self._system = system
        self._path = path
        self._start = 0
        self._data = b""
        self._ahead = _LEAST

    def read(self, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset`, and no more than a few behind them."""
        begin = offset - self._start
        if begin < 0 or begin + count > len(self._data):
            if offset and count >= self._ahead:
                return self._fetch(offset, count)
            if 0 <= begin - len(self._data) < _NEAR and self._data:
                self._ahead = min(_MOST, 2 * self._ahead)
            wanted = max(count, self._ahead if offset else _HEADER)
            self._data, self._start, begin = self._fetch(offset, wanted), offset, 0
        return self._data[begin : begin + count]

    def _fetch(self, offset: int, count: int) -> bytes:
        stop = min(offset + count, self.version.size)
        if stop <= offset:
            return b""
        with translated(self.version.path, self._stores):
            data = self._system.cat_file(self._path, start=offset, end=stop)
        if len(data) > stop - offset:
            raise FetchError(
                f"the store gave {len(data)} bytes of {self.version.path} where {stop - offset} were asked for"
            )
        return bytes(data)


def files_in_store(address: str, stores: Stores) -> list[StoreFile]:
    """The files below a folder of a store, or the file itself, sorted; hidden ones left out.

    Raises:
        FetchError: There is no such folder, or it cannot be listed.
    """
    system, path = stores.find(address)
    with translated(redacted(address), stores):
        if system.isfile(path):
            return [StoreFile(address, stores)]
        names = sorted(system.find(path), key=lambda name: name.split("/"))
        if not names and not system.exists(path):
            raise FileNotFoundError(path)
    root = path.rstrip("/").count("/") + 1 if path.strip("/") else 0
    chain = address.rpartition("::")[0]
    return [
        StoreFile(f"{chain}::{one}" if chain else one, stores)
        for name in names
        if not any(part.startswith(".") for part in name.split("/")[root:])
        for one in [store_address(system.unstrip_protocol(name))]
    ]


def version_of(name: str, info: Mapping[str, Any]) -> FileVersion:
    """The version that a file system's description of a file shows.

    Raises:
        FetchError: It has no size, as what is made on demand has none.
    """
    size = info.get("size")
    if size is None:
        raise FetchError(f"cannot read {name}: the store does not say how long it is")
    tags = (info.get(key) for key in _TAGS)
    return FileVersion(name, 0, int(size), str(next((tag for tag in tags if tag is not None), "")))


def checked_address(address: str) -> str:
    """Refuse what is no store's.

    Raises:
        ImageIdError: It is a path, or a web server's.
    """
    protocol = address.rpartition("::")[2].partition("://")[0].lower()
    if protocol in _WEB:
        raise ImageIdError(f"a file of a web server is loaded as wadouri:{redacted(address)}")
    if not is_url(address):
        raise ImageIdError(f"not the URL of a store: {redacted(address)}")
    return address


def _made(url: str, options: Mapping[str, Mapping[str, object]]) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra, imported for the first store only
    except ImportError as error:
        raise FetchError("stores need fsspec: pip install 'cornerstream[storage]'") from error
    own = {} if "::" in url else {"skip_instance_cache": True}  # nothing of a session is left in a global table
    made: tuple[Any, str] = url_to_fs(url, **options, **own)
    return made


def _is_below(link: str, key: str) -> bool:
    return link == key or link.startswith(key.rstrip("/") + "/")


def _texts(options: object) -> Iterator[str]:
    """Every text in options that is long enough to be a secret."""
    if isinstance(options, dict):
        for value in options.values():
            yield from _texts(value)
    elif isinstance(options, str) and len(options) > 3:
        yield options
