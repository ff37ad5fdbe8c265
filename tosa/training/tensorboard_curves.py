"""Training curves as TensorBoard event files, written and read without TensorFlow, whose import takes seconds."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.summary.writer.record_writer import RecordWriter

from tosa.training.files import wrap_os_error

PREFIX = "events.out.tfevents."
Points = dict[tuple[str, str], list[tuple[int, float]]]  # (step, value) by split and tag


class Curves:
    """Event files under folder/<split>/, one a run; a context manager that closes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = ExitStack()
        self.records: dict[str, RecordWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with wrap_os_error(self.folder):  # closing writes what a full disk did not take
            self.files.close()

    def write(self, split: str, step: int, **values: float) -> None:
        """Adds a point at `step` to each named curve of `split`, such as 'train' or 'validation'."""
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(split, Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def write_graph(self, graph: bytes) -> None:
        """Adds a serialised GraphDef, which TensorBoard shows under Graphs."""
        self._add("train", Event(wall_time=time.time(), graph_def=graph))

    def _add(self, split: str, event: Event) -> None:
        with wrap_os_error(self.folder):
            if split not in self.records:
                (self.folder / split).mkdir(parents=True, exist_ok=True)
                file = self.folder / split / f"{PREFIX}{time.time_ns()}"
                self.records[split] = RecordWriter(self.files.enter_context(file.open("wb")))
                self._add(split, Event(wall_time=time.time(), file_version="brain.Event:2"))
            self.records[split].write(event.SerializeToString())
            self.records[split].flush()


def clear(folder: Path) -> None:
    """Removes the event files of earlier trainings, which TensorBoard would draw as one curve with the new ones."""
    for split in ("train", "validation"):
        for file in (folder / split).glob(f"{PREFIX}*"):
            with wrap_os_error(file):
                file.unlink()


def read(folder: Path) -> Points:
    """Returns the points of all event files under folder/<split>/, by split and tag, in the order of steps."""
    curves: dict[tuple[str, str], dict[int, float]] = {}
    for file in sorted(folder.glob(f"*/{PREFIX}*")):
        for event in _events(file):
            for value in event.summary.value:
                curves.setdefault((file.parent.name, value.tag), {})[event.step] = value.simple_value
    return {key: sorted(points.items()) for key, points in curves.items()}


def _events(file: Path) -> Iterator[Event]:
    """Yields a file's events up to its end, or up to a record that a killed training left unfinished.

    TensorBoard's own event_file_loader would import TensorFlow where it is installed.
    """
    reader = PyRecordReader_New(str(file))
    while True:
        try:
            reader.GetNext()
        except (OutOfRangeError, DataLossError):
            return
        yield Event.FromString(reader.record())
