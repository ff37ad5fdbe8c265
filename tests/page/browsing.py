"""A real server, and the page in a real browser as a person meets it."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

import pictures
import running
import sounds

ROOT = Path(__file__).resolve().parent.parent.parent
# With plain spaces for those that do not break, as WebDriver reads a page's text.
STRINGS = {
    path.stem: json.loads(path.read_text(encoding="utf-8").replace("\u00a0", " "))
    for path in sorted((ROOT / "static/strings").glob("*.json"))
}
ENGLISH = STRINGS["en"]


def _model_words(language: str) -> dict[str, str]:
    """What the embedded graph, and small_graph, call their tasks and labels, by `task.TASK` and so on."""
    found = {}
    for name, task in json.loads((ROOT / "docs/embedded_words.json").read_text(encoding="utf-8"))["tasks"].items():
        found |= {f"task.{name}": task["title"], f"limits.{name}": task["limits"]}
        found |= {f"label.{label}": text for label, text in task["names"].items()}
        found |= {f"headline.{name}.{label}": text for label, text in task["headlines"].items()}
        found |= {f"description.{name}.{label}": text for label, text in task["descriptions"].items()}
    return {key: text[language].replace("\u00a0", " ") for key, text in found.items()}


MODEL = {language: _model_words(language) for language in STRINGS}
PATIENCE = 30 * running.PATIENCE  # s, for anything the page should do at once, on a machine that does much else
CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --lang=en-US --force-prefers-reduced-motion "
    "--autoplay-policy=no-user-gesture-required"
).split()
FOREIGN = "tosa.test"  # a name that is not localhost, so that http:// is an insecure context there
RATE = 48_000  # Hz, of the sound that the pretended microphone plays

COUGHS = sounds.wav(sounds.coughs(4.2, RATE), RATE, subtype="PCM_16")
PHANTOM = pictures.encoded(Image.fromarray(pictures.phantom(300, 280)))

# Whether nothing moves any more: every picture is loaded, or cannot be, and its viewer has taken its shape.
SETTLED = """return [...document.querySelectorAll(".viewer")].every((viewer) => {
  const shaped = () => viewer.style.getPropertyValue("--ratio") !== "";
  return [...viewer.querySelectorAll("img[src]")].every((image) => image.complete) &&
    (!viewer.querySelector(".plain").naturalWidth || shaped());
});"""
# Timers of so many milliseconds wait until `passTime()`, so that a test has all the time that it needs, and end at once
# from then on.
HOLD_TIMERS = """const real = window.setTimeout, held = [];
window.setTimeout = (then, ms, ...more) => (ms === arguments[0] ? held.push(then) : real(then, ms, ...more));
window.passTime = () => {
  window.setTimeout = (then, ms, ...more) => real(then, ms === arguments[0] ? 0 : ms, ...more);
  held.forEach((then) => then());
};"""


class Server:
    """`python app.py` on a free port."""

    def __init__(self, graph: Path, labels: Path, folder: Path):
        self.port = running.free_port()
        self.output, self.errors = folder / "stdout.txt", folder / "stderr.txt"
        told = {"PORT": self.port, "HOST": "127.0.0.1", "GRAPH": graph, "LABELS": labels}
        environment = {**os.environ, **{f"TOSA_{name}": str(value) for name, value in told.items()}}
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            command = [sys.executable, "app.py"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=errors)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 120 * running.PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            if "answers on" in self.output.read_text():  # before, it listens but refuses
                return
            time.sleep(0.1)
        pytest.fail(f"the server did not start: {self.errors.read_text()}")

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}/"

    def answers(self) -> list[dict]:
        """What it printed: one JSON line an answered request."""
        return [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def start_chromium(*flags):
    """Start Chromium without a window. Returns selenium's driver of it."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(str(CHROMEDRIVER)))
    browser.set_script_timeout(PATIENCE)
    return browser


class Page:
    """The page as a person meets it, in any browser that selenium speaks to."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)
        self.until(lambda: self.run("return 'ready' in document.body.dataset"))  # the script listens from then on

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def shown(self, selector):
        return self.find(selector).is_displayed()

    def settle(self):
        """Wait until every picture has its size, so that nothing moves under what reads or presses."""
        self.until(lambda: self.run(SETTLED))

    def press(self, selector):
        self.settle()
        self.find(selector).click()

    def until(self, condition, seconds=PATIENCE):
        """Wait for a true value and return it; a timeout says what the page told.

        An element that is not there yet, or that is replaced while it is read, counts as not true yet.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(NoSuchElementException, StaleElementReferenceException):
                if value := condition():
                    return value
            time.sleep(0.05)
        pytest.fail(f"waited {seconds} s; state {self.state!r}, told {self.text('main')!r}")

    @property
    def state(self):
        return self.run("return document.body.dataset.state")

    def reach(self, state):
        self.until(lambda: self.state == state)

    def sentence(self, selector, key, language="en"):
        """Wait until an element says a sentence of the dictionary."""
        self.until(lambda: self.text(selector) == STRINGS[language][key])

    def start_recording(self):
        """Press the button, and skip the countdown."""
        self.hold_countdown()
        self.pass_time()
        self.press("#record")
        self.reach("recording")

    def record(self, seconds):
        self.start_recording()
        self.until_recorded(seconds)
        self.press("#record")

    def until_recorded(self, seconds):
        self.until(lambda: float((self.text("#clock") or "0").split()[0]) >= seconds)

    def hold_countdown(self):
        """Let the countdown stand still until `pass_time`."""
        self.run(HOLD_TIMERS, 1000)

    def pass_time(self):
        self.run("passTime();")

    def give(self, way, *files):
        """Hand over files (name, type, bytes) by 'drop' or 'paste'."""
        self.run(
            """const [way, given] = arguments;
            const bytes = (data) => Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const files = new DataTransfer();
            for (const [name, type, data] of given) files.items.add(new File([bytes(data)], name, { type }));
            const event = way === "drop" ? new DragEvent(way, { dataTransfer: files, cancelable: true })
                                         : new ClipboardEvent(way, { clipboardData: files });
            document.dispatchEvent(event);""",
            way, [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files],
        )  # fmt: skip

    def drop(self, name, kind, data):
        """Drop one file that the page takes, and wait until it is among those that are ready."""
        self.give("drop", (name, kind, data))
        self.reach_ready(name)

    def reach_ready(self, name):
        self.until(lambda: self.state == "ready" and any(name in each.text for each in self.all(".sample-name")))
        self.settle()

    def choose(self, *paths):
        """Choose files as the file dialog would."""
        self.find("#file").send_keys("\n".join(map(str, paths)))

    def unfold(self):
        """Open all folded details."""
        self.run("document.querySelectorAll('details').forEach((details) => (details.open = true));")

    def press_one(self, selector, number):
        """Press one of several controls, by its place."""
        self.settle()
        self.all(selector)[number].click()

    def look(self, number):
        """Select a finding of the answer by its place."""
        self.press_one(".finding .select", number)

    def ask(self):
        """Send and wait for the answer: diagnosis and score of the first finding, as the page has them."""
        self.press("#send")
        self.until(lambda: self.shown("#answer") or self.text("#problem"))
        assert self.shown("#answer"), self.text("#problem")
        self.settle()
        return {
            "diagnosis": self.find(".diagnosis").get_attribute("data-diagnosis"),
            "score": float(self.find(".score").get_attribute("value")),
        }

    def answer_with(self, *replies):
        """Let the page get these from now on, the last one for ever: JavaScript that makes a Response, in turn."""
        self.run(
            """const replies = arguments[0].map((reply) => new Function(`return ${reply};`));
            window.asked = [];
            window.fetch = async (address, { body } = { body: new FormData() }) => {
              window.asked.push({ address, at: Date.now(), parts: [...body.keys()] });
              return (replies.length > 1 ? replies.shift() : replies[0])();
            };""",
            replies,
        )

    def complaints(self):
        """What Chromium's console got since the last look, violations of the Content-Security-Policy among it.

        Not that a request was refused, which Chromium notes there too.
        """
        messages = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]
        return [message for message in messages if "responded with a status of 4" not in message]


def json_reply(answer, status=200, **headers):
    return f"Response.json({json.dumps(answer)}, {json.dumps({'status': status, 'headers': headers})})"


def refusal(code, status=422, **headers):
    return json_reply({"error": {"code": code, "message": "Yours."}}, status, **headers)


def finding(task="cough", kind="sound", **more):
    """An answer with one finding."""
    one = {"task": task, "from": kind, "diagnosis": "sick", "score": 0.93, "scores": {"not sick": 0.07, "sick": 0.93}}
    return {"findings": [one | more], "model": {"sha256": "ab" * 32}, "disclaimer": ENGLISH["disclaimer"]}
