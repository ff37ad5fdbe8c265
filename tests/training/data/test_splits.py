from dataclasses import replace
from pathlib import Path

import pytest

from tosa.errors import UsageError
from tosa.training.data import splits
from tosa.training.data.dataset import Case, Percentages, in_split, place

PERCENTAGES = Percentages(10, 10)


def case(name, label="a", group=None, split=None, task="t"):
    group = group or name
    placed = split or PERCENTAGES.split_of(group)
    return Case(Path("data") / label / name, task, label, group, placed, split_given=bool(split))


def lists(folder, **lines):
    for split, text in lines.items():
        (folder / split).write_text(text)
    return {split: folder / split for split in lines}


def test_lists_decide_and_groups_follow(tmp_path):
    cases = [case("x.png"), case("y.png", group="p1"), case("z.png", group="p1", task="u"), case("w.png")]
    given = lists(tmp_path, testing="x.png\n\na/y.png\n", validation="data/a/w.png\n")
    found = {c.file.name: c.split for c in splits.by_lists(cases, given, PERCENTAGES)}
    assert found == {"x.png": "testing", "y.png": "testing", "z.png": "testing", "w.png": "validation"}


def test_what_no_list_names(tmp_path, capsys):
    """It goes into the splits without a list; with three lists it is left out."""
    cases = [case(f"c{number}.png") for number in range(100)]
    assert in_split(cases, "testing") and in_split(cases, "validation")
    given = lists(tmp_path, testing="c0.png\n")
    found = splits.by_lists(cases, given, PERCENTAGES)
    assert [c.file.name for c in in_split(found, "testing")] == ["c0.png"] and len(found) == 100
    assert len(in_split(found, "validation")) >= len(in_split(cases[1:], "validation"))
    given |= lists(tmp_path, training="c1.png\n", validation="c2.png\n")
    assert len(splits.by_lists(cases, given, PERCENTAGES)) == 3
    assert "97 files are in none" in capsys.readouterr().out


def test_a_training_list_alone_parts_the_rest_by_the_percentages(tmp_path):
    """The same group goes to the same split whoever else is there; without percentages it is left out."""
    cases = [case(f"c{number}-{part}.png", group=f"c{number}") for number in range(300) for part in "ab"]
    given, percentages = lists(tmp_path, training="c0-a.png\n"), Percentages(10, 30)
    found = splits.by_lists(cases, given, percentages)
    assert [c.file.name for c in in_split(found, "training")] == ["c0-a.png", "c0-b.png"]
    assert not splits.crossing_groups(found) and len(found) == 600
    assert len(in_split(found, "validation")) == pytest.approx(150, abs=30)
    assert all(c in found for c in splits.by_lists(cases[::7] + cases[:1], given, percentages))
    assert all(percentages.split_of(c.group) in ("training", c.split) for c in found[2:])
    assert len(splits.by_lists(cases, given, Percentages(0, 0))) == 2


def test_a_tables_own_splits_stay_where_no_list_names_the_case(tmp_path):
    trained = in_training(4)
    cases = [case(name, split=split) for name, split in zip(trained, ["training", "testing", "validation", None])]
    found = splits.by_lists(cases, lists(tmp_path, training=f"{trained[2]}\n"), Percentages(10, 0))
    assert [c.split for c in found] == ["training", "testing", "training", "validation"]


@pytest.mark.parametrize("name", [
    "{link}/sick/x.wav.png", "{real}/sick/x.wav.png", "{link}/sick/x.wav", "sick/x.wav", "snd/sick/x.wav",
    "{snd}/sick/x.wav",
])  # fmt: skip
def test_lists_name_files_in_full_and_drawn_ones_by_their_sound(tmp_path, name):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    files = [tmp_path / folder / "sick" / file for folder, file in (("link", "x.wav.png"), ("other", "y.wav.png"))]
    cases = [Case(file, "t", "a", file.name, "validation") for file in files]
    places = {place: tmp_path / place for place in ("real", "link", "snd")}
    cases[0] = replace(cases[0], drawn_from=places["snd"] / "sick" / "x.wav")
    found = splits.by_lists(cases, lists(tmp_path, testing=name.format(**places)), PERCENTAGES)
    assert found[0].split == "testing" != found[1].split


BAD_LISTS = {
    "names no picture": {"testing": "none.png\n"},
    "in two lists": {"testing": "x.png\n", "training": "x.png\n"},
    "2 files": {"testing": "both.png\n"},
}


@pytest.mark.parametrize("said", BAD_LISTS)
def test_bad_lists_are_named(tmp_path, said):
    cases = [case("x.png"), case("both.png"), case("both.png", label="b")]
    with pytest.raises(UsageError, match=said):
        splits.by_lists(cases, lists(tmp_path, **BAD_LISTS[said]), PERCENTAGES)


def test_missing_list_is_named():
    with pytest.raises(UsageError, match="--testing_list 'none'"):
        splits.by_lists([case("x.png")], {"testing": Path("none")}, PERCENTAGES)


def in_training(count):
    return [name for name in (f"g{n}" for n in range(1000)) if PERCENTAGES.split_of(name) == "training"][:count]


def test_rare_label_is_moved_by_whole_groups(capsys):
    names = in_training(5)
    cases = [case(f"{name}-{n}.png", "rare", name) for name in names for n in range(2)]
    cases += [case(f"c{number}.png", "common") for number in range(100)]
    found = splits.with_rare_labels(cases, PERCENTAGES)
    rare = {split: {c.group for c in found if c.label == "rare" and c.split == split} for split in
            ("training", "validation", "testing")}  # fmt: skip
    assert [len(groups) for groups in rare.values()] == [3, 1, 1]
    assert splits.with_rare_labels(list(reversed(cases)), PERCENTAGES)[::-1] == found
    assert "No 'rare' was in testing" in capsys.readouterr().out
    assert not splits.crossing_groups(found)


def test_a_group_is_moved_in_all_tasks_and_empties_no_label():
    """The first in line is one of two to train 'few' on, and stays; the next takes its other task along."""
    first, second, *others = sorted(in_training(6), key=place)
    cases = [case(f"{name}.png", "rare", name) for name in (first, second, *others)]
    cases += [case(f"{name}.jpg", "few", name, task="u") for name in (first, others[0])]
    cases += [case(f"{name}.jpg", "many", name, task="u") for name in (second, *others[1:])]
    found = splits.with_rare_labels(cases, PERCENTAGES)
    assert not splits.crossing_groups(found)
    assert {c.group for c in found if c.split == "testing"} == {second}
    assert {c.group for c in in_split(found, "training") if c.label == "few"} == {first, others[0]}


def test_too_rare_or_given_splits_are_left(capsys):
    too_rare = [case(f"{name}.png", "rare", name) for name in in_training(2)]
    assert splits.with_rare_labels(too_rare, PERCENTAGES) == too_rare
    given = [case(f"{name}.png", "rare", name, split="validation") for name in in_training(5)]
    assert splits.with_rare_labels(given, PERCENTAGES) == given
    assert not capsys.readouterr().out


def test_warnings():
    cases = [case(f"c{n}.png", "a", split="testing") for n in range(25)] + [case("d.png", "b", split="training")]
    cases += [case("c0.png", "b", split="training")]
    found = splits.warnings(cases)
    assert "Folder has less than 20 images, which may cause issues: 'b' has 2." in found
    assert any("No 'b' is in testing" in sentence for sentence in found)
    assert any("1 groups are in more than one split, such as 'c0.png'" in sentence for sentence in found)
    cases += [case("e.png", task=task, split=split) for task, split in (("t", "training"), ("u", "testing"))]
    assert splits.crossing_groups(cases) == ["c0.png", "e.png"]
