"""Nothing is unpickled, since that would run what a file says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "app.py", ROOT / "retrain.py", *ROOT.glob("tosa/**/*.py"), *ROOT.glob("bench/*.py")]
PICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "multiprocessing", "torch"}
WORKERS = {"tosa/training/trunk/batches.py": {"multiprocessing"}}  # sentences from the processes that Keras forked


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-2:] == ["np", name]
    ]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_no_pickle(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        allowed = WORKERS.get(str(source.relative_to(ROOT)), set())
        assert not {name.split(".")[0] for name in names} & PICKLERS - allowed
    for call in calls(tree, "load"):
        assert "allow_pickle=False" in ast.unparse(call)
    assert "allow_pickle=True" not in ast.unparse(tree)
