import json
import random
from dataclasses import replace

import pytest

from tosa.model.calibration import Calibration, OperatingPoint
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.model.text import in_language
from tosa.preprocessing import Preprocessing

CALIBRATION = Calibration(0.03, 499, 299, 9, 0.99, {"healthy": 0.5})
POINT = OperatingPoint(
    ("viral", "bacterial"), 0.25, 0.98, 0.96, ill=357, healthy=142, ill_groups=200, healthy_groups=99
)
LUNGS = TaskMetadata(
    "lungs", "picture", ("healthy", "viral", "bacterial"), gate=True, calibration=CALIBRATION,
    operating_point=POINT, demonstration=True, note="Of one hospital.", population="children",
    calibrated=False, uncalibrated_reason="Too few.", margin=0.0,
    descriptions={"viral": {"en": "viral", "fr": "virale"}}, limits={"en": "Children.", "es": "Niños."},
    counts={"training": {"viral": {"cases": 3, "groups": 2}}},
    training={"steps": 4000}, refit={"decay": 1}, extra={"colour": ["red"]},
)  # fmt: skip
WHOLE = GraphMetadata(
    name="lungs and coughs", title={"en": "Lungs", "fr": "Poumons"}, description="Two tasks.", licence="CC0",
    command="retrain.py --seed=1", tasks={"lungs": LUNGS, "cough": TaskMetadata("cough", "sound", ("well", "sick"))},
    preprocessing=replace(Preprocessing(), n_mels=96), recipe={"layers": "mixed3"}, weights_sha256="ab" * 32,
    files={"training": 10}, before=({"files": {}},), extra={"by": "us"},
)  # fmt: skip

OLD = {  # as graphs have it that were made before this module
    "recipe": {"steps": 900},
    "tasks": {
        "cough": {"from": "sound", "labels": ["not sick", "sick"], "calibration": {"ece": 0.0116, "n": 200}},
        "covid": {
            "from": "picture", "labels": ["covid-19", "normal"], "gate": True, "demonstration": True, "note": "No.",
            "operating_point": {"cases": {"healthy": 15, "ill": 30}, "labels": ["covid-19"], "sensitivity": 0.9,
                                "specificity": 0.8, "threshold": 0.7699},
        },
    },
}  # fmt: skip


def test_what_is_written_is_read_again():
    assert GraphMetadata.from_json(WHOLE.to_json()) == WHOLE


def test_the_same_content_is_the_same_text():
    def shuffled(value):
        if not isinstance(value, dict):
            return value
        items = [(key, shuffled(each)) for key, each in value.items()]
        return dict(random.sample(items, len(items)))

    texts = {GraphMetadata.from_json(json.dumps(shuffled(json.loads(WHOLE.to_json())))).to_json() for _ in range(5)}
    assert texts == {WHOLE.to_json()}


def test_an_old_graph_is_read_and_written_as_it_was():
    metadata = GraphMetadata.from_json(json.dumps(OLD))
    assert metadata.preprocessing == Preprocessing()
    assert metadata.task("covid").operating_point == OperatingPoint(("covid-19",), 0.7699, 0.9, 0.8, 30, 15)
    assert metadata.task("cough").calibration == Calibration(0.0116, 200)
    assert [metadata.task(name).input for name in ("cough", "covid")] == ["sound", "picture"]
    assert json.loads(metadata.to_json()) == OLD | {"preprocessing": Preprocessing().to_dict()}


def test_a_graph_that_says_nothing_has_defaults():
    metadata = GraphMetadata.from_json("{}")
    assert metadata == GraphMetadata()
    assert (metadata.task("cough").input, metadata.task("lungs").input) == ("sound", "picture")
    assert not metadata.task("lungs").gate and metadata.task("lungs").note is None


def test_not_calibrated_is_written_and_unknown_is_not():
    known = [TaskMetadata("lungs", "picture", calibrated=each).to_dict().get("calibrated") for each in (False, None)]
    assert known == [False, None]
    assert TaskMetadata("lungs", "picture").to_dict() == {"from": "picture"}


def test_a_text_falls_back_to_english_and_then_to_what_there_is():
    text = {"fr": "Toux", "en": "Cough"}
    assert [in_language(text, each) for each in ("fr", "en", "es")] == ["Toux", "Cough", "Cough"]
    assert in_language(text) == "Cough" and in_language({"fr": "Toux"}, "es") == "Toux"
    assert in_language("plain", "fr") == "plain" and in_language(None, "fr") == ""


def test_unknown_fields_are_kept():
    text = '{"colour": [1], "tasks": {"lungs": {"colour": 2, "from": "picture"}}}'
    metadata = GraphMetadata.from_json(text)
    assert metadata.extra == {"colour": [1]} and metadata.task("lungs").extra == {"colour": 2}
    written = json.loads(metadata.to_json())
    assert written["colour"] == [1] and written["tasks"] == {"lungs": {"colour": 2, "from": "picture"}}


def test_tasks_are_replaced_and_removed_in_copies():
    other = replace(LUNGS, note=None)
    assert WHOLE.with_task(other).task("lungs") == other and WHOLE.task("lungs") == LUNGS
    assert list(WHOLE.without_task("lungs").tasks) == ["cough"] and list(WHOLE.tasks) == ["lungs", "cough"]


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"cut', "damaged JSON"),
        ("[1]", "no JSON object"),
        (None, "damaged JSON"),
        ('{"tasks": [1]}', "tasks = [1]"),
        ('{"tasks": {"lungs": 1}}', "tasks.lungs that is not"),
        ('{"tasks": {"lungs": {"from": "smell"}}}', "tasks.lungs.from = 'smell'"),
        ('{"tasks": {"lungs": {"labels": [1]}}}', "tasks.lungs.labels = [1]"),
        ('{"tasks": {"lungs": {"gate": "yes"}}}', "tasks.lungs.gate = 'yes'"),
        ('{"tasks": {"lungs": {"calibration": {"ece": true, "n": 3}}}}', "tasks.lungs.calibration.ece = True"),
        ('{"tasks": {"lungs": {"operating_point": {"labels": ["ill"]}}}}', "tasks.lungs.operating_point.cases = None"),
        ('{"tasks": {"lungs": {"note": 1}}}', "tasks.lungs.note = 1"),
        ('{"tasks": {"lungs": {"limits": {}}}}', "tasks.lungs.limits = {}"),
        ('{"tasks": {"lungs": {"limits": {"en": 1}}}}', "tasks.lungs.limits = {'en': 1}"),
        ('{"tasks": {"lungs": {"descriptions": {"ill": ["x"]}}}}', "tasks.lungs.descriptions = "),
        ('{"tasks": {"lungs": {"calibrated": "no"}}}', "tasks.lungs.calibrated = 'no'"),
        ('{"tasks": {"lungs": {"margin": 1.5}}}', "tasks.lungs.margin = 1.5"),
        ('{"tasks": {"lungs": {"counts": {"training": 3}}}}', "tasks.lungs.counts.training = 3"),
        ('{"tasks": {"lungs": {"counts": {"training": {"ill": {"cases": "3"}}}}}}', "counts.training.ill.cases = '3'"),
        ('{"title": ["a"]}', "title = ['a']"),
        ('{"preprocessing": {"n_mels": 3}}', "n_mels is 3"),
        ('{"preprocessing": {"wavelet": "db4"}}', "wavelet is 'db4'"),
        ('{"preprocessing": 1}', "preprocessing = 1"),
    ],
)
def test_what_cannot_be_read_is_named(text, says):
    with pytest.raises(ValueError, match=r"^(holds|asks for) ") as error:
        GraphMetadata.from_json(text)
    assert says in str(error.value)
