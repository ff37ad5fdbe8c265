"""Whoever comes: without a mouse, without seeing, on a telephone, in the dark, with motion switched off."""

import base64
import re
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from browsing import COUGHS, PHANTOM, STRINGS, Page, finding, json_reply
from test_page_answer import POINT
from test_page_recording import FAKE

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TELEPHONE = {"width": 375, "height": 740, "deviceScaleFactor": 1, "mobile": True}
SLACK = 1.5  # of a machine's own time
DESK = {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="session")
def axe():
    """axe-core as source text."""
    found = find_spec("axe_playwright_python")
    if not found:
        pytest.skip("axe-core is not installed (requirements-test.txt)")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def telephone(page):
    with window(page, TELEPHONE):
        yield page


@contextmanager
def window(page, size):
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# The context that the page records with, which stops the recording's clock while it is suspended.
HELD_CONTEXT = """window.AudioContext = class extends AudioContext {
  constructor() {
    super();
    window.recorder = this;
  }
};"""


def scheme(page, name):
    features = [{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_violation_in_any_state(page, axe, colours):
    def check(state):
        found = page.browser.execute_async_script(
            "axe.run(document, { runOnly: arguments[0] }).then(arguments[1]);", TAGS
        )
        wrong = [(rule["id"], node["html"]) for rule in found["violations"] for node in rule["nodes"]]
        assert (state, wrong) == (state, [])
        assert len(found["passes"]) > 20

    scheme(page, colours)
    page.run(axe)
    page.run(FAKE, 0.5)
    page.run(HELD_CONTEXT)
    check("idle")
    page.hold_countdown()
    page.press("#record")
    page.reach("counting")
    check("counting")
    page.pass_time()
    page.reach("recording")
    page.browser.execute_async_script("recorder.suspend().then(arguments[0]);")  # a recording ends after 10 s
    check("recording")
    page.run("recorder.resume();")
    page.until_recorded(0.5)  # a shorter sound is refused
    page.press("#record")
    page.reach("ready")
    page.drop("a.png", "image/png", PHANTOM)
    check("ready with both")
    page.ask()
    check("answered")
    answer = finding(operating_point=POINT, demonstration=True, note="Why.", scores={"not sick": 0.45, "sick": 0.55})
    page.answer_with(json_reply(answer), "new Promise(() => {})")
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.ask()
    page.unfold()
    assert page.shown(".threshold")
    check("answered with an operating point")
    page.press("#languages [lang=fr]")
    check("in French")
    page.give("drop", *[(f"{number}.wav", "", COUGHS) for number in range(3)])
    page.until(lambda: page.shown("#ready-batch"))
    check("several files")
    page.press("#send")
    page.until(lambda: page.shown("#stop"))
    check("several files on their way")


def test_axe_finds_no_violation_where_something_went_wrong(bare_page, axe):
    bare_page.run(axe)
    bare_page.run("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };")
    bare_page.press("#record")
    bare_page.sentence("#problem", "microphone.missing")
    found = bare_page.browser.execute_async_script(
        "axe.run(document, { runOnly: arguments[0] }).then(arguments[1]);", TAGS
    )
    assert found["violations"] == []


def test_the_keyboard_alone_records_until_time_is_up_sends_and_looks(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def focus():
        return page.browser.switch_to.active_element

    def tab_to(selector, most=30):
        for _ in range(most):
            ActionChains(page.browser).send_keys(Keys.TAB).perform()
            if page.run("return document.activeElement.matches(arguments[0])", f"{selector}:focus-visible"):
                width = focus().value_of_css_property("outline-width")
                assert float(width.removesuffix("px")) >= 2 or focus().get_attribute("type") == "range", selector
                return focus()
        pytest.fail(f"Tab did not reach {selector}")

    tab_to("#record", 6).send_keys(Keys.ENTER)
    page.reach("recording")
    assert page.text("#record-word") == "Stop"
    page.reach("ready")
    assert page.text("#sound-name").startswith("Your recording, 10")
    assert focus().get_attribute("id") == "send"
    focus().send_keys(Keys.ENTER)
    page.until(lambda: page.shown("#answer"))
    assert page.text("#status").startswith("Result: Cough: ")
    tab_to("#findings .stage")
    tab_to(".opacity input").send_keys(Keys.ARROW_LEFT * 4)
    assert page.find(".tinted").value_of_css_property("opacity") == "0.8"
    tab_to("summary").send_keys(Keys.ENTER)
    assert page.shown("#json")
    tab_to("#rows .look")
    tab_to("#csv")


def test_what_happens_is_announced(page):
    assert page.find("#status").get_attribute("role") == "status"
    assert page.find("#problem").get_attribute("role") == "alert"
    for selector in ("#status", "#problem", "#batch-word", "#copied"):  # live regions are there before they speak
        assert page.all(selector)
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.sentence("#status", "status.chosen")
    page.ask()
    assert page.text("#status").startswith("Result: Cough: ")


def test_a_telephone_needs_no_sideways_scrolling_and_has_room_for_a_finger(telephone):
    page = telephone
    page.give("drop", ("a " + "long" * 30 + " name.wav", "audio/wav", COUGHS), ("chest.png", "", PHANTOM))
    page.reach("ready")
    page.ask()
    for language in STRINGS:
        page.press(f"#languages [lang={language}]")
        assert page.run("return document.documentElement.scrollWidth") <= TELEPHONE["width"]
        small = page.run(
            """return [...document.querySelectorAll("button, input, summary, a")]
                .filter((element) => element.checkVisibility() && !element.matches(".unseen"))
                .filter((element) => {
                  const { width, height } = element.getBoundingClientRect();
                  return width < 44 || height < 44;
                }).map((element) => element.outerHTML);"""
        )
        # Links in a line of text may be lower, and sliders, which a whole label of 44 pixels moves, narrower.
        assert [html for html in small if not html.startswith("<a ")] == []


WINDOWS = {"1280 x 720": (1280, 720), "1366 x 768": (1366, 768), "390 x 844": (390, 844)}


@pytest.fixture(params=WINDOWS)
def sized(page, request):
    width, height = WINDOWS[request.param]
    with window(page, {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}):
        yield page


def test_both_doors_are_of_one_size_and_seen_at_once(sized):
    """Without scrolling, in every language."""
    for language in STRINGS:
        sized.press(f"#languages [lang={language}]")
        doors = [sized.find(f"#{kind}-door").rect for kind in ("sound", "picture")]
        assert doors[0]["y"] == doors[1]["y"] and doors[0]["x"] < doors[1]["x"]
        assert abs(doors[0]["width"] - doors[1]["width"]) < 1 and abs(doors[0]["height"] - doors[1]["height"]) < 1
        assert all(door["y"] + door["height"] <= sized.run("return innerHeight") for door in doors), language


@pytest.mark.parametrize("kinds", [("sound",), ("picture",), ("sound", "picture")], ids="+".join)
def test_an_answer_fits_a_laptops_screen_and_two_of_a_telephone(sized, kinds):
    given = {"sound": ("coughs.wav", "", COUGHS), "picture": ("a.png", "", PHANTOM)}
    sized.give("drop", *[given[kind] for kind in kinds])
    sized.reach("ready")
    sized.ask()
    screen = sized.run("return innerHeight")
    screens = 2 if screen > 800 else 1 if len(kinds) == 1 else 1.15  # both kinds: three findings
    assert sized.find("#answer").rect["height"] <= screens * screen
    assert 0 <= sized.run("return document.querySelector('#answer .headline').getBoundingClientRect().top") < screen / 2


def test_the_panel_keeps_its_width_and_nothing_covers_anything(sized):
    widths = [sized.find(".doors").rect["width"]]
    sized.give("drop", ("coughs.wav", "", COUGHS), ("a.png", "", PHANTOM))
    sized.reach("ready")
    widths.append(sized.find(".doors").rect["width"])
    for selector in ("#preview .stage", "#preview .zoom input", "#preview .invert", "[data-discard=picture]", "#send"):
        assert sized.run(
            """const element = document.querySelector(arguments[0]);
            element.scrollIntoView({ block: "nearest" });
            const { left, right, top, bottom } = element.getBoundingClientRect();
            return element.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));""", selector
        ), selector  # fmt: skip
    sized.ask()
    widths.append(sized.find("#answer").rect["width"])
    assert max(widths) - min(widths) <= 1


@pytest.mark.parametrize("size", [DESK, TELEPHONE | {"width": 390, "height": 844}], ids=["desk", "telephone"])
def test_the_button_that_sends_is_seen_at_once_whatever_is_ready(page, size):
    def check():
        for language in STRINGS:
            page.press(f"#languages [lang={language}]")
            page.run("scrollTo(0, 0)")
            top, bottom, over = page.run(
                """const send = document.getElementById("send");
                const { left, right, top, bottom } = send.getBoundingClientRect();
                return [top, bottom, document.elementFromPoint((left + right) / 2, (top + bottom) / 2) === send];"""
            )
            assert 0 < top < bottom <= size["height"] and over, language
        page.press("#languages [lang=en]")

    with window(page, size):
        page.run(FAKE, 0.5)
        page.record(0.5)
        page.reach("ready")
        check()
        page.drop("chest.png", "image/png", PHANTOM)
        check()
        page.press("[data-discard=sound]")
        check()


def test_what_is_ready_is_whole_above_the_button_on_a_telephone(telephone):
    page = telephone
    page.drop("chest.png", "image/png", PHANTOM)
    edges = """return ["#preview", "#send"].flatMap((name) => {
      const { top, bottom } = document.querySelector(name).getBoundingClientRect();
      return [top, bottom];
    });"""
    page.until(lambda: page.run(edges)[0] > 0)
    top, bottom, button_top, button_bottom = page.run(edges)
    assert 0 < top < bottom < button_top < button_bottom <= TELEPHONE["height"]


def test_nothing_moves_where_motion_is_not_wanted(page):
    scheme(page, "light")
    page.run(FAKE, 0.5)
    moving = "return document.getAnimations().length"
    page.hold_countdown()
    page.press("#record")
    page.reach("counting")
    assert page.run(moving) == 0
    page.pass_time()
    page.reach("recording")
    page.until_recorded(0.5)
    assert page.run(moving) == 0
    page.press("#record")
    page.reach("ready")
    page.answer_with("new Promise(() => {})")
    page.press("#send")
    page.reach("sending")
    assert page.run(moving) == 0


def test_colour_is_never_the_only_sign(page):
    """The likeliest label is bold, the chosen language underlined, a refusal has its sentence."""
    page.answer_with(json_reply(finding(operating_point=POINT)))
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.ask()
    page.unfold()
    assert int(page.find(".scores .chosen th").value_of_css_property("font-weight")) >= 700
    assert "underline" in page.find("#languages [lang=en]").value_of_css_property("text-decoration-line")
    assert page.text(".consequence") == "This reaches the threshold of 41.0%, so it counts as “Sick”."


def test_the_focus_goes_on_from_a_button_that_goes_away(page):
    """Ask Tosa, after the last file of several; Look closer, whose line is rewritten: to the answer."""
    page.answer_with(json_reply(finding()))
    page.give("drop", *[(f"{number}.wav", "", COUGHS) for number in range(3)])
    page.reach("ready")
    page.press("#send")
    page.reach("idle")
    assert page.run("return document.activeElement.matches('#history .scroll')")
    page.press(".look")
    page.reach("answered")
    assert page.run("return document.activeElement.id") == "answer-title"


@pytest.mark.parametrize("key, code, text", [("Enter", 13, "\r"), (" ", 32, " ")])
def test_a_key_held_down_does_not_press_the_button_that_comes_next(page, key, code, text):
    """The focus goes from the recording that is discarded to the record button."""
    pressed = {"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text}
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.run("document.querySelector('[data-discard=sound]').focus()")
    for event in (pressed, pressed | {"type": "keyUp"}) if key == " " else (pressed,):
        page.browser.execute_cdp_cmd("Input.dispatchKeyEvent", event)
    assert page.run("return document.activeElement.id") == "record"
    for event in (pressed | {"autoRepeat": True}, pressed | {"type": "keyUp"}):
        page.browser.execute_cdp_cmd("Input.dispatchKeyEvent", event)
    assert page.state == "idle"


def test_the_browser_remembers_language_colors_and_the_introduction(page, server):
    page.press("#languages [lang=fr]")
    page.press("#theme")
    page.press("#theme")
    page.press("#introduction")
    page = Page(page.browser, server.url())
    page.sentence("h1", "heading", "fr")
    assert page.run("return getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert page.find("#theme").get_attribute("aria-label").replace("\u00a0", " ") == STRINGS["fr"]["theme.dark"]
    assert not page.shown(".lead") and page.shown("#disclaimer")
    page.press("#introduction")
    assert page.shown(".lead")
    page = Page(page.browser, server.url() + "?lang=es")
    page.sentence("h1", "heading", "es")  # the address wins
    assert page.shown(".lead")


def test_the_page_works_where_storage_is_blocked(page, server):
    script = """Object.defineProperty(window, "localStorage", {
      get() { throw new DOMException("", "SecurityError"); },
    });"""
    added = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        page = Page(page.browser, server.url())
        page.press("#languages [lang=es]")
        page.press("#theme")
        page.sentence("h1", "heading", "es")
    finally:
        page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        Page(page.browser, server.url())


def test_on_paper_each_finding_has_a_page_with_its_picture_and_no_controls(page):
    page.drop("a.png", "", PHANTOM)
    page.ask()
    printed = page.browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) == 2
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for part in (".headline", ".meaning", ".stage", "figcaption"):
            assert [each.is_displayed() for each in page.all(f"#findings {part}")] == [True, True], part
        for selector in ("#record", "#choose-picture", ".controls", "#history", ".technical", "#languages", ".select"):
            assert not any(each.is_displayed() for each in page.all(selector)), selector
        assert page.shown("#answer-disclaimer")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.serial
def test_a_slow_line_sees_the_page_within_one_second_and_uses_it_within_two(page, server):
    """400 kbit/s and 400 ms, of an empty cache. The times are the network's, and some are the machine's."""
    browser = page.browser
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    try:
        page = Page(browser, server.url())
        painted, ready = page.run(
            """const [paint] = performance.getEntriesByName("first-contentful-paint");
            return [paint.startTime, performance.getEntriesByName("usable")[0].startTime];"""
        )
    finally:
        fast = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", fast)
        browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    assert painted < 1000 * SLACK and ready < 2000 * SLACK, (painted, ready)
