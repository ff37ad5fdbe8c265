"""What the page makes of the server's answers and refusals, in three languages and under any address."""

import threading
from contextlib import contextmanager

import pytest

from browsing import COUGHS, ENGLISH, MODEL, PHANTOM, ROOT, STRINGS, Page, finding, json_reply, refusal

POINT = {
    "labels": ["sick"], "score": 0.93, "threshold": 0.41, "above": True, "sensitivity": 0.97, "specificity": 0.98,
    "cases": {"ill": 100, "healthy": 900}, "training_cases": 0,
}  # fmt: skip


def show(page, answer, language="en"):
    page.answer_with(json_reply(answer))
    page.press(f"#languages [lang={language}]")
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.ask()
    page.unfold()


def test_the_operating_point_is_marked_and_explained(page):
    show(page, finding(operating_point=POINT))
    bar, mark, fill = (page.find(f".operating {part}").rect for part in (".whole", ".threshold", ".fill"))
    assert mark["x"] + mark["width"] / 2 == pytest.approx(bar["x"] + 0.41 * bar["width"], abs=1)
    assert fill["width"] == pytest.approx(0.93 * bar["width"], abs=1)
    assert page.text(".what") == "Sick: 93.0%" and page.text(".threshold-word") == "threshold 41.0%"
    assert page.text(".consequence") == "This reaches the threshold of 41.0%, so it counts as “Sick”."
    assert "97.0%" in page.text(".rates") and "98.0%" in page.text(".rates")
    assert not page.shown(".undecided")
    page.press("#languages [lang=fr]")
    assert page.text(".consequence") == "Cela atteint le seuil de 41,0 % et compte donc comme « Malade »."


def test_a_point_of_several_labels_below_the_threshold_and_against_the_diagnosis(page):
    point = POINT | {"labels": ["bacterial pneumonia", "viral pneumonia"], "score": 0.6, "threshold": 0.7}
    scores = {"bacterial pneumonia": 0.55, "normal": 0.4, "viral pneumonia": 0.05}
    answer = finding(
        "pneumonia", "picture", diagnosis="bacterial pneumonia", score=0.55, scores=scores,
        operating_point=point | {"above": False},
    )  # fmt: skip
    show(page, answer, "es")
    assert page.text(".what") == "Neumonía bacteriana y Neumonía vírica, juntas: 60,0 %"
    said = page.text(".consequence")
    assert said.startswith("Queda por debajo del umbral de 70,0")
    assert said.endswith("no cuenta como «Neumonía bacteriana» o «Neumonía vírica».")
    assert page.text(".headline") == STRINGS["es"]["headline.undecided"]
    assert page.text(".undecided") == (
        "La etiqueta más probable es Neumonía bacteriana, pero la puntuación de Neumonía bacteriana y Neumonía vírica "
        "no alcanza el umbral: considere este resultado como indeciso."
    )


def test_natural_frequencies_come_from_the_counts_and_say_of_which_labels(page):
    """97 of 100 ill and 18 of 900 healthy are above the threshold, 3 and 882 below it."""
    show(page, finding(operating_point=POINT))
    assert "about 84 were labelled “Sick” and 16 were not. Checked on 1000 validation cases; 10 of 100 " in page.text(
        ".frequency"
    )
    below = finding(operating_point=POINT | {"above": False, "score": 0.2}, diagnosis="not sick")
    below["findings"][0]["scores"] = {"not sick": 0.8, "sick": 0.2}
    show(page, below, "es")
    assert "unos 99 no estaban etiquetados como «Enfermo» y 1 sí" in page.text(".frequency")  # never 100
    several = POINT | {"labels": ["bacterial pneumonia", "viral pneumonia"], "versions": 9}
    scores = {"bacterial pneumonia": 0.3, "normal": 0.1, "viral pneumonia": 0.6}
    show(page, finding("pneumonia", "picture", diagnosis="viral pneumonia", scores=scores, operating_point=several))
    said = page.text(".frequency")
    assert "labelled “Bacterial pneumonia” or “Viral pneumonia”" in said and "which of these labels is right" in said
    assert "1000 validation cases, each unchanged and in 8 changed versions, such as cropped" in said
    show(page, finding("covid", "picture", operating_point=POINT, demonstration=True))
    assert not page.shown(".frequency")  # a demonstration's would promise too much


def test_cases_that_are_not_of_validation_are_called_what_they_are(page):
    for told, said in (
        ({"training_cases": 400}, "1000 cases: 600 of validation and 400 of training, each of the latter answered by"),
        ({"training_cases": None}, "Checked on 1000 cases; 10 of 100"),  # an old graph, which does not state it
    ):
        point = {name: value for name, value in (POINT | told).items() if value is not None}
        show(page, finding(operating_point=point))
        assert said in page.text(".frequency") and "000 validation" not in page.text(".answer")


def test_without_an_operating_point_there_is_none(page):
    show(page, finding())
    assert not any(page.shown(f".{part}") for part in ("operating", "what", "consequence", "rates", "frequency"))
    assert not page.shown("#findings figure")


def test_the_headline_says_what_was_found_in_plain_words(page):
    for language in STRINGS:
        show(page, finding(), language)
        assert page.text(".headline") == MODEL[language]["headline.cough.sick"]
        assert MODEL[language]["label.sick"] in page.text(".label-line")
    show(page, finding("pneumonia", "picture", diagnosis="viral pneumonia"))
    assert page.text(".headline") == MODEL["en"]["headline.pneumonia.viral pneumonia"]
    show(page, finding("croup", diagnosis="normal"))  # a task of another graph
    assert page.text(".headline") == "normal"
    show(page, finding(scores={"not sick": 0.45, "sick": 0.55}))
    assert page.text(".headline") == ENGLISH["headline.undecided"]


def test_a_demonstration_says_so_above_and_larger_than_its_label(page):
    answer = finding("croup", diagnosis="croup?", score=0.8, scores={"clear": 0.2, "croup?": 0.8})
    answer["findings"][0] |= {"demonstration": True, "note": "From <few> sounds."}
    show(page, answer | {"disclaimer": "Mind {this}."}, "fr")
    assert [page.text(part) for part in (".task", ".headline", ".note")] == ["croup", "croup?", "From <few> sounds."]
    assert page.text(".demonstration strong") == STRINGS["fr"]["demonstration"]
    assert (page.text("#answer-disclaimer"), page.text("#model")) == ("Mind {this}.", "abababababab")
    assert page.find("#answer-disclaimer").get_attribute("lang") == "en"
    assert page.find(".demonstration").rect["y"] < page.find(".headline").rect["y"]
    headline, note, score = (
        float(page.find(part).value_of_css_property("font-size")[:-2]) for part in (".headline", ".note", ".score")
    )
    assert headline < note and score < note


def test_findings_share_one_place_for_their_pictures_and_only_one_is_open(page):
    drawn = page.run("return document.createElement('canvas').toDataURL()")
    answer = finding("pneumonia", "picture", picture=drawn, diagnosis="normal")
    answer["findings"] += finding("covid", "picture", picture=drawn, demonstration=True, note="N.")["findings"]
    show(page, answer)
    figures, texts = page.all("#findings figure"), page.all(".finding-body")
    assert [each.is_displayed() for each in figures + texts] == [True, False] * 2
    assert not page.all(".headline")[1].is_displayed()  # of a demonstration, only that it is one
    before = figures[0].rect
    page.look(1)
    assert [each.is_displayed() for each in figures + texts] == [False, True] * 2
    assert figures[1].rect["x"] == before["x"] and figures[1].rect["y"] == before["y"]
    assert page.run("return document.activeElement === document.querySelectorAll('.headline')[1]")
    assert page.all(".headline")[0].is_displayed()
    assert [each.get_attribute("aria-expanded") for each in page.all(".select")] == ["false", "true"]


def test_findings_are_shown_by_what_they_are_from_whatever_their_task(page):
    drawn = page.run("return document.createElement('canvas').toDataURL()")
    answer = finding("croup", "sound", picture=drawn)
    answer["findings"] += finding("cough", "picture", picture=drawn)["findings"]
    show(page, answer)
    for number, kind in enumerate(("sound", "picture")):
        page.look(number) if number else None
        figure = page.all("#findings figure")[number]
        caption = figure.find_element("css selector", "figcaption")
        assert caption.text == ENGLISH[f"explanation.{kind}.plain"]
        assert figure.find_element("css selector", ".axis").is_displayed() == (kind == "sound")
        assert not figure.find_element("css selector", ".legend").is_displayed()  # without a heat map


def test_a_patient_of_another_age_is_told_of(page):
    show(page, finding("pneumonia", "picture", age_note=ENGLISH["age.children"]), "fr")
    assert page.text(".age") == STRINGS["fr"]["age.children"]
    show(page, finding("pneumonia", "picture", age_note="Mind the age."))
    assert page.text(".age") == "Mind the age."
    show(page, finding("pneumonia", "picture"))
    assert not page.shown(".age")


def test_what_the_graph_says_is_in_the_pages_language_where_it_has_it(page):
    show(page, finding(demonstration=True, note="Only the server says this."), "es")
    assert page.text(".note") == "Only the server says this."
    assert page.text(".limits") == MODEL["es"]["limits.cough"] and not page.find(".limits").get_attribute("lang")


def test_a_finding_that_is_not_calibrated_says_so(page):
    show(page, finding(calibrated=False, uncalibrated_reason="Only nine cases."))
    assert page.text(".uncalibrated") == f"{ENGLISH['answer.uncalibrated']} Only nine cases."
    show(page, finding())
    assert not page.shown(".uncalibrated")


def test_the_model_card_is_linked_relative_to_the_page_and_in_its_language(page, server):
    show(page, finding(), "fr")
    links = page.all("a[data-card]")
    assert len(links) == 2 and {link.get_attribute("href") for link in links} == {server.url() + "?card&lang=fr"}


def test_the_language_follows_the_browser_and_the_switch(page, server):
    page.press("#languages [lang=es]")
    page.sentence("h1", "heading", "es")
    assert page.run("return [document.documentElement.lang, document.title]") == ["es", STRINGS["es"]["title"]]
    assert page.text("#disclaimer") == STRINGS["es"]["disclaimer"]
    page.drop("coughs.wav", "audio/wav", COUGHS)
    shown = page.ask()
    for language in ("fr", "en"):  # the answer that is on the page changes too
        page.press(f"#languages [lang={language}]")
        assert MODEL[language][f"label.{shown['diagnosis']}"] in page.text(".diagnosis")
    page.run("localStorage.clear();")
    agent = page.run("return navigator.userAgent")
    wish = {"userAgent": agent, "acceptLanguage": "fr-CA,en"}
    page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", wish)
    try:
        Page(page.browser, server.url()).sentence("h1", "heading", "fr")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", wish | {"acceptLanguage": "en-US"})


REPLIES = {
    "error.silence": refusal("silence"),
    "error.busy": refusal("busy", 503, **{"Retry-After": "7"}),
    "Yours.": refusal("never heard of"),
    "error.no_answer": "new Response('<html>', {status: 502})",
    "error.network": "Promise.reject(new TypeError('offline'))",
    "error.timeout": "Promise.reject(new DOMException('', 'TimeoutError'))",
}


@pytest.mark.parametrize("key", REPLIES)
def test_a_refusal_is_told_and_the_sample_kept(page, key):
    page.press("#languages [lang=es]")
    page.answer_with(REPLIES[key])
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.press("#send")
    sentence = STRINGS["es"].get(key, key).replace("{seconds}", "7").replace("{status}", "502")
    page.until(lambda: page.text("#problem") == sentence)
    page.reach("ready")
    assert page.shown("#send") and not page.shown("#answer")
    place = page.run("return document.getElementById('problem').parentElement.id")
    assert place == ("sound-door" if key in ("error.silence", "Yours.") else "desk")


def test_a_refused_picture_is_told_at_the_picture(page):
    page.answer_with(refusal("not_a_chest_xray"))
    page.give("drop", ("coughs.wav", "", COUGHS), ("a.png", "", PHANTOM))
    page.reach("ready")
    page.press("#send")
    page.sentence("#picture-door #problem", "error.not_a_chest_xray")


def test_a_slow_line_gets_the_time_that_its_files_need(page):
    page.answer_with(json_reply(finding()))
    page.run("const real = AbortSignal.timeout; AbortSignal.timeout = (ms) => real.call(AbortSignal, window.ms = ms);")
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.ask()
    assert page.run("return ms") == pytest.approx(60_000 + len(COUGHS) / 20)  # at 20 kB/s


ODD = {"error.no_answer": json_reply({"findings": []}), "error.internal": json_reply({"findings": [{"task": "odd"}]})}


@pytest.mark.parametrize("key", ODD)
def test_an_odd_answer_to_another_look_leaves_the_page_usable(page, key):
    page.answer_with(json_reply(finding()), ODD[key])
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.ask()
    page.press(".look")
    page.until(lambda: page.text("#problem") == ENGLISH[key].replace("{status}", "200"))
    page.reach("idle")


def test_the_first_view_needs_less_than_50_kilobytes_and_nothing_from_elsewhere(page, server):
    page.browser.execute_cdp_cmd("Network.enable", {})
    page.browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    try:
        page = Page(page.browser, server.url())
        loaded = page.until(lambda: page.run(
            """const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
            const ahead = all.find(({ name }) => name.endsWith("/record_button.js")); // the first of what comes after
            return ahead && all.filter(({ startTime }) => startTime < ahead.startTime)
                .map(({ name, transferSize }) => [name, transferSize]);"""
        ))  # fmt: skip
    finally:
        page.browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    assert all(name.startswith(server.url()) and size > 0 for name, size in loaded)
    assert {name.rsplit("/", 1)[1] for name, _ in loaded} >= {"", "page.js", "i18n.js", "en.json"}
    assert sum(size for _, size in loaded) <= 50_000, sorted(loaded, key=lambda entry: -entry[1])


MODULES = ("/record_button.js", "/submit.js")


@contextmanager
def blocked(page, *addresses):
    """No request to what ends like one of these gets through; what the console says of it is taken away."""
    page.browser.execute_cdp_cmd("Network.enable", {})
    patterns = [{"urlPattern": f"http://*:*/*{address}\\?", "block": True} for address in addresses]
    page.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urlPatterns": patterns})
    try:
        yield
    finally:
        page.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urlPatterns": []})
        page.complaints()


def test_recording_and_asking_need_no_server_to_begin_with(page):
    fetched = "return performance.getEntriesByType('resource').map(({ name }) => name.split(/[/?]/).at(-1))"
    all_scripts = {path.name for path in (ROOT / "static").glob("*.js")}
    modules = all_scripts - {"theme.js", "capture_worklet.js"}  # inside the page; only for the microphone
    page.until(lambda: modules <= set(page.run(fetched)))
    page.answer_with(json_reply(finding()))
    page.drop("coughs.wav", "audio/wav", COUGHS)
    with blocked(page, ".js"):
        page.ask()


def test_a_module_that_did_not_come_is_asked_for_anew(page, server):
    """Under another address: Firefox would not ask again for one that failed."""
    with blocked(page, *MODULES):
        page = Page(page.browser, server.url())
        page.start_recording()
        page.until_recorded(0.5)
        page.press("#record")
        page.reach("ready")
        page.ask()


@pytest.mark.parametrize("strips", [True, False], ids=["proxy strips the prefix", "prefix is handed on"])
def test_the_page_works_behind_a_path_prefix(coughing_browser, small_graph, strips):
    from werkzeug.exceptions import NotFound
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.serving import make_server

    from app import create_app
    from tosa.model.network import Network

    app = create_app(Network.load(*small_graph))

    def stripped(environ, start_response):
        return app(environ | {"SCRIPT_NAME": "", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, start_response)

    mounted = DispatcherMiddleware(NotFound(), {"/deep/tosa": stripped if strips else app})
    behind = make_server("127.0.0.1", 0, mounted, threaded=True)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    try:
        page = Page(coughing_browser, f"http://127.0.0.1:{behind.port}/deep/tosa/?lang=fr")
        page.drop("coughs.wav", "audio/wav", COUGHS)
        page.ask()
        page.unfold()
        assert page.text("#curl").endswith(f":{behind.port}/deep/tosa/")
        assert page.complaints() == []
    finally:
        behind.shutdown()
