"""The commands of README.md and docs/, run in their order in a fresh clone whose embedded graph is a small one.

The commands are read from the texts. Left out are those for Windows, and those whose comment says that they download
something or need data that a clone has not. With TORTURE=1 the real embedded graph is trained further, word for word.
"""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from PIL import Image

import retrain
import tosa.settings
from running import ROOT, TORTURE
from tosa.training import flags
from tosa.web import model_reloader
from tosa.web.app import create_app

RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
PAPERS = [ROOT / "README.md", ROOT / "docs" / "training.md", *RECIPES]
# Drawn X-rays resemble each other more than those of two people do, so they count as copies.
SHORTER = ["--how_many_training_steps=60", "--variants=2", "--allow_contaminated"]
SHORTER_FINE_TUNING = ["--how_many_training_steps=2", "--train_batch_size=2", "--allow_contaminated"]
EXAMPLES = {"sound": "examples/cough.wav", "picture": "examples/phantom-xray.jpg"}
FEATURES = 8  # of the small trunk's bottleneck


@dataclass(frozen=True)
class Command:
    """A command of a text, with the comments before and behind it."""

    paper: Path
    line: str
    comment: str

    def __str__(self) -> str:
        return f"{self.paper.stem}: {self.line[:70]}"

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment variables that it sets."""
        return dict(word.split("=", 1) for word in self._words if re.match(r"[A-Z_]+=", word))

    @cached_property
    def words(self) -> list[str]:
        """Program and arguments; `python` for Python wherever it is."""
        words = [word for word in self._words if not re.match(r"[A-Z_]+=", word)]
        return ["python" if words[0] == ".venv/bin/python" else words[0], *words[1:]]

    @cached_property
    def _words(self) -> list[str]:
        return shlex.split(self.line)

    @property
    def is_left_out(self) -> bool:
        return self.line.startswith(("py ", ".venv\\")) or bool(re.search(r"\b(downloads|needs)\b", self.comment))

    @property
    def trains(self) -> bool:
        return self.words[:2] in (["python", "retrain.py"], ["tosa", "train"])


def commands_of(paper: Path) -> list[Command]:
    """The commands in the fenced blocks of a text that name no language; in one with prompts, those after `$`."""
    found = []
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", paper.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for block in (text for language, text in blocks if not language):
        lines = block.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        above = ""  # a comment on a line of its own is on the command below it
        for line in lines:
            command, _, comment = line.partition("# ")
            if command.strip():
                found.append(Command(paper, " ".join(command.split()), f"{above} {comment}"))
            above = "" if command.strip() else comment
    return found


COMMANDS = [command for paper in PAPERS for command in commands_of(paper)]
RUN = [command for command in COMMANDS if not command.is_left_out]


class Clone:
    """A folder with what a fresh clone has, in which commands are run one after the other."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.done = 0
        for name in ("examples", "static", "templates"):
            (folder / name).symlink_to(ROOT / name)
        for name in ("inception", "bottlenecks", "melspectrograms"):
            (folder / name).mkdir()
            shutil.copy(ROOT / name / "README.md", folder / name)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(tosa.settings, "ROOT", folder)
        for name in ("TOSA_GRAPH", "TOSA_LABELS"):
            monkeypatch.delenv(name, raising=False)

    def run_to(self, number: int, capsys: pytest.CaptureFixture) -> None:
        """Runs the commands of RUN that were not yet run, up to a number."""
        while self.done <= number:
            self.run(RUN[self.done], capsys)
            self.done += 1

    def run(self, command: Command, capsys: pytest.CaptureFixture) -> None:
        if command.trains:
            self.train(command, capsys)
        elif command.words[0] == "python" and command.words[1] == "examples/make_data.py":
            subprocess.run([sys.executable, *command.words[1:]], cwd=self.folder, check=True)
        elif command.words[0] == "python" and command.words[1] == "examples/make_table.py":
            name, folder, _ = command.words[2:]
            PUBLISH[name](self.folder, self.folder / folder)
            subprocess.run([sys.executable, *command.words[1:]], cwd=self.folder, check=True)
        elif command.words in (["make", "run"], ["tosa", "serve"], ["python", "app.py"]):
            self.serve(command.variables)
        elif command.words[0] == "curl":
            self.ask(command)
        else:
            pytest.fail(f"no test knows how to run '{command.line}'; does it download, or need data? Say so behind it.")

    def train(self, command: Command, capsys: pytest.CaptureFixture) -> None:
        """Trains, and serves the result as the last line of the training says."""
        arguments = command.words[2:]
        if not TORTURE:
            arguments += SHORTER_FINE_TUNING if "--fine_tune=all" in arguments else SHORTER
        capsys.readouterr()
        assert retrain.main(arguments) == 0, capsys.readouterr().err
        last = capsys.readouterr().out.splitlines()[-1]
        serving = Command(command.paper, last.removeprefix("To serve it: "), "")
        assert serving.words[-2:] == ["tosa", "serve"]
        (graph,) = (word.split("=")[1] for word in arguments if word.startswith("--output_graph="))
        assert serving.variables == {"TOSA_GRAPH": graph}
        tasks = self.serve(serving.variables)
        wanted = {word.split("=")[1] for word in arguments if word.startswith("--task=")}
        assert wanted <= tasks.keys() and tasks

    def serve(self, variables: dict[str, str]) -> dict[str, tuple[str, ...]]:
        """Loads what the server would load, asks it about the examples, and returns its tasks with their labels."""
        with pytest.MonkeyPatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            served = model_reloader.load_in_background().result()
        tasks = served.network.tasks
        client = create_app(served).test_client()
        for kind, name in EXAMPLES.items():
            asked = [task.name for task in tasks.values() if task.input == kind]
            answer = client.post("/", data=(self.folder / name).read_bytes())
            if asked:
                assert answer.status_code == 200, answer.json
                assert [finding["task"] for finding in answer.json["findings"]] == asked
            else:
                assert answer.json["error"]["code"] == "task_missing"
        return {name: task.labels for name, task in tasks.items()}

    def ask(self, command: Command) -> None:
        """Sends what curl would send to localhost:5000 to the embedded graph."""
        assert command.words[-1] == "localhost:5000" and command.words[1] == "-F"
        name, _, file = command.words[2].partition("=@")
        client = create_app(model_reloader.load_in_background().result()).test_client()
        with open(self.folder / file, "rb") as content:
            assert client.post("/", data={name: (content, file)}).status_code == 200


def _publish_coswara(data: Path, folder: Path) -> None:
    """Lays out the synthesised sounds as Coswara has them: a folder for each person."""
    for file in (data / "sounds").rglob("*.wav"):
        person, take = file.stem.split("_take")
        kinds = ("cough-heavy", "breathing-deep") if file.parent.name == "sick" else ("counting-fast", "vowel-a")
        (folder / "20200413" / person).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / "20200413" / person / f"{kinds[int(take) - 1]}.wav")


def _publish_kermany(data: Path, folder: Path) -> None:
    """Lays out the drawn X-rays as Kermany et al. have them: the kind of pneumonia is in the name."""
    for number, file in enumerate(sorted((data / "chest_xray").rglob("*.png"))):
        kind = {"bacterial_pneumonia": "bacteria", "viral_pneumonia": "virus"}.get(file.parent.name)
        person = file.stem.removeprefix("person").split("_")[0]
        name = f"PNEUMONIA/person{person}_{kind}_{number}" if kind else f"NORMAL/IM-{person}-{number:04}"
        target = folder / "chest_xray" / "train" / f"{name}.jpeg"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).save(target)


def _publish_nih(data: Path, folder: Path) -> None:
    """Lays out the drawn X-rays as ChestX-ray14 has them: a table with findings and ages, two patients under 18."""
    (folder / "images").mkdir(parents=True)
    rows = ["Image Index,Finding Labels,Patient ID,Patient Age,View Position"]
    for number, file in enumerate(sorted((data / "chest_xray").rglob("*.png"))):
        finding = "No Finding" if file.parent.name == "normal" else "Infiltration|Pneumonia"
        shutil.copy(file, folder / "images" / f"{number:08}_000.png")
        rows.append(f"{number:08}_000.png,{finding},{number // 2},{9 if number < 4 else 50},PA")
    rows.append("99999999_000.png,No Finding,99999,50,PA")  # not unpacked
    (folder / "Data_Entry_2017.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


PUBLISH = {"coswara": _publish_coswara, "kermany": _publish_kermany, "nih": _publish_nih}


@pytest.fixture(scope="module")
def clone(tf, tmp_path_factory):
    """A fresh clone; unless TORTURE is set, Inception-v3 is a thousandth of its size, and so is the embedded graph."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = Clone(tmp_path_factory.mktemp("clone"), monkeypatch)
        if TORTURE:
            for name in ("retrained_graph.pb", "retrained_labels.txt"):
                shutil.copy(ROOT / name, folder.folder)
        else:
            _shrink(monkeypatch)
            _embed_small_graph(folder.folder, monkeypatch)
        yield folder


def _shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a few Keras layers of the kinds that Inception-v3 has in its place, and handles files in two ways only."""
    import keras

    from tosa.training.data import handling
    from tosa.training.gate import fit_gate
    from tosa.training.trunk import inception

    def build() -> keras.Model:
        pictures = keras.Input((299, 299, 3))
        features = keras.layers.AveragePooling2D(36)(pictures)
        features = keras.layers.Conv2D(FEATURES, 1, use_bias=False)(features)
        features = keras.layers.Activation("relu")(keras.layers.BatchNormalization(scale=False)(features))
        return keras.Model(pictures, features)

    monkeypatch.setattr(handling, "OF_PICTURES", handling.OF_PICTURES[:2])
    monkeypatch.setattr(handling, "OF_SOUNDS", handling.OF_SOUNDS[:2])
    monkeypatch.setattr(fit_gate, "DRAWN", 60)
    monkeypatch.setattr(inception, "build_inception", build)
    monkeypatch.setattr(inception, "FEATURES", FEATURES)


def _embed_small_graph(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains a small graph of both kinds of tasks on drawn data, in the place of the embedded one."""
    import numpy as np

    from tosa.training.trunk import inception

    outside = folder / "outside"
    outside.mkdir()
    monkeypatch.syspath_prepend(ROOT / "examples")
    import make_data

    with monkeypatch.context() as fewer:
        fewer.setattr(make_data, "PERSONS", 4)
        fewer.setattr(make_data, "write_dataset", lambda folder: None)
        make_data.main(outside)
    trunk = inception.build_inception()
    arrays = {f"{name}__{v.name}": v.numpy() for name, layer in inception.weight_layers(trunk) for v in layer.weights}
    np.savez(outside / "weights.npz", **arrays)
    places = {"model_dir": outside, "labels_csv": outside / "cases.csv", "output_graph": "retrained_graph.pb",
              "output_labels": "retrained_labels.txt", "checkpoint_dir": outside, "report_dir": outside}  # fmt: skip
    given = [f"--{name}={value}" for name, value in places.items()]
    assert retrain.main(["--fine_tune=all", *given, *SHORTER_FINE_TUNING]) == 0
    shutil.rmtree(outside)


@pytest.mark.parametrize("number", range(len(RUN)), ids=[str(command) for command in RUN])
def test_a_command_ends_in_something_served(clone, capsys, number):
    clone.run_to(number, capsys)


def test_the_texts_have_the_commands_that_matter():
    lines = [" ".join(command.words) for command in RUN]
    for start in ("make run", "curl", "python examples/make_data.py", "python retrain.py --audio_dir"):
        assert any(line.startswith(start) for line in lines), start
    assert sum(command.trains for command in RUN) >= 4
    classic = next(line for line in lines if "--bottleneck_dir=bottlenecks" in line)
    assert lines.index(classic) > next(number for number, line in enumerate(lines) if "make_data" in line)


def test_the_classic_command_keeps_what_it_replaces(clone, capsys):
    """It wrote over the embedded graph, in the folder of the clone."""
    clone.run_to(len(RUN) - 1, capsys)
    names = {file.name for file in clone.folder.iterdir()}
    assert {"retrained_graph.previous.pb", "retrained_labels.previous.txt"} <= names


def test_tables_of_public_sets_have_their_labels_and_people(clone, capsys):
    clone.run_to(len(RUN) - 1, capsys)
    tables = {}
    for name in PUBLISH:
        with open(clone.folder / f"{name}.csv", encoding="utf-8") as table:
            tables[name] = list(csv.DictReader(table))
    labels = {name: Counter(row["label"] for row in rows) for name, rows in tables.items()}
    assert labels["coswara"] == {"sick": 24, "not sick": 24}
    assert labels["kermany"] == {"normal": 24, "bacterial pneumonia": 24, "viral pneumonia": 24}
    assert labels["nih"] == {"no finding": 24, "pneumonia": 44}, "those under 18 are left out"
    people = {name: Counter(row["group"] for row in rows) for name, rows in tables.items()}
    assert all(set(counts.values()) == {2} for counts in people.values()), "two files of each person"


def test_what_the_commands_write_is_ignored_by_git(clone, capsys):
    clone.run_to(len(RUN) - 1, capsys)
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    for path in clone.folder.iterdir():
        if not (ROOT / path.name).exists():  # what a clone has
            assert f"/{path.name}" in ignored or f"/{path.name}/" in ignored, path.name


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.stem)
def test_flags_that_a_text_names_exist(paper):
    text = re.sub(r"^.*\b(pip|curl|git)\b.*$", "", paper.read_text(encoding="utf-8"), flags=re.MULTILINE)
    known = {flag for action in flags.parser()._actions for flag in action.option_strings}
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text))
    # screen, TensorBoard, robustness, collect, tosa.audit.card, bench/fingerprints.py
    of_others = {"--out", "--logdir", "--split", "--commercial", "--keep_copies", "--words", "--data"}
    assert not named - known - of_others
