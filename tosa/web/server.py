"""The web server in front of the app: waitress, with uploads that stay in memory, and with its own refusals as JSON.

Waitress reads a whole request before a thread works on it, so a slow upload costs a buffer and no thread.
"""

import json
import logging
import signal
import socket
import time
from typing import Any

import waitress
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, MultiSocketServer
from waitress.task import ErrorTask, WSGITask

from tosa import settings
from tosa.errors import Busy, SettingError, TooLarge
from tosa.web import request_log
from tosa.web.health import STOPPING
from tosa.web.refusals import BODY_TOO_LARGE
from tosa.web.upload_memory import MEMORY_FULL, Parser, UploadMemory

SLACK = 2**20  # bytes over the limit that are still read, so that the app can answer what is only just too large
IN_MEMORY = settings.MAX_BODY_BYTES + 2 * SLACK  # bytes; above this waitress writes to disk, so nothing may be above
RECEIVED = 2**16  # bytes read at once
UNREAD = 2**27  # bytes that a refused client may still send, which are thrown away
REFUSALS = {413: (TooLarge.code, BODY_TOO_LARGE), 503: (Busy.code, MEMORY_FULL)}
ANY_ADDRESS = "::"  # TOSA_HOST for all addresses of both families


class Task(WSGITask):
    """One request for the app; it is the last one of its connection if the server is about to stop."""

    def get_environment(self) -> dict[str, Any]:
        """Returns the WSGI environment, which says whether the server is about to stop."""
        return super().get_environment() | {STOPPING: not self.channel.server.accepting}

    def start(self) -> None:
        """Begins the answer."""
        super().start()
        if not self.channel.server.accepting:
            self.set_close_on_finish()


class JsonErrorTask(ErrorTask):
    """What waitress refuses before the app sees it, in the form of the app's own refusals."""

    def execute(self) -> None:
        """Writes the refusal and its line of the log."""
        error = self.request.error
        code, message = REFUSALS.get(error.code, ("bad_request", f"{error.reason}: {error.body}."))
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        if error.code == 503:
            self.response_headers.append(("Retry-After", str(settings.RETRY_AFTER_SECONDS)))
        self.channel.refused = True
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        if metrics := self.channel.server.metrics:
            metrics.count_refusal(code)
        if self.channel.server.log:
            size = max(self.request.content_length, self.request.body_bytes_received)
            milliseconds = (time.time() - self.start_time) * 1000
            request_log.write(request_log.new_id(), error.code, None, size, None, milliseconds)


class Channel(HTTPChannel):
    """A connection. After a refusal it is still read for a while, since closing it at once would lose the answer."""

    task_class = Task
    error_task_class = JsonErrorTask
    refused = False
    close_when_flushed: bool
    unread: int | None = None  # bytes that may still come; None while requests are taken

    def parser_class(self, adj: Adjustments) -> Parser:
        """Returns what reads the next request."""
        return Parser(adj, self.server.memory)

    def handle_write(self) -> None:
        """Sends what is waiting. After a refusal it closes its own direction only."""
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

    def readable(self) -> bool:
        """Returns whether the connection is to be read."""
        return self.unread is not None or super().readable()

    def handle_read(self) -> None:
        """Reads a part of a request; after a refusal it throws away what it reads."""
        if self.unread is None:
            super().handle_read()
            return
        try:
            self.unread -= len(self.recv(RECEIVED)) or self.unread
        except OSError:
            self.unread = 0
        if self.unread <= 0:
            self.handle_close()

    def handle_close(self) -> None:
        """Closes the connection and frees a request that it was receiving."""
        super().handle_close()
        if self.request is not None:  # it was not received completely, so nothing else closes it
            self.request.close()

    def busy(self) -> bool:
        """Returns whether a request is at work, an answer on its way, or something was sent within the last second."""
        return bool(self.requests or self.total_outbufs_len) or time.time() - self.last_activity < 1


def make(app: Any, config: settings.Settings) -> Any:
    """Returns a server for the app, bound but not yet running. Raises SettingError if it cannot use the address."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # requests that queue are normal
    sockets: dict[int, Any] = {}  # a name such as localhost may stand for several addresses, each with its own server
    try:
        server = waitress.create_server(
            app,
            map=sockets,
            listen=_addresses(config),
            clear_untrusted_proxy_headers=not config.proxies,  # if proxies are trusted, the app reads their headers
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
        raise SettingError(f"it cannot listen on {authority(config)}: {reason}. Set TOSA_HOST or TOSA_PORT.") from error
    metrics = getattr(app, "extensions", {}).get("metrics")  # counts what is refused before the app sees it
    memory = UploadMemory(config.upload_memory * 2**20)
    for listening in _listening(sockets):
        listening.channel_class, listening.log, listening.memory = Channel, config.log, memory
        listening.metrics = metrics
    return server


def authority(config: settings.Settings) -> str:
    """Returns host and port as in an address, an IPv6 host in brackets."""
    return f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"


def _addresses(config: settings.Settings) -> str:
    """What waitress binds. It binds :: to IPv6 only, so IPv4 is named too."""
    both = f" 0.0.0.0:{config.port}" if config.host == ANY_ADDRESS else ""
    return authority(config) + both


def _listening(sockets: dict[int, Any]) -> list[BaseWSGIServer]:
    return [each for each in sockets.values() if isinstance(each, BaseWSGIServer)]


def _sockets(server: Any) -> dict[int, Any]:
    return server.map if isinstance(server, MultiSocketServer) else server._map


def stop_on_signals(server: Any) -> None:
    """Makes SIGTERM and Ctrl-C end `run`; a second Ctrl-C ends it at once."""

    def on_signal(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop(server)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def stop(server: Any) -> None:
    """Makes `run` end, from any thread."""
    listening = _listening(_sockets(server))
    if listening and listening[0].accepting:  # only once: the second time, the trigger may be closed
        for each in listening:
            each.accepting = False
        listening[0].pull_trigger()


def run(server: Any) -> None:
    """Answers until told to stop, then finishes what is in progress, for at most settings.STOP_SECONDS."""
    sockets = _sockets(server)
    listening = _listening(sockets)
    while listening[0].accepting:
        wasyncore.loop(timeout=30, use_poll=True, map=sockets, count=1)
    for each in listening:
        for _ in range(server.adj.backlog):  # clients that have connected are answered
            each.handle_accept()
        wasyncore.dispatcher.close(each)  # not each.close, which would close the trigger too
    _finish(sockets)
    server.task_dispatcher.shutdown(timeout=0.5)
    wasyncore.close_all(sockets)


def _finish(sockets: dict[int, Any]) -> None:
    until = time.monotonic() + settings.STOP_SECONDS
    while time.monotonic() < until:
        wasyncore.loop(timeout=0.1, use_poll=True, map=sockets, count=1)  # first, to receive what has arrived meanwhile
        channels = [each for each in sockets.values() if isinstance(each, Channel)]
        for channel in channels:
            if not channel.busy():
                channel.handle_close()
        if not any(channel.connected for channel in channels):
            return
