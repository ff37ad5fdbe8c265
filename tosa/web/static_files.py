"""The page's files: read, hashed and compressed once, when the server starts.

They are served at static/<hash of all files>/, where browsers may cache them forever because a changed file gets a new
address, and at static/, for addresses that must stay the same (the model card), where browsers ask each time whether
their copy is still current. The modules import each other by relative addresses, so the hash is a folder's name.
"""

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, request

TYPES = {  # written down, since the mimetypes of the system may be incomplete
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".wav": "audio/wav",
}
ALREADY_COMPRESSED = (".png", ".jpg")
FOREVER = "public, max-age=31536000, immutable"
VERSION_DIGITS = 16  # of the hash
COMPRESSION_LEVEL = 9
PAGE_COMPRESSION_LEVEL = 6  # the page is compressed for each request
ENTRY, STYLES, THEME = "page.js", "tosa.css", "theme.js"
IMPORT = re.compile(r'^import [^"]*"\./([\w.]+)";', re.MULTILINE)


@dataclass(frozen=True)
class StaticFile:
    """One file: its content, the same compressed by gzip (None if that is not shorter), type and hash."""

    content: bytes
    compressed: bytes | None
    mimetype: str
    digest: str


class StaticFiles:
    """All files of a folder and its subfolders, by their path in it. Files of other types are not served."""

    def __init__(self, folder: Path) -> None:
        """Read and compress the files. Raises OSError if one cannot be read."""
        paths = sorted(path for path in folder.rglob("*") if path.suffix in TYPES)
        self.files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}
        together = "".join(f"{name} {file.digest}\n" for name, file in self.files.items())
        self.version = hashlib.sha256(together.encode()).hexdigest()[:VERSION_DIGITS]

    def template_values(self) -> dict[str, object]:
        """Returns what the page's template needs.

        `static` is the folder of this version, `modules` are to be preloaded, and `styles` and `theme` become part of
        the page, so that its first view waits for no other file.
        """
        return {
            "static": f"static/{self.version}",
            "modules": self.modules(),
            "styles": self.files[STYLES].content.decode(),
            "theme": self.files[THEME].content.decode(),
        }

    def policy(self, template: str) -> str:
        """The Content-Security-Policy with the hashes of what is part of the page for {styles} and {theme}."""
        for name, path in (("{styles}", STYLES), ("{theme}", THEME)):
            digest = base64.b64encode(hashlib.sha256(self.files[path].content).digest()).decode()
            template = template.replace(name, f"'sha256-{digest}'")
        return template

    def modules(self, entry: str = ENTRY) -> list[str]:
        """Returns the modules that `entry` imports, directly or through others, without itself.

        A browser that knows them loads all of them at once, instead of each after the one that imports it.
        """
        found: list[str] = []
        new = [entry]
        while new:
            imported = IMPORT.findall(self.files[new.pop(0)].content.decode())
            imported = [name for name in dict.fromkeys(imported) if name not in (entry, *found)]
            found += imported
            new += imported
        return found

    def install(self, app: Flask) -> None:
        """Serve the files at /static, with the endpoint name `static`."""

        @app.get("/static/<path:name>", endpoint="static")
        def static(name: str) -> Response:
            version, _, rest = name.partition("/")
            current = version == self.version
            file = self.files.get(rest if current else name)
            if file is None:
                abort(404)
            return _respond(file, FOREVER if current else "no-cache")


def compress(response: Response) -> Response:
    """The response, compressed by gzip if the client accepts it."""
    response.vary.add("Accept-Encoding")
    if _accepts_gzip():
        response.set_data(gzip.compress(response.get_data(), PAGE_COMPRESSION_LEVEL, mtime=0))
        response.content_encoding = "gzip"
    return response


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    short = None if path.suffix in ALREADY_COMPRESSED else gzip.compress(content, COMPRESSION_LEVEL, mtime=0)
    compressed = short if short and len(short) < len(content) else None
    return StaticFile(content, compressed, TYPES[path.suffix], hashlib.sha256(content).hexdigest())


def _respond(file: StaticFile, cache_control: str) -> Response:
    use_gzip = file.compressed is not None and _accepts_gzip()
    response = Response(file.compressed if use_gzip else file.content, mimetype=file.mimetype)
    if use_gzip:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = cache_control
    response.set_etag(file.digest[:32], weak=True)  # weak: the same for both encodings
    response.make_conditional(request)
    return response


def _accepts_gzip() -> bool:
    return request.accept_encodings["gzip"] > 0
