"""What matters most, once more in Debian's Firefox."""

import shutil

import pytest

import firefox
from browsing import COUGHS, MODEL, PHANTOM, STRINGS, Page
from sliding import recording
from sounds import wav
from test_page_files import FORMATS

BINARY = shutil.which("firefox-esr") or shutil.which("firefox")
pytestmark = pytest.mark.skipif(not BINARY, reason="no Firefox here (Debian: firefox-esr)")
PREFERENCES = {
    "media.navigator.streams.fake": True,  # a microphone that hums
    "media.navigator.permission.disabled": True,  # nobody asks
    "media.autoplay.default": 0,
    "intl.accept_languages": "es-MX, en",
    "ui.prefersReducedMotion": 1,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.disabledForTesting": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.startup.max_resumed_crashes": -1,
}


@pytest.fixture(scope="module")
def loudspeaker(tmp_path_factory):
    """The address of a loudspeaker, None where there is none to be had."""
    started = firefox.start_loudspeaker(tmp_path_factory.mktemp("pulse"))
    yield started and started[0]
    if started:
        started[1].terminate()
        started[1].wait(timeout=30)


@pytest.fixture(scope="module")
def browser(tmp_path_factory, loudspeaker):
    driver, process = firefox.start(BINARY, tmp_path_factory.mktemp("firefox"), PREFERENCES, loudspeaker)
    yield driver
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture
def fox(browser, server):
    page = Page(browser, server.url() + "?lang=en")
    yield page
    page.run("localStorage.clear();")


def test_firefox_speaks_the_language_it_wants_and_switches(browser, server):
    page = Page(browser, server.url())
    page.sentence("h1", "heading", "es")
    for language in ("fr", "en"):
        page.press(f"#languages [lang={language}]")
        page.sentence("h1", "heading", language)
    assert page.text("#disclaimer") == STRINGS["en"]["disclaimer"]


def test_firefox_records_and_is_answered(fox, loudspeaker):
    if not loudspeaker:
        pytest.skip("Firefox runs no Web Audio without a loudspeaker (Debian: pulseaudio)")
    fox.record(1)
    fox.reach("ready")
    assert fox.text("#sound-name").startswith("Your recording, ")
    assert fox.find("#spectrogram").get_attribute("data-drawn") == "complete"
    fox.ask()
    assert fox.text(".task") == MODEL["en"]["task.cough"]


@pytest.mark.parametrize("name", FORMATS)
def test_firefox_uploads_each_format(fox, name):
    fox.drop("no ending", "", FORMATS[name])
    fox.ask()
    fox.until(lambda: fox.run("return document.querySelector('#findings .plain').naturalWidth") == 299)


def test_firefox_chooses_both_and_asks_by_keyboard(fox, tmp_path):
    from selenium.webdriver.common.keys import Keys

    for name, data in (("a.wav", COUGHS), ("a.png", PHANTOM)):
        (tmp_path / name).write_bytes(data)
        fox.choose(tmp_path / name)
        fox.reach_ready(name)
    assert fox.run("return document.activeElement.id") == "send"
    fox.find("#send").send_keys(Keys.ENTER)
    fox.until(lambda: fox.shown("#answer"))
    assert len(fox.all(".finding")) == 3


def test_firefox_tells_a_denied_microphone(fox):
    firefox.prefer(fox.browser, "media.navigator.permission.disabled", False)
    firefox.prefer(fox.browser, "permissions.default.microphone", 2)  # always denied
    try:
        fox.press("#record")
        fox.sentence("#problem", "microphone.denied")
    finally:
        firefox.prefer(fox.browser, "media.navigator.permission.disabled", True)


def test_firefox_tells_a_missing_microphone(fox):
    fox.run("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };")
    fox.press("#record")
    fox.sentence("#problem", "microphone.missing")


def test_firefox_needs_no_sideways_scrolling_when_narrow(fox):
    # Firefox's windows are 450 pixels wide at least.
    fox.browser.set_window_rect(width=450, height=800)
    fox.drop("a " + "long" * 30 + " name.wav", "audio/wav", COUGHS)
    fox.ask()
    assert fox.run("return document.documentElement.scrollWidth <= innerWidth")


def test_firefox_shows_three_episodes_and_a_peak(browser, listening):
    times = (3.2, 8.0, 13.5)
    fox = Page(browser, listening.url() + "?lang=en")
    fox.drop("night.wav", "audio/wav", wav(recording(times, 16), subtype="PCM_16"))
    fox.ask()
    assert [float(each.text.split()[0]) for each in fox.all(".episodes button")] == pytest.approx(times, abs=0.15)
    fox.press(".episodes button:nth-child(2)")
    fox.until(lambda: fox.all(".episodes [aria-pressed=true]"))
    assert "The picture shows the second around 8" in fox.text(".timeline-word")
