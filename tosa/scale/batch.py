"""Screens many files into one table, and goes on where an earlier run was stopped."""

import base64
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tosa import settings
from tosa.errors import RequestError, TooLarge, UsageError
from tosa.inputs import decoder_pool, decoding
from tosa.model.network import GraphFile, Network
from tosa.scale.executor import Executor, LocalExecutor
from tosa.scale.journal import Journal
from tosa.scale.results import COLUMNS, EPISODE_COLUMNS, rows_of, write_results, writer_for
from tosa.scale.sources import Item, count_items, find_items, read_item
from tosa.scale.stored_graph import StoredGraph
from tosa.screening import Decode, kind_of
from tosa.timeline import screen_recording

Record = dict[str, Any]  # what a journal holds of a file

UNREADABLE = "unreadable"  # the error of a file that is missing or may not be read
CORES = os.cpu_count() or 1
THREADS_PER_CORE = 2  # while one waits for a decoder, another has the network


@dataclass
class Summary:
    """What came of a batch, over all its runs."""

    files: int = 0
    resumed: int = 0  # files that an earlier run had done
    diagnoses: Counter[str] = field(default_factory=Counter)  # "task: diagnosis"
    errors: Counter[str] = field(default_factory=Counter)  # by code

    def __str__(self) -> str:
        lines = [f"{self.files} files" + (f", {self.resumed} of them done before" if self.resumed else "")]
        lines += [f"  {count:>8}  {what}" for what, count in sorted(self.diagnoses.items())]
        lines += [f"  {count:>8}  error: {code}" for code, count in sorted(self.errors.items())]
        return "\n".join(lines)


class Screener:
    """Answers one item at a time with a record for the journal; any number of threads may call it at once."""

    def __init__(
        self,
        network: Network,
        decode: Decode = decoding.decode_file,
        heatmaps: Path | None = None,
        timeline: bool = False,
    ) -> None:
        """decode: as screening.screen takes it. heatmaps: the folder that PNGs of where the network looked go to.

        timeline: the records of sounds also have their episodes.
        """
        self._network, self._decode, self._heatmaps, self._timeline = network, decode, heatmaps, timeline

    def __call__(self, item: Item) -> Record:
        """Returns {"file", "findings"} and maybe "episodes", or {"file", "error"}, the error being a stable code."""
        try:
            data = _read(item.path)
            sound, picture = (data, None) if kind_of(data) == "sound" else (None, data)
            explain, along = self._heatmaps is not None, self._timeline and sound is not None
            answer = screen_recording(self._network, sound, picture, explain, self._decode, along)
        except RequestError as error:
            return {"file": item.name, "error": error.code}
        except OSError:
            return {"file": item.name, "error": UNREADABLE}
        for finding in answer["findings"]:
            self._keep_heatmap(item, finding)
        record = {"file": item.name, "findings": answer["findings"]}
        return record | {"episodes": episodes_of(answer["timeline"])} if "timeline" in answer else record

    def _keep_heatmap(self, item: Item, finding: dict[str, Any]) -> None:
        """Writes the finding's pictures as files, and takes them out of the finding."""
        finding.pop("picture", None)
        heatmap = finding.pop("explanation", None)
        if self._heatmaps and heatmap:
            png = base64.b64decode(heatmap.partition(",")[2])
            partial = self._heatmaps / f".{heatmap_name(item, finding['task'])}"
            partial.write_bytes(png)
            partial.replace(self._heatmaps / heatmap_name(item, finding["task"]))


def episodes_of(timeline: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a timeline's episodes, each with its task and what it is an episode of; [] if the task has none."""
    what = {"task": timeline["task"], "diagnosis": " or ".join(timeline.get("labels", ()))}
    return [what | episode for episode in timeline.get("episodes", ())]


def heatmap_name(item: Item, task: str) -> str:
    """Returns the name of a heat map: the file's own, a part of its path's SHA-256 since names repeat, and the task."""
    digest = hashlib.sha256(item.name.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{Path(item.name).name}-{digest}-{task}.png"


@dataclass(frozen=True)
class RemoteScreener:
    """Makes a Screener in another process, on another machine maybe."""

    graph: StoredGraph
    precision: str  # as GraphFile.start takes it
    heatmaps: Path | None
    timeline: bool = False

    def __call__(self) -> Callable[[Any], Record]:
        """Returns the function that answers an item, which JSON has made a list. Raises ModelError as StoredGraph."""
        with self.graph.files() as (graph, labels):
            network = Network.load(graph, labels, threads=1, precision=self.precision)
        screener = Screener(network, decoder_pool.Pool(1), self.heatmaps, self.timeline)
        return lambda item: screener(Item(*item))


def screen_batch(
    sources: list[str],
    out: Path,
    config: settings.Settings,
    heatmaps: Path | None = None,
    ray_address: str | None = None,
    lines: Iterable[str] = sys.stdin,
    timeline: bool = False,
) -> Summary:
    """Screens all files of the sources (as sources.find_items takes them) into the table `out`.

    Stopped at any moment, the same call goes on: what is done is not done again, and no file is in the table twice.
    ray_address: a Ray cluster to work on, whose nodes read the files by the same paths; by default, this machine works.
    timeline: also write a row for each episode of a sound.
    Raises UsageError where out exists already or cannot be written, ModelError, SettingError and DecoderError.
    """
    writer_for(out)
    if out.exists():
        raise UsageError(f"'{out}' exists already. Name another --out, or remove it.")
    total = count_items(sources)
    file = GraphFile.read(config.graph, config.labels)
    sha256 = file.model.sha256
    if heatmaps:
        _make_folder(heatmaps)
    run: dict[str, Any] = {"model_sha256": sha256, "heatmaps": str(heatmaps) if heatmaps else None}
    run |= {"timeline": True} if timeline else {}
    with _workers(config, file, heatmaps, ray_address, timeline) as (make, executor), Journal(out, run) as journal:
        resumed = len(journal)
        run_batch(make, find_items(sources, lines), journal, total, executor)
        columns = COLUMNS + EPISODE_COLUMNS if timeline else COLUMNS
        write_results(out, (row for record in journal.records() for row in rows_of(record, sha256)), columns)
        summary = summarize(journal.records(), resumed)
        journal.remove()
    return summary


@contextmanager
def _workers(
    config: settings.Settings, file: GraphFile, heatmaps: Path | None, ray_address: str | None, timeline: bool
) -> Iterator[tuple[Callable[[], Callable[[Item], Record]], Executor]]:
    """What makes the function that answers an item, and what calls it."""
    if ray_address:
        from tosa.scale.ray_executor import RayExecutor

        executor = RayExecutor(ray_address)
        labels = file.label_file.read_bytes() if file.label_file else None
        stored = StoredGraph.put(file.graph.data, labels)
        yield RemoteScreener(stored, config.precision, heatmaps, timeline), executor
        return
    network = file.start()
    with decoder_pool.Pool(min(CORES, settings.MAX_DECODERS)) as decode:
        decode.wait_until_ready()
        screener = Screener(network, decode, heatmaps, timeline)
        yield lambda: screener, LocalExecutor(CORES * THREADS_PER_CORE)


def run_batch(
    make: Callable[[], Callable[[Item], Record]],
    items: Iterable[Item],
    journal: Journal,
    total: int | None,
    executor: Executor,
) -> None:
    """Screens the items that the journal does not have yet, and adds them to it, with a progress bar on a terminal."""
    bar = tqdm(total=total, initial=len(journal), desc="screening", unit="file", disable=None, smoothing=0.05)
    with bar:
        for record in executor.map(make, _not_done(items, journal)):
            if not journal.has(record["file"]):
                journal.add(record)
                bar.update()


def _not_done(items: Iterable[Item], journal: Journal) -> Iterator[Item]:
    """Yield each item once that is not in the journal. Names given out are remembered until they are there."""
    given: set[str] = set()
    for item in items:
        if item.name not in given and not journal.has(item.name):
            given.add(item.name)
            yield item
            if len(given) > 10_000:  # those answered since are in the journal
                given = {name for name in given if not journal.has(name)}


def summarize(records: Iterable[Record], resumed: int) -> Summary:
    """Counts what is in a journal."""
    summary = Summary(resumed=resumed)
    for record in records:
        summary.files += 1
        if "error" in record:
            summary.errors[record["error"]] += 1
        else:
            summary.diagnoses.update(f"{each['task']}: {each['diagnosis']}" for each in record["findings"])
    return summary


def _read(path: str) -> bytes:
    """Returns a file's bytes. Raises TooLarge before a file is read that no upload could be, and OSError."""
    data = read_item(path, settings.MAX_BODY_BYTES + 1)
    if len(data) > settings.MAX_BODY_BYTES:
        raise TooLarge()
    return data


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make the folder '{folder}': {error.strerror}.") from error
