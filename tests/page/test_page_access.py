"""Whoever comes: without a mouse, without seeing, on a telephone, in the dark, with motion switched off."""

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from browsing import COUGHS, ENGLISH, PHANTOM, STRINGS, Page, finding, json_reply
from test_page_answer import POINT
from test_page_recording import FAKE

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TELEPHONE = {"width": 375, "height": 740, "deviceScaleFactor": 1, "mobile": True}
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
    check("idle")
    page.press("#record")
    page.reach("counting")
    check("counting")
    page.reach("recording")
    check("recording")
    page.until_recorded(0.5)  # a shorter sound is refused
    page.press("#record")
    page.reach("ready")
    page.drop("a.png", "image/png", PHANTOM)
    check("ready with both")
    page.ask()
    check("answered")
    answer = finding(operating_point=POINT, demonstration=True, note="Why.", scores={"not sick": 0.45, "sick": 0.55})
    page.answer_with(json_reply(answer), "new Promise(() => {})")
    page.press("#send")
    page.until(lambda: page.all(".threshold") and page.shown(".threshold"))
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
            """return [...document.querySelectorAll("button, input, label.button, summary, a")]
                .filter((element) => element.checkVisibility() && !element.matches(".unseen"))
                .filter((element) => {
                  const { width, height } = element.getBoundingClientRect();
                  return width < 24 || height < 24;
                }).map((element) => element.outerHTML);"""
        )
        assert [html for html in small if not html.startswith("<a ")] == []  # links in a line of text may be lower


def test_the_record_button_is_seen_at_once_on_a_telephone(telephone, server):
    page = Page(telephone.browser, server.url())
    assert page.run("return document.getElementById('record').getBoundingClientRect().bottom") < TELEPHONE["height"]


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
        page.until(lambda: page.run("return document.querySelector('#preview .plain').naturalWidth"))
        check()
        page.press("[data-discard=sound]")
        check()


def test_what_is_ready_is_whole_above_the_button_on_a_telephone(telephone):
    page = telephone
    page.drop("chest.png", "image/png", PHANTOM)
    page.until(lambda: page.run("return document.querySelector('#preview .plain').naturalWidth"))
    edges = """return ["#preview", "#send"].flatMap((name) => {
      const { top, bottom } = document.querySelector(name).getBoundingClientRect();
      return [top, bottom];
    });"""
    page.until(lambda: 0 < page.run(edges)[0])
    top, bottom, button_top, button_bottom = page.run(edges)
    assert 0 < top < bottom < button_top < button_bottom <= TELEPHONE["height"]


def test_nothing_moves_where_motion_is_not_wanted(page):
    scheme(page, "light")
    page.run(FAKE, 0.5)
    moving = "return document.getAnimations().length"
    page.press("#record")
    page.reach("counting")
    assert page.run(moving) == 0
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
    page.press("#send")
    page.until(lambda: page.shown("#answer"))
    assert int(page.find(".scores .chosen th").value_of_css_property("font-weight")) >= 700
    assert "underline" in page.find("#languages [lang=en]").value_of_css_property("text-decoration-line")
    assert page.text(".consequence") == ENGLISH["operating.above"].replace("{threshold}", "41.0%")


def test_the_focus_goes_on_from_a_button_that_goes_away(page):
    """Ask Tosa, after the last file of several; Look closer, whose line is written anew."""
    page.answer_with(json_reply(finding()))
    page.give("drop", *[(f"{number}.wav", "", COUGHS) for number in range(3)])
    page.reach("ready")
    page.press("#send")
    page.reach("idle")
    assert page.run("return document.activeElement.matches('#history .scroll')")
    page.press(".look")
    page.reach("ready")
    assert page.run("return document.activeElement === document.querySelector('.look')")


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
