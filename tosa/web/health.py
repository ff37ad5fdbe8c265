"""Which model answers, and whether the server can: it is still loading at the start, and stops at the end."""

import time
from collections.abc import Callable
from concurrent.futures import Future

from flask import request

from tosa.errors import Starting, Stopping
from tosa.model.network import Network
from tosa.web.model_reloader import ModelReloader

STOPPING = "tosa.stopping"  # of the WSGI environment: whether the server is about to stop

Model = tuple[Network, float]  # the network that answers, and when it was loaded, in seconds since 1970
Served = Network | ModelReloader | Future[ModelReloader]


def model_of(served: Served) -> Callable[[], Model]:
    """Returns a function that returns the model in service now. That function raises Starting until it is loaded."""
    created = time.time()

    def current() -> Model:
        if isinstance(served, Future):
            if not served.done():
                raise Starting()
            reloader = served.result()
        elif isinstance(served, ModelReloader):
            reloader = served
        else:
            return served, created
        return reloader.network, reloader.loaded_at

    return current


def refuse_if_stopping() -> None:
    """Raises Stopping if the server is about to stop, so that a balancer sends its requests elsewhere."""
    if request.environ.get(STOPPING):
        raise Stopping()
