"""Programs that need the packages of training say so where one is missing, and nothing else."""

import subprocess
import sys

import pytest

from running import ROOT
from tosa.training.packages import end_without_packages, missing_package

NEEDED = {  # by program, one package that it needs
    "tosa.audit.audit": "sklearn",
    "tosa.audit.robustness": "sklearn",
    "tosa.training.data.mel_bank": "librosa",
}


def run_without(package: str, program: str) -> subprocess.CompletedProcess:
    code = (
        f"import runpy, sys; sys.modules[{package!r}] = None; sys.argv[1:] = ['--help']\n"
        f"runpy.run_module({program!r}, run_name='__main__', alter_sys=True)"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("program", NEEDED)
def test_a_program_without_its_packages_says_what_to_install(program):
    ran = run_without(NEEDED[program], program)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith(f"{program}: training needs {NEEDED[program]}, which is not installed.")
    assert ran.stderr.count("\n") == 1 and "make train-env" in ran.stderr


def test_every_program_of_training_and_audit_is_tested_here_or_needs_no_more_than_serving():
    programs = [file for folder in ("training", "audit") for file in (ROOT / "tosa" / folder).rglob("*.py")]
    programs = [file for file in programs if '__name__ == "__main__"' in file.read_text(encoding="utf-8")]
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in programs}
    assert names >= NEEDED.keys()
    heavy = "import sys; sys.modules |= dict.fromkeys('sklearn scipy matplotlib librosa keras tensorflow'.split())\n"
    others = "\n".join(f"import {name}" for name in sorted(names - NEEDED.keys()))
    subprocess.run([sys.executable, "-c", heavy + others], cwd=ROOT, check=True)


def test_a_missing_module_of_tosa_is_an_error_of_the_program():
    with pytest.raises(ModuleNotFoundError):
        missing_package(ModuleNotFoundError(name="tosa.nothing"))
    with pytest.raises(ModuleNotFoundError), end_without_packages("tosa.audit.audit"):
        import tosa.nothing  # noqa: F401
