from pathlib import Path

import pytest

from sounds import RATE, container, coughs
from tosa.errors import UsageError
from tosa.training.data import dataset
from tosa.training.data.check_cases import check_labels
from tosa.training.data.dataset import Case, Percentages
from tosa.training.data.drawing import decode
from tosa.training.data.folders import from_folders
from tosa.training.data.table import from_csv


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_folders_are_labels(tmp_path):
    make(
        tmp_path, "sick/a.png", "sick/deeper/b.JPG", "Not_sick/c.png", "Not_sick/notes.txt", ".ipynb_checkpoints/d.png"
    )
    cases = from_folders(tmp_path, "cough", Percentages())
    assert [(case.file.name, case.label) for case in cases] == [
        ("c.png", "not sick"),
        ("a.png", "sick"),
        ("b.JPG", "sick"),
    ]
    assert dataset.labels_by_task(cases) == {"cough": ["not sick", "sick"]}


@pytest.mark.parametrize(
    "name, container_format, codec",
    [("x.aac", "adts", "aac"), ("x.oga", "ogg", "libopus"), ("x.MKA", "matroska", "aac")],
)
def test_what_can_be_heard_is_taken(tmp_path, name, container_format, codec):
    (make(tmp_path, f"a/{name}") / "a" / name).write_bytes(container(coughs(rate=48_000), container_format, codec))
    (case,) = from_folders(tmp_path, "t", Percentages())
    assert case.is_sound and case.group == "x" and len(decode(case)) == pytest.approx(2 * RATE, rel=0.05)


@pytest.mark.parametrize(
    "folders, labels",
    [
        (["Not_Sick", "SICK"], ["not sick", "sick"]),
        (["Normal", "Neumonía_viral"], ["Neumonía viral", "Normal"]),
        (["Ñu", "N\u0303andú"], ["Ñandú", "Ñu"]),  # the second as macOS writes it
    ],
)
def test_labels_stay_readable(tmp_path, folders, labels):
    """As the classic made them from ASCII; as displayed where it would have torn them apart."""
    cases = from_folders(make(tmp_path, *(f"{name}/x.png" for name in folders)), "t", Percentages())
    assert dataset.labels_by_task(cases) == {"t": labels}


def test_groups_by_nohash_and_by_regex(tmp_path):
    make(tmp_path, "a/person1_nohash_1.png", "a/person1_nohash_2.png", "b/person2_x.png")
    assert [case.group for case in from_folders(tmp_path, "t", Percentages())] == [
        "person1",
        "person1",
        "person2_x",
    ]
    by_regex = from_folders(tmp_path, "t", Percentages(), r"(person\d+)_")
    assert [case.group for case in by_regex] == ["person1", "person1", "person2"]


def test_a_bracket_in_each_alternative(tmp_path):
    make(tmp_path, "a/person12_x.png", "a/IM-7_x.png")
    cases = from_folders(tmp_path, "t", Percentages(), r"person(\d+)|IM-(\d+)")
    assert [case.group for case in cases] == ["7", "12"]
    for empty in (r"x(\d*)", r"x(\d)?", "$"):
        with pytest.raises(UsageError, match=r"empty group in 'IM-7_x\.png'"):
            from_folders(tmp_path, "t", Percentages(), empty)


def test_split_depends_on_the_group_alone(tmp_path):
    names = [f"{label}/p{number}.png" for label in "ab" for number in range(200)]
    splits = []
    for folder in ("one", "another/deeper"):
        cases = from_folders(make(tmp_path / folder, *names), "t", Percentages(10, 20))
        splits.append([case.split for case in cases])
    assert splits[0] == splits[1]
    assert splits[0].count("testing") == pytest.approx(80, abs=30)
    assert splits[0].count("validation") == pytest.approx(40, abs=25)


def test_csv(tmp_path):
    make(tmp_path, "x.png", "y.wav", "z.png", "v.wav")
    table = tmp_path / "cases.csv"
    table.write_text(
        "file,task,label,group,split\nx.png,lungs,Neumonía,p1,testing\ny.wav,cough,sick,,\nz.png,lungs,normal,p1,training\n"
        "v.wav,cough,not sick,,\nx.png,age,old,,\n", encoding="utf-8",
    )  # fmt: skip
    cases = from_csv(table, "other", Percentages())
    assert dataset.labels_by_task(cases) == {
        "lungs": ["Neumonía", "normal"],
        "cough": ["not sick", "sick"],
        "age": ["old"],
    }
    assert cases[0].split == "testing" and cases[1].group == "y" and cases[1].is_sound and not cases[0].is_sound


def test_a_task_is_chosen_from_a_table(tmp_path):
    """Rows that name no task are of it, and a table without the column is of it as a whole."""
    table = make(tmp_path, "x.png", "y.png") / "t.csv"
    table.write_text("file,label,task\nx.png,a,lungs\ny.png,b,\nnone.png,c,cough\n")
    chosen = from_csv(table, "lungs", Percentages(), only=True)
    assert [(case.label, case.task) for case in chosen] == [("a", "lungs"), ("b", "lungs")]
    table.write_text("file,label\nx.png,a\ny.png,b\n")
    assert len(from_csv(table, "lungs", Percentages(), only=True)) == 2
    table.write_text("file,label,task\nx.png,a,lungs\ny.png,b,heart\n")
    with pytest.raises(UsageError, match="no task 'cough'; it has lungs, heart"):
        from_csv(table, "cough", Percentages(), only=True)


def test_csv_as_spreadsheets_write_it(tmp_path):
    make(tmp_path, "x.png", "y.png")
    (tmp_path / "t.csv").write_bytes("\ufefffile,label\r\nx.png,a\r\ny.png,b\r\n".encode())
    assert [case.label for case in from_csv(tmp_path / "t.csv", "t", Percentages())] == ["a", "b"]


BAD_TABLES = {
    "no label": ("file,label\nx.png,\n", "no label for 'x.png'"),
    "no such file": ("file,label\nnone.png,a\n", "none.png"),
    "no label column": ("file,kind\nx.png,a\n", "label"),
    "empty": ("", "header"),
    "unknown split": ("file,label,split\nx.png,a,train\n", "split 'train'"),
    "no file": ("file,label\n,a\n", "row without a file name"),
    "a file twice": ("file,label,task\nx.png,a,\n\n./x.png,b,t\n", "'./x.png' twice in task t: in lines 2 and 4"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_named(tmp_path, name):
    text, said = BAD_TABLES[name]
    make(tmp_path, "x.png")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        from_csv(tmp_path / "t.csv", "t", Percentages())


def test_a_table_without_groups_takes_the_regex(tmp_path):
    make(tmp_path, "p1_x.png", "p1_y.png")
    (tmp_path / "t.csv").write_text("file,label,group\np1_x.png,a, \np1_y.png,b,other\n")
    cases = from_csv(tmp_path / "t.csv", "t", Percentages(), r"p\d")
    assert [case.group for case in cases] == ["p1", "other"]


def test_a_table_groups_as_folders_do(tmp_path):
    names = ["p_nohash_1.png", "p_nohash_2.png", "cough.wav.png", "x.y.png"]
    (make(tmp_path, *names) / "t.csv").write_text("\n".join(["file,label", *(f"{name},a" for name in names)]))
    groups = [case.group for case in from_csv(tmp_path / "t.csv", "t", Percentages())]
    assert groups == ["p", "p", "cough", "x.y"]
    make(tmp_path, *(f"folders/a/{name}" for name in names))
    folders = from_folders(tmp_path / "folders", "t", Percentages())
    assert sorted(groups) == sorted(case.group for case in folders)


def test_semicolons_and_blanks(tmp_path):
    make(tmp_path, "x.png", "y.png")
    text = 'file ; label; source;task;group;split\n x.png ; a ; clinic ;lungs ; p1 ;testing \ny.png; "b"; ; ; ; \n'
    (tmp_path / "t.csv").write_text(text)
    first, second = from_csv(tmp_path / "t.csv", "t", Percentages(0, 0))
    assert first == Case(tmp_path / "x.png", "lungs", "a", "p1", "testing", "clinic", True)
    assert second == Case(tmp_path / "y.png", "t", "b", "y", "training")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_further_columns_are_carried(tmp_path, delimiter):
    make(tmp_path, "x.png", "y.png")
    lines = ["file,age,label,sex", "x.png, 39 ,a,F", "y.png,,b"]  # the last line is short
    (tmp_path / "t.csv").write_text("\n".join(lines).replace(",", delimiter))
    first, second = from_csv(tmp_path / "t.csv", "t", Percentages(0, 0))
    assert first.extra == {"age": "39", "sex": "F"} and second.extra == {"age": "", "sex": ""}
    assert first == Case(tmp_path / "x.png", "t", "a", "x", "training") and len({first, second}) == 2


BAD_LABELS = {
    "Only one valid label": [("t", "a")],
    "'b:c' cannot name a task": [("b:c", "a"), ("b:c", "d")],
    "cannot be a label": [("t", "a: b"), ("t", "c")],
    "one line": [("t", "a\nb"), ("t", "c")],
    "no colon at its end": [("t", "ill:"), ("t", "c")],
    "not blank": [("t", " "), ("t", "c")],
}


@pytest.mark.parametrize("said", BAD_LABELS)
def test_labels_that_cannot_be(said):
    cases = [Case(Path("f"), task, label, "g", "training") for task, label in BAD_LABELS[said]]
    with pytest.raises(UsageError, match=said):
        check_labels(cases, "here")


def test_empty_label_folder_is_named_or_skipped(tmp_path):
    make(tmp_path, "a/x.png", "b/y.png", "empty/notes.txt")
    with pytest.raises(UsageError, match="empty"):
        from_folders(tmp_path, "t", Percentages())
    skipped = dataset.SkippedFiles(skip=True)
    assert len(from_folders(tmp_path, "t", Percentages(), skipped=skipped)) == 2
    assert len(skipped.sentences) == 1 and "empty" in skipped.sentences[0]


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(UsageError, match="not found"):
        from_folders(tmp_path / "none", "t", Percentages())
    with pytest.raises(UsageError, match="No valid folders"):
        from_folders(tmp_path, "t", Percentages())
    make(tmp_path, "a/x.png")
    with pytest.raises(UsageError, match="group_regex"):
        from_folders(make(tmp_path, "b/y.png"), "t", Percentages(), "person")
    with pytest.raises(UsageError, match="not a regular expression"):
        from_folders(tmp_path, "t", Percentages(), "(")


@pytest.mark.parametrize("percentages", [(50, 50), (-1, 10), (10, 100)])
def test_impossible_percentages(percentages):
    with pytest.raises(UsageError):
        Percentages(*percentages)


def test_describe_counts_files_and_groups():
    cases = [Case(Path("f"), "t", label, group, "training") for label, group in [("a", "1"), ("a", "1"), ("b", "2")]]
    lines = dataset.table_of_counts(cases).splitlines()
    assert "2 (    1)" in lines[1] and "1 (    1)" in lines[2]
