"""The container's steps, as far as they can be followed without a container engine."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from running import PATIENCE, ROOT, Running, free_port
from sounds import coughs, wav

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.split("FROM ")[-1]  # the stage that becomes the image


def copied() -> list[tuple[list[str], str]]:
    """Sources and target of each COPY from this project."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", FINAL, re.MULTILINE)
    return [(words[:-1], words[-1]) for words in map(str.split, lines)]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A folder with what the image has in /app."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for sources, target in copied():
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, folder / target)
    return folder


@pytest.fixture(scope="module")
def running(image, tmp_path_factory):
    """The image's command, with its files read-only and a cache of its own."""
    for file in image.rglob("*"):
        file.chmod(0o555 if file.is_dir() else 0o444)
    command = json.loads(re.findall(r"^CMD (.+)$", FINAL, re.MULTILINE)[-1])
    assert command[0] == "python"
    cache = tmp_path_factory.mktemp("cache")
    graph, labels = image / "retrained_graph.pb", image / "retrained_labels.txt"
    with Running(graph, labels, tmp_path_factory.mktemp("tmp"), command[1:], image, TOSA_CACHE=cache) as running:
        yield running
    for folder in [image, *image.rglob("*/")]:
        folder.chmod(0o755)


def test_the_image_has_what_serving_needs(running):
    assert b"<title>" in running.get("/")
    status, answer, _ = running.post(wav(coughs()))
    assert status == 200 and answer["findings"][0]["from"] == "sound"


def test_the_health_check_of_the_image(running, image):
    command = json.loads(re.findall(r"HEALTHCHECK .*CMD (.+)$", FINAL, re.MULTILINE)[0])
    assert command[0] == "python"
    for port, status in [(running.port, 0), (free_port(), 1)]:
        for host in ("127.0.0.1", "0.0.0.0"):
            names = os.environ | {"TOSA_PORT": str(port), "TOSA_HOST": host}
            ended = subprocess.run([sys.executable, *command[1:]], cwd=image, env=names, timeout=60 * PATIENCE)
            assert ended.returncode == status


def test_what_is_copied_is_sent_to_the_builder():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "**"
    sent = [line[1:] for line in lines if line.startswith("!")]
    sources = {source for found, _ in copied() for source in found} | {"requirements-serve.txt"}
    assert sources == set(sent)
    assert all((ROOT / source).exists() for source in sources)
    assert any(fnmatch.fnmatch("tosa/web/__pycache__", line) for line in lines[1:] if not line.startswith("!"))


def test_hadolint_has_no_complaint():
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    if not (hadolint := shutil.which("hadolint", path=os.pathsep.join(places))):
        pytest.skip("hadolint is not installed")
    subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, check=True)


@pytest.mark.parametrize("version", ["1.30", "latest"])
def test_kubernetes_takes_its_example(version):
    """Of 1.30, the oldest that the example names, and the latest that is known; one wrong name is an error."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    version = kubernetes.latest_version() if version == "latest" else version
    resources = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")))
    assert [resource["kind"] for resource in resources] == ["Deployment", "Service", "HorizontalPodAutoscaler"]
    for resource in resources:
        kubernetes.validate(resource, version, strict=True)
    (container,) = resources[0]["spec"]["template"]["spec"]["containers"]
    container["readynessProbe"] = container.pop("readinessProbe")
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(resources[0], version, strict=True)


def test_compose_takes_its_example(tmp_path):
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    example = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    for name, text in {"right": example, "wrong": example.replace("restart:", "restarts:")}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", f"{name}.yaml"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60 * PATIENCE)
        assert ended.returncode == (name == "wrong"), ended.stdout + ended.stderr


def test_caddy_takes_its_example(tmp_path):
    if not (caddy := shutil.which("caddy")):
        pytest.skip("caddy is not installed")
    names = os.environ | {"TOSA_NAME": "tosa.local", "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", "deploy/Caddyfile"]
    ended = subprocess.run(command, cwd=ROOT, env=names, capture_output=True, text=True, timeout=60 * PATIENCE)
    assert ended.returncode == 0, ended.stderr
