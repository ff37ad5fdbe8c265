"""Which module may import which: every layer imports only from those below it, and no modules import in a circle."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (  # from top to bottom; those of one line do not know each other
    "app retrain tosa.__main__",
    "tosa.cli",
    "tosa",  # the Python interface in tosa/__init__.py
    "tosa.audit",
    "tosa.web",
    "tosa.training.flags",
    "tosa.training.flag_combinations",
    "tosa.training.commands",
    "tosa.training.report",
    "tosa.training.graph",
    "tosa.training.gate",
    "tosa.training.trunk",
    "tosa.training.head",
    "tosa.training.features",
    "tosa.training.data",
    "tosa.training.tensorboard_curves",
    "tosa.training.files tosa.training.flag_types tosa.training.metrics tosa.training.packages",
    "tosa.training.command_line",
    "tosa.scale",
    "tosa.timeline",
    "tosa.screening tosa.episodes",
    "tosa.operating_point",
    "tosa.inputs tosa.model",
    "tosa.preprocessing",
    "tosa.settings",
    "tosa.errors tosa.memory",
)
HEAVY = {"tensorflow", "keras", "sklearn", "librosa", "matplotlib", "numba"}  # only training may import these


def modules() -> dict[str, Path]:
    """Every module of the package and the two ways in, by its name."""
    files = [ROOT / "app.py", ROOT / "retrain.py", *(ROOT / "tosa").rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


MODULES = modules()


def imports(name: str) -> set[str]:
    """The project's modules that a module imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {member if member in MODULES else node.module for member in members}
    return found & set(MODULES)


IMPORTS = {name: imports(name) for name in MODULES}


def place(name: str) -> tuple[int, str]:
    """Number of the layer, 0 the top, and the part of it that a module belongs to."""
    parts = [
        (number, part) for number, line in enumerate(LAYERS) for part in line.split()
        if name == part or (part != "tosa" and name.startswith(part + "."))
    ]  # fmt: skip
    assert parts, f"tests/test_layers.py names no layer for {name}"
    return max(parts, key=lambda found: len(found[1]))


@pytest.mark.parametrize("name", [name for name in MODULES if MODULES[name].stat().st_size])
def test_a_layer_imports_only_from_those_below_it(name):
    if MODULES[name].name == "__init__.py" and name != "tosa":
        assert not IMPORTS[name], f"{name} is a folder, not a layer"
        return
    number, part = place(name)
    for imported in IMPORTS[name] - {"tosa"}:  # everything may read tosa.__version__
        other, other_part = place(imported)
        assert other > number or other_part == part, f"{name} imports {imported}"


def test_no_modules_import_in_a_circle():
    graphlib.TopologicalSorter({name: found - {"tosa"} for name, found in IMPORTS.items()}).prepare()


def test_training_imports_nothing_from_audit():
    training = [name for name in MODULES if name.startswith("tosa.training")]
    assert len(training) > 20
    assert not [name for name in training if any(found.startswith("tosa.audit") for found in IMPORTS[name])]


def test_inputs_and_model_do_not_know_each_other():
    for one, other in (("tosa.inputs", "tosa.model"), ("tosa.model", "tosa.inputs")):
        ours = [name for name in MODULES if name.startswith(one + ".")]
        assert ours
        assert not [name for name in ours if any(found.startswith(other) for found in IMPORTS[name])]


def test_a_violation_would_be_found(tmp_path, monkeypatch):
    file = tmp_path / "audio.py"
    file.write_text("def late():\n    from tosa.model import network\n", encoding="utf-8")
    monkeypatch.setitem(MODULES, "tosa.inputs.audio", file)
    monkeypatch.setitem(IMPORTS, "tosa.inputs.audio", imports("tosa.inputs.audio"))
    with pytest.raises(AssertionError, match=r"imports tosa\.model\.network"):
        test_a_layer_imports_only_from_those_below_it("tosa.inputs.audio")


@pytest.mark.parametrize("start", ["tosa.web.serve", "tosa.web.app", "tosa.screening", "tosa.cli", "tosa"])
def test_serving_imports_none_of_what_only_training_needs(start):
    code = f"import sys, {start}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(ran.stdout.split())
    assert "tosa" in imported
    assert not imported & (HEAVY | {"boto3", "fsspec"})  # the latter two are TensorBoard's, see tosa/model/tensors.py
