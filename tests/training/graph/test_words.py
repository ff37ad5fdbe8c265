"""What the command line lets a graph say of itself."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tosa.errors import UsageError
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.training.command_line import command_line
from tosa.training.data import dataset
from tosa.training.data.dataset import Case
from tosa.training.flags import parser
from tosa.training.graph.words import NEUTRAL_TITLE, Words, check_descriptions, describe, started_from, with_counts

COVID = TaskMetadata(
    "covid", "picture", ("normal", "covid-19"), demonstration=True, note={"en": "Few.", "es": "Pocos."}
)
BEFORE = GraphMetadata(title="Ours", licence="CC BY", command="retrain.py --fine_tune=all").with_task(COVID)


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "gray.png"
    Image.new("L", (9, 9)).save(file)
    return file


@pytest.fixture
def cases(picture) -> list[Case]:
    """Of two tasks that share the label normal; two files of one patient, and one each of two others."""
    rows = [("lungs", "normal", "a", "training"), ("lungs", "normal", "a", "training"),
            ("lungs", "viral", "b", "training"), ("lungs", "viral: mild", "b", "testing"),
            ("heart", "normal", "c", "validation")]  # fmt: skip
    return [Case(picture, task, label, group, split) for task, label, group, split in rows]


def lungs_only(cases: list[Case]) -> list[Case]:
    return dataset.of_task(cases, "lungs")


def test_labels_are_described_where_they_are_named(cases):
    words = ("viral: by a virus", "viral: mild: at home", "heart/normal: a heart as most", "covid-19: as published")
    described = describe(BEFORE, cases, Words("c", descriptions=words), BEFORE)
    assert described.task("lungs").descriptions == {"viral": "by a virus", "viral: mild": "at home"}
    assert described.task("heart").descriptions == {"normal": "a heart as most"}
    assert described.task("covid").descriptions == {"covid-19": "as published"}, "a task that is kept"
    again = describe(described, lungs_only(cases), Words("c", descriptions=("normal: clear",)), described)
    assert again.task("lungs").descriptions["normal"] == "clear", "of the tasks that have it, the trained one"
    assert again.task("heart").descriptions == {"normal": "a heart as most"}


@pytest.mark.parametrize(
    "words, says",
    [
        ({"descriptions": ("normal: clear",)}, r"several tasks: lungs, heart\. Write 'TASK/LABEL"),
        ({"descriptions": ("vial: clear",)}, "label of the graph: lungs/normal, .*heart/normal, covid/normal"),
        ({"descriptions": ("viral",)}, "LABEL: words"),
        ({"descriptions": ("viral: ",)}, "LABEL: words"),
        ({"limits": ("Few cases.",)}, "TASK one of covid, lungs, heart"),
        ({"demonstration": "lungs"}, "TASK: REASON"),
        ({"demonstration": "brain: few"}, "TASK one of covid, lungs, heart"),
    ],
)
def test_words_that_fit_nothing_are_refused(cases, words, says):
    with pytest.raises(UsageError, match=says):
        describe(BEFORE, cases, Words("c", **words), BEFORE)


def test_a_label_that_no_folder_has_is_refused():
    check_descriptions(("viral: mild: at home", "lungs/normal: clear"), ["normal", "viral: mild"])
    with pytest.raises(UsageError, match="--describe 'asthmaa: wheeze' must have .* of the graph: asthma, healthy"):
        check_descriptions(("healthy: none", "asthmaa: wheeze"), ["asthma", "healthy"])


def test_limits_are_of_the_trained_task_unless_they_name_another(cases):
    words = Words("c", limits=("Children only.", "covid: Adults only.", "One hospital."))
    described = describe(BEFORE, lungs_only(cases), words, BEFORE)
    assert described.task("lungs").limits == "Children only. One hospital."
    assert described.task("covid").limits == "Adults only."


def test_a_task_that_replaces_a_demonstration_stays_one(picture, capsys):
    cases = [Case(picture, "covid", label, label, "training") for label in ("normal", "covid-19")]
    fresh = started_from(BEFORE)
    kept = describe(fresh, cases, Words("c"), BEFORE).task("covid")
    assert kept.demonstration and kept.note == COVID.note
    out = capsys.readouterr().out
    assert "Task covid stays marked as a demonstration (Few.)" in out and "--no_demonstration" in out
    named = describe(fresh, cases, Words("c", demonstration="covid: drawn"), BEFORE).task("covid")
    assert named.demonstration and named.note == "drawn"
    removed = describe(fresh, cases, Words("c", no_demonstration=True), BEFORE).task("covid")
    assert not removed.demonstration and removed.note is None
    calibrated = describe(BEFORE, cases, Words("c", no_demonstration=True), BEFORE).task("covid")
    assert calibrated == replace(COVID, demonstration=False, note=None)
    describe(BEFORE, cases, Words("c"), BEFORE)
    assert not capsys.readouterr().out, "nothing changes where the task itself is calibrated"


def test_title_licence_and_command_follow_what_is_kept(cases, capsys):
    added = describe(BEFORE, cases, Words("retrain.py --task=lungs"), BEFORE)
    assert (added.title, added.licence) == ("Ours + lungs + heart", "CC BY")
    assert "The graph is called 'Ours + lungs + heart'. --title" in capsys.readouterr().out
    assert added.command == "retrain.py --fine_tune=all\nretrain.py --task=lungs"
    again = describe(added, cases, Words("retrain.py --task=lungs"), added)
    assert (again.command, again.title) == (added.command, added.title)
    in_two = replace(BEFORE, title={"en": "Ours", "fr": "Le nôtre"})
    found = describe(in_two, lungs_only(cases), Words("c"), BEFORE).title
    assert found == {"en": "Ours + lungs", "fr": "Le nôtre + lungs"}
    alone = describe(started_from(BEFORE), cases, Words("retrain.py"), BEFORE)
    assert (alone.title, alone.licence, alone.command) == (NEUTRAL_TITLE, "CC BY", "retrain.py")
    assert list(alone.tasks) == ["lungs", "heart"]
    assert describe(BEFORE, cases, Words("c", title="Theirs"), BEFORE).title == "Theirs"


def test_counts_are_of_cases_and_groups(cases):
    counted = with_counts(BEFORE, cases, dataset.SPLITS)
    assert counted.task("lungs").counts == {
        "training": {"normal": {"cases": 2, "groups": 1}, "viral": {"cases": 1, "groups": 1}},
        "testing": {"viral: mild": {"cases": 1, "groups": 1}},
    }
    assert counted.task("heart").counts == {"validation": {"normal": {"cases": 1, "groups": 1}}}
    again = with_counts(counted, lungs_only(cases)[:1], ("validation", "testing")).task("lungs").counts
    assert again == {"training": counted.task("lungs").counts["training"]}, "the training's own are kept"


def test_the_command_holds_what_decides_and_no_path():
    given = ["--labels_csv=/home/me/cases.csv", "--output_graph=/x/g.pb", "--seed=3", "--flip_left_right",
             "--title=Ours", "--prevalence=0.2", r"--group_regex=person \d+", "--model_dir=/m"]  # fmt: skip
    reader = parser()
    told = command_line(reader, reader.parse_args(given))
    assert told == r"retrain.py --labels_csv=FILE --group_regex='person \d+' --seed=3 --flip_left_right"
    assert command_line(reader, reader.parse_args([])) == "retrain.py"
    pools = ["--fine_tune=mixed3", "--pool_shares=adults:0.5,children:0.25"]
    assert command_line(reader, reader.parse_args(pools)) == " ".join(["retrain.py", *pools])
    twice = ["--sensitivity=lungs: 0.96", "--sensitivity=skin: 0.9"]
    assert shlex.split(command_line(reader, reader.parse_args(twice)))[1:] == twice
    assert command_line(parser("tosa train"), reader.parse_args(given[::-1])) == told
