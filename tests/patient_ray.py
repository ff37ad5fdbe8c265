"""Ray clusters that start on a busy machine too, where a node takes longer than Ray's own limits of time allow."""

from collections.abc import Callable
from contextlib import contextmanager

import pytest

from running import PATIENCE, ROOT

TRIES = int(8 * PATIENCE)  # Ray gives up on a node after 30 seconds, and nothing sets how long it waits
SECONDS = 240 * PATIENCE
NAMES = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": str(int(SECONDS * 1000)),
    "RAY_worker_register_timeout_seconds": str(int(SECONDS)),
    "RAY_health_check_timeout_ms": str(int(SECONDS * 1000)),  # a node that is gone refuses connections at once
    "PYTHONPATH": str(ROOT),  # as if Tosa were installed on the nodes
}


def started(start: Callable):
    """What `start` returns, which starts a node; it is called again where Ray did not wait long enough for it."""
    for left in reversed(range(TRIES)):
        try:
            return start()
        except Exception as error:
            if not left or not ("timed out" in str(error).lower() or isinstance(error, TimeoutError)):
                raise
    raise AssertionError("not reached")


@contextmanager
def ray_cluster(**head):
    """A cluster whose head node has these options; its environment holds as long as the block."""
    import ray
    from ray import cluster_utils

    with pytest.MonkeyPatch.context() as patch:
        for name, value in NAMES.items():
            patch.setenv(name, value)
        options = {"include_dashboard": False} | head
        cluster = started(lambda: cluster_utils.Cluster(initialize_head=True, head_node_args=options))
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
