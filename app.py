"""The web app: GET / is the page, POST / one JSON answer. `python app.py` starts it."""

import json
import signal
import sys
import time
from contextlib import contextmanager
from io import BytesIO
from threading import BoundedSemaphore, Thread

from flask import Flask, Request, current_app, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from tosa import audio, screening, server, settings
from tosa.errors import (
    Busy,
    CrossSite,
    ModelError,
    NothingSent,
    RequestError,
    SettingError,
    SeveralParts,
    TooLarge,
    UnsupportedFormat,
)
from tosa.network import Network

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}


class InMemoryRequest(Request):
    """A request whose uploads stay in memory, so that nothing a user sends touches the disk."""

    def _get_file_stream(self, *_args, **_kwargs):
        return BytesIO()


class Slots:
    """As many requests at work as there are slots; a few more wait a little; the rest are told Busy at once."""

    def __init__(self, slots: int):
        self.inside = BoundedSemaphore(slots + settings.MAX_WAITING)
        self.working = BoundedSemaphore(slots)

    @contextmanager
    def one(self):
        if not self.inside.acquire(blocking=False):
            raise Busy()
        try:
            if not self.working.acquire(timeout=settings.MAX_WAIT_SECONDS):
                raise Busy()
            try:
                yield
            finally:
                self.working.release()
        finally:
            self.inside.release()


def create_app(network: Network | None = None, config: settings.Settings | None = None) -> Flask:
    """Make the app around a network; without one, load what the settings name. Raises ModelError."""
    config = config or settings.Settings()
    network = network or Network.load(config.graph, config.labels)
    app = Flask(__name__)
    app.request_class = InMemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.MAX_BODY_BYTES  # so that a file sent as a text field is told so
    app.json.sort_keys = False
    slots = Slots(config.slots)

    @app.route("/", methods=["GET", "POST"])
    def tosa():
        if request.method != "POST":
            return render_template("index.html", disclaimer=screening.DISCLAIMER, tasks=list(network.tasks))
        _refuse_other_sites()
        sound, picture = _sent()
        with slots.one():
            answer = screening.screen(network, sound, picture, request.args.get("explain") == "1")
        line = {"diagnosis": answer["diagnosis"], "score": answer["score"]}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")  # one write, so that no two lines mix
        sys.stdout.flush()
        return jsonify(answer)

    app.register_error_handler(RequestError, _refusal)
    app.register_error_handler(RequestEntityTooLarge, lambda _: _refusal(TooLarge()))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)

    @app.after_request
    def add_headers(response):
        response.headers.update(HEADERS)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response

    return app


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
        if data is not None and screening.kind_of(data) != kind:
            raise UnsupportedFormat(f"{name} does not hold a {kind}. " + UnsupportedFormat.public)
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


def main() -> int:
    """Load, say what was loaded and where it answers, serve until stopped."""
    started = time.perf_counter()
    try:
        config = settings.Settings()
        Thread(target=audio.warm_up, daemon=True).start()  # meanwhile, so that the first cough need not wait for it
        network = Network.load(config.graph, config.labels)
    except (SettingError, ModelError) as error:
        print(f"Tosa cannot start: {error}", file=sys.stderr)
        return 1
    try:
        listening = server.make(create_app(network, config), config)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "there is no such address"
        print(
            f"Tosa cannot listen on {config.host}:{config.port}: {reason}. Set TOSA_HOST or TOSA_PORT.",
            file=sys.stderr,
        )
        return 1
    print(f"graph   {config.graph}\nsha256  {network.sha256}")
    for task in network.tasks.values():
        print(f"task    {task.name}: {', '.join(task.labels)}")
    seconds = time.perf_counter() - started
    print(f"Tosa answers on http://{config.host}:{config.port} after {seconds:.1f} s.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # waitress then ends as on Ctrl-C, work in hand first
    try:
        listening.run()
    finally:
        listening.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
