import json

import numpy as np
import pytest

from cards import CARD_DATA, COUGH
from tosa.model.graph import CARD, Graph, GraphError
from tosa.model.network import Network
from tosa.training.graph.words_file import replace_constants
from tosa.web.app import create_app
from tosa.web.card.words import LANGUAGES, strings


@pytest.fixture(scope="module")
def network(small_graph):
    return Network.load(*small_graph)


@pytest.fixture(scope="module")
def carded(small_graph, tmp_path_factory):
    """The same network with a card."""
    text = np.array(json.dumps(CARD_DATA).encode(), dtype=object)
    file = tmp_path_factory.mktemp("card") / "graph.pb"
    file.write_bytes(replace_constants(small_graph[0].read_bytes(), {CARD: text}))
    return Network.load(file, small_graph[1])


def card(network, address="/?card", **headers):
    return create_app(network).test_client().get(address, headers=headers)


def test_a_card_put_in_changes_no_score(network, carded):
    pictures = np.random.default_rng(0).integers(0, 255, (3, *network.size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(network.run(pictures).scores, carded.run(pictures).scores)
    assert network.sha256 != carded.sha256


def test_a_graph_without_a_card_says_so_and_shows_what_it_knows(network):
    html = card(network).text
    assert strings("en")["no_card"] in html and "Not sick" in html and network.sha256 in html
    assert strings("en")["data.unknown"] in html and "any other sound" in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_limits_and_failures_come_before_numbers_and_numbers_before_the_hash(carded, language):
    html = card(carded, f"/?card&lang={language}").text
    words = strings(language)
    names = "outcomes limits results shortcuts subgroups handling refused data making".split()
    places = [html.index(f'<section class="panel" id="{name}"') for name in names]
    assert places == sorted(places) and html.index(carded.sha256) > places[-1]
    assert f'<html lang="{language}">' in html and words["no_card"] not in html
    limits = html[places[1] : places[2]]
    assert words["limits.use"] in limits and words["limits.copies_in_several_splits"].format(count=31) in limits
    assert COUGH["limitations"][0][language] in limits
    assert words["limits.handling"].format(changes="mirrored") in limits
    assert "30" in limits and "100" in limits, "thirty of a hundred of the sick were missed"


def test_few_cases_are_told_before_their_figures(carded):
    html = card(carded).text
    assert "Tested on only 4 cases of 4 groups, such as people" in html and "anywhere between 30% and 95%." in html
    assert "between 30.0% and 95.0%, measured 75.0%" in html and "90.0% [85.0%, 95.0%]" in html
    assert "Always answering “Normal” would be right in 75% of these cases." in html
    assert "No case of these labels was tested: Viral pneumonia." in html
    assert "The card has no measurements of this task." in html, "covid"


def test_what_the_graph_says_cannot_be_markup(carded):
    html = card(carded).text
    assert "<i>mine" not in html and "&lt;i&gt;mine&lt;/i&gt;" in html


@pytest.mark.parametrize(
    "address, accepted, language",
    [
        ("/?card", "fr-CA,en;q=0.5", "fr"), ("/?card", "de", "en"), ("/?card&lang=es", "fr", "es"),
        ("/?card&lang=xx", "fr", "fr"), ("/?lang=es&card=1", "en", "es"),
    ],
)  # fmt: skip
def test_the_language_is_the_addresss_or_the_browsers(carded, address, accepted, language):
    response = card(carded, address, **{"Accept-Language": accepted})
    assert f'<html lang="{language}">' in response.text and "Accept-Language" in response.headers["Vary"]


def test_a_browser_asks_again_with_the_etag_of_graph_and_language(network, carded):
    first = card(carded, "/?card&lang=en")
    assert first.headers["Cache-Control"] == "no-cache"
    tag = {"If-None-Match": first.headers["ETag"]}
    assert card(carded, "/?card&lang=en", **tag).status_code == 304
    assert card(carded, "/?card&lang=fr", **tag).status_code == 200
    assert card(network, "/?card&lang=en", **tag).status_code == 200


def test_methods_and_headers_are_those_of_the_page(carded):
    client = create_app(carded).test_client()
    head = client.head("/?card")
    assert head.status_code == 200 and head.mimetype == "text/html" and not head.data
    assert client.put("/?card").status_code == 405
    policy = client.get("/?card").headers["Content-Security-Policy"]
    assert policy == client.get("/").headers["Content-Security-Policy"] and "unsafe-inline" not in policy


def test_all_its_addresses_are_relative(carded):
    html = card(carded).text
    assert 'href="/' not in html and 'src="/' not in html and "http" not in html.replace("http-equiv", "")


def test_a_damaged_card_is_an_error_that_names_its_field(small_graph):
    text = np.array(b'{"tasks": {}, "data": 3}', dtype=object)
    graph = Graph(replace_constants(small_graph[0].read_bytes(), {CARD: text}))
    with pytest.raises(GraphError, match=r"card\.data is '3'.*tosa/card"):
        graph.card()
