"""Prometheus' metrics of a server: GET / with `Accept: text/plain`.

They count requests. Nothing of what was sent, or of who sent it, is in them.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from tosa.web.health import Model
from tosa.web.slots import Slots

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)  # upper ends of the buckets
NO_KIND = "none"  # the kind of a request without a sound or picture that could be read


class Metrics:
    """The metrics of one server. Any number of threads may count at once."""

    def __init__(self, slots: Slots, model: Callable[[], Model], decoder_restarts: Callable[[], int]) -> None:
        """model, decoder_restarts: called each time that the metrics are asked for."""
        self._registry = CollectorRegistry()
        self._requests = Counter("tosa_requests", "POST requests", ["kind", "status"], registry=self._registry)
        self._refusals = Counter("tosa_refusals", "Requests without a diagnosis", ["code"], registry=self._registry)
        self._seconds = Histogram(
            "tosa_request_seconds", "Duration of a POST request", ["kind"], buckets=SECONDS, registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_State(slots, model, decoder_restarts))

    def count(self, kind: str | None, status: int, seconds: float) -> None:
        """Counts a POST request that was answered. kind: sound, picture, both, or None if nothing could be read."""
        self._requests.labels(kind or NO_KIND, status).inc()
        self._seconds.labels(kind or NO_KIND).observe(seconds)

    def count_refusal(self, code: str) -> None:
        """Counts an answer that is an error with this code."""
        self._refusals.labels(code).inc()

    def text(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _State(Collector):
    """What is not counted but read when the metrics are asked for."""

    def __init__(self, slots: Slots, model: Callable[[], Model], decoder_restarts: Callable[[], int]) -> None:
        self._slots, self._model, self._decoder_restarts = slots, model, decoder_restarts

    def describe(self) -> list[Metric]:
        """Returns nothing, so that the registry does not call `collect` before there is a model."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields the state of model, slots and decoder processes."""
        network, loaded_at = self._model()
        working, inside = self._slots.working_count, self._slots.inside_count
        yield InfoMetricFamily("tosa_model", "The graph that answers", {"sha256": network.sha256})
        yield GaugeMetricFamily("tosa_model_loaded_timestamp_seconds", "When the graph was loaded", loaded_at)
        yield GaugeMetricFamily("tosa_slots", "Requests that may be worked on at once", self._slots.count)
        yield GaugeMetricFamily("tosa_requests_working", "Requests being worked on", working)
        yield GaugeMetricFamily("tosa_requests_waiting", "Requests that wait for a slot", max(inside - working, 0))
        restarts = self._decoder_restarts()
        yield CounterMetricFamily("tosa_decoder_restarts", "Decoder processes that were lost and replaced", restarts)
