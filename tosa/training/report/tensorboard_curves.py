"""Curves for TensorBoard, written and read without TensorFlow, whose import alone takes seconds."""

import struct
import time
from contextlib import ExitStack
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from tosa.training.files import wrap_os_error

PREFIX = "events.out.tfevents."


class Curves:
    """Event files under folder/<split>/, one a run; a context manager that closes them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = ExitStack()
        self.records: dict[str, RecordWriter] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with wrap_os_error(self.folder):  # closing writes what a full disk did not take
            self.files.close()

    def write(self, split: str, step: int, **values: float) -> None:
        """Add a point at `step` to each named curve of `split`, such as 'train' or 'validation'."""
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(split, Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def write_graph(self, graph: bytes) -> None:
        """Add a serialised GraphDef, which TensorBoard shows under Graphs."""
        self._add("train", Event(wall_time=time.time(), graph_def=graph))

    def _add(self, split: str, event: Event) -> None:
        with wrap_os_error(self.folder):
            if split not in self.records:
                (self.folder / split).mkdir(parents=True, exist_ok=True)
                file = self.folder / split / f"{PREFIX}{time.time_ns()}"
                self.records[split] = RecordWriter(self.files.enter_context(open(file, "wb")))
                self._add(split, Event(wall_time=time.time(), file_version="brain.Event:2"))
            self.records[split].write(event.SerializeToString())
            self.records[split].flush()


def clear(folder: Path) -> None:
    """Removes the event files of earlier trainings, whose curves TensorBoard would draw into one another."""
    for split in ("train", "validation"):
        for file in (folder / split).glob(f"{PREFIX}*"):
            with wrap_os_error(file):
                file.unlink()


def read(folder: Path) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Points (step, value) by split and tag, of all event files under folder/<split>/, in the order of steps."""
    curves: dict[tuple[str, str], dict[int, float]] = {}
    for file in sorted(folder.glob(f"*/{PREFIX}*")):
        for record in _records(file.read_bytes()):
            event = Event.FromString(record)
            for value in event.summary.value:
                curves.setdefault((file.parent.name, value.tag), {})[event.step] = value.simple_value
    return {key: sorted(points.items()) for key, points in curves.items()}


def _records(data: bytes):
    """The records of a TFRecord file: length, its checksum, data, its checksum; a last one cut off is left out."""
    start = 0
    while start + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, start)
        if start + 16 + length > len(data):
            return
        yield data[start + 12 : start + 12 + length]
        start += 16 + length
