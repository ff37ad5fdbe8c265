"""The timeline of a long sound: where its coughs are, what each looks like, and how it is used without a mouse."""

import base64

import pytest
from selenium.webdriver.common.keys import Keys

from browsing import COUGHS, ENGLISH, HOLD_TIMERS, RATE, STRINGS, Page, finding, json_reply
from sliding import recording
from sounds import coughs, wav
from test_page_access import TAGS, TELEPHONE, axe, scheme, window  # noqa: F401
from test_page_answer import POINT

TIMES = (3.2, 8.0, 13.5)  # s, when the coughs begin
THREE = wav(recording(TIMES, 16), subtype="PCM_16")
SHORT = wav(coughs(1.5, RATE), RATE, subtype="PCM_16")


@pytest.fixture
def page(coughing_browser, listening):
    page = Page(coughing_browser, listening.url() + "?lang=en")
    yield page
    page.run("localStorage.clear();")
    assert page.complaints() == []


def times_of(page):
    return [float(button.text.split()[0]) for button in page.all(".episodes button")]


def check_three_episodes(page):
    assert times_of(page) == pytest.approx(TIMES, abs=0.15)
    assert page.text(".timeline-title") == "The whole recording, 16 s"
    assert page.text(".timeline-word") == ENGLISH["timeline.found"].replace("{count}", "3")
    marks = page.run(
        """const { left, width } = document.querySelector(".timeline-track").getBoundingClientRect();
        return [...document.querySelectorAll(".peaks span")].map((mark) => {
          const box = mark.getBoundingClientRect();
          return (box.left + box.width / 2 - left) / width;
        });"""
    )
    assert [16 * mark for mark in marks] == pytest.approx(TIMES, abs=0.25)
    bars = page.run(
        """return [...document.querySelectorAll(".timeline-track rect.above")]
          .map((bar) => [Number(bar.getAttribute("x")), Number(bar.getAttribute("width"))]);"""
    )
    middles = [left + width / 2 for left, width in bars]
    assert 3 <= len(middles) <= 6 and all(min(abs(middle - time) for time in TIMES) < 1 for middle in middles)
    page.until(lambda: page.shown(".timeline-sound"))


def test_three_coughs_are_three_episodes_at_their_times(page):
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    check_three_episodes(page)
    assert [tick.text for tick in page.all(".timeline-axis span")] == ["0 s", "5 s", "10 s", "15 s"]


def test_a_peak_shows_its_heat_map_and_the_way_back(page):
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    source = "return document.querySelector('#findings .plain').src"
    loudest, seen = page.run(source), set()
    for number, button in enumerate(page.all(".episodes button")):
        page.press_one(".episodes button", number)
        page.until(lambda: button.get_attribute("aria-pressed") == "true")
        assert "The picture shows the second around " + button.text in page.text(".timeline-word")
        assert f"around {button.text} alone" in page.text("#findings figcaption")
        assert page.run("return document.querySelector('#findings .tinted').src").startswith("data:image/png")
        assert len(page.all(".episodes [aria-pressed=true]")) == 1
        seen.add(page.run(source))
    assert len(seen) == 3 and loudest not in seen
    page.press(".timeline-back")
    assert page.run(source) == loudest and not page.shown(".timeline-back")
    page.sentence("#findings figcaption", "explanation.sound")
    assert page.run("return document.activeElement.matches('.episodes button')")


def test_a_press_in_the_drawing_means_the_episode_there(page):
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    press = """const track = document.querySelector(".timeline-track");
      const { left, top, width } = track.getBoundingClientRect();
      track.dispatchEvent(new MouseEvent("click", { clientX: left + width * arguments[0] / 16, clientY: top + 5 }));"""
    page.run(press, 11.0)  # nothing is there
    assert not page.all(".episodes [aria-pressed=true]")
    page.run(press, 8.4)
    page.until(lambda: page.all(".episodes [aria-pressed=true]"))
    assert page.all(".episodes button")[1].get_attribute("aria-pressed") == "true"


def test_the_keyboard_moves_between_episodes_and_shows_one(page):
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    assert page.find(".episodes").get_attribute("role") == "toolbar"
    assert page.find(".episodes").get_attribute("aria-label") == ENGLISH["timeline.episodes"]
    buttons = page.all(".episodes button")
    at = "return [...document.querySelectorAll('.episodes button')].indexOf(document.activeElement)"
    page.run("document.querySelector('.episodes [tabindex=\"0\"]').focus()")
    for key, place in ((Keys.ARROW_LEFT, 0), (Keys.ARROW_RIGHT, 1), (Keys.END, 2), (Keys.ARROW_RIGHT, 2),
                       (Keys.HOME, 0), (Keys.ARROW_DOWN, 1)):  # fmt: skip
        page.browser.switch_to.active_element.send_keys(key)
        assert page.run(at) == place
    assert [button.get_attribute("tabindex") for button in buttons] == ["-1", "0", "-1"]
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.until(lambda: buttons[1].get_attribute("aria-pressed") == "true")
    assert page.run(at) == 1


def test_progress_is_seen_while_a_long_sound_is_listened_to(page):
    page.answer_with("new Promise(() => {})")
    page.drop("night.wav", "audio/wav", THREE)
    page.press("#send")
    page.sentence("#status", "status.listening")
    assert page.shown("#listening") and page.find("#listening").get_attribute("aria-labelledby") == "status"
    assert page.run("return asked[0].address") == "?explain=1&timeline=1"


def test_a_short_sound_has_no_timeline(page):
    page.answer_with(json_reply(finding()))
    page.run(HOLD_TIMERS, 2000)  # after which the page takes a sound for long that the browser has not read yet
    page.drop("short.wav", "audio/wav", SHORT)
    page.ask()
    assert page.run("return asked.map(({ address }) => address)") == ["?explain=1"]
    assert not page.all(".timeline") and not page.all("#listening")


TIMELINE = {
    "task": "cough", "seconds": 4.0, "window_seconds": 1.0, "hop_seconds": 0.5, "labels": ["sick"], "threshold": 0.41,
    "episodes": [], "windows": [
        {"start": start / 2, "end": start / 2 + 1, "scores": None, "reason": "silence"} if start > 3 else
        {"start": start / 2, "end": start / 2 + 1, "scores": {"not sick": 0.8, "sick": 0.2}, "score": 0.2,
         "above": False} for start in range(7)],
}  # fmt: skip


@pytest.mark.parametrize("change, key", [
    ({}, "timeline.none"),
    ({"windows": [window | {"scores": None} for window in TIMELINE["windows"]]}, "timeline.unjudged"),
    ({"episodes": None, "episodes_missing": "x"}, "timeline.missing"),
])  # fmt: skip
def test_no_episode_is_told_with_its_reason(page, change, key):
    answer = finding(operating_point=POINT) | {"timeline": TIMELINE | change}
    page.answer_with(json_reply(answer))
    page.drop("night.wav", "audio/wav", COUGHS)
    page.ask()
    page.sentence(".timeline-word", key)
    assert not page.shown(".episodes")
    unjudged = page.all(".timeline-track rect.unjudged")
    assert len(unjudged) == {"timeline.none": 3, "timeline.unjudged": 7, "timeline.missing": 0}[key]


def test_a_refusal_of_a_peak_is_told(page):
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    page.answer_with(json_reply({"error": {"code": "busy", "message": "Yours."}}, 503, **{"Retry-After": "2"}))
    page.press(".episodes button")
    page.until(lambda: page.text(".timeline-word") == ENGLISH["error.busy"].replace("{seconds}", "2"))
    assert page.run("return asked[0].address").startswith("?explain=1&at=")
    assert page.find(".episodes button").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_violation_in_a_timeline(page, axe, colours):  # noqa: F811
    scheme(page, colours)
    page.run(axe)
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    page.press(".episodes button")
    page.until(lambda: page.shown(".timeline-back"))
    for language in STRINGS:
        page.press(f"#languages [lang={language}]")
        found = page.browser.execute_async_script(
            "axe.run(document, { runOnly: arguments[0] }).then(arguments[1]);", TAGS
        )
        assert [(rule["id"], node["html"]) for rule in found["violations"] for node in rule["nodes"]] == []


def test_a_telephone_has_room_for_a_minute_of_episodes(page):
    """Twenty episodes scroll in their row, and each can be pressed with a finger."""
    with window(page, TELEPHONE):
        page.drop("minute.wav", "audio/wav", wav(recording([1 + 3 * number for number in range(19)], 60)))
        page.ask()
        assert len(page.all(".episodes button")) == 19
        assert page.run("return document.documentElement.scrollWidth") <= TELEPHONE["width"]
        boxes = page.run(
            """return [...document.querySelectorAll(".timeline button")].filter((each) => each.checkVisibility())
              .map((each) => each.getBoundingClientRect()).map(({ width, height }) => Math.min(width, height));"""
        )
        assert min(boxes) >= 44


def test_on_paper_the_timeline_is_there_without_its_button(page):
    page.drop("night.wav", "audio/wav", THREE)
    page.ask()
    page.press(".episodes button")
    page.until(lambda: page.shown(".timeline-back"))
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.shown(".timeline-track svg") and page.shown(".timeline-axis") and not page.shown(".timeline-back")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert base64.b64decode(page.browser.execute_cdp_cmd("Page.printToPDF", {})["data"]).startswith(b"%PDF")
