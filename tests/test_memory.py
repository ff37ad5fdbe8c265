"""Freed memory is kept while requests come, and given back when asked."""

import subprocess
import sys

import pytest

from running import ROOT

HELD = """
import resource
from pathlib import Path
import numpy as np
from tosa import memory
if {reuse}:
    memory.reuse_freed()
def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
before = megabytes()
for _ in range(3):
    [np.ones(2**18, np.float32) for _ in range(12)]  # 12 MB, freed at once
kept = megabytes() - before
memory.give_back()
print(kept, megabytes() - before)
"""


def held(reuse: bool) -> tuple[float, float]:
    """Megabytes of freed arrays that the process still holds, before and after give_back."""
    ran = subprocess.check_output([sys.executable, "-c", HELD.format(reuse=reuse)], cwd=ROOT, text=True)
    kept, after = map(float, ran.split())
    return kept, after


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library")
def test_freed_memory_is_kept_until_it_is_given_back():
    assert held(reuse=False)[0] < 5
    kept, after = held(reuse=True)
    assert kept > 8 and after < 5
