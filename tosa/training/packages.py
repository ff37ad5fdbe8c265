"""What to say where a package is missing that training needs and serving does not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def missing_package(error: ModuleNotFoundError) -> str:
    """Returns a sentence that names the missing package and says how to install it.

    Raises the error itself where a module of Tosa is missing, which no installation would cure.
    """
    package = (error.name or "tosa").partition(".")[0]
    if package == "tosa":
        raise error
    if sys.version_info >= (3, 14) and package in ("tensorflow", "keras"):
        return f"training needs {package}, which has no wheels for Python 3.14 yet. Use Python 3.11, 3.12 or 3.13."
    return (
        f"training needs {package}, which is not installed. In a clone of Tosa, run 'make train-env'. Elsewhere, "
        "install Tosa with the packages for training: pip install 'WHEEL_OR_CLONE[train]'."
    )


@contextmanager
def end_without_packages(module: str) -> Iterator[None]:
    """Ends the program with one line and exit status 2 if the block imports a package that is not installed.

    module: __name__ of the module that has the block. Where that is not the program, ModuleNotFoundError is raised.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if module != "__main__":
            raise
        program = sys.modules[module].__spec__
        print(f"{program.name if program else sys.argv[0]}: {missing_package(error)}", file=sys.stderr)
        sys.exit(2)
