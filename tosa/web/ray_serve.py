"""The web app on a Ray cluster, in as many replicas as the load needs: the same page, the same JSON.

serve run tosa.web.ray_serve:build max_replicas=8
"""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from a2wsgi import WSGIMiddleware
from ray import serve

from tosa import settings
from tosa.errors import UsageError
from tosa.inputs import decoder_pool
from tosa.model.network import GraphFile
from tosa.web.app import create_app

ARGUMENTS = {
    "min_replicas": 1,
    "max_replicas": 4,
    "cpus": 1,  # of a replica: threads of its network, and processes that decode
    "upscale_seconds": 10,  # of high load, before there is one replica more
    "downscale_seconds": 300,  # of low load, before there is one replica less
}
SLOTS_A_CPU = 2  # requests that a replica works on at once: while one is decoded, another has the network
HEALTH_SECONDS = 10  # between two looks at whether a replica lives


def build(arguments: dict[str, Any]) -> serve.Application:
    """Returns the application for `serve.run`, `serve run` and `serve deploy`.

    arguments: whole numbers for names in ARGUMENTS, maybe as text; the rest has its defaults. The environment
    variables TOSA_* that are set here are set for the replicas too. Raises UsageError on other names or values.
    """
    given = ARGUMENTS | {name: _number(name, value) for name, value in arguments.items()}
    cpus = given["cpus"]
    slots = SLOTS_A_CPU * cpus
    deployment = serve.deployment(
        name="Tosa",
        ray_actor_options={"num_cpus": cpus, "runtime_env": {"env_vars": _environment(slots)}},
        max_ongoing_requests=slots + settings.MAX_WAITING + 1,  # the last one gets the app's own 503
        max_queued_requests=settings.MAX_CONNECTIONS,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=settings.STOP_SECONDS,
        autoscaling_config={
            "min_replicas": given["min_replicas"],
            "max_replicas": given["max_replicas"],
            "target_ongoing_requests": slots,
            "upscale_delay_s": given["upscale_seconds"],
            "downscale_delay_s": given["downscale_seconds"],
        },
        logging_config={"enable_access_log": False},  # Tosa writes its own line for each request
    )
    return deployment(serve.ingress(lambda: _asgi_app(cpus))(_Replica)).bind()


class _Replica:
    """What Serve starts in each process; the app that `serve.ingress` gives it answers all requests."""


def _asgi_app(cpus: int) -> WSGIMiddleware:
    """Loads the network, in the process of a replica, and returns the app. Raises what the app raises at its start."""
    config = settings.Settings()
    decoders = decoder_pool.Pool(min(cpus, settings.MAX_DECODERS))
    network = GraphFile.read(config.graph, config.labels).start(threads=cpus, cache=config.cache)
    decoders.wait_until_ready()
    threads = config.slots + settings.MAX_WAITING + 1
    return WSGIMiddleware(_with_length(create_app(network, config, decoders)), workers=threads)


def _with_length(app: Any) -> Any:
    """The same WSGI app, which is told the length of a chunked body, as waitress tells it; Flask needs one."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_LENGTH" not in environ:
            body = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)  # one byte over the limit is refused
            environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
            environ.pop("HTTP_TRANSFER_ENCODING", None)  # Flask would pass over the length
        return app(environ, start_response)

    return call


def _environment(slots: int) -> dict[str, str]:
    """The variables TOSA_* of a replica."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("TOSA_")}
    return {"TOSA_SLOTS": str(slots)} | ours


def _number(name: str, value: Any) -> int:
    if name not in ARGUMENTS:
        raise UsageError(f"The argument '{name}' is not known. Give some of {', '.join(ARGUMENTS)}.")
    if not str(value).isdecimal():
        raise UsageError(f"{name} must be a whole number, not '{value}'.")
    return int(value)
