"""The web server in front of the app: waitress, with uploads kept in memory and its own refusals as JSON.

Waitress reads a whole request before a thread takes it up, so a slow upload costs a buffer and no thread.
"""

import json

import waitress
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from . import settings
from .errors import TooLarge

SLACK = 2**20  # bytes over the limit that are still read, so that the app can answer what is only just too large
IN_MEMORY = settings.MAX_BODY_BYTES + 2 * SLACK  # bytes; above this waitress writes to disk, so nothing may be above
CODES = {413: (TooLarge.code, TooLarge.public)}


class JsonErrorTask(ErrorTask):
    """What waitress refuses before the app sees it, in the same words and form as the app's own refusals."""

    def execute(self):
        error = self.request.error
        code, message = CODES.get(error.code, ("bad_request", error.reason))
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class JsonErrorChannel(HTTPChannel):
    error_task_class = JsonErrorTask


def make(app, config: settings.Settings):
    """A server for the app, bound but not yet running. Raises OSError or ValueError where the address cannot be had."""
    sockets = {}  # a name such as localhost may stand for several addresses, each with a server of its own
    server = waitress.create_server(
        app,
        map=sockets,
        host=config.host,
        port=config.port,
        threads=config.slots + settings.MAX_WAITING + 2,  # the last ones say 503
        max_request_body_size=settings.MAX_BODY_BYTES + SLACK,
        inbuf_overflow=IN_MEMORY,
        outbuf_overflow=IN_MEMORY,
        ident=None,
    )
    for listening in sockets.values():
        if isinstance(listening, BaseWSGIServer):
            listening.channel_class = JsonErrorChannel
    return server
