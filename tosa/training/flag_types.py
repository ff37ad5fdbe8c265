"""The parser of retrain.py's command line, and the types of its values."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

AddFlag = Callable[..., None]  # (name, default, help text, **options of add_argument)


class Parser(argparse.ArgumentParser):
    """Ends with one line that names the flag, not with the list of all flags."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit status 2 and the message."""
        self.exit(2, f"{self.prog}: {message} (--help lists all flags)\n")


def flag_group(parser: argparse.ArgumentParser, title: str) -> AddFlag:
    """Returns a function that adds a flag to a new group, of its default's type and with the default in its help."""
    group = parser.add_argument_group(title)

    def add_flag(name: str, default: Any, text: str, **more: Any) -> None:
        if not ("action" in more or "type" in more or default is None):
            more["type"] = type(default)
        note = "" if default in (None, False, []) else f" (default: {default})"
        group.add_argument(f"--{name}", default=default, help=(text + note).replace("%", "%%"), **more)

    return add_flag


def between(low: float, high: float, kind: type = float) -> Callable[[str], Any]:
    """Returns a function that reads numbers from low (included) to high (not included)."""

    def number(text: str) -> Any:
        if not low <= (value := kind(text)) < high:
            bound = f" and less than {high:g}" if high < float("inf") else ""
            raise argparse.ArgumentTypeError(f"{text} must be at least {low:g}{bound}")
        return value

    return number


def positive(text: str) -> int:
    """Returns a whole number greater than 0."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be greater than 0")
    return number


def count(text: str) -> int:
    """Returns a whole number greater than 0, or -1 for all."""
    return -1 if text == "-1" else positive(text)


def share(text: str) -> float:
    """Returns a number between 0 and 1, both excluded."""
    if not 0 < (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} must lie between 0 and 1")
    return number


def shares(text: str) -> dict[str, float]:
    """Returns shares by name, given as NAME:SHARE,NAME:SHARE. Raises argparse's error for other forms."""
    pairs = [part.rpartition(":") for part in text.split(",")]
    try:
        found = {name.strip(): float(share) for name, _, share in pairs}
    except ValueError:
        found = {}
    if len(found) < len(pairs) or "" in found or not all(0 <= share < 1e9 for share in found.values()):
        raise argparse.ArgumentTypeError(f"must be NAME:SHARE,NAME:SHARE with shares of 0 or more, not '{text}'")
    if not any(found.values()):
        raise argparse.ArgumentTypeError(f"must have a share above 0, not '{text}'")
    return found
