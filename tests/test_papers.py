"""What README.md and docs/ say of the program is what the program does."""

import contextlib
import io
import json
import re

import pytest

from running import ROOT, Running
from tosa import errors, settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAPERS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_readme_is_short():
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_links_lead_somewhere(paper):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", paper.read_text(encoding="utf-8")):
        if "://" not in target:
            file = paper.parent / target if target else paper
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def anchors(paper) -> set[str]:
    """What a link can name in a text: its headings, in small letters, with dashes for spaces."""
    headings = re.findall(r"^#+ (.+)$", paper.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_files_that_a_paper_names_exist(paper):
    for name in re.findall(
        r"\b(?:tosa|tests|bench|examples)/[a-z_/]+\.(?:py|sh|md)\b", paper.read_text(encoding="utf-8")
    ):
        assert (ROOT / name).exists(), name


def test_the_python_lines_of_readme_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "tosa.load()" in code
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    first, *others = printed.getvalue().splitlines()
    assert first.startswith("sick ")
    assert [line.split()[0] for line in others] == ["pneumonia", "covid"]


def test_the_json_of_readme_is_what_the_server_answers(tmp_path):
    config = settings.Settings()
    with Running(config.graph, config.labels, tmp_path) as server:
        sound, picture = (
            server.post((ROOT / "examples" / name).read_bytes(), {"Content-Type": kind}, "/?explain=1")[1]
            for name, kind in (("cough.wav", "audio/wav"), ("phantom-xray.jpg", "image/jpeg"))
        )
    (shown,) = re.findall(r"localhost:5000\n(\{.*?\})\n```", README, re.DOTALL)
    shown = json.loads(shown)
    assert set(shown) == set(sound)
    finding, answered = shown["findings"][0], sound["findings"][0]
    assert set(finding) == set(answered) - {"picture", "explanation"}  # it is shown without ?explain=1
    assert set(finding["operating_point"]) == set(answered["operating_point"])
    for label, score in answered["scores"].items():
        assert finding["scores"][label] == pytest.approx(score, abs=0.02)  # of another precision, too
    explained = set(re.findall(r"`(\w+)`", README[README.index("| field |") : README.index("## Installation")]))
    for answer in (sound, picture):
        names = set(answer) | {name for finding in answer["findings"] for name in finding}
        assert names - explained <= {"disclaimer", "diagnosis", "score"}


def test_the_figures_of_readme_are_those_of_the_model_card():
    card = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
    figures = re.findall(r"[\d.]+(?: %)? \[[\d., ]+\]", README)
    assert len(figures) >= 9
    assert not [figure for figure in figures if figure not in card]


def test_every_refusal_is_documented():
    documented = {(int(status), code) for status, code in re.findall(r"\| (\d{3}) \| `(\w+)` \|", API)}
    bases = {errors.RequestError, errors.CannotJudge}  # never answered themselves
    assert {(kind.status, kind.code) for kind in errors.refusals() if kind not in bases} <= documented


def test_every_setting_is_documented():
    read = set(re.findall(r'"(TOSA_\w+)"', (ROOT / "tosa" / "settings.py").read_text(encoding="utf-8")))
    assert len(read) >= 7
    assert not [name for name in read if f"`{name}`" not in API]


def test_files_that_readme_makes_are_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    commands = README + (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    made = re.findall(r"--(?:plot|report_dir|bottleneck_dir|summaries_dir|image_dir|audio_dir)=([\w.]+)", commands)
    for name in set(made) - {"SOUNDS", "FOLDER"}:
        assert any(line.strip("/*").split("/")[0] == name for line in ignored), name
