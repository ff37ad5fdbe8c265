"""Recording: from the microphone to the answer, and everything that a microphone can refuse."""

import base64
import io
import wave

import numpy as np
import pytest

from browsing import COUGHS, ENGLISH, FOREIGN, HOLD_TIMERS, MODEL, PHANTOM, Page, finding, json_reply
from tosa import screening

# A microphone that plays what Web Audio makes: `source` is connected to what the page will hear.
FAKE = """const context = new AudioContext(), heard = context.createMediaStreamDestination();
navigator.mediaDevices.getUserMedia = async () => {
  const stream = heard.stream.clone();
  window.track = stream.getTracks()[0];
  return stream;
};
const gain = new GainNode(context, { gain: arguments[0] });
const source = new OscillatorNode(context, { frequency: 440 });
source.connect(gain).connect(heard);
source.start();
window.kept = [context, source];  // from the garbage collector"""


def test_a_recorded_cough_is_answered_on_the_page_and_in_the_terminal(page, server):
    page.run("const real = fetch; window.fetch = (...all) => { window.sent = all[1].body; return real(...all); };")
    before = len(server.answers())
    page.record(2)
    page.reach("ready")
    assert page.shown("#player") and page.find("#save").get_attribute("download") == "cough.wav"
    assert page.text("#record-word") == ENGLISH["button.again"]
    named = page.text("#sound-name")
    shown = page.ask()
    assert server.answers()[before:] == [shown]
    label = MODEL["en"][f"label.{shown['diagnosis']}"]
    assert page.text(".diagnosis") == ENGLISH["headline.label"].replace("{label}", label)
    meaning = ENGLISH["meaning"].replace("{label}", label)
    meaning = meaning.replace("{description}", MODEL["en"][f"description.cough.{shown['diagnosis']}"])
    assert page.text(".meaning") == f"{meaning} {MODEL['en']['limits.cough']}"
    assert page.text("#answer-disclaimer") == screening.DISCLAIMER
    assert page.find("#answer-save").get_attribute("download") == "cough.wav"
    page.unfold()
    assert page.text("#curl") == f"curl -F audio_data=@cough.wav {server.url()}"
    assert page.run("return document.querySelector('figure .plain').naturalWidth") == 299
    assert [tick.text for tick in page.all("#findings .axis span")] == [f"{tick / 2:g} s" for tick in range(6)]
    _check_recording(page, named)


def _check_recording(page, named):
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
    assert 1.9 < seconds < 9.9 and f"{seconds:.1f} s" in named
    assert 0.2 < np.abs(samples).max() < 0.9  # played with a peak of 0.5; gain control would change it


def test_the_countdown_counts_and_can_be_cancelled(page):
    page.run(FAKE, 0.5)
    page.run(
        """window.counts = [];
        const write = () => counts.push(document.getElementById("count").textContent);
        new MutationObserver(write).observe(document.getElementById("count"), { childList: true });"""
    )
    page.press("#record")
    page.reach("recording")
    assert [count for count in page.run("return counts") if count] == ["3", "2", "1"]
    page.until_recorded(0.5)
    page.press("#record")
    page.reach("ready")
    page.hold_countdown()
    page.press("#record")
    page.reach("counting")
    page.sentence("#status", "status.counting")
    page.press("#record")
    page.reach("ready")
    page.sentence("#status", "status.recorded")  # the earlier one is still there
    assert page.run("return track.readyState") == "ended" and not page.text("#problem")


def test_the_level_and_the_spectrogram_move_while_recording_and_the_cursor_while_playing(page):
    page.run(FAKE, 0.5)
    page.start_recording()
    page.until_recorded(1)
    assert page.find("#level").get_attribute("data-zone") == "2"  # good, a peak of 0.5
    assert page.run("return Number(document.body.style.getPropertyValue('--level'))") > 0.5
    page.press("#record")
    page.reach("ready")
    canvas = "const canvas = document.getElementById('spectrogram'), drawing = canvas.getContext('2d');"
    bright = page.run(
        canvas + "const { data } = drawing.getImageData(300, 0, 1, 96);"
        "return [...Array(96).keys()].map((row) => data[4 * row] + data[4 * row + 1] + data[4 * row + 2]);"
    )
    mel = np.array([50 * 3 / 200, 440 * 3 / 200, 15 + 27 * np.log(8) / np.log(6.4)])  # Slaney's scale
    expected = 95 - 95 * (mel[1] - mel[0]) / (mel[2] - mel[0])
    assert abs(np.argmax(bright) - expected) < 4  # rows, the top one the highest tone: 440 Hz lies where it should
    page.run("document.getElementById('player').play();")
    page.until(lambda: page.shown("#cursor"))
    page.until(lambda: float(page.find("#cursor").get_attribute("style").split("left: ")[1].rstrip("%; ")) > 20)


def test_a_filter_that_the_browser_keeps_is_told(page):
    page.run(FAKE, 0.5)
    page.run("MediaStreamTrack.prototype.getSettings = () => ({ echoCancellation: true, autoGainControl: true });")
    page.record(0.5)
    page.reach("ready")
    assert "left echo cancellation and automatic gain on" in page.text("#filters")
    page.press("#languages [lang=fr]")
    assert "annulation d’écho et gain automatique" in page.text("#filters")


def test_no_filter_is_told_where_none_is_kept(page):
    page.run(FAKE, 0.5)
    page.record(0.5)
    page.reach("ready")
    assert not page.shown("#filters")


@pytest.mark.parametrize("gain, key", [(0, "error.silence"), (100, "error.clipped")])
def test_what_the_server_would_refuse_is_said_before_it_is_sent(page, gain, key):
    page.run(FAKE, gain)
    page.start_recording()
    page.sentence("#status", "status.loud.now" if gain else "status.quiet")
    page.until_recorded(0.5)
    page.press("#record")
    page.sentence("#problem", key)
    assert page.state == "idle" and not page.shown("#ready")


def test_a_recording_that_is_too_loud_in_parts_is_kept_with_a_warning(page):
    page.run(FAKE, 1.02)
    page.record(0.5)
    page.sentence("#status", "status.loud")
    assert page.state == "ready" and page.shown("#send")


def test_too_short_a_recording_is_told(page):
    page.run(FAKE, 0.5)
    page.run(
        """new MutationObserver(() => document.body.dataset.state === "recording" && window.record.click())
            .observe(document.body, { attributes: true });"""
    )
    page.press("#record")
    page.sentence("#problem", "error.too_short")


def test_a_pulled_plug_keeps_what_was_recorded(page):
    page.run(FAKE, 0.5)
    page.start_recording()
    page.until_recorded(0.5)
    page.run("track.dispatchEvent(new Event('ended'));")
    page.reach("ready")


def stop_and_check(page):
    """The recording under way is still one, and is kept once stopped."""
    page.sentence("#record-word", "button.stop")
    page.sentence("#status", "status.recording")
    page.until_recorded(0.5)
    page.press("#record")
    page.reach("ready")
    assert page.shown("#ready-sound") and page.run("return track.readyState") == "ended"


def test_a_file_that_ends_the_countdown_ends_it_on_the_button_too(page):
    page.run(FAKE, 0.5)
    page.hold_countdown()
    page.press("#record")
    page.until(lambda: page.text("#count"))
    page.drop("a.png", "image/png", PHANTOM)
    assert page.text("#count") == "" and page.text("#record-word") == ENGLISH["button.record"]


@pytest.mark.parametrize("state", ["counting", "recording"])
def test_a_picture_is_discarded_and_the_recording_goes_on(page, state):
    page.run(FAKE, 0.5)
    page.drop("a.png", "image/png", PHANTOM)
    page.hold_countdown()
    page.press("#record")
    page.reach("counting")
    if state == "recording":
        page.pass_time()
        page.reach(state)
    page.press("[data-discard=picture]")
    assert page.state == state and not page.shown("#ready")
    if state == "counting":
        page.pass_time()
        page.reach("recording")
    stop_and_check(page)


def test_an_earlier_answer_is_not_asked_again_while_recording(page):
    page.run(FAKE, 0.5)
    page.answer_with(json_reply(finding("pneumonia", "picture")))
    page.drop("a.png", "image/png", PHANTOM)
    page.ask()
    assert page.find(".look").get_attribute("aria-disabled") == "false"
    page.hold_countdown()
    page.press("#record")
    for state in ("counting", "recording"):
        page.reach(state)
        off = [page.find(selector).get_attribute("aria-disabled") for selector in (".look", "#send")]
        assert off == ["true", "true"]
        page.press(".look")
        assert page.state == state and page.run("return asked.length") == 1
        page.pass_time()
    stop_and_check(page)
    assert page.find(".look").get_attribute("aria-disabled") == "false"


def test_a_file_that_is_slow_to_read_does_not_end_a_recording_begun_meanwhile(page):
    page.run(FAKE, 0.5)
    page.run("Blob.prototype.arrayBuffer = () => new Promise((read) => (window.read = read));")
    page.give("drop", ("a.png", "image/png", PHANTOM))
    page.start_recording()
    page.run("read(new ArrayBuffer(9));")
    page.sentence("#problem", "file.later")
    assert page.state == "recording" and not page.shown("#ready")
    stop_and_check(page)
    assert not page.text("#problem")


def test_a_denied_microphone_is_told_and_files_go_on_working(bare_page, server):
    wish = {"permission": {"name": "microphone"}, "setting": "denied", "origin": server.url()}
    bare_page.browser.execute_cdp_cmd("Browser.setPermission", wish)
    try:
        bare_page.press("#record")
        bare_page.sentence("#problem", "microphone.denied")
    finally:
        bare_page.browser.execute_cdp_cmd("Browser.resetPermissions", {})
    bare_page.drop("coughs.wav", "audio/wav", COUGHS)
    assert not bare_page.text("#problem")
    bare_page.ask()


REFUSALS = {
    "NotAllowedError": "denied",
    "NotFoundError": "missing",
    "NotReadableError": "in_use",
    "OddError": "failed",
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("language", ["es", "fr"])
def test_every_trouble_with_the_microphone_has_its_sentence(bare_page, name, language):
    bare_page.run(f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }};")
    bare_page.press(f"#languages [lang={language}]")
    bare_page.press("#record")
    bare_page.sentence("#problem", f"microphone.{REFUSALS[name]}", language)
    assert bare_page.state == "idle"


def test_a_browser_without_audio_worklets_says_so(bare_page):
    bare_page.run("delete window.AudioWorkletNode;")
    bare_page.press("#record")
    bare_page.sentence("#problem", "microphone.unsupported")


def test_a_question_that_nobody_answers_is_pointed_at_and_files_go_on_working(bare_page):
    bare_page.run("navigator.mediaDevices.getUserMedia = () => new Promise(() => {});")
    bare_page.run(HOLD_TIMERS, 10_000)  # the reminder
    bare_page.press("#record")
    bare_page.sentence("#status", "status.asking")
    assert not bare_page.text("#problem")
    bare_page.pass_time()
    bare_page.sentence("#problem", "microphone.unanswered")
    bare_page.drop("coughs.wav", "audio/wav", COUGHS)
    assert bare_page.state == "ready" and not bare_page.text("#problem")
    bare_page.ask()


def test_a_late_yes_to_a_cancelled_question_lets_go_of_the_microphone(bare_page):
    bare_page.run(
        """const { stream } = new AudioContext().createMediaStreamDestination();
        window.track = stream.getTracks()[0];
        navigator.mediaDevices.getUserMedia = () => new Promise((yes) => (window.allow = () => yes(stream)));"""
    )
    bare_page.press("#record")
    bare_page.reach("asking")
    bare_page.press("#record")
    bare_page.reach("idle")
    bare_page.run("allow();")
    bare_page.until(lambda: bare_page.run("return track.readyState") == "ended")
    assert bare_page.state == "idle"


def test_a_cancelled_start_lets_go_of_the_microphone_at_once(page):
    page.run(FAKE, 0.5)
    page.run("AudioContext.prototype.resume = () => new Promise(() => {});")
    page.drop("a.png", "image/png", PHANTOM)
    page.press("#record")
    page.until(lambda: page.run("return Boolean(window.track)"))
    page.press("#record")
    page.reach("ready")
    assert page.run("return track.readyState") == "ended"
    page.sentence("#status", "status.chosen")


def test_no_microphone_is_asked_for_while_the_server_hangs(page):
    page.run(FAKE, 0.5)
    page.run("AudioWorklet.prototype.addModule = () => new Promise((come) => (window.come = come));")
    page.press("#record")
    page.sentence("#status", "status.loading")
    page.press("#record")
    page.reach("idle")
    page.browser.execute_async_script("come(); setTimeout(arguments[0], 100);")
    assert page.state == "idle" and not page.run("return window.track")


def test_a_server_that_is_gone_is_told_and_the_earlier_recording_kept(page):
    page.run(FAKE, 0.5)
    page.record(0.5)
    page.reach("ready")
    page.run("AudioWorklet.prototype.addModule = async () => { throw new DOMException('', 'AbortError'); };")
    page.press("#record")
    page.sentence("#problem", "microphone.unreachable")
    assert page.state == "ready" and page.shown("#ready-sound")
    assert page.find("#spectrogram").get_attribute("data-drawn") == "complete"


def test_an_insecure_page_says_why_it_gets_no_microphone(bare_page, server):
    page = Page(bare_page.browser, server.url(FOREIGN))
    page.press("#record")
    page.sentence("#problem", "microphone.insecure")
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.ask()
    page.unfold()
    page.press("[data-copy=json]")  # without the clipboard, which insecure pages may not write, it is selected
    page.until(lambda: page.text("#copied"))
    assert page.run("return getSelection().toString()").lstrip().startswith("{")
