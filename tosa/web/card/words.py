"""The sentences and numbers of the model card in one language, and what the graph calls its tasks and labels."""

import json
from functools import cache
from pathlib import Path

from tosa.model.calibration import CalibrationCases
from tosa.model.card import Rate
from tosa.model.metadata import GraphMetadata, Input
from tosa.model.text import Text, in_language
from tosa.settings import ROOT

LANGUAGES = ("en", "es", "fr")
STRINGS = ROOT / "templates" / "card"
WIDE = 0.2  # an interval as wide as this is given before its value, which says less
NBSP = "\u00a0"


@cache
def strings(language: str) -> dict[str, str]:
    """Returns the card's sentences by key. language: one of LANGUAGES."""
    sentences: dict[str, str] = json.loads(Path(STRINGS / f"{language}.json").read_text(encoding="utf-8"))
    return sentences


class Words:
    """Writes in one language."""

    def __init__(self, language: str, metadata: GraphMetadata) -> None:
        """language: one of LANGUAGES; metadata: of the graph, which has the names of tasks and labels."""
        self.language, self._metadata = language, metadata
        self._strings = strings(language)

    def say(self, key: str, **values: object) -> str:
        """Returns a sentence with its {values} filled in; whole numbers are written as they are."""
        return self._strings[key].format(**values)

    def say_or(self, key: str, otherwise: str) -> str:
        """Returns a sentence, or `otherwise` where the language has none for this key."""
        return self._strings.get(key, otherwise)

    def text(self, text: Text | None) -> str:
        """Returns a text of the graph in the language; in English or in its only language where that is missing."""
        return in_language(text, self.language)

    def task(self, task: str) -> str:
        """Returns what people call a task."""
        return self.text(self._metadata.task(task).title) or task

    def label(self, task: str, label: str) -> str:
        """Returns what people call a label."""
        return self.text(self._metadata.task(task).names.get(label)) or label

    def cases(self, cases: CalibrationCases, kind: Input) -> str:
        """Returns how many cases of which kind a task was calibrated on. kind: of its input."""
        words = self.say("cases.unknown" if cases.training is None else "cases.validation", all=cases.n)
        if cases.training:
            rest = cases.n - cases.training
            words = self.say("cases.mixed", all=cases.n, validation=rest, training=cases.training)
        if cases.views > 1:
            words = self.say(f"cases.versions.{kind}", cases=words, changed=cases.views - 1)
        return words

    def number(self, value: float, digits: int) -> str:
        """Returns a number with so many decimals."""
        written = f"{value:.{digits}f}"
        return written if self.language == "en" else written.replace(".", ",")

    def percent(self, share: float | None, digits: int = 1) -> str:
        """Returns a share in percent."""
        if share is None:
            return self.say("unknown")
        return self.number(100 * share, digits) + ("" if self.language == "en" else NBSP) + "%"

    def rate(self, rate: Rate | None, counted: bool = False) -> str:
        """Returns a rate with its interval; a wide interval comes first. counted: with the number of cases."""
        if rate is None or rate["value"] is None:
            return self.say("no_cases")
        value, low, high = (self.percent(share) for share in (rate["value"], rate["low"], rate["high"]))
        words = self.say("interval.first" if is_wide(rate) else "interval", value=value, low=low, high=high)
        return f"{words} (N={rate['n']})" if counted else words

    def area(self, rate: Rate | None) -> str:
        """Returns an area under the curve with its interval."""
        if rate is None or rate["value"] is None:
            return self.say("no_cases")
        value, low, high = (self.number(share, 3) for share in (rate["value"], rate["low"], rate["high"]))
        return self.say("interval.first" if is_wide(rate) else "interval", value=value, low=low, high=high)


def is_wide(rate: Rate) -> bool:
    """Returns whether the interval of a rate is so wide that the value alone would mislead."""
    return rate["high"] - rate["low"] > WIDE
