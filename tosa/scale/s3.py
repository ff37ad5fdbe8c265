"""Objects in S3-compatible storage, read through pyarrow: addresses of the form s3://bucket/key.

Keys, region and endpoint are those of the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...), or of the address's
query, as pyarrow takes them: s3://bucket/key?endpoint_override=storage.example:9000&scheme=http.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from tosa.errors import UsageError

SCHEME = "s3://"
QUOTED = str.maketrans({"%": "%25", "?": "%3F", "#": "%23"})  # these have a meaning in addresses
MISSING = "An address that begins with s3:// needs pyarrow, which is not installed: pip install '.[s3]'."


def find_objects(address: str) -> Iterator[tuple[str, str]]:
    """Yields name and address of the object, or of each object below the prefix; those with a hidden part are left out.

    A name is an address without a query, since that may hold a key. Raises UsageError if nothing is found.
    """
    storage, place, query = _open(address)
    from pyarrow.fs import FileSelector, FileType

    try:
        found = storage.get_file_info(place)
        if found.type == FileType.Directory:
            below = storage.get_file_info(FileSelector(place, recursive=True))
            paths = sorted(each.path for each in below if each.type == FileType.File)
        else:
            paths = [place] if found.type == FileType.File else []
    except OSError as error:
        raise UsageError(f"The storage of '{_name(place)}' does not answer: {error}") from error
    paths = [path for path in paths if "/." not in path.removeprefix(place)]
    if not paths:
        raise UsageError(f"Nothing is stored at '{_name(place)}'.")
    yield from ((_name(path), _name(path) + query) for path in paths)


def name_of(address: str) -> str:
    """Returns an address without its query and its user, which may hold keys."""
    parts = urlsplit(address)
    return f"{SCHEME}{parts.netloc.rpartition('@')[2]}{parts.path}"


def read_object(address: str, most: int) -> bytes:
    """Returns the first `most` bytes of an object. Raises OSError."""
    storage, place, _ = _open(address)
    with storage.open_input_stream(place) as stream:
        return stream.read(most)


def _open(address: str) -> tuple[Any, str, str]:
    """What reads the storage, the bucket with the key, and the query with its question mark."""
    parts = urlsplit(address)
    query = f"?{parts.query}" if parts.query else ""
    storage, bucket = _storage(f"{SCHEME}{parts.netloc}{query}")
    return storage, f"{bucket}{unquote(parts.path)}".rstrip("/"), query


@lru_cache(maxsize=32)
def _storage(address: str) -> tuple[Any, str]:
    """What reads the storage, and the bucket."""
    try:
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise UsageError(MISSING) from error
    try:
        return FileSystem.from_uri(address)
    except (OSError, ValueError) as error:
        raise UsageError(f"'{SCHEME}...' is not an address that pyarrow takes: {error}") from error


def _name(place: str) -> str:
    return SCHEME + place.translate(QUOTED)
