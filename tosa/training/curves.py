"""Curves for TensorBoard, written without TensorFlow, whose import alone takes seconds."""

import time
from contextlib import ExitStack
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Curves:
    """Event files under folder/<split>/, one a run; a context manager that closes them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = ExitStack()
        self.records: dict[str, RecordWriter] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.files.close()

    def write(self, split: str, step: int, **values: float) -> None:
        """Add a point at `step` to each named curve of `split`, such as 'train' or 'validation'."""
        if split not in self.records:
            (self.folder / split).mkdir(parents=True, exist_ok=True)
            file = self.folder / split / f"events.out.tfevents.{time.time_ns()}"
            self.records[split] = RecordWriter(self.files.enter_context(open(file, "wb")))
            self._add(split, Event(wall_time=time.time(), file_version="brain.Event:2"))
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(split, Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def _add(self, split: str, event: Event) -> None:
        self.records[split].write(event.SerializeToString())
        self.records[split].flush()
