"""Batches over files that the tests make, answered by a small network; killed, resumed, and counted."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pictures import encoded, phantom
from running import PATIENCE, ROOT, TORTURE
from sliding import recording, write_graph
from sounds import coughs, wav
from tosa import settings
from tosa.errors import UsageError
from tosa.scale import batch
from tosa.scale.executor import LocalExecutor
from tosa.scale.journal import Journal
from tosa.scale.results import COLUMNS, EPISODE_COLUMNS, rows_of
from tosa.scale.sources import Item, count_items, find_items

SOUND, PICTURE = wav(coughs()), encoded(Image.fromarray(phantom()))
FILES = 400  # of the batch that is killed
TASKS = {"sound": 1, "picture": 2}  # of the small graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two sounds and an X-ray under endings that lie, a text file, an empty file, and what is hidden."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "b").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "a.wav").write_bytes(SOUND)
    (folder / "b" / "sound.dat").write_bytes(SOUND)
    (folder / "b" / "chest").write_bytes(PICTURE)
    (folder / "note.txt").write_text("Mr X coughs.")
    (folder / "zero.wav").touch()
    (folder / ".hidden" / "c.wav").write_bytes(SOUND)
    (folder / "._a.wav").write_bytes(b"\x00\x05\x16\x07")
    return folder


@pytest.fixture
def config(small_graph) -> settings.Settings:
    return settings.Settings(graph=small_graph[0], labels=small_graph[1])


def rows(table: Path) -> list[dict]:
    with open(table, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class TestSources:
    def test_a_folder_is_walked_in_order_without_what_is_hidden(self, folder):
        names = [os.path.relpath(item.name, folder) for item in find_items([str(folder)], ())]
        assert names == ["a.wav", "note.txt", "zero.wav", "b/chest", "b/sound.dat"]

    def test_names_are_those_that_were_given(self, folder, tmp_path, monkeypatch):
        table = folder.parent / "list.csv"
        names = [f"{folder.name}/a.wav", f"{folder.name}/b/chest"]
        table.write_text(f"patient,file\nA,{names[0]}\nB,{names[1]}\n", encoding="utf-8")
        items = list(find_items([str(table)], ()))
        assert [item.name for item in items] == names
        assert all(Path(item.path).is_file() for item in items)
        monkeypatch.chdir(folder)
        assert [item.name for item in find_items(["**/*.wav"], ())] == ["a.wav", "zero.wav"]
        assert [item.name for item in find_items(["-"], ["a.wav\n", "\n", "b/chest\n"])] == ["a.wav", "b/chest"]

    def test_they_are_counted_where_they_can_be(self, folder):
        assert count_items([str(folder), str(folder / "a.wav")]) == 6
        assert count_items([str(folder), "-"]) is None

    def test_a_table_without_the_column_and_a_pattern_without_a_match_are_named(self, tmp_path):
        (tmp_path / "t.csv").write_text("path\nx\n")
        with pytest.raises(UsageError, match="no column 'file'"):
            list(find_items([str(tmp_path / "t.csv")], ()))
        with pytest.raises(UsageError, match=r"No file matches .*\*\.dcm"):
            list(find_items([str(tmp_path / "*.dcm")], ()))


class TestBatch:
    def test_a_row_a_finding_and_a_row_an_error(self, folder, config, tmp_path):
        out = tmp_path / "results.csv"
        summary = batch.screen_batch([str(folder), str(folder / "gone.wav")], out, config)
        found = rows(out)
        assert tuple(found[0]) == COLUMNS and summary.files == 6 and summary.resumed == 0
        by_file: dict[str, list[dict]] = {}
        for row in found:
            by_file.setdefault(os.path.relpath(row["file"], folder), []).append(row)
        assert {name: len(each) for name, each in by_file.items()} == {
            "a.wav": TASKS["sound"], "b/sound.dat": TASKS["sound"], "b/chest": TASKS["picture"], "note.txt": 1,
            "zero.wav": 1, "gone.wav": 1,
        }  # fmt: skip
        errors = {name: each[0]["error"] for name, each in by_file.items() if each[0]["error"]}
        assert errors.keys() == {"note.txt", "zero.wav", "gone.wav"}
        assert errors["note.txt"] == "unsupported_format" and errors["gone.wav"] == "unreadable"
        (cough,) = by_file["a.wav"]
        scores = json.loads(cough["scores"])
        assert cough["score"] == str(scores[cough["diagnosis"]]) and sum(scores.values()) == pytest.approx(1)
        assert sorted(summary.errors.values()) == [1, 1, 1] and sum(summary.diagnoses.values()) == 4
        assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv"]  # nothing is left beside it

    def test_the_answers_are_those_of_the_route(self, folder, config, tmp_path):
        from tosa.web.app import create_app

        batch.screen_batch([str(folder / "b" / "chest")], tmp_path / "r.jsonl", config)
        found = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
        answer = create_app(config=config).test_client().post("/", data=PICTURE, content_type="image/png").json
        assert [(row["task"], row["diagnosis"]) for row in found] == [
            (finding["task"], finding["diagnosis"]) for finding in answer["findings"]
        ]
        for row, finding in zip(found, answer["findings"], strict=True):
            assert row["scores"] == pytest.approx(finding["scores"], abs=1e-5)
            assert row["demonstration"] == finding.get("demonstration", False)
            assert row["calibrated"] == finding.get("calibrated")
        shown = answer["findings"][0] | {"demonstration": True, "calibrated": False}  # the small graph has no such task
        (row,) = rows_of({"file": "a", "findings": [shown]}, "ab")
        assert row["demonstration"] is True and row["calibrated"] is False

    def test_a_timeline_adds_a_row_for_each_episode(self, tf, tmp_path):
        graph, labels = write_graph(tf, tmp_path)
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.wav").write_bytes(wav(recording((2.0, 6.0, 7.5), 9)))
        (tmp_path / "in" / "b.wav").write_bytes(wav(recording((), 3)))
        (tmp_path / "in" / "c.txt").write_text("no sound")
        out, config = tmp_path / "results.csv", settings.Settings(graph=graph, labels=labels)
        batch.screen_batch([str(tmp_path / "in")], out, config, timeline=True)
        found = rows(out)
        assert tuple(found[0]) == COLUMNS + EPISODE_COLUMNS
        episodes = [row for row in found if row["start"]]
        assert [Path(row["file"]).name for row in found if not row["start"]] == ["a.wav", "b.wav", "c.txt"]
        assert [Path(row["file"]).name for row in episodes] == ["a.wav", "a.wav"]
        assert [row["peaks"] for row in episodes] == ["1", "2"]
        assert [float(row["start"]) for row in episodes] == pytest.approx([2.0, 6.0], abs=0.05)
        assert min(abs(float(episodes[1]["peak_time"]) - time) for time in (6.0, 7.5)) < 0.1
        for row in episodes:
            assert (row["task"], row["diagnosis"], row["above_operating_point"]) == ("cough", "sick", "true")
            assert float(row["score"]) > 0.9 and row["error"] == "" and len(row["model_sha256"]) == 64

    def test_a_batch_with_a_timeline_is_not_continued_without_one(self, folder, config, tmp_path):
        out = tmp_path / "results.csv"
        run = {"model_sha256": batch.GraphFile.read(config.graph, config.labels).model.sha256, "heatmaps": None}
        with Journal(out, run) as journal:
            journal.add({"file": "a", "error": "silence"})
        with pytest.raises(UsageError, match="other options"):
            batch.screen_batch([str(folder)], out, config, timeline=True)
        batch.screen_batch([str(folder)], out, config)

    def test_a_timeline_in_parquet_has_numbers(self, tf, tmp_path):
        parquet = pytest.importorskip("pyarrow.parquet")
        graph, labels = write_graph(tf, tmp_path)
        (tmp_path / "a.wav").write_bytes(wav(recording((2.0,), 4)))
        out = tmp_path / "r.parquet"
        batch.screen_batch([str(tmp_path / "a.wav")], out, settings.Settings(graph=graph, labels=labels), timeline=True)
        finding, episode = parquet.read_table(out).to_pylist()
        assert finding["start"] is None and episode["start"] == pytest.approx(2, abs=0.05) and episode["peaks"] == 1

    def test_heat_maps_are_files_and_not_in_the_table(self, folder, config, tmp_path):
        batch.screen_batch([str(folder / "a.wav")], tmp_path / "r.jsonl", config, tmp_path / "maps")
        (picture,) = (tmp_path / "maps").iterdir()
        assert picture.name.startswith("a.wav-") and picture.name.endswith("-cough.png")
        assert Image.open(picture).width == 299 and "base64" not in (tmp_path / "r.jsonl").read_text()

    def test_a_table_that_is_there_is_not_written_over(self, folder, config, tmp_path):
        (tmp_path / "r.csv").write_text("mine")
        with pytest.raises(UsageError, match="exists already"):
            batch.screen_batch([str(folder)], tmp_path / "r.csv", config)
        assert (tmp_path / "r.csv").read_text() == "mine"

    def test_an_ending_that_is_not_known_is_told_first(self, folder, config, tmp_path):
        with pytest.raises(UsageError, match=r"must end in \.csv, \.jsonl, \.parquet, not 'r\.xlsx'"):
            batch.screen_batch([str(folder)], tmp_path / "r.xlsx", config)


class TestJournal:
    RUN = {"model_sha256": "ab"}

    def test_what_is_done_is_known_again(self, tmp_path):
        with Journal(tmp_path / "r.csv", self.RUN) as journal:
            journal.add({"file": "a\udcff\n", "error": "silence"})
        with Journal(tmp_path / "r.csv", self.RUN) as journal:
            assert journal.has("a\udcff\n") and not journal.has("b") and len(journal) == 1
            assert list(journal.records()) == [{"file": "a\udcff\n", "error": "silence"}]

    @pytest.mark.parametrize("cut", range(1, 30, 4))
    def test_a_line_that_a_kill_cut_off_is_dropped(self, tmp_path, cut):
        with Journal(tmp_path / "r.csv", self.RUN) as journal:
            journal.add({"file": "a", "error": "silence"})
            journal.add({"file": "b", "error": "silence"})
        path = journal.path
        path.write_bytes(path.read_bytes()[:-cut])
        with Journal(tmp_path / "r.csv", self.RUN) as journal:
            assert journal.has("a") and not journal.has("b")
            journal.add({"file": "b", "error": "silence"})
            assert [record["file"] for record in journal.records()] == ["a", "b"]

    def test_another_model_does_not_go_on(self, tmp_path):
        with Journal(tmp_path / "r.csv", {"model_sha256": "ef"}):
            pass
        with Journal(tmp_path / "r.csv", self.RUN) as journal:  # nothing was answered before
            journal.add({"file": "a", "error": "silence"})
        with pytest.raises(UsageError, match="another model"), Journal(tmp_path / "r.csv", {"model_sha256": "cd"}):
            pass

    def test_two_batches_at_once_are_told(self, tmp_path):
        with Journal(tmp_path / "r.csv", self.RUN):
            with pytest.raises(UsageError, match="Another batch"), Journal(tmp_path / "r.csv", self.RUN):
                pass


def test_an_item_given_twice_is_done_once_and_many_are_held_in_little_memory(tmp_path):
    """With an empty network: 100,000 items, of which no more than a few hundred are looked at ahead."""
    count, ahead = (100_000 if TORTURE else 5_000), 0

    def items():
        nonlocal ahead
        for number in range(count):
            ahead = max(ahead, number - len(journal))
            yield Item(str(number), "")
            yield Item(str(number // 2), "")

    def empty_network():
        return lambda item: {"file": item.name, "findings": []}

    with Journal(tmp_path / "r.csv", {}) as journal:
        batch.run_batch(empty_network, items(), journal, None, LocalExecutor(4))
        names = [record["file"] for record in journal.records()]
    assert sorted(names) == sorted(map(str, range(count))) and ahead < 200


def _wait_for_lines(process, journal: Path, count: int) -> None:
    """Waits until the journal has more lines than the first, which names the run, and so many others, or it ends."""
    until = time.monotonic() + 60 * PATIENCE
    while process.poll() is None and (not journal.is_file() or journal.read_bytes().count(b"\n") <= count):
        assert time.monotonic() < until, "the batch does not get on"
        time.sleep(0.005)


def test_killed_at_random_moments_each_file_is_in_the_table_once(small_graph, tmp_path):
    """The command as users start it, killed with SIGKILL again and again until it comes to its end."""
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(FILES):
        (archive / f"{number}.wav").write_bytes(wav(coughs(seed=number % 5)))
    command = [sys.executable, "-m", "tosa", "screen", str(archive), "--out", str(tmp_path / "r.csv")]
    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1])}
    journal, rng, kills = tmp_path / ".r.csv.journal", random.Random(1), 20 if TORTURE else 4
    for number in range(kills + 1):
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | names, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if number < kills:
            _wait_for_lines(process, journal, 1 + number * FILES // (2 * kills))
            time.sleep(rng.uniform(0, 0.05))
            if process.poll() is None:  # the batch may be done already
                os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=60 * PATIENCE)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
    assert number > 0 and process.returncode == 0
    found = [row["file"] for row in rows(tmp_path / "r.csv")]
    assert sorted(found) == sorted(str(path) for path in archive.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "r.csv"]
