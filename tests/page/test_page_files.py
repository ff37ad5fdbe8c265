"""Files: every format, every way to bring them, one and several at once, and the list of this visit."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

import pictures
import sounds
from browsing import COUGHS, ENGLISH, MODEL, PHANTOM, ROOT, finding, json_reply, refusal

SHORT = sounds.coughs(2.0, 48_000)
GRAY = Image.fromarray(pictures.phantom(300, 280))
FORMATS = {
    "a.wav": COUGHS,
    "a.flac": sounds.wav(SHORT, 48_000, "FLAC"),
    "a.ogg": sounds.wav(SHORT, 48_000, "OGG"),
    "a.mp3": sounds.wav(SHORT, 48_000, "MP3"),
    "a.webm": sounds.container(SHORT, "webm", "libopus"),
    "a.m4a": sounds.container(SHORT, "mp4", "aac"),
    "a.png": PHANTOM,
    "a.jpg": pictures.encoded(GRAY, "JPEG"),
    "a.dcm": pictures.dicom(pictures.phantom(300, 280)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_told_by_its_content_and_answered(page, name):
    page.drop("no ending", "", FORMATS[name])
    sound = name[2:] in ("wav", "flac", "ogg", "mp3", "webm", "m4a")
    assert page.shown("#ready-sound" if sound else "#ready-picture")
    page.ask()
    assert page.text(".task") == MODEL["en"]["task.cough" if sound else "task.pneumonia"]
    page.until(lambda: page.run("return document.querySelector('#findings .plain').naturalWidth") == 299)


def test_a_dicom_file_is_drawn_by_the_server_with_the_answer(page):
    page.drop("chest", "", FORMATS["a.dcm"])
    page.until(lambda: page.shown("#no-preview"))
    page.ask()
    page.until(lambda: page.run("return document.querySelector('#findings .plain').naturalWidth") == 299)


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_a_picture_is_shown_and_answered(page, way, tmp_path):
    if way == "choose":
        path = tmp_path / "a chest.png"
        path.write_bytes(PHANTOM)
        page.choose(path)
    else:
        page.give(way, ("a chest.png", "image/png", PHANTOM))
    page.reach_ready("a chest.png")
    assert page.shown("#preview .plain")
    page.ask()
    assert page.text(".task") == MODEL["en"]["task.pneumonia"] and page.text("#answer-files") == "a chest.png"
    page.unfold()
    assert page.text("#curl").startswith("curl -F 'image_data=@\"a chest.png\"' ")
    for card in page.all(".finding"):
        scores = [float(data.get_attribute("value")) for data in card.find_elements("css selector", ".scores data")]
        assert sum(scores) == pytest.approx(1, abs=1e-5)


FIRST_UNREADABLE = """const read = Blob.prototype.arrayBuffer;
Blob.prototype.arrayBuffer = function () {
  Blob.prototype.arrayBuffer = read;
  return Promise.reject(new DOMException("as of a folder", "NotFoundError"));
};"""


def test_a_folder_is_told_of(page):
    page.run(FIRST_UNREADABLE)
    page.give("drop", ("folder", "", b""))
    page.sentence("#problem", "file.unreadable")
    assert page.state == "idle"


def test_a_file_that_is_gone_does_not_stop_the_others(page, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(PHANTOM)
    page.choose(*paths)
    page.reach("ready")
    paths[0].unlink()
    page.press("#send")
    page.reach("idle")
    assert [ENGLISH["file.unreadable"] in row.text for row in page.all("#rows tr")] == [True, False, False]
    page.complaints()  # of the request that came to nothing


def test_a_file_that_is_gone_when_it_is_sent_is_told_of(page, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PHANTOM)
    page.choose(path)
    page.reach("ready")
    path.unlink()
    page.press("#send")
    page.sentence("#picture-door #problem", "file.unreadable")
    page.complaints()  # of the request that came to nothing


def test_the_preview_does_not_push_the_button_out_of_sight(page):
    """The preview loads after the button has the focus, and is tall."""
    # A browser scrolls by whole pixels, so a part of one may stay below.
    in_sight = "const {top, bottom} = arguments[0].getBoundingClientRect(); return top >= 0 && bottom < innerHeight + 1"
    page.drop("a chest.png", "image/png", PHANTOM)
    page.until(lambda: page.run(in_sight, page.find("#send")))


def test_a_picture_can_be_zoomed_inverted_and_its_heat_map_faded(page):
    page.drop("a.png", "image/png", PHANTOM)
    page.ask()
    viewer = page.find("#findings .viewer")

    def part(selector):
        return viewer.find_element("css selector", selector)

    def slide(selector, value):
        page.run("[...arguments].slice(1).forEach((value) => (arguments[0].value = value));"
                 "arguments[0].dispatchEvent(new Event('input'));", part(selector), value)  # fmt: skip

    slide(".opacity input", 25)
    assert float(part(".tinted").value_of_css_property("opacity")) == 0.25
    slide(".zoom input", 3)
    stage = part(".stage")
    width = page.run("return arguments[0].clientWidth", stage)  # less than it was where scrollbars take room
    assert part(".plain").size["width"] == part(".tinted").size["width"] == pytest.approx(3 * width, abs=2)
    middle = "return [arguments[0].scrollLeft + arguments[0].clientWidth / 2, arguments[0].scrollWidth / 2]"
    assert np.abs(np.diff(page.run(middle, stage))) < 12  # what was in the middle stays there
    part(".invert").click()
    assert "invert(1)" in part(".images").value_of_css_property("filter")
    assert part(".invert").get_attribute("aria-pressed") == "true"


def test_a_sound_file_is_played_and_answered_and_its_json_copied(page):
    page.drop("coughs.wav", "audio/wav", COUGHS)
    assert page.shown("#player")
    page.until(lambda: page.find("#spectrogram").get_attribute("data-drawn") == "complete")
    shown = page.ask()
    page.unfold()
    page.press("[data-copy=json]")
    page.until(lambda: page.text("#copied") == ENGLISH["copied"])
    copied = json.loads(page.find("#json").get_attribute("textContent"))
    assert {key: copied[key] for key in shown} == shown
    assert not {"explanation", "picture"} & copied["findings"][0].keys()


def test_a_sound_and_a_picture_are_asked_together(page):
    page.drop("coughs.wav", "audio/wav", COUGHS)
    page.drop("a.png", "image/png", PHANTOM)
    assert page.shown("#ready-sound") and page.shown("#ready-picture")
    page.ask()
    tasks = [MODEL["en"][f"task.{task}"] for task in ("cough", "pneumonia", "covid")]
    assert [task.text for task in page.all(".task")] == tasks
    told = page.text("#status")
    assert all(f"{task}: " in told for task in tasks) and told.count("%") == len(tasks)
    page.unfold()
    assert "-F audio_data=@coughs.wav -F image_data=@a.png http" in page.text("#curl")


def test_each_of_two_files_can_be_removed(page):
    page.give("drop", ("coughs.wav", "audio/wav", COUGHS), ("a.png", "image/png", PHANTOM))
    page.reach("ready")
    page.press("[data-discard=sound]")
    assert page.state == "ready" and not page.shown("#ready-sound")
    page.press("[data-discard=picture]")
    assert page.state == "idle"


def test_what_was_answered_is_no_longer_ready_to_send_and_the_next_action_is_a_new_one(page):
    page.drop("a.png", "image/png", PHANTOM)
    page.ask()
    page.reach("answered")
    assert not page.shown("#send") and not page.shown("#ready-picture")
    assert page.text("#record-word") == ENGLISH["button.new.recording"]
    assert page.text("#choose-picture") == ENGLISH["button.new.picture"]
    page.drop("b.png", "image/png", PHANTOM)
    assert not page.shown("#answer") and page.text("#picture-name").startswith("b.png")


LIMITS = {"sound": ("RIFF    WAVE", 10), "picture": ("\\x89PNG", 64)}


@pytest.mark.parametrize("kind", LIMITS)
def test_a_file_over_the_limit_is_told_where_it_was_chosen(page, kind):
    start, mebibytes = LIMITS[kind]
    drop = f"""const files = new DataTransfer();
        const start = Uint8Array.from("{start}", (letter) => letter.charCodeAt(0));
        files.items.add(new File([start, new Uint8Array({mebibytes} * 2 ** 20 - start.length + arguments[0])], "x"));
        document.dispatchEvent(new DragEvent("drop", {{ dataTransfer: files, cancelable: true }}));"""
    page.run(drop, 1)
    told = ENGLISH[f"file.too_large.{kind}"].replace("{name}", "x")
    page.until(lambda: page.text(f"#{kind}-door #problem") == told)
    assert page.state == "idle"
    page.run(drop, 0)
    page.reach("ready")


UNREADABLE = {
    "HEIC/AVIF": b"\0\0\0\x18ftypheic" + bytes(99),
    "BMP": b"BM" + bytes(99),
    "GIF": b"GIF89a" + bytes(99),
    "PDF": b"%PDF-1.7\n\xff" + bytes(99),
    "ZIP": b"PK\x03\x04" + bytes(99),
    "text files": "Grüße,\n".encode() * 200,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_format_that_is_not_read_is_told_when_it_is_chosen(page, name):
    page.give("drop", ("a file", "", UNREADABLE[name]))
    told = ENGLISH["file.format"].replace("{name}", "a file").replace("{format}", name)
    page.until(lambda: page.text("#problem") == told)
    assert page.state == "idle"


MAYBE = {
    "tiff": (b"II*\0" + bytes(99), "picture"),
    "webp": (b"RIFF    WEBP" + bytes(99), "picture"),
    "bare dicom": (b"\x08\0\5\0CS" + bytes(99), "picture"),
    "wma": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(99), "sound"),
    "amr": (b"#!AMR\n" + bytes(99), "sound"),
    "aiff": (b"FORM    AIFF" + bytes(99), "sound"),
    "unknown": (bytes(range(256)), "sound"),
}


@pytest.mark.parametrize("name", MAYBE)
def test_what_the_server_may_read_is_left_to_it(page, name):
    data, kind = MAYBE[name]
    page.drop("a file", "", data)
    assert page.shown(f"#ready-{kind}")


def test_nothing_pending_is_lost_when_more_files_come(page):
    page.drop("0.wav", "", COUGHS)
    page.give("drop", ("1.wav", "", COUGHS), ("2.png", "", PHANTOM), ("3.png", "", PHANTOM))
    page.until(lambda: page.shown("#ready-batch"))
    assert page.text("#ready-batch .names") == "0.wav, 1.wav, 2.png, 3.png"
    page.give("drop", ("4.png", "", PHANTOM))
    page.until(lambda: page.text("#batch-name") == ENGLISH["ready.batch"].replace("{count}", "5"))


def test_a_single_file_that_replaces_another_is_told(page):
    page.drop("old.png", "", PHANTOM)
    page.give("drop", ("new.png", "", PHANTOM))
    page.until(lambda: page.text("#status") == ENGLISH["status.replaced"].replace("{name}", "old.png"))
    assert page.text("#picture-name").startswith("new.png")


@pytest.mark.parametrize(
    "name, kind, task", [("cough.wav", "sound", "cough"), ("phantom-xray.jpg", "picture", "pneumonia")]
)
def test_an_example_is_answered_with_one_click_and_means_nothing(page, name, kind, task):
    page.press(f'[data-example="{name}"]')
    page.reach("answered")
    assert page.text(".task") == MODEL["en"][f"task.{task}"] and page.text("#answer-files") == name
    assert page.text("#answer-example") == ENGLISH[f"example.{kind}"]
    assert (ROOT / "static/examples" / name).read_bytes() == (ROOT / "examples" / name).read_bytes()
    page.answer_with(json_reply(finding(task, kind)))
    page.drop(name, "", COUGHS if kind == "sound" else PHANTOM)  # a file of the user that has the example's name
    page.press("#send")
    page.reach("answered")
    assert not page.shown("#answer-example")


def test_a_dragged_file_can_be_dropped_anywhere(page):
    drag = """const files = new DataTransfer();
        files.items.add(new File(["x"], "x.wav"));
        document.dispatchEvent(new DragEvent(arguments[0], { dataTransfer: files, cancelable: true }));"""
    page.run(drag, "dragover")
    overlay = page.find(".drop-overlay")
    assert overlay.is_displayed() and overlay.text == ENGLISH["file.drop"]
    assert overlay.rect["height"] == page.run("return innerHeight")
    page.run(drag, "dragleave")
    assert not overlay.is_displayed()


HEIF = ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"]


@pytest.mark.parametrize("way, brand", [("choose", "heic"), ("paste", "mif1"), *(("drop", brand) for brand in HEIF)])
def test_a_telephones_photo_is_not_sent_but_told_to_be_exported(page, way, brand, tmp_path):
    photo = b"\0\0\0\x18ftyp" + brand.encode() + bytes(200)
    if way == "choose":
        path = tmp_path / "photo.heic"
        path.write_bytes(photo)
        page.choose(path)
    else:
        page.give(way, ("photo.heic", "image/heic", photo), ("coughs.wav", "audio/wav", COUGHS))
    page.until(lambda: page.text("#picture-door #problem"))
    assert page.state == "idle" and "photo.heic" in page.text("#problem") and "JPEG" in page.text("#problem")


SEVERAL = [("1.wav", "", COUGHS), ("=2.png", "", PHANTOM), ("3.txt", "", b"hello"), ("4.flac", "", FORMATS["a.flac"])]


def download(page):
    """The lines of the CSV that the page would save."""
    page.run(
        """const real = URL.createObjectURL;
        URL.createObjectURL = (blob) => {
          URL.createObjectURL = real;
          blob.text().then((text) => (window.saved = text));
          return real.call(URL, blob);
        };"""
    )
    page.press("#csv")
    text = page.until(lambda: page.run("return window.saved"))
    assert text.startswith(("\ufeff", "time"))  # Blob.text() may take the byte order mark away
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline="")))


def test_several_files_are_answered_in_a_table_that_can_be_saved(page):
    page.give("drop", *SEVERAL)
    page.reach("ready")
    assert page.text("#batch-name") == ENGLISH["ready.batch"].replace("{count}", "4")
    assert page.text("#problem").startswith("Files that cannot be used: 1") and "3.txt" in page.text("#problem")
    page.press("#send")
    page.reach("idle")
    assert page.text("#batch-word") == "Finished: 4 of 4 files, refused: 1."
    assert page.run("const { value, max } = document.getElementById('progress'); return [value, max]") == [4, 4]
    rows = [row.text for row in page.all("#rows tr")]
    assert [row.split()[0] for row in rows] == [name for name, *_ in SEVERAL]
    assert "Cough: " in rows[0] and "COVID-19 (demonstration)" not in rows[1] and "Chest X-ray: pneumonia" in rows[1]
    assert "Tosa does not read text files" in rows[2]
    saved = download(page)
    assert [(line["file"], line["task"]) for line in saved] == [
        ("1.wav", "cough"), ("'=2.png", "pneumonia"), ("'=2.png", "covid"), ("3.txt", ""), ("4.flac", "cough"),
    ]  # fmt: skip
    assert saved[3]["error"] == "file.format" and 0.3 < float(saved[0]["score"]) <= 1
    page.press("#languages [lang=es]")
    assert "archivos de texto" in page.all("#rows tr")[2].text
    page.press_one(".look", 0)
    page.reach("answered")
    page.settle()
    assert page.shown("#findings .plain") and len(page.all("#rows tr")) == 4
    page.press("#forget")
    assert not page.shown("#history") and not page.all("#rows tr")


def test_a_busy_server_is_asked_again_when_it_says_and_by_two_at_most(page):
    page.run(
        """window.most = window.now = 0; window.begun = [];
        window.fetch = async () => {
          const mine = begun.push(Date.now());
          most = Math.max(most, ++now);
          await new Promise((done) => setTimeout(done, 100));
          now -= 1;
          // Read at once, so that its wait begins before the second request is answered.
          if (mine === 1) return { status: 503, headers: new Headers({ "Retry-After": "2" }),
                                   json: async () => ({ error: { code: "busy", message: "" } }) };
          return Response.json(arguments[0]);
        };""".replace("arguments[0]", json.dumps(finding()))
    )
    page.give("drop", *[(f"{number}.wav", "", COUGHS) for number in range(5)])
    page.reach("ready")
    page.press("#send")
    page.reach("idle")
    assert page.text("#batch-word") == "Finished: 5 of 5 files, refused: 0."
    begun, most = page.run("return [begun, most]")
    assert most == 2 and len(begun) == 6
    assert begun[2] - begun[0] >= 2000  # the first two were in flight together, then both waited


def test_a_batch_can_be_stopped(page):
    page.run("window.fetch = () => new Promise((done) => { (window.waiting ??= []).push(done); });")
    page.give("drop", *[(f"{number}.wav", "", COUGHS) for number in range(5)])
    page.reach("ready")
    page.press("#send")
    page.until(lambda: page.run("return window.waiting?.length") == 2)
    page.press("#stop")
    page.run(f"waiting.forEach((done) => done({json_reply(finding())}));")
    page.reach("idle")
    page.sentence("#status", "status.batch.stopped")
    assert page.run("return document.activeElement.matches('#history .scroll')")
    assert page.text("#batch-word") == "Finished: 2 of 5 files, refused: 0."
    assert [ENGLISH["history.stopped"] in row.text for row in page.all("#rows tr")] == [False] * 2 + [True] * 3


def test_the_visit_lists_single_questions_and_their_refusals_too(page):
    page.answer_with(json_reply(finding()), refusal("silence"))
    for name in ("first.wav", "second.wav"):
        page.drop(name, "", COUGHS)
        page.press("#send")
        page.until(lambda: page.state in ("answered", "ready"))
    assert "Cough: Sick" in page.all("#rows tr")[0].text
    assert ENGLISH["error.silence"] in page.all("#rows tr")[1].text
    assert [line["error"] for line in download(page)] == ["", "silence"]
