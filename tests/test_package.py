"""A wheel, installed alone, is a whole Tosa; the locks that it is installed with are complete."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from running import PATIENCE, ROOT, Running
from tosa import __version__, settings

LOCKS = ("requirements-serve.txt", "requirements.txt", "requirements-test.txt")
ONLY_TRAINING = {"tensorflow", "tensorflow-cpu", "keras", "scikit-learn", "scipy", "matplotlib", "librosa", "numba"}


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """A folder with what a wheel of this checkout installs."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys, hatchling.build; hatchling.build.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, folder], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"tosa-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_an_installed_tosa_serves_from_another_folder(installed, tmp_path):
    folder, cache = tmp_path / "elsewhere", tmp_path / "cache"
    folder.mkdir()
    variables = {"PYTHONPATH": installed, "XDG_CACHE_HOME": cache}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOSA_")}
    code = (
        "from pathlib import Path; from tosa import settings; config = settings.Settings(); "
        "print(settings.ROOT, config.cache, config.graph.exists(), config.labels)"
    )
    told = {name: str(value) for name, value in variables.items()}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment | told, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [str(installed / "tosa" / "_data"), str(cache / "tosa"), "True", "None"]

    data = installed / "tosa" / "_data"
    graph, labels = data / "retrained_graph.pb", data / "retrained_labels.txt"
    with Running(graph, labels, tmp_path, command=["-m", "tosa", "serve"], cwd=folder, **variables) as server:
        sound = (ROOT / "examples" / "cough.wav").read_bytes()
        status, answer, _ = server.post(sound, {"Content-Type": "audio/wav"})
        assert (status, answer["diagnosis"]) == (200, "sick")
        assert b"<title>" in server.get("/")
        assert len(server.get("/static/tosa.css")) > 1000
    assert list(folder.iterdir()) == []


def test_the_wheel_has_every_file_that_the_checkout_serves(installed):
    for name in ("static", "templates"):
        ours = {file.relative_to(ROOT) for file in (ROOT / name).rglob("*") if file.is_file()}
        assert ours
        assert not [file for file in ours if not (installed / "tosa" / "_data" / file).is_file()]
    package = {file.relative_to(ROOT) for file in (ROOT / "tosa").rglob("*.*") if "__pycache__" not in file.parts}
    assert not [file for file in package if not (installed / file).is_file()]


def test_the_command_tells_its_version_and_help():
    def said(*arguments):
        command = [sys.executable, "-m", "tosa", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert said("--version").split()[-1] == __version__
    assert {"serve", "train"} <= set(said("--help").split())
    assert "--port" in said("serve", "--help")
    assert "--image_dir" in said("train", "--help")


def test_app_py_explains_itself():
    command = [sys.executable, "app.py", "--help"]  # a server that starts would not end
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30 * PATIENCE)
    assert ran.returncode == 0
    assert "Usage: app.py" in ran.stdout


def test_training_without_its_packages_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from tosa.training.flags import main\n"
        f"sys.exit(main(['--image_dir', {str(tmp_path)!r}]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.startswith("retrain.py: training needs sklearn, which is not installed.")
    assert "make train-env" in ran.stderr


def pinned(lock: str) -> dict[str, str]:
    """Version of each package of a lock, whatever the platform."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed(lock):
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line, re.IGNORECASE)]
    assert len(lines) > 5
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    assert "://" not in text, "a lock names no address"


def test_the_lean_lock_is_a_part_of_the_full_one():
    lean, full, tests = (pinned(lock) for lock in LOCKS)
    assert {"flask", "openvino", "pydicom", "soundfile"} <= set(lean)
    assert not set(lean) & ONLY_TRAINING
    assert lean.items() <= full.items()
    assert not [name for name in set(full) & set(tests) if full[name] != tests[name]]
    assert {"flask", "librosa", "numpy", "matplotlib", "tensorflow", "soundfile", "pillow"} <= set(full)


def test_the_locks_have_what_pyproject_asks_for():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for lock, wanted in zip(LOCKS, (project["dependencies"], extras["train"], extras["test"]), strict=True):
        names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in wanted}
        assert names <= set(pinned(lock)), f"run `make lock`: {lock}"


def test_the_cache_of_a_checkout_is_inside_it(monkeypatch):
    monkeypatch.delenv("TOSA_CACHE")
    assert settings.Settings().cache == ROOT / ".cache"


def test_every_extra_that_messages_and_documents_name_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    files = [*ROOT.glob("tosa/**/*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    named = {
        name for file in files for name in re.findall(r"pip install '\.\[(\w+)\]'", file.read_text(encoding="utf-8"))
    }
    assert named and named <= set(extras)
