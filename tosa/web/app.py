"""The web app: GET / is the page, or the server's description or metrics; POST / is one JSON answer."""

import sys
import time

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.middleware.proxy_fix import ProxyFix

from tosa import screening, settings, timeline
from tosa.inputs import decoding
from tosa.model.network import Network
from tosa.model.text import in_language
from tosa.preprocessing import Preprocessing
from tosa.web import description, health, refusals, request_log, uploads
from tosa.web.card.page import card_response
from tosa.web.metrics import CONTENT_TYPE, Metrics
from tosa.web.page_words import page_words
from tosa.web.same_origin import refuse_other_sites
from tosa.web.slots import Slots
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


def create_app(
    network: health.Served | None = None,
    config: settings.Settings | None = None,
    decode: screening.Decode = decoding.decode_file,
) -> Flask:
    """Returns the app of a network, by default of the one that the settings name.

    network: one that stays, a ModelReloader, or the future of one, until whose result all requests are refused.
    decode: decodes in this process by default; a decoder_pool.Pool does it in other processes. Raises ModelError.
    """
    config = config or settings.Settings()
    model = health.model_of(network or Network.load(config.graph, config.labels))
    app = Flask("tosa", root_path=str(settings.ROOT), template_folder="templates", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    _limit_uploads(app)
    files = StaticFiles(settings.ROOT / "static")
    files.install(app)
    page_values = files.template_values() | {"disclaimer": screening.DISCLAIMER, "in_english": in_language}
    slots = Slots(config.slots)
    metrics = app.extensions["metrics"] = Metrics(slots, model, lambda: getattr(decode, "restarts", 0))

    @app.route("/", methods=["GET", "POST"])
    def tosa() -> Response:
        current, _ = model()
        if request.method == "POST":
            return _screen(current, slots, decode)
        return _read(current, metrics, page_values)

    refusals.register(app)
    _watch_requests(app, metrics, config.log, {name: files.policy(value) for name, value in HEADERS.items()})
    if count := config.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, count, count, count, x_prefix=count)  # type: ignore[method-assign]
    return app


def _limit_uploads(app: Flask) -> None:
    """Keeps uploads in memory, up to a limit."""
    app.request_class = uploads.InMemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.MAX_BODY_BYTES  # so that a file sent as text gets a message that fits


def _screen(network: Network, slots: Slots, decode: screening.Decode) -> Response:
    """What POST / answers: the findings of the files in the request, of which the terminal gets one line."""
    refuse_other_sites()
    with slots.inside():
        explain = uploads.is_wanted("explain", "explanations")
        with_timeline, at = uploads.is_wanted("timeline", "a timeline of the sound"), uploads.time_wanted()
        sound, picture = uploads.read_files()
        noting = _noting_duration(decode)
        with slots.at_work(is_long=with_timeline):
            answer = timeline.screen_recording(network, sound, picture, explain, noting, with_timeline, at)
    request_log.line(sys.stdout, {"diagnosis": answer["diagnosis"], "score": answer["score"]})
    return jsonify(answer)


def _read(network: Network, metrics: Metrics, values: dict[str, object]) -> Response:
    """What GET / answers, by its Accept header: the page, the server's description as JSON, or its metrics."""
    accepted = MIMEAccept([(kind.partition(";")[0], quality) for kind, quality in request.accept_mimetypes])
    kind = accepted.best_match(["text/html", "application/json", "text/plain"], "text/html")
    if "card" in request.args:
        response = compress(card_response(network, values))
        response.make_conditional(request)
        return response
    if kind == "application/json":
        health.refuse_if_stopping()
        response = jsonify(description.describe(network))
    elif kind == "text/plain":
        response = Response(metrics.text(), content_type=CONTENT_TYPE)
    else:  # the template's values are the page's
        response = compress(make_response(render_template("index.html", model=page_words(network), **values)))
    response.vary.add("Accept")
    return response


def _noting_duration(decode: screening.Decode) -> screening.Decode:
    """The same decoder, which tells the request log how long a sound is."""

    def decode_and_note(kind: str, data: bytes, preprocessing: Preprocessing) -> decoding.Decoded:
        decoded = decode(kind, data, preprocessing)
        g.duration = decoded.seconds or g.get("duration")
        return decoded

    return decode_and_note


def _watch_requests(app: Flask, metrics: Metrics, logged: bool, headers: dict[str, str]) -> None:
    """Gives each request an id, each response its headers, the metrics their counts and the log its line."""

    @app.before_request
    def begin() -> None:
        g.id, g.started = request_log.new_id(), time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.update(headers)
        response.headers["X-Request-Id"] = g.id
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-cache" if response.get_etag()[0] else "no-store"
        seconds = time.perf_counter() - g.started
        if request.method == "POST":
            metrics.count(g.get("kind"), response.status_code, seconds)
        if "code" in g:
            metrics.count_refusal(g.code)
        if logged:
            size = request.content_length or 0
            request_log.write(g.id, response.status_code, g.get("kind"), size, g.get("duration"), seconds * 1000)
        return response
