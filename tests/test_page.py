"""The page: its dictionary, and what a person does with it in a real Chromium against the real server."""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tosa import errors, screening

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --lang=en-US --force-prefers-reduced-motion"
).split()
FOREIGN = "tosa.test"  # a name that is not localhost, so that http:// is an insecure context there
RATE = 48_000  # Hz, of the sound that the pretended microphone plays
PATIENCE = 15  # s, for anything the page should do at once

STRINGS = json.loads((ROOT / "static/strings.json").read_text(encoding="utf-8"))
TEMPLATE = (ROOT / "templates/index.html").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "static").glob("*.js")}


# The dictionary and the files, without a browser


@pytest.mark.parametrize("language", ["es", "fr"])
def test_every_sentence_is_in_every_language(language):
    assert STRINGS[language].keys() == STRINGS["en"].keys()
    for key, english in STRINGS["en"].items():
        translated = STRINGS[language][key]
        assert translated.strip(), key
        assert sorted(re.findall(r"\{\w+\}", translated)) == sorted(re.findall(r"\{\w+\}", english)), key


def test_the_dictionary_has_every_key_that_the_page_uses():
    used = set(re.findall(r'data-(?:text|label|alt)="([^"]+)"', TEMPLATE))
    for script in SCRIPTS.values():
        used |= set(re.findall(r'"((?:status|error|microphone|button|ready|explanation|copy)\.[\w.]+)"', script))
    used |= {f"microphone.{reason}" for reason in re.findall(r'"(\w+)"', re.search(
        r"REASONS = \{(.*?)\}", SCRIPTS["recorder.js"], re.DOTALL)[1])}  # fmt: skip
    used |= {f"microphone.{reason}" for reason in re.findall(r'MicrophoneError\("(\w+)"\)', SCRIPTS["recorder.js"])}
    assert used - STRINGS["en"].keys() == set()
    assert len(used) > 50


def test_the_template_says_in_english_what_the_dictionary_says():
    for key, english in re.findall(r'data-text="([^"]+)"[^>]*>([^<]*)<', TEMPLATE):
        assert " ".join(english.split()) == STRINGS["en"][key]
    assert f"<title>{STRINGS['en']['title']}</title>" in TEMPLATE
    assert STRINGS["en"]["disclaimer"] == screening.DISCLAIMER


def test_every_error_of_the_server_has_its_sentence():
    # CannotJudge itself always comes with a message of its own, which the page shows as it is.
    wanted = {error.code for error in _tree(errors.RequestError)} - {errors.CannotJudge.code}
    assert {f"error.{code}" for code in wanted} <= STRINGS["en"].keys()


def _tree(error):
    return [error] + [leaf for child in error.__subclasses__() for leaf in _tree(child)]


def test_the_page_is_small_and_fits_a_strict_policy():
    files = [*(ROOT / "static").iterdir(), *(ROOT / "templates").iterdir()]
    assert sum(path.stat().st_size for path in files) < 100_000
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", TEMPLATE)
    for path in files:
        assert not re.search(r"https?://(?!www\.w3\.org/)[\w{]", path.read_text(encoding="utf-8")), path.name


# The server and the browser


class Server:
    """`python app.py` on a free port."""

    def __init__(self, graph: Path, labels: Path, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.output = folder / "stdout.txt"
        told = {"PORT": self.port, "HOST": "127.0.0.1", "GRAPH": graph, "LABELS": labels}
        environment = {**os.environ, **{f"TOSA_{name}": str(value) for name, value in told.items()}}
        with self.output.open("wb") as output:
            command = [sys.executable, "app.py"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail(f"the server did not start: {self.output.read_text()}")

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}/"

    def answers(self) -> list[dict]:
        """What it printed: one JSON line an answered request."""
        return [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Starts a browser with some flags; all are closed at the end."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        pytest.skip(f"{CHROMIUM} and {CHROMEDRIVER} are not both here (Debian: chromium, chromium-driver)")
    started = []

    def start(*flags):
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, *flags, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        started.append(webdriver.Chrome(options, webdriver.ChromeService(str(CHROMEDRIVER))))
        return started[-1]

    yield start
    for browser in started:
        browser.quit()


@pytest.fixture(scope="module")
def server(chromium, small_graph, tmp_path_factory):
    server = Server(*small_graph, tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def coughing_browser(chromium, tmp_path_factory):
    """A browser whose microphone hears coughs, over and over, and may always be used."""
    sound = tmp_path_factory.mktemp("sound") / "coughs.wav"
    sound.write_bytes(coughs())
    return chromium(
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bare_browser(chromium):
    """A browser with a microphone, and nobody who would allow it."""
    return chromium("--use-fake-device-for-media-stream", f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1")


class Page:
    """The page as a person meets it."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)
        self.until(lambda: self.all("#strip span[style]"))  # drawn by the script that listens from then on

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def press(self, selector):
        self.find(selector).click()

    def until(self, condition, seconds=PATIENCE):
        """Wait for a true value and return it; a timeout says what the page told."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.05)
        pytest.fail(f"waited {seconds} s; state {self.state!r}, told {self.text('main')!r}")

    @property
    def state(self):
        return self.run("return document.body.dataset.state")

    def sentence(self, selector, key, language="en"):
        """Wait until an element says a sentence of the dictionary."""
        self.until(lambda: self.text(selector) == STRINGS[language][key])

    def record(self, seconds):
        self.press("#record")
        self.until(lambda: self.state == "recording")
        self.until(lambda: float(self.text("#clock").split()[0] or 0) >= seconds)
        self.press("#record")

    def give(self, way, name, kind, data):
        """Hand over a file by 'drop' or 'paste'."""
        self.run(
            """const [way, name, type, data] = arguments;
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], name, { type }));
            document.dispatchEvent(way === "drop" ? new DragEvent(way, { dataTransfer: files, cancelable: true })
                                                  : new ClipboardEvent(way, { clipboardData: files }));""",
            way, name, kind, base64.b64encode(data).decode(),
        )  # fmt: skip

    def answer(self):
        """Wait for the answer: diagnosis and score of the first finding, as the page holds them."""
        self.until(lambda: self.find("#answer").is_displayed())
        return {
            "diagnosis": self.find(".diagnosis").get_attribute("data-diagnosis"),
            "score": float(self.find(".score").get_attribute("value")),
        }

    def complaints(self):
        """What the console got since the last look, violations of the Content-Security-Policy among it."""
        log = self.browser.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture
def page(coughing_browser, server):
    """The page where the microphone works; nothing that happens may reach the console as an error."""
    page = Page(coughing_browser, server.url())
    yield page
    assert page.complaints() == []


@pytest.fixture
def bare_page(bare_browser, server):
    page = Page(bare_browser, server.url())
    yield page
    assert page.complaints() == []


def coughs() -> bytes:
    """A WAV of 4 s with three bursts of noise that set in at once and die away, as coughs do."""
    noise, sound = np.random.default_rng(1), np.zeros(4 * RATE)
    for start in (0.4, 1.6, 2.8):
        burst = noise.normal(scale=0.15, size=RATE // 3) * np.exp(-np.linspace(0, 6, RATE // 3))
        sound[int(start * RATE) :][: len(burst)] += burst
    return wav(sound)


def wav(sound) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def phantom() -> bytes:
    """A PNG with two dark lungs in a bright chest."""
    y, x = np.mgrid[-1:1:300j, -1:1:280j]
    lungs = sum(np.exp(-(((x - side) / 0.3) ** 4) - (y / 0.65) ** 4) for side in (-0.45, 0.45))
    buffer = io.BytesIO()
    Image.fromarray((200 - 150 * lungs).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


# What a person does


def test_a_recorded_cough_is_answered_on_the_page_and_in_the_terminal(page, server):
    page.run("const real = fetch; window.fetch = (...all) => { window.sent = all[1].body; return real(...all); };")
    before = len(server.answers())
    page.record(2)
    page.until(lambda: page.state == "ready")
    assert page.find("#player").is_displayed() and page.find("#save").get_attribute("download") == "cough.wav"
    page.press("#send")
    shown = page.answer()
    assert server.answers()[before:] == [shown]
    assert page.text(".diagnosis") == STRINGS["en"][f"label.{shown['diagnosis']}"]
    assert page.text(".meaning") == STRINGS["en"]["meaning.cough"]
    assert page.text("#answer-disclaimer") == screening.DISCLAIMER
    assert page.find("#curl").text == f"curl -F audio_data=@cough.wav {server.url()}"
    assert page.run("return document.querySelector('figure img').naturalWidth") == 299
    _check_recording(page)


def _check_recording(page):
    """What was sent is 16-bit mono at the browser's rate, as long as the page said, and as loud as it was played."""
    sent = page.browser.execute_async_script(
        """const done = arguments[0], reader = new FileReader();
        reader.onload = () => done(reader.result.split(",")[1]);
        reader.readAsDataURL(window.sent.get("audio_data"));"""
    )
    with wave.open(io.BytesIO(base64.b64decode(sent))) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getframerate() in (44_100, 48_000)
        seconds = file.getnframes() / file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert 1.9 < seconds < 9 and f"{seconds:.1f} s" in page.text("#sample-name")
    assert 0.2 < np.abs(samples).max() < 0.9  # played with a peak of about 0.6; gain control would change it


def test_the_keyboard_alone_records_until_time_is_up_and_sends(page):
    from selenium.webdriver.common.keys import Keys

    def focus():
        return page.browser.switch_to.active_element

    for _ in range(6):
        focus().send_keys(Keys.TAB)
        if focus().get_attribute("id") == "record":
            break
    assert page.run("return document.activeElement.matches('#record:focus-visible')")
    focus().send_keys(Keys.ENTER)
    page.until(lambda: page.state == "recording")
    assert page.text("#record-word") == "Stop"
    page.until(lambda: page.state == "ready", seconds=20)
    assert page.text("#sample-name").startswith("Your recording, 10.0 s")
    assert focus().get_attribute("id") == "send"
    focus().send_keys(Keys.ENTER)
    page.answer()
    assert page.text("#status").startswith("Answered. Cough: ")


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_a_picture_is_shown_and_answered(page, way, tmp_path):
    if way == "choose":
        path = tmp_path / "a chest.png"
        path.write_bytes(phantom())
        page.find("#file").send_keys(str(path))
    else:
        page.give(way, "a chest.png", "image/png", phantom())
    page.until(lambda: page.find("#picture").is_displayed())
    page.press("#send")
    page.answer()
    assert page.text(".task") == STRINGS["en"]["task.pneumonia"]
    assert page.find("#curl").text.startswith("curl -F 'image_data=@\"a chest.png\"' ")
    for card in page.all(".finding"):
        scores = [float(data.get_attribute("value")) for data in card.find_elements("css selector", ".scores data")]
        assert sum(scores) == pytest.approx(1, abs=1e-5)


def test_the_preview_does_not_push_the_button_out_of_sight(page):
    """The preview loads after the button has the focus, and is tall."""
    # A browser scrolls by whole pixels, so a part of one may stay below.
    in_sight = "const {top, bottom} = arguments[0].getBoundingClientRect(); return top >= 0 && bottom < innerHeight + 1"
    page.give("drop", "a chest.png", "image/png", phantom())
    page.until(lambda: page.find("#picture").is_displayed())
    page.until(lambda: page.run(in_sight, page.find("#send")))


def test_a_sound_file_is_played_and_answered_and_its_json_copied(page, server):
    page.give("drop", "coughs.wav", "audio/wav", coughs())
    page.until(lambda: page.find("#player").is_displayed())
    page.press("#send")
    shown = page.answer()
    page.press("[data-copy=json]")
    page.until(lambda: page.text("#copied") == STRINGS["en"]["copied"])
    copied = json.loads(page.find("#json").get_attribute("textContent"))
    assert {key: copied[key] for key in shown} == shown
    assert "explanation" not in copied["findings"][0]


def test_the_language_follows_the_browser_and_the_switch(page, server):
    page.press("#languages [lang=es]")
    page.sentence("h1", "heading", "es")
    assert page.run("return [document.documentElement.lang, document.title]") == ["es", STRINGS["es"]["title"]]
    assert page.text("#disclaimer") == STRINGS["es"]["disclaimer"]
    page.give("drop", "coughs.wav", "audio/wav", coughs())
    page.press("#send")
    shown = page.answer()
    for language in ("fr", "en"):  # the answer that is on the page changes too
        page.press(f"#languages [lang={language}]")
        assert page.text(".diagnosis") == STRINGS[language][f"label.{shown['diagnosis']}"]
    agent = page.run("return navigator.userAgent")
    wish = {"userAgent": agent, "acceptLanguage": "fr-CA,en"}
    page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", wish)
    page.browser.get(server.url())
    page.sentence("h1", "heading", "fr")
    page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", wish | {"acceptLanguage": "en-US"})


def refusal(code):
    error, options = {"code": code, "message": "Yours."}, {"status": 503, "headers": {"Retry-After": "7"}}
    return f"Response.json({json.dumps({'error': error})}, {json.dumps(options)})"


@pytest.mark.parametrize(
    "reply, key",
    [
        (refusal("silence"), "error.silence"),
        (refusal("busy"), "error.busy"),
        (refusal("never heard of"), "Yours."),
        ("new Response('<html>', {status: 502})", "error.no_answer"),
        ("Promise.reject(new TypeError('offline'))", "error.network"),
    ],
)
def test_a_refusal_is_told_and_the_sample_kept(page, reply, key):
    page.press("#languages [lang=es]")
    page.run(f"window.fetch = async () => {reply};")
    page.give("drop", "coughs.wav", "audio/wav", coughs())
    page.press("#send")
    sentence = STRINGS["es"].get(key, key).replace("{seconds}", "7").replace("{status}", "502")
    page.until(lambda: page.text("#problem") == sentence)
    assert page.state == "ready" and page.find("#send").is_displayed() and not page.find("#answer").is_displayed()


def test_a_demonstration_says_so_and_unknown_words_are_shown_as_they_are(page):
    finding = {"task": "croup", "diagnosis": "croup?", "score": 0.52, "scores": {"clear": 0.48, "croup?": 0.52}}
    finding |= {"demonstration": True, "note": "From <few> sounds."}
    answer = {"findings": [finding], "model": {"sha256": "ab" * 32}, "disclaimer": "Mind {this}."}
    page.run(f"window.fetch = async () => Response.json({json.dumps(answer)});")
    page.press("#languages [lang=fr]")
    page.give("drop", "coughs.wav", "audio/wav", coughs())
    page.press("#send")
    page.until(lambda: page.find("#answer").is_displayed())
    assert [page.text(part) for part in (".task", ".diagnosis", ".note")] == ["croup", "croup?", finding["note"]]
    assert page.text(".demonstration strong") == STRINGS["fr"]["demonstration"]
    assert page.find(".undecided").is_displayed()
    assert (page.text("#answer-disclaimer"), page.text("#model")) == ("Mind {this}.", "abababababab")
    assert page.find("#answer-disclaimer").get_attribute("lang") == "en"


def test_silence_is_noticed_before_it_is_sent(page):
    page.run(
        """navigator.mediaDevices.getUserMedia =
            async () => new AudioContext().createMediaStreamDestination().stream;"""
    )
    page.press("#record")
    page.sentence("#status", "status.quiet")
    page.press("#record")
    page.sentence("#problem", "error.silence")
    assert page.state == "idle" and not page.find("#ready").is_displayed()


def test_a_file_over_the_limit_is_not_even_sent(page):
    page.run(
        """const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(10 * 2 ** 20 + 1)], "long.wav", { type: "audio/wav" }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));"""
    )
    page.sentence("#problem", "error.too_large")
    assert page.state == "idle"


def test_a_denied_microphone_is_told_and_files_go_on_working(bare_page, server):
    wish = {"permission": {"name": "microphone"}, "setting": "denied", "origin": server.url()}
    bare_page.browser.execute_cdp_cmd("Browser.setPermission", wish)
    bare_page.press("#record")
    bare_page.sentence("#problem", "microphone.denied")
    bare_page.give("drop", "coughs.wav", "audio/wav", coughs())
    assert not bare_page.text("#problem")
    bare_page.press("#send")
    bare_page.answer()


@pytest.mark.parametrize(
    "name, reason", [("NotFoundError", "missing"), ("NotReadableError", "in_use"), ("OddError", "failed")]
)
def test_any_other_trouble_with_the_microphone_has_its_sentence(bare_page, name, reason):
    bare_page.run(f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }};")
    bare_page.press("#record")
    bare_page.sentence("#problem", f"microphone.{reason}")
    assert bare_page.state == "idle"


def test_an_insecure_page_says_why_it_gets_no_microphone(bare_page, server):
    page = Page(bare_page.browser, server.url(FOREIGN))
    page.press("#record")
    page.sentence("#problem", "microphone.insecure")
    page.give("drop", "coughs.wav", "audio/wav", coughs())
    page.press("#send")
    page.answer()
    page.press("[data-copy=json]")  # without the clipboard, which insecure pages may not write, it is selected
    page.until(lambda: page.text("#copied"))
    assert page.run("return getSelection().toString()").lstrip().startswith("{")


def test_a_telephone_needs_no_sideways_scrolling(page):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.give("drop", "a " + "long" * 30 + " name.wav", "audio/wav", coughs())
        page.press("#send")
        page.answer()
        for language in STRINGS:
            page.press(f"#languages [lang={language}]")
            assert page.run("return document.documentElement.scrollWidth") <= 360
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_works_behind_a_path_prefix(coughing_browser, small_graph):
    from werkzeug.exceptions import NotFound
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.serving import make_server

    from app import create_app
    from tosa.network import Network

    app = create_app(Network.load(*small_graph))
    behind = make_server("127.0.0.1", 0, DispatcherMiddleware(NotFound(), {"/deep/tosa": app}), threaded=True)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    try:
        page = Page(coughing_browser, f"http://127.0.0.1:{behind.port}/deep/tosa/?lang=fr")
        page.give("drop", "coughs.wav", "audio/wav", coughs())
        page.press("#send")
        page.answer()
        assert page.find("#curl").text.endswith(f":{behind.port}/deep/tosa/")
        assert page.complaints() == []
    finally:
        behind.shutdown()
