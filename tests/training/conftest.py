import pytest


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Relative defaults, such as --report_dir, lead into a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
