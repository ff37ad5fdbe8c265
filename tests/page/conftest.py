"""Chromium with and without an allowed microphone, and a server, one of each for all tests of the page."""

import pytest

from browsing import CHROMEDRIVER, CHROMIUM, COUGHS, FOREIGN, Page, Server, start_chromium
from sliding import write_graph


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Starts a browser with some flags; all are closed at the end."""
    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        pytest.skip(f"{CHROMIUM} and {CHROMEDRIVER} are not both here (Debian: chromium, chromium-driver)")
    started = []

    def start(*flags):
        started.append(start_chromium(*flags, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"))
        return started[-1]

    yield start
    for browser in started:
        browser.quit()


@pytest.fixture(scope="session")
def server(small_graph, tmp_path_factory):
    server = Server(*small_graph, tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def listening(tf, tmp_path_factory):
    """A server whose network hears the coughs of `recording`."""
    server = Server(*write_graph(tf, tmp_path_factory.mktemp("dark")), tmp_path_factory.mktemp("listening"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def coughing_browser(chromium, tmp_path_factory):
    """A browser whose microphone hears coughs, over and over, and may always be used."""
    sound = tmp_path_factory.mktemp("sound") / "coughs.wav"
    sound.write_bytes(COUGHS)
    return chromium(
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}",
    )  # fmt: skip


@pytest.fixture(scope="session")
def bare_browser(chromium):
    """A browser with a microphone, and nobody who would allow it."""
    return chromium("--use-fake-device-for-media-stream", f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1")


@pytest.fixture
def page(coughing_browser, server):
    """The page where the microphone works; nothing that happens may reach the console as an error."""
    page = Page(coughing_browser, server.url())
    yield page
    page.run("localStorage.clear();")
    assert page.complaints() == []


@pytest.fixture
def bare_page(bare_browser, server):
    page = Page(bare_browser, server.url())
    yield page
    page.run("localStorage.clear();")
    assert page.complaints() == []
