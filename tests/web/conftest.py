import threading

import pytest

from running import PATIENCE
from tosa.web import app as app_module


@pytest.fixture
def slow_screening(monkeypatch):
    """Screening that goes on until it is let go: a semaphore that each request releases, the event that ends all."""
    inside, leave = threading.Semaphore(0), threading.Event()

    def slow(*_):
        inside.release()
        assert leave.wait(30 * PATIENCE)
        return {"diagnosis": "sick", "score": 1.0}

    monkeypatch.setattr(app_module.screening, "screen", slow)
    return inside, leave
