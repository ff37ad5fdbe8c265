"""What is said of a file before and beside its findings: its kind, its size, the age of its patient."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pictures import dicom, encoded, phantom
from sounds import coughs, wav
from tosa import errors, screening, settings
from tosa.inputs import decoder_pool, decoding
from tosa.model.metadata import TaskMetadata
from tosa.model.network import Network

GRAY = phantom()
PICTURE = encoded(Image.fromarray(GRAY))
SOUND = wav(coughs())


@pytest.mark.parametrize(
    "population, years, says",
    [
        ("children", 45, "trained on X-rays of children"), ("children", 18, "trained on X-rays of children"),
        ("children", 17.9, None), ("children", 0, None), ("adults", 17.9, "trained on X-rays of adults"),
        ("adults", 0.1, "trained on X-rays of adults"), ("adults", 18, None), ("children", None, None),
        ("adults", None, None), (None, 45, None), ("cats", 45, None),
    ],
)  # fmt: skip
def test_age_note(population, years, says):
    note = screening.age_note(population, years)
    assert note is None if says is None else says in note


@pytest.fixture(scope="module")
def network(small_graph):
    """Of the small graph, as if it said whom two of its tasks were trained on."""
    network = Network.load(*small_graph)
    for name, population in (("pneumonia", "children"), ("covid", "adults")):
        task = TaskMetadata(name, "picture", population=population)
        network.metadata = network.metadata.with_task(task)
    return network


@pytest.fixture(scope="module")
def pool():
    with decoder_pool.Pool(1) as pool:
        yield pool


@pytest.mark.parametrize(
    "age, noted", [("045Y", {"pneumonia"}), ("010M", {"covid"}), ("", set()), ("900Y", {"pneumonia"})]
)
@pytest.mark.parametrize("sandboxed", [False, True])
def test_findings_say_when_the_patient_is_of_another_age(network, pool, age, noted, sandboxed):
    data = dicom(GRAY, PatientAge=age)
    decode = pool if sandboxed else decoding.decode_file
    answer = screening.screen(network, SOUND, data, decode=decode)
    if age == "900Y" and sandboxed:  # no patient is so old: what the process answers is checked
        noted = set()
    assert {finding["task"] for finding in answer["findings"] if "age_note" in finding} == noted
    assert age == "" or age not in str(answer)


def test_a_picture_without_an_age_gets_no_note(network):
    answer = screening.screen(network, SOUND, PICTURE)
    assert not any("age_note" in finding for finding in answer["findings"])


def test_only_the_graph_says_whom_a_task_was_trained_on(small_graph):
    answer = screening.screen(Network.load(*small_graph), None, dicom(GRAY, PatientAge="045Y"))
    assert [finding["task"] for finding in answer["findings"]] == ["pneumonia", "covid"]
    assert not any("age_note" in finding for finding in answer["findings"])


def test_a_finding_says_what_its_diagnosis_means_and_that_it_is_not_calibrated(small_graph):
    network = Network.load(*small_graph)
    meanings = {label: {"en": f"means {label}", "es": "?"} for label in network.tasks["cough"].labels}
    task = TaskMetadata("cough", "sound", calibrated=False, descriptions=meanings, note={"fr": "Peu.", "en": "Few."})
    network.metadata = network.metadata.with_task(task)
    (finding,) = screening.screen(network, SOUND, None)["findings"]
    assert finding["description"] == f"means {finding['diagnosis']}" and finding["note"] == "Few."
    assert finding["calibrated"] is False and finding["uncalibrated_reason"] == screening.NO_REASON
    reasoned = replace(task, uncalibrated_reason="Only 4 validation cases.", descriptions={})
    network.metadata = network.metadata.with_task(reasoned)
    (finding,) = screening.screen(network, SOUND, None)["findings"]
    assert finding["uncalibrated_reason"] == "Only 4 validation cases." and "description" not in finding
    for known in (True, None):
        network.metadata = network.metadata.with_task(replace(task, calibrated=known))
        assert not {"calibrated", "uncalibrated_reason"} & screening.screen(network, SOUND, None)["findings"][0].keys()


@pytest.mark.parametrize("task, data, other", [("cough", PICTURE, "sounds"), ("covid", SOUND, "pictures")])
def test_a_file_of_the_wrong_kind_is_told_what_the_model_judges(small_graph, task, data, other):
    network = Network.load(*small_graph)
    network.tasks = {task: network.tasks[task]}
    files = {"sound": data, "picture": None} if other == "pictures" else {"sound": None, "picture": data}
    with pytest.raises(errors.TaskMissing) as refused:
        screening.screen(network, **files)
    said = str(refused.value)
    assert f"judges {other}, not " in said and f"{task} ({', '.join(network.tasks[task].labels)})" in said


@pytest.mark.parametrize(
    "kind, data, limit", [("picture", PICTURE, "MAX_PICTURE_BYTES"), ("sound", SOUND, "MAX_SOUND_BYTES")]
)
def test_a_file_over_its_limit_is_told_which_one_and_what_to_do(kind, data, limit, monkeypatch):
    assert screening.kind_of(data) == kind
    monkeypatch.setattr(settings, limit, len(data) - 1)
    with pytest.raises(errors.TooLarge) as refused:
        screening.kind_of(data)
    other = {"picture": "sound", "sound": "picture"}[kind]
    assert kind in str(refused.value) and other not in str(refused.value)


def test_an_uncompressed_dx_is_within_the_limits():
    data = dicom(np.zeros((3056, 2544), np.uint16))
    assert screening.kind_of(data) == "picture" and len(data) > settings.MAX_SOUND_BYTES
    with pytest.raises(errors.NotAChestXray):  # it is black
        decoding.decode_file("picture", data)
