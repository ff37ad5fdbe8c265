"""The web server in front of the app: waitress, with uploads kept in memory and its own refusals as JSON.

Waitress reads a whole request before a thread takes it up, so a slow upload costs a buffer and no thread.
"""

import json
import logging
import signal
import socket
import time

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, MultiSocketServer
from waitress.task import ErrorTask, WSGITask

from tosa import settings
from tosa.errors import SettingError, TooLarge
from tosa.web import request_log

SLACK = 2**20  # bytes over the limit that are still read, so that the app can answer what is only just too large
IN_MEMORY = settings.MAX_BODY_BYTES + 2 * SLACK  # bytes; above this waitress writes to disk, so nothing may be above
RECEIVED = 2**16  # bytes read at once
UNREAD = 2**27  # bytes that a refused client may still send to no purpose
CODES = {413: (TooLarge.code, TooLarge.public)}


class Task(WSGITask):
    """One request for the app; the last one of its connection when the server is about to stop."""

    def start(self):
        super().start()
        if not self.channel.server.accepting:
            self.set_close_on_finish()


class JsonErrorTask(ErrorTask):
    """What waitress refuses before the app sees it, in the same words and form as the app's own refusals."""

    def execute(self):
        error = self.request.error
        code, message = CODES.get(error.code, ("bad_request", error.reason))
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.channel.refused = True
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        if self.channel.server.log:
            size = max(self.request.content_length, self.request.body_bytes_received)
            request_log.write(request_log.new_id(), error.code, None, size, None, (time.time() - self.start_time) * 1000)


class Channel(HTTPChannel):
    """A connection that, once refused, is read on for a while: closing it before would lose the answer on its way."""

    task_class = Task
    error_task_class = JsonErrorTask
    refused = False
    unread: int | None = None  # bytes that may still come; None while requests are taken

    def handle_write(self):
        closing = self.refused and self.close_when_flushed and not self.will_close
        if closing:
            self.close_when_flushed = False
        super().handle_write()
        if closing and self.connected:
            if self.total_outbufs_len:
                self.close_when_flushed = True
            else:
                self.unread = UNREAD
                self.socket.shutdown(socket.SHUT_WR)

    def readable(self):
        return self.unread is not None or super().readable()

    def handle_read(self):
        if self.unread is None:
            return super().handle_read()
        try:
            self.unread -= len(self.recv(RECEIVED)) or self.unread
        except OSError:
            self.unread = 0
        if self.unread <= 0:
            self.handle_close()

    def busy(self) -> bool:
        """Whether a request is at work, an answer on its way or something was sent within the last second."""
        return bool(self.requests or self.total_outbufs_len) or time.time() - self.last_activity < 1


def make(app, config: settings.Settings):
    """A server for the app, bound but not yet running. Raises SettingError where the address cannot be had."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is what it is for
    sockets = {}  # a name such as localhost may stand for several addresses, each with a server of its own
    try:
        server = waitress.create_server(
            app,
            map=sockets,
            host=config.host,
            port=config.port,
            threads=config.slots + settings.MAX_WAITING + 2,  # the last ones say 503
            max_request_body_size=settings.MAX_BODY_BYTES + SLACK,
            inbuf_overflow=IN_MEMORY,
            outbuf_overflow=IN_MEMORY,
            recv_bytes=RECEIVED,
            connection_limit=settings.MAX_CONNECTIONS,
            channel_timeout=settings.IDLE_SECONDS,
            cleanup_interval=5,
            ident=None,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "there is no such address"
        where = f"{config.host}:{config.port}"
        raise SettingError(f"it cannot listen on {where}: {reason}. Set TOSA_HOST or TOSA_PORT.") from error
    for listening in _listening(sockets):
        listening.channel_class, listening.log = Channel, config.log
    return server


def _listening(sockets: dict) -> list[BaseWSGIServer]:
    return [each for each in sockets.values() if isinstance(each, BaseWSGIServer)]


def _sockets(server) -> dict:
    return server.map if isinstance(server, MultiSocketServer) else server._map


def stop_on_signals(server) -> None:
    """Let SIGTERM and Ctrl-C end `run`; another Ctrl-C then ends it at once."""
    listening = _listening(_sockets(server))

    def stop(*_):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if listening[0].accepting:  # not twice, when what wakes the loop may be closed
            for each in listening:
                each.accepting = False
            listening[0].pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def run(server) -> None:
    """Answer until told to stop, then until all that is in hand is answered, at most settings.STOP_SECONDS."""
    sockets = _sockets(server)
    listening = _listening(sockets)
    while listening[0].accepting:
        wasyncore.loop(timeout=30, use_poll=True, map=sockets, count=1)
    for each in listening:
        for _ in range(server.adj.backlog):  # who has connected is answered
            each.handle_accept()
        wasyncore.dispatcher.close(each)  # not each.close, which would end what wakes the loop too
    _finish(sockets)
    server.task_dispatcher.shutdown(timeout=0.5)
    wasyncore.close_all(sockets)


def _finish(sockets: dict) -> None:
    until = time.monotonic() + settings.STOP_SECONDS
    while time.monotonic() < until:
        wasyncore.loop(timeout=0.1, use_poll=True, map=sockets, count=1)  # first, for what has come in meanwhile
        channels = [each for each in sockets.values() if isinstance(each, Channel)]
        for channel in channels:
            if not channel.busy():
                channel.handle_close()
        if not any(channel.connected for channel in channels):
            return
