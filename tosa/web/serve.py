"""Starts the web server: first decoder processes and network, then Flask, whose import takes as long as they do.

Until the network is loaded, the server listens and refuses requests with status 503.
"""

import io
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tosa import memory, settings
from tosa.errors import DecoderError, ModelError, SettingError
from tosa.inputs import decoder_pool
from tosa.model.network import Network
from tosa.model.text import in_language
from tosa.web import model_reloader

STARTED = time.perf_counter()


def begin() -> tuple[decoder_pool.Pool, "Future[model_reloader.ModelReloader]"]:
    """Starts what takes long and happens mostly outside this thread: the decoder processes and the network."""
    return decoder_pool.Pool(min(os.cpu_count() or 1, settings.MAX_DECODERS)), model_reloader.load_in_background()


def main() -> int:
    """Serves until stopped, after printing what was loaded and the address. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may lack letters that a label has
    memory.reuse_freed()
    try:
        decoders, loading = begin()
        from tosa.web import server  # imported now, while decoders and network start
        from tosa.web.app import create_app

        with decoders:
            config = settings.Settings()
            ready = ThreadPoolExecutor(1).submit(_when_ready, loading, decoders)
            listening = server.make(create_app(ready, config, decoders), config)
            server.stop_on_signals(listening)
            ready.add_done_callback(lambda _: _begin_answering(ready, config, listening))
            server.run(listening)
            if ready.done():
                ready.result()  # raises what kept the network from being loaded
    except (SettingError, ModelError, DecoderError) as error:
        print(f"Tosa cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _when_ready(
    loading: "Future[model_reloader.ModelReloader]", decoders: decoder_pool.Pool
) -> model_reloader.ModelReloader:
    """The loaded model, once the decoder processes are ready too. Raises ModelError, SettingError and DecoderError."""
    served = loading.result()
    decoders.wait_until_ready()
    return served


def _begin_answering(ready: "Future[model_reloader.ModelReloader]", config: settings.Settings, listening: Any) -> None:
    """Announces the server, or stops it if the model could not be loaded."""
    from tosa.web import server

    if ready.exception():
        server.stop(listening)
        return
    _print_start(config, ready.result().network, server.authority(config))
    ready.result().watch()


def _print_start(config: settings.Settings, network: Network, authority: str) -> None:
    print(f"graph   {config.graph}\nsha256  {network.sha256}")
    if title := in_language(network.metadata.title):
        print(f"model   {title}")
    for task in network.tasks.values():
        print(f"task    {task.name}: {', '.join(task.labels)}")
    print(f"Tosa answers on http://{authority} after {time.perf_counter() - STARTED:.1f} s.", flush=True)
