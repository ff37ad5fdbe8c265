"""Write words into a finished graph: titles, what labels mean, limits. No score changes."""

from dataclasses import dataclass
from pathlib import Path

from tosa.model.graph import METADATA, text_constant
from tosa.model.network import GraphFile
from tosa.training.files import atomic_write, keep_previous
from tosa.training.graph.words_file import read_words, replace_constants, with_words


@dataclass(frozen=True)
class DescribeOptions:
    """Which graph gets which words, and where the result goes."""

    words: Path
    graph: Path
    labels: Path | None  # needed only for a graph that does not carry its labels
    output: Path


def describe_graph(options: DescribeOptions) -> None:
    """Writes the graph with the words of a file in its metadata, to the same file or to another one."""
    read = GraphFile.read(options.graph, options.labels)
    labels = {name: task.labels for name, task in read.model.tasks.items()}
    metadata = with_words(read.model.metadata, labels, read_words(options.words))
    keep_previous(options.output)
    with atomic_write(options.output) as partial:
        partial.write_bytes(replace_constants(read.graph.data, {METADATA: text_constant(metadata.to_json())}))
    print(f"Wrote '{options.output}', which is '{options.graph}' with the words of '{options.words}'.")
