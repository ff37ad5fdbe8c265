"""Reading a JSON object field by field, with errors that name the field."""

from collections.abc import Mapping
from typing import Any

from tosa.model.text import Text, is_text


class JsonFields:
    """The fields of a JSON object, taken one after the other; those that nobody took are the `rest`.

    Errors are ValueErrors whose message is the end of a sentence that starts with the graph.
    """

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        """path: where the object is in a larger one, '' for the outermost. Raises ValueError unless it is an object."""
        if not isinstance(values, Mapping):
            raise ValueError(f"holds {path} that is not a JSON object")
        self.path, self.rest = path, dict(values)

    def take(self, name: str, *types: type) -> Any:
        """Returns the field's value, None if it is missing. Raises ValueError if it has another type."""
        value = self.rest.pop(name, None)
        if value is not None and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
            raise self.error(name, value)
        return value

    def take_words(self, name: str) -> tuple[str, ...]:
        """Returns a list of strings, () if it is missing."""
        words = self.take(name, list) or []
        if not all(isinstance(word, str) for word in words):
            raise self.error(name, words)
        return tuple(words)

    def take_text(self, name: str) -> Text | None:
        """Returns a text in one or several languages, None if it is missing."""
        text = self.take(name, str, dict)
        if text is not None and not is_text(text):
            raise self.error(name, text)
        return text

    def take_texts(self, name: str) -> dict[str, Text]:
        """Returns an object of texts, {} if it is missing."""
        texts = self.take(name, dict) or {}
        if not all(is_text(text) for text in texts.values()):
            raise self.error(name, texts)
        return texts

    def need(self, name: str, *types: type) -> Any:
        """Returns the field's value. Raises ValueError if it is missing or has another type."""
        if (value := self.take(name, *types)) is None:
            raise self.error(name, None)
        return value

    def object(self, name: str) -> "JsonFields | None":
        """Returns the fields of an object, None if it is missing."""
        values = self.take(name, dict)
        return None if values is None else JsonFields(self.place(name), values)

    def place(self, name: str) -> str:
        """Returns where a field is, for messages: 'tasks.cough.note'."""
        return f"{self.path}.{name}" if self.path else name

    def error(self, name: str, value: Any) -> ValueError:
        """Returns the error for a field with a wrong value."""
        return ValueError(f"holds {self.place(name)} = {value!r}, which this Tosa cannot read")


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that are set: all but None, empty texts, empty lists and empty objects."""
    return {key: value for key, value in values.items() if value is not None and value not in ("", [], {})}
