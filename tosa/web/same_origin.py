"""Refuses requests that a page of another site makes a browser send."""

from urllib.parse import urlsplit

from flask import request

from tosa.errors import CrossSite

DEFAULT_PORTS = {None, 80, 443}


def refuse_other_sites() -> None:
    """Raises CrossSite if the browser says that a page of another site sends this request. Other programs pass.

    Browsers send Sec-Fetch-Site to https and localhost, and Origin with every POST. Behind a proxy the host is the one
    that the user sees if the proxy keeps Host, or if TOSA_PROXY says that X-Forwarded-Host can be trusted.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        same = site in ("same-origin", "none")
    else:
        same = origin is None or _authority(origin) == _authority(f"//{request.host}") is not None
    if not same:
        raise CrossSite()


def _authority(address: str) -> tuple[str, int | None] | None:
    """Host name and port, None for both default ports, since a proxy may end TLS; None for no address at all."""
    try:
        parts = urlsplit(address)
        return (parts.hostname, None if parts.port in DEFAULT_PORTS else parts.port) if parts.hostname else None
    except ValueError:
        return None
