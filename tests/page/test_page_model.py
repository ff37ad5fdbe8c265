"""The page of a graph that judges only sounds or only X-rays, and the page of a model card."""

import json
from dataclasses import replace

import numpy as np
import pytest

from browsing import COUGHS, PHANTOM, STRINGS, Page, Server
from cards import CARD_DATA
from test_page_access import TAGS, TELEPHONE, axe, scheme, window  # noqa: F401  # axe is a fixture
from tosa.model.graph import CARD, Graph
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.training.graph import assemble
from tosa.training.graph.words_file import replace_constants
from tosa.training.head.head import Head

CHANNELS = 16  # of small_graph's bottleneck
GIVEN = {"sound": ("coughs.wav", "audio/wav", COUGHS), "picture": ("chest.png", "image/png", PHANTOM)}
TASKS = {
    "sound": TaskMetadata("asthma", "sound", descriptions={"asthma": "wheeze heard", "healthy": "no wheeze"}),
    "picture": TaskMetadata("rib", "picture", limits={"en": "Drawn.", "es": "Dibujado."}),
}
LABELS = {"asthma": ("asthma", "healthy"), "rib": ("whole", "broken")}


@pytest.fixture(scope="module", params=["sound", "picture"])
def one_kind(request, small_graph, tmp_path_factory):
    """A kind of input, and a server whose graph judges only that."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    task = TASKS[kind]
    head = Head(task.name, LABELS[task.name], np.eye(CHANNELS, 2, dtype=np.float32), np.zeros(2, np.float32))
    trunk = Graph(small_graph[0].read_bytes()).trunk()
    metadata = replace(GraphMetadata(title="Clinic"), tasks={task.name: task})
    (folder / "graph.pb").write_bytes(assemble.assemble(trunk, [head], metadata))
    (folder / "labels.txt").write_text(assemble.label_lines([head]))
    server = Server(folder / "graph.pb", folder / "labels.txt", folder)
    yield kind, server
    server.close()


@pytest.fixture
def narrow(coughing_browser, one_kind):
    """That kind, and the page of its server."""
    kind, server = one_kind
    page = Page(coughing_browser, server.url() + "?lang=en")
    yield kind, page
    page.run("localStorage.clear();")
    assert page.complaints() == []


def test_the_page_offers_only_what_the_model_judges(narrow):
    kind, page = narrow
    doors = {each: page.shown(f"#{each}-door") for each in ("sound", "picture")}
    assert doors == {each: each == kind for each in doors}
    assert page.text(".lead") == STRINGS["en"][f"lead.{kind}"]
    words = page.text("main") + page.find(".drop-overlay").get_attribute("textContent")
    assert ("X-ray" in words) == (kind == "picture") and ("sound" in words) == (kind == "sound")
    assert page.run("return document.querySelector('.door:not([hidden])').getBoundingClientRect().width > 300")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_file_of_the_other_kind_is_told_on_the_spot_in_every_language(narrow, way):
    kind, page = narrow
    other = "picture" if kind == "sound" else "sound"
    page.give(way, GIVEN[other])
    for language, strings in STRINGS.items():
        page.press(f"#languages [lang={language}]")
        said = strings[f"file.not_judged.{other}"].replace("{name}", GIVEN[other][0])
        page.until(lambda said=said: page.text("#problem") == said)
    assert page.shown("#problem") and page.state == "idle" and not page.shown("#send")


def test_it_answers_in_the_graphs_own_words(narrow):
    kind, page = narrow
    page.drop(*GIVEN[kind])
    shown = page.ask()
    task = TASKS[kind]
    assert page.text(".task") == task.name and page.text(".headline") in (shown["diagnosis"], "Undecided")
    if kind == "sound":
        assert page.text(".meaning") == f"{shown['diagnosis']}: {task.descriptions[shown['diagnosis']]}."
    else:
        page.press("#languages [lang=fr]")
        assert page.text(".meaning") == "Drawn." and page.find(".limits").get_attribute("lang") == "en"
    assert "Clinic" in page.text(".about")


def test_a_file_that_the_page_does_not_recognise_is_sent_to_the_server(narrow):
    """As what the model judges: DICOM files do not always say what they are."""
    kind, page = narrow
    page.drop("unknown", "", bytes(range(1, 200)))
    page.press("#send")
    page.until(lambda: page.text("#problem") == STRINGS["en"]["error.unsupported_format"])
    assert page.run("return document.getElementById('problem').parentElement.id") == f"{kind}-door"


@pytest.fixture(scope="module")
def carded(small_graph, tmp_path_factory):
    """A server whose graph carries a card that has every section."""
    folder = tmp_path_factory.mktemp("carded")
    card = np.array(json.dumps(CARD_DATA).encode(), dtype=object)
    (folder / "graph.pb").write_bytes(replace_constants(small_graph[0].read_bytes(), {CARD: card}))
    server = Server(folder / "graph.pb", small_graph[1], folder)
    yield server
    server.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_violation_on_a_card_or_where_there_is_none(coughing_browser, server, carded, axe, colours):  # noqa: F811
    browser = coughing_browser
    page = Page(browser, server.url())
    scheme(page, colours)
    for address in [f"{server.url()}?card", *(f"{carded.url()}?card&lang={language}" for language in STRINGS)]:
        browser.get(address)
        assert bool(page.all("#results")) == (carded.url() in address)
        browser.execute_script(axe)
        found = browser.execute_async_script("axe.run(document, { runOnly: arguments[0] }).then(arguments[1]);", TAGS)
        wrong = [(rule["id"], node["html"]) for rule in found["violations"] for node in rule["nodes"]]
        assert (address, wrong) == (address, []) and len(found["passes"]) > 15
    assert page.complaints() == []


def test_the_card_has_the_pages_colours_a_way_back_and_no_sideways_scrolling(page, server):
    page.press("#theme")
    page.press("#theme")  # dark
    page.press("#languages [lang=es]")
    address = page.find("a[data-card]").get_attribute("href")
    page.browser.get(address)
    assert page.run("return getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert page.run("return document.documentElement.lang") == "es"
    with window(page, TELEPHONE):
        assert page.run("return document.documentElement.scrollWidth") <= TELEPHONE["width"]
    page.press(".brand a")
    page.until(lambda: page.browser.current_url == server.url())
    page.until(lambda: page.run("return 'ready' in document.body.dataset"))


def test_on_paper_the_card_has_no_navigation(page, server):
    page.browser.get(server.url() + "?card")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not any(each.is_displayed() for each in page.all("nav"))
        assert page.shown("#limits li") and page.shown("#making table")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        Page(page.browser, server.url())
