"""Images in a DICOM archive, read over DICOMweb (PS3.18): addresses of the form dicomweb+https://host/dicom-web.

Found with QIDO-RS, page after page, and retrieved with WADO-RS as they are stored. The bytes are not parsed here but in
the decoder processes, as those of any other file. A user and password are read from ~/.netrc.
"""

import base64
import json
import netrc
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

from tosa.errors import UsageError

SCHEME = "dicomweb+"
PAGE = 500  # instances asked for at once
SECONDS = 60.0  # without a byte from the archive
UIDS = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}  # the tags of their UIDs
STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'  # as stored, not transcoded
HEADERS_END = b"\r\n\r\n"


def find_instances(address: str) -> Iterator[str]:
    """Yields the address of each instance of an archive, a study or a series; that of an instance itself as it is.

    The address may have a query of QIDO-RS, such as ?Modality=DX&StudyDate=20260101-20261231.
    Raises UsageError if the archive does not answer as DICOMweb does.
    """
    plain, _, query = address.partition("?")
    plain = plain.rstrip("/")
    if plain.rpartition("/")[0].endswith("/instances"):
        yield plain
        return
    root, first = plain.partition("/studies/")[0], None
    for offset in range(0, 2**63, PAGE):
        found = _search(plain, [*parse_qsl(query), ("limit", str(PAGE)), ("offset", str(offset))])
        if not found or found[0] == first:  # some archives give the first page again and again
            return
        first = found[0]
        yield from (f"{root}/{path}" for path in found)


def _search(address: str, query: list[tuple[str, str]]) -> list[str]:
    """The paths of the instances that the archive finds below an address."""
    try:
        with _get(f"{address}/instances?{urlencode(query)}", "application/dicom+json") as response:
            found = json.loads(response.read() or b"[]")
        return [_path(instance) for instance in found]
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"'{address}' does not answer as a DICOMweb archive: {error}") from error


def _path(instance: dict[str, Any]) -> str:
    """studies/UID/series/UID/instances/UID of one that QIDO-RS found. Raises KeyError."""
    return "/".join(f"{name}/{instance[tag]['Value'][0]}" for name, tag in UIDS.items())


def retrieve_instance(address: str, most: int) -> bytes:
    """Returns the first `most` bytes of an instance's file. Raises OSError."""
    try:
        with _get(address, STORED) as response:
            kind, boundary = response.headers.get_content_type(), response.headers.get_boundary()
            data = response.read(most + (4096 if boundary else 0))  # the headers of a part take a few hundred bytes
    except (HTTPException, ValueError) as error:
        raise OSError(f"'{address}' was not received: {error}") from error
    return _first_part(data, boundary)[:most] if kind.startswith("multipart/") and boundary else data


def _first_part(body: bytes, boundary: str) -> bytes:
    """The content of a multipart body's first part; what was received of it, if that is not all."""
    line = f"--{boundary}".encode()
    _, _, part = body.partition(line)
    return part.partition(HEADERS_END)[2].partition(b"\r\n" + line)[0]


def _get(address: str, accept: str) -> Any:
    """What urlopen returns. Raises OSError, HTTPException, and ValueError if the address is not one of HTTP."""
    url = address.removeprefix(SCHEME)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"after {SCHEME} comes http:// or https://")
    request = Request(url, headers={"Accept": accept} | _authorization(urlsplit(url).hostname))  # noqa: S310
    return urlopen(request, timeout=SECONDS)  # noqa: S310


def _authorization(host: str | None) -> dict[str, str]:
    """The header of a user whom ~/.netrc names for the host."""
    try:
        found = netrc.netrc().authenticators(host or "")
    except (OSError, netrc.NetrcParseError):
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{found[0]}:{found[2]}".encode()).decode()} if found else {}
