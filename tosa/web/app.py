"""The web app: GET / is the page, POST / one JSON answer."""

import sys
import time
from contextlib import contextmanager
from io import BytesIO
from threading import BoundedSemaphore

from flask import Flask, Request, current_app, g, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from tosa import screening, settings
from tosa.errors import (
    Busy,
    CrossSite,
    NothingSent,
    RequestError,
    SeveralParts,
    TooLarge,
)
from tosa.inputs import decoder_pool
from tosa.model.network import Network
from tosa.preprocessing import Preprocessing
from tosa.web import request_log
from tosa.web.model_reloader import ModelReloader
from tosa.web.static_files import StaticFiles, compress

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' {theme}; style-src 'self' {styles}; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}

OVER_PARTS = f"The form has over {settings.MAX_PARTS} parts. Send one sound, one picture or one of each."


class InMemoryRequest(Request):
    """A request whose uploads stay in memory, so that nothing a user sends touches the disk."""

    max_form_parts = settings.MAX_PARTS

    def _get_file_stream(self, *_args, **_kwargs):
        return BytesIO()


class Slots:
    """As many requests at work as there are slots; a few more wait a little; the rest are told Busy at once."""

    def __init__(self, slots: int):
        self.places = BoundedSemaphore(slots + settings.MAX_WAITING)
        self.working = BoundedSemaphore(slots)

    @contextmanager
    def inside(self):
        """A place to work or wait. Raises Busy at once where none is left, so enter before reading the request."""
        if not self.places.acquire(blocking=False):
            raise Busy()
        try:
            yield
        finally:
            self.places.release()

    @contextmanager
    def at_work(self):
        """A slot. Raises Busy after waiting for settings.MAX_WAIT_SECONDS."""
        if not self.working.acquire(timeout=settings.MAX_WAIT_SECONDS):
            raise Busy()
        try:
            yield
        finally:  # when the work is done, even where the client has left
            self.working.release()


def create_app(
    network: Network | ModelReloader | None = None, config: settings.Settings | None = None, decode=decoder_pool.decode_file
) -> Flask:
    """Make the app around a network, or one that may be replaced; without one, load what the settings name.

    decode: as in screening.screen. Raises ModelError.
    """
    config = config or settings.Settings()
    network = network or Network.load(config.graph, config.labels)
    app = Flask("tosa", root_path=str(settings.ROOT), template_folder="templates", static_folder=None)
    files = StaticFiles(settings.ROOT / "static")
    files.install(app)
    page_values = files.template_values()
    app.request_class = InMemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.MAX_BODY_BYTES  # so that a file sent as a text field is told so
    app.json.sort_keys = False
    slots = Slots(config.slots)

    def noted(kind: str, data: bytes, preprocessing: Preprocessing) -> decoder_pool.Decoded:
        decoded = decode(kind, data, preprocessing)
        g.duration = decoded.seconds or g.get("duration")
        return decoded

    @app.route("/", methods=["GET", "POST"])
    def tosa():
        answering = network.network if isinstance(network, ModelReloader) else network
        if request.method != "POST":
            values = {"disclaimer": screening.DISCLAIMER, "tasks": list(answering.tasks)} | page_values
            return compress(make_response(render_template("index.html", **values)))
        _refuse_other_sites()
        with slots.inside():
            sound, picture = _sent()
            with slots.at_work():
                answer = screening.screen(answering, sound, picture, request.args.get("explain") == "1", noted)
        request_log.line(sys.stdout, {"diagnosis": answer["diagnosis"], "score": answer["score"]})
        return jsonify(answer)

    app.register_error_handler(RequestError, _refusal)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)

    _watch_requests(app, config.log, {name: files.policy(value) for name, value in HEADERS.items()})
    return app


def _watch_requests(app: Flask, logged: bool, headers: dict[str, str]) -> None:
    """Give each request an id, each response its headers, and the log its line."""

    @app.before_request
    def begin():
        g.id, g.started = request_log.new_id(), time.perf_counter()

    @app.after_request
    def finish(response):
        response.headers.update(headers)
        response.headers["X-Request-Id"] = g.id
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        if logged:
            milliseconds = (time.perf_counter() - g.started) * 1000
            size = request.content_length or 0
            request_log.write(g.id, response.status_code, g.get("kind"), size, g.get("duration"), milliseconds)
        return response


def _refuse_other_sites() -> None:
    """Raise CrossSite where a browser says that a page of another site sends this; programs say nothing and pass.

    Browsers send Sec-Fetch-Site to https and localhost, and Origin with every POST. A proxy may change Host; what it
    keeps of it in X-Forwarded-Host counts too, since no page can set that header in a request to another site.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        hosts = (request.host, request.headers.get("X-Forwarded-Host"))
        ours = origin is None or origin.partition("://")[2] in hosts
    if not ours:
        raise CrossSite()


def _sent() -> tuple[bytes | None, bytes | None]:
    """The sound and the picture of this request, each None where it was not sent."""
    if request.mimetype == "multipart/form-data":
        sound, picture = _part("audio_data"), _part("image_data")
    else:
        if not request.mimetype.startswith(("audio/", "image/", "application/dicom", "application/octet-stream")):
            raise NothingSent()
        data = request.get_data(cache=False)
        sound, picture = (data, None) if screening.kind_of(data) == "sound" else (None, data)
    for data, kind, name in ((sound, "sound", "audio_data"), (picture, "picture", "image_data")):
        if data is not None:
            screening.check_kind(data, kind, name)
    g.kind = "both" if sound and picture else "sound" if sound else "picture" if picture else None
    return sound, picture


def _part(name: str) -> bytes | None:
    """What the form's file of this name holds, None without one: browsers send an empty part for a file not chosen."""
    if request.form.get(name):
        raise NothingSent(f"{name} came as text, not as a file. With curl put @ before the file: -F {name}=@FILE")
    held = [data for file in request.files.getlist(name) if (data := file.read())]
    if len(held) > 1:
        raise SeveralParts(f"There are {len(held)} parts named {name}. Send them one request each.")
    return held[0] if held else None


def _refusal(error: RequestError):
    response = _error(error.status, error.code, str(error))
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(settings.RETRY_AFTER_SECONDS)
    return response


def _too_large(_: RequestEntityTooLarge):
    """Werkzeug says so of long bodies and of forms with many parts."""
    long = (request.content_length or 0) > settings.MAX_BODY_BYTES
    return _refusal(TooLarge() if long else SeveralParts(OVER_PARTS))


def _http_error(error: HTTPException):
    response = _error(error.code, "http_error", error.description)
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _fault(error: Exception):
    """Ours to mend: the traceback goes to the terminal, never to the user."""
    current_app.logger.error("unexpected error", exc_info=error)
    return _error(500, "internal", "Something went wrong on our side. The terminal of the server says what.")


def _error(status: int, code: str, message: str):
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response
