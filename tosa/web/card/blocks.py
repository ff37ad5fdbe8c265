"""What the card's page is built of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tosa.web.card.words import Words


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its header."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A heading with what is below it: sentences, then points of a list, then tables."""

    name: str  # of its anchor
    title: str
    sentences: Sequence[str] = ()
    points: Sequence[tuple[str, Sequence[str]]] = ()  # a task, '' for all, and sentences on it
    tables: Sequence[Table] = field(default_factory=tuple)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but the heading."""
        return not (self.points or self.tables or self.sentences)


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], words: Words) -> Table:
    """Returns a table whose head is given as keys of the card's sentences, without `column.`."""
    return Table(caption, [words.say(f"column.{name}") for name in head], rows)
