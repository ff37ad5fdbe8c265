"""Freed memory is kept while requests come, and given back when asked."""

import subprocess
import sys

import pytest

from running import ROOT

FAULTS = """
import resource
import numpy as np
from tosa import memory
if {reuse}:
    memory.reuse_freed()
def faults(work):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(work):
        [np.ones(90_000, np.float32) for _ in range(5)]  # 1.8 MB, as of pictures
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(100)
during = faults(100)
memory.give_back()
print(during, faults(1))
"""


def faults(reuse: bool) -> tuple[int, int]:
    """Pages that the system gave again during a hundred turns, and in the first turn after give_back."""
    ran = subprocess.check_output([sys.executable, "-c", FAULTS.format(reuse=reuse)], cwd=ROOT, text=True)
    during, after = map(int, ran.split())
    return during, after


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library")
def test_arrays_reuse_freed_memory_until_it_is_given_back():
    assert faults(reuse=False)[0] > 10_000
    during, after = faults(reuse=True)
    assert during < 100 < after
