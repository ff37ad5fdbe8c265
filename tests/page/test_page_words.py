"""The dictionary and the files of the page, without a browser."""

import json
import re

import pytest

from browsing import ENGLISH, MODEL, ROOT, STRINGS
from tosa import errors, screening, settings

TEMPLATE = (ROOT / "templates/index.html").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "static").glob("*.js")}
FAMILIES = (
    "answer|batch|button|cases|copy|error|example|explanation|file|finding|frequency|headline|heatmap|history|introduction|level|"
    "microphone|operating|ready|spectrogram|status|timeline|viewer"
)


@pytest.mark.parametrize("language", ["es", "fr"])
def test_every_sentence_is_in_every_language(language):
    assert list(STRINGS[language]) == list(ENGLISH)
    for key, english in ENGLISH.items():
        translated = STRINGS[language][key]
        assert translated.strip(), key
        assert sorted(re.findall(r"\{\w+\}", translated)) == sorted(re.findall(r"\{\w+\}", english)), key


def _used():
    used = set(re.findall(r'data-(?:text|label|alt)="([^"]+)"', TEMPLATE))
    for script in SCRIPTS.values():
        used |= set(re.findall(rf'["`]((?:{FAMILIES})(?:\.\w+)+)["`]', script))
        used |= set(re.findall(r'"(clock|copied|count|share)"', script))
        used |= {f"microphone.{reason}" for reason in re.findall(r'MicrophoneError\("(\w+)"\)', script)}
    reasons = re.search(r"REASONS = \{(.*?)\}", SCRIPTS["microphone.js"], re.DOTALL)[1]
    used |= {f"microphone.{reason}" for reason in re.findall(r'"(\w+)"', reasons)}
    filters = re.search(r"FILTERS = \[(.*?)\]", SCRIPTS["microphone.js"])[1]
    used |= {f"filter.{name}" for name in re.findall(r"\w+", filters)}
    words = re.search(r"BUTTON_WORDS = \{(.*?)\}", SCRIPTS["page_state.js"], re.DOTALL)[1]
    used |= {f"button.{word}" for word in re.findall(r'"([\w.]+)"', words)}
    used |= {f"status.{name}" for name in ("loading", "asking", "counting", "recording")}  # the states of a take
    themes = re.search(r"THEMES = \[(.*?)\]", SCRIPTS["preferences.js"])[1]
    used |= {f"theme.{name}" for name in re.findall(r'"(\w+)"', themes)}
    used |= {"meaning", "quoted", "words"}
    for kind in ("sound", "picture"):
        used |= {f"explanation.{kind}{more}" for more in ("", ".plain", ".alt")}
        used |= {f"file.too_large.{kind}", f"file.not_judged.{kind}", f"cases.versions.{kind}"}
    return used


def test_the_dictionary_has_every_key_that_the_page_uses():
    assert _used() - ENGLISH.keys() == set()
    assert len(_used()) > 100


def test_the_dictionary_has_no_key_that_the_page_does_not_use():
    # What the server names.
    by_name = re.compile(r"(error|age)\.|title$|disclaimer$")
    assert {key for key in ENGLISH if not by_name.match(key)} - _used() == set()


def test_the_template_says_in_english_what_the_dictionary_says():
    sentences = re.findall(r'data-text="([^"]+)"[^>]*>([^<]+)<', TEMPLATE)
    assert len(sentences) > 40
    for key, english in sentences:
        if key == "words" or "{{" in english:  # the graph's own words
            continue
        assert " ".join(english.split()) == ENGLISH[key]
    assert f"<title>{ENGLISH['title']}</title>" in TEMPLATE
    assert ENGLISH["disclaimer"] == screening.DISCLAIMER


def test_every_error_of_the_server_has_its_sentence():
    # CannotJudge itself always comes with a message of its own, which the page shows as it is.
    wanted = {error.code for error in _tree(errors.RequestError)} - {errors.CannotJudge.code}
    assert {f"error.{code}" for code in wanted} <= ENGLISH.keys()


def _tree(error):
    return [error] + [leaf for child in error.__subclasses__() for leaf in _tree(child)]


def test_the_page_knows_the_servers_limits_and_notes():
    limits = re.search(r"MAX_BYTES = \{ sound: (\d+) \* MIB, picture: (\d+) \* MIB", SCRIPTS["file_types.js"])
    assert [int(limit) * 2**20 for limit in limits.groups()] == [settings.MAX_SOUND_BYTES, settings.MAX_PICTURE_BYTES]
    assert {name: ENGLISH[f"age.{name}"] for name in screening.AGE_NOTES} == screening.AGE_NOTES


def test_every_label_and_task_of_the_embedded_graph_has_its_words_in_every_language():
    lines = (ROOT / "retrained_labels.txt").read_text(encoding="utf-8").split("\n")
    for task, label in (line.split(": ") for line in lines if line):
        keys = {f"task.{task}", f"limits.{task}", f"label.{label}", f"headline.{task}.{label}"}
        assert all(keys | {f"description.{task}.{label}"} <= MODEL[language].keys() for language in STRINGS)


def test_the_card_has_every_sentence_in_every_language():
    written = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "templates/card").glob("*.json")}
    cards = {language: json.loads(text) for language, text in written.items()}
    assert cards.keys() == STRINGS.keys()
    for language, sentences in cards.items():
        assert written[language] == json.dumps(sentences, ensure_ascii=False, indent=2) + "\n"
        assert list(sentences) == list(cards["en"])
        for key, english in cards["en"].items():
            assert sentences[key].strip(), key
            assert sorted(re.findall(r"\{\w+\}", sentences[key])) == sorted(re.findall(r"\{\w+\}", english)), key


def test_french_has_a_space_that_does_not_break_where_french_has_one():
    wrong = re.compile(r"(?<![\u00a0\u202f]):(?=\s|$)|(?<![\u00a0\u202f])[;?!»](?=[\s.,)]|$)|«(?![\u00a0\u202f])")
    words = json.loads((ROOT / "docs/embedded_words.json").read_text(encoding="utf-8"))
    texts = [*_in_french(words)]
    for folder in ("static/strings", "templates/card"):
        texts += json.loads((ROOT / folder / "fr.json").read_text(encoding="utf-8")).values()
    assert len(texts) > 300 and any("\u00a0:" in text for text in texts)
    assert [text for text in texts if wrong.search(text)] == []


def _in_french(value):
    if isinstance(value, dict) and isinstance(value.get("fr"), str):
        return [value["fr"]]
    each = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in each for text in _in_french(one)]


def test_the_page_fits_a_strict_policy_and_any_folder():
    assert not re.search(r"\sstyle=|\son\w+=", TEMPLATE)
    inline = re.findall(r"<(?:style|script(?![^>]*\ssrc=))[^>]*>(.*?)</", TEMPLATE, re.DOTALL)
    assert inline == ["{{ theme | safe }}", "{{ styles | safe }}"], "all else would need a hash of its own"
    assert not re.search(r'(src|href)="/', TEMPLATE), "addresses are relative"
    for path in [*(ROOT / "static").glob("*.[cjs]*s*"), *(ROOT / "templates").rglob("*.*")]:
        assert not re.search(r"https?://(?!www\.w3\.org/)[\w{]", path.read_text(encoding="utf-8")), path.name


def test_the_dictionaries_are_written_as_a_person_would_keep_them():
    assert list(STRINGS) == ["en", "es", "fr"]
    for language in STRINGS:
        written = (ROOT / f"static/strings/{language}.json").read_text(encoding="utf-8")
        assert written == json.dumps(json.loads(written), ensure_ascii=False, indent=2) + "\n"
