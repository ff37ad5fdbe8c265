"""The model card of the served graph as a page: limits and failures first, hashes last."""

from typing import Any

from flask import Response, make_response, render_template, request

from tosa.model.calibration import CalibrationCases
from tosa.model.card import ModelCard
from tosa.model.metadata import GraphMetadata
from tosa.model.network import Network
from tosa.web.card.audit_tables import audited
from tosa.web.card.blocks import Section, Table
from tosa.web.card.data_tables import data
from tosa.web.card.limits import limits
from tosa.web.card.tables import outcomes, results
from tosa.web.card.words import LANGUAGES, Words

SHA_DIGITS = 12  # of the hashes of earlier weights
EMPTY: ModelCard = {"tasks": {}, "data": []}


def wanted_language() -> str:
    """Returns the language of ?lang=, else the one that the browser prefers, else English."""
    wishes = [request.args.get("lang", ""), *request.accept_languages.values()]  # the most wanted first
    return next((wish[:2].lower() for wish in wishes if wish[:2].lower() in LANGUAGES), "en")


def card_response(network: Network, values: dict[str, Any]) -> Response:
    """Returns the page. values: of the page's template; browsers ask again with the ETag, by graph, language, files."""
    language = wanted_language()
    response = make_response(render_template("card.html", **values, **card_values(network, language)))
    response.vary.add("Accept-Language")
    response.set_etag(f"{network.sha256[:32]}-{language}-{values['static'].rpartition('/')[2]}", weak=True)
    return response


def card_values(network: Network, language: str) -> dict[str, Any]:
    """Returns what the card's template shows. language: one of LANGUAGES."""
    words, card, metadata = Words(language, network.metadata), network.card or EMPTY, network.metadata
    sections = [
        outcomes(network, card, words),
        Section("limits", words.say("limits"), points=limits(network, words)),
        results(network, card, words),
        *audited(network, card, words),
        data(network, card, words),
        _making(network, words),
    ]
    return {
        "language": language,
        "languages": {code: Words(code, metadata).say("language") for code in LANGUAGES},
        "say": words.say,
        "title": words.text(metadata.title) or words.say("title"),
        "description": words.text(metadata.description),
        "has_card": network.card is not None,
        "sections": [section for section in sections if not section.is_empty],
    }


def _making(network: Network, words: Words) -> Section:
    """How the graph was made, its licence, and at the very end its hash."""
    metadata = network.metadata
    rows = [[words.say("licence"), words.text(metadata.licence) or words.say("licence.unknown")]]
    if metadata.name:
        rows.append([words.say("name"), metadata.name])
    rows += [[words.say("trained"), sentence] for sentence in _trainings(metadata, words)]
    for name in network.tasks:
        task = metadata.task(name)
        if task.calibration and (cases := CalibrationCases.of(task.calibration)):
            on = words.cases(cases, task.input)
            sentence = words.say("calibrated", cases=on, ece=words.percent(task.calibration.ece))
            rows.append([words.say("calibration.of", task=words.task(name)), sentence])
    if metadata.command:
        rows.append([words.say("command"), metadata.command])
    rows.append(["sha256", network.sha256])
    return Section("making", words.say("making"), tables=[Table("", [], rows)])


def _trainings(metadata: GraphMetadata, words: Words) -> list[str]:
    """A sentence for each fine-tuning of the trunk."""
    last = {"recipe": metadata.recipe, "files": metadata.files, "weights_sha256": metadata.weights_sha256}
    sentences = []
    for training in (*metadata.before, last):
        recipe, files = training.get("recipe") or {}, training.get("files") or {}
        if {"steps", "batch_size"} <= recipe.keys() and "training" in files:
            start = str(training.get("weights_sha256") or words.say("unknown"))[:SHA_DIGITS]
            layers = recipe.get("layers") or "all"
            values = {"steps": recipe["steps"], "batch": recipe["batch_size"], "files": files["training"]}
            sentences.append(words.say("trained.how", layers=layers, start=start, **values))
    return sentences
