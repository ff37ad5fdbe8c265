"""Starts the web server: decoder processes and the network first, then Flask, whose import takes as long as they do."""

import os
import sys
import time
from concurrent.futures import Future

from tosa import settings
from tosa.errors import DecoderError, ModelError, SettingError
from tosa.inputs import decoder_pool
from tosa.model.network import Network
from tosa.web import model_reloader

STARTED = time.perf_counter()


def begin() -> tuple[decoder_pool.Pool, "Future[model_reloader.ModelReloader]"]:
    """Start what takes long and mostly happens outside this thread: the decoder processes and the network."""
    return decoder_pool.Pool(min(os.cpu_count() or 1, settings.MAX_DECODERS)), model_reloader.load_in_background()


def main() -> int:
    """Start, say what was loaded and where it answers, serve until stopped."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a label may have letters that a terminal or pipe has not
    try:
        decoders, loading = begin()
        from tosa.web import server  # here, so that what was begun goes on meanwhile
        from tosa.web.app import create_app

        with decoders:
            config = settings.Settings()
            served = loading.result()
            decoders.wait_until_ready()
            listening = server.make(create_app(served, config, decoders), config)
            server.stop_on_signals(listening)
            _say(config, served.network, time.perf_counter() - STARTED)
            served.watch()
            server.run(listening)
    except (SettingError, ModelError, DecoderError) as error:
        print(f"Tosa cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _say(config: settings.Settings, network: Network, seconds: float) -> None:
    print(f"graph   {config.graph}\nsha256  {network.sha256}")
    for task in network.tasks.values():
        print(f"task    {task.name}: {', '.join(task.labels)}")
    print(f"Tosa answers on http://{config.host}:{config.port} after {seconds:.1f} s.", flush=True)
