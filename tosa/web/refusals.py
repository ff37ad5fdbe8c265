"""Errors as JSON answers."""

from flask import Flask, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from tosa import settings
from tosa.errors import RequestError, SeveralParts, TooLarge

OFFERS = "GET / is the page, POST / screens a sound or a picture."
TOO_MANY_PARTS = f"The form has more than {settings.MAX_PARTS} parts. Send one sound, one picture or one of each."
BODY_TOO_LARGE = (
    f"The request is larger than {settings.MAX_BODY_BYTES // 2**20} MiB. Send a picture of at most "
    f"{settings.MAX_PICTURE_BYTES // 2**20} MiB, a sound of at most {settings.MAX_SOUND_BYTES // 2**20} MiB, or both."
)


def register(app: Flask) -> None:
    """Makes the app answer every error with `{"error": {"code": ..., "message": ...}}`."""
    app.register_error_handler(RequestError, refuse)
    app.register_error_handler(RequestEntityTooLarge, _refuse_size)
    app.register_error_handler(HTTPException, _refuse_http)
    app.register_error_handler(Exception, _report_fault)


def refuse(error: RequestError) -> Response:
    """Returns the answer to a request that is refused."""
    response = _answer(error.status, error.code, str(error))
    if error.status == 503:
        response.headers["Retry-After"] = str(settings.RETRY_AFTER_SECONDS)
    return response


def _refuse_size(_: RequestEntityTooLarge) -> Response:
    """Werkzeug raises the same error for long bodies and for forms with many parts."""
    too_long = (request.content_length or 0) > settings.MAX_BODY_BYTES
    return refuse(TooLarge(BODY_TOO_LARGE) if too_long else SeveralParts(TOO_MANY_PARTS))


def _refuse_http(error: HTTPException) -> Response:
    message = error.description or error.name
    if isinstance(error, NotFound):
        message = f"This address does not exist. {OFFERS}"
    elif isinstance(error, MethodNotAllowed):
        message = f"Tosa does not answer {request.method} here. {OFFERS}"
    response = _answer(error.code or 500, "http_error", message)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _report_fault(error: Exception) -> Response:
    """For a fault of Tosa: the traceback goes to the terminal, never to the user."""
    current_app.logger.error("unexpected error", exc_info=error)
    return _answer(500, "internal", "Something went wrong in Tosa. The server's terminal shows the reason.")


def _answer(status: int, code: str, message: str) -> Response:
    g.code = code
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response
