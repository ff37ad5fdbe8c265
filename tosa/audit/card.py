"""Puts an audit, and what people write about the data, into the model card of a finished graph.

    python -m tosa.audit.card GRAPH docs/audit.json [--words docs/embedded_words.json]

No score changes: of the graph, only its card does, and with --words the texts of its metadata. The audit must have
measured this graph, or the same one before another card was put in. Its `sha256` is set to that of the new file.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tosa.errors import TosaError, UsageError
from tosa.model.graph import METADATA, Graph, text_constant
from tosa.model.network import GraphFile
from tosa.training.files import atomic_write
from tosa.training.graph.words_file import read_words, replace_constants, with_words
from tosa.training.report.card import card_constant, with_audit


def put_card(graph_file: Path, audit_file: Path, words_file: Path | None, labels_file: Path | None = None) -> None:
    """Writes the graph with its card, and the audit with the graph's new hash.

    labels_file: only for a graph that does not carry its labels. Raises TosaError where the audit is of another graph,
    or a file is missing or damaged.
    """
    audit = _json_of(audit_file)
    words = read_words(words_file) if words_file else {}
    read = GraphFile.read(graph_file, labels_file)
    graph, metadata = read.graph, read.model.metadata
    if audit.get("sha256") != graph.sha256:
        raise UsageError(
            f"'{audit_file}' was measured on a graph of sha256 {str(audit.get('sha256'))[:12]}..., and '{graph_file}' "
            f"is {graph.sha256[:12]}...: measure this graph first, with make audit."
        )
    if words:
        labels = {name: task.labels for name, task in read.model.tasks.items()}
        metadata = with_words(metadata, labels, words)
    of_cards = {"sources": words.get("sources", {}), "tasks": _words_of_cards(words)}
    card = with_audit(graph.card() or {"tasks": {}, "data": []}, audit, of_cards)
    constants = {METADATA: text_constant(metadata.to_json()), **card_constant(card)}
    data = replace_constants(graph.data, constants)
    with atomic_write(graph_file) as partial:
        partial.write_bytes(data)
    audit |= {"sha256": Graph(data).sha256, "metadata": json.loads(metadata.to_json())}
    with atomic_write(audit_file) as partial:
        partial.write_text(json.dumps(audit, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Wrote '{graph_file}' with its model card, and its sha256 to '{audit_file}'.")


def _words_of_cards(words: Mapping[str, Any]) -> dict[str, Any]:
    return {name: of["card"] for name, of in words.get("tasks", {}).items() if "card" in of}


def _json_of(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"'{file}' cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"'{file}' does not hold a JSON object.")
    return content


def main() -> None:
    """Runs the command that the module's docstring shows."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("graph", type=Path)
    flags.add_argument("audit", type=Path)
    flags.add_argument("--words", type=Path, help="JSON file with texts on the graph, its tasks and its data")
    flags.add_argument("--labels", type=Path, help="label file of a graph that does not carry its labels")
    arguments = flags.parse_args()
    try:
        put_card(arguments.graph, arguments.audit, arguments.words, arguments.labels)
    except TosaError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
