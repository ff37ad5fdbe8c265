"""Texts that a graph carries for its users: in one language, or in several."""

from collections.abc import Mapping

Text = str | Mapping[str, str]  # a plain string, or one string for each language: {"en": ..., "es": ..., "fr": ...}
DEFAULT_LANGUAGE = "en"


def in_language(text: Text | None, language: str = DEFAULT_LANGUAGE) -> str:
    """Returns the text in a language: 'en', 'es', 'fr'; without it in English, else in the first one that it has.

    A plain string is returned whatever the language is, and '' for None.
    """
    if text is None or isinstance(text, str):
        return text or ""
    return text.get(language) or text.get(DEFAULT_LANGUAGE) or next(iter(text.values()))


def is_text(value: object) -> bool:
    """Returns whether a value read from JSON is a text: a string, or an object of strings that has at least one."""
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(each, str) for each in value.values())
    return isinstance(value, str)
