"""What a training lets a graph say of itself in words: title, what labels mean, limits, demonstration, command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tosa.errors import UsageError
from tosa.model.metadata import UNNAMED_TASK, GraphMetadata, TaskMetadata
from tosa.model.text import Text, in_language
from tosa.training.data import dataset
from tosa.training.data.dataset import Case

UNNAMED_TITLE: Text = {"en": "Sound", "es": "Sonido", "fr": "Son"}  # of UNNAMED_TASK
NEUTRAL_TITLE: Text = {
    "en": "Model trained with retrain.py",
    "es": "Modelo entrenado con retrain.py",
    "fr": "Modèle entraîné avec retrain.py",
}


@dataclass(frozen=True)
class Words:
    """What the command line says of a graph. All texts are as they were typed."""

    command: str  # the command line itself, see tosa.training.command_line
    title: str | None = None
    descriptions: tuple[str, ...] = ()  # 'LABEL: words' or 'TASK/LABEL: words'
    limits: tuple[str, ...] = ()  # 'TASK: sentence', or a sentence where there is one task
    demonstration: str | None = None  # 'TASK: REASON'
    no_demonstration: bool = False  # whether the tasks of the cases lose the mark that they had


def describe(metadata: GraphMetadata, cases: Sequence[Case], words: Words, before: GraphMetadata) -> GraphMetadata:
    """Returns metadata with the input, the counts and the words of each task of the cases, and the graph's own words.

    metadata: what is kept of the graph that the training starts from; before: all that this graph says. A task of the
    cases that was marked as a demonstration there stays one. Raises UsageError where words name no task or label.
    """
    for name in dataset.labels_by_task(cases):
        metadata = metadata.with_task(_trained(metadata.task(name), cases, words, before.task(name)))
    if words.demonstration is not None:
        metadata = metadata.with_task(_demonstration(metadata, words.demonstration))
    for text in words.descriptions:
        metadata = metadata.with_task(_described(metadata, cases, text))
    metadata = _with_limits(metadata, cases, words.limits)
    lines = [line for line in (metadata.command or "").splitlines() if line != words.command]
    title = _title(metadata, list(dataset.labels_by_task(cases)), words)
    return replace(metadata, title=title, command="\n".join([*lines, words.command]))


def started_from(metadata: GraphMetadata) -> GraphMetadata:
    """Returns what a graph of new tasks keeps of the one whose trunk it has: its preprocessing and its licence."""
    return GraphMetadata(preprocessing=metadata.preprocessing, licence=metadata.licence)


def with_counts(metadata: GraphMetadata, cases: Sequence[Case], splits: Sequence[str]) -> GraphMetadata:
    """Returns metadata with the numbers of cases and groups of some splits; those of other splits stay."""
    for name in dataset.labels_by_task(cases):
        counts = dataset.counts_of_task(cases, name)
        task = metadata.task(name)
        found = {split: counts[split] for split in splits if split in counts}
        others = {split: labels for split, labels in task.counts.items() if split not in splits}
        metadata = metadata.with_task(replace(task, counts=others | found))
    return metadata


def _trained(task: TaskMetadata, cases: Sequence[Case], words: Words, before: TaskMetadata) -> TaskMetadata:
    """A task of the cases; it is a demonstration if the one that it replaces was one."""
    task = replace(task, input=dataset.input_of_task(cases, task.name))
    if task.name == UNNAMED_TASK and not task.title:
        task = replace(task, title=UNNAMED_TITLE)
    if words.no_demonstration:
        return replace(task, demonstration=False, note=None) if task.demonstration else task
    is_given = (words.demonstration or "").startswith(f"{task.name}: ")
    if before.demonstration and not task.demonstration and not is_given:
        reason = in_language(before.note)
        print(
            f"Task {task.name} stays marked as a demonstration{f' ({reason})' if reason else ''}, as in the graph that "
            f"this training starts from. --demonstration='{task.name}: REASON' changes the reason, --no_demonstration "
            "removes the mark."
        )
        return replace(task, demonstration=True, note=before.note)
    return task


def _demonstration(metadata: GraphMetadata, text: str) -> TaskMetadata:
    """The task that --demonstration marks."""
    name, _, reason = text.partition(": ")
    if not reason or name not in metadata.tasks:
        names = ", ".join(metadata.tasks)
        raise UsageError(f"--demonstration '{text}' must have the form 'TASK: REASON', with TASK one of {names}.")
    return replace(metadata.task(name), demonstration=True, note=reason)


def _described(metadata: GraphMetadata, cases: Sequence[Case], text: str) -> TaskMetadata:
    """The task one of whose labels --describe explains: one of the cases' tasks, else one of the others."""
    trained = dataset.labels_by_task(cases)
    kept = {name: task.labels for name, task in metadata.tasks.items() if name not in trained}
    for labels in (trained, kept):
        found = _labels_named(labels, text)
        if len(found) > 1:
            tasks = ", ".join(task for task, _, _ in found)
            raise UsageError(f"--describe '{text}' fits several tasks: {tasks}. Write 'TASK/LABEL: words'.")
        for name, label, words in found:
            task = metadata.task(name)
            return replace(task, descriptions={**task.descriptions, label: words})
    raise _not_described(text, [f"{task}/{label}" for task, labels in (trained | kept).items() for label in labels])


def _labels_named(labels: Mapping[str, Sequence[str]], text: str) -> list[tuple[str, str, str]]:
    """Each task and label that a text starts with, and the words after it. The longest label counts."""
    found = [
        (task, label, words)
        for task, names in labels.items()
        for label in names
        if (words := _after(f"{task}/{label}", text) or _after(label, text))
    ]
    longest = max((len(label) for _, label, _ in found), default=0)
    return [each for each in found if len(each[1]) == longest]


def _with_limits(metadata: GraphMetadata, cases: Sequence[Case], texts: Sequence[str]) -> GraphMetadata:
    """Metadata in which each task has the sentences that --limits gives for it, in the place of earlier ones."""
    trained = list(dataset.labels_by_task(cases))
    sentences: dict[str, list[str]] = {}
    for text in texts:
        named = [(task, words) for task in metadata.tasks if (words := _after(task, text))]
        if not named and len(trained) > 1:
            raise UsageError(
                f"--limits '{text}' must have the form 'TASK: sentence', with TASK one of {', '.join(metadata.tasks)}."
            )
        task, sentence = named[0] if named else (trained[0], text.strip())
        sentences.setdefault(task, []).append(sentence)
    for name, of_task in sentences.items():
        metadata = metadata.with_task(replace(metadata.task(name), limits=" ".join(of_task)))
    return metadata


def _after(name: str, text: str) -> str:
    """What a text says after 'name:', '' if it does not start so."""
    return text[len(name) + 1 :].strip() if text.startswith(f"{name}:") else ""


def _title(metadata: GraphMetadata, trained: Sequence[str], words: Words) -> Text:
    """The title. That of a graph whose other tasks are kept names the tasks that were trained into it."""
    if words.title:
        return words.title
    title = metadata.title or NEUTRAL_TITLE
    if title == NEUTRAL_TITLE or metadata.tasks.keys() == set(trained):
        return title
    for task in trained:
        title = _with_end(title, f" + {task}")
    print(f"The graph is called '{in_language(title)}'. --title gives it another name.")
    return title


def _with_end(text: Text, end: str) -> Text:
    """A text with this end in each of its languages, unless it has it already."""
    if not isinstance(text, str):
        return {language: str(_with_end(each, end)) for language, each in text.items()}
    return text if f"{end} + " in f"{text} + " else text + end


def check_descriptions(descriptions: Sequence[str], labels: Sequence[str]) -> None:
    """Raises UsageError unless each text of --describe starts with one of the labels, behind any task.

    For a training of one task, before its files are read.
    """
    for text in descriptions:
        if not any(_after(label, text) or _after(label, text.partition("/")[2]) for label in labels):
            raise _not_described(text, labels)


def _not_described(text: str, labels: Sequence[str]) -> UsageError:
    return UsageError(
        f"--describe '{text}' must have the form 'LABEL: words' or 'TASK/LABEL: words', with a label of the graph: "
        f"{', '.join(labels)}."
    )
