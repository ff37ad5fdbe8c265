/* The page: its controls, files from anywhere, and the switch of language. */

import * as shelf from "./shelf.js";
import { atRest, enter, offer, state, takesFiles, tell, tellRest } from "./state.js";
import { preferredLanguage, say, sayDisclaimer, setLanguage } from "./words.js";

const MAX_FILE_BYTES = 10 * 2 ** 20; // the server's limit
const MAX_FILES = 500; // at once

const $ = (id) => document.getElementById(id);
let recording = null; // record.js, from the first press of its button on

/* A module that the first sight does without: fetched ahead, so that it is there when the server is not.
   Returns what awaits it. Firefox remembers that an address failed, so each later try has one of its own. */
function ahead(address) {
  let tries = 0;
  let module = import(address);
  module.catch(() => {}); // told where it is awaited
  return () => (module = module.catch(() => import(`${address}?${(tries += 1)}`)));
}

async function pressRecord() {
  hideAnswer();
  try {
    recording = await recorder();
  } catch {
    tell("", "microphone.unreachable");
    return;
  }
  await recording.pressRecord();
}

/* Files: one sound, one picture or one of each are one question, more are one question each. */

async function takeFiles(list) {
  const files = [...list];
  const [parts, problem] = await Promise.all([
    Promise.all(files.slice(0, 2).map(shelf.partOf)), trouble(files),
  ]).catch(() => [[], "file.unreadable"]); // a folder, or gone since it was chosen
  if (files.length && state() === "recording") say($("problem"), "file.later");
  if (!files.length || !takesFiles()) return; // asked after the wait, in which a recording may have begun
  recording?.cancelRecording();
  hideAnswer();
  if (problem) {
    enter("rest");
    tell("", problem);
    return;
  }
  if (files.length > 2 || parts[0] === parts[1]) shelf.putBatch(files);
  else files.forEach((file, i) => (parts[i] === "image_data" ? shelf.putPicture : shelf.putSound)(file));
  offer("status.chosen");
}

/* Of more than two files each gets its own refusal from the server. */
async function trouble(files) {
  if (files.length > MAX_FILES) return "file.too_many";
  if (files.length > 2) return "";
  if ((await Promise.all(files.map(shelf.isHeif))).includes(true)) return "error.unsupported_format";
  return files.some(({ size }) => size > MAX_FILE_BYTES) ? "error.too_large" : "";
}

function discard({ currentTarget }) {
  if (state() === "sending") return;
  shelf.take(currentTarget.dataset.take);
  hideAnswer();
  enter(atRest() ? "rest" : state()); // a recording under way goes on
  if (atRest()) tellRest();
  $(shelf.isEmpty() ? "record" : "send").focus();
}

function hideAnswer() {
  $("answer").hidden = true;
}

/* Sending */

async function send() {
  if (state() !== "ready") return;
  hideAnswer();
  enter("sending");
  tell("status.sending");
  try {
    const { askBatch, askOnce } = await asking();
    if (shelf.batch()) await askBatch(shelf.batch());
    else await askOnce(shelf.parts());
  } catch {
    tell("", "error.network"); // which the page needs for its own next part too
  } finally {
    enter("rest");
  }
}

/* Language */

function speak(code) {
  setLanguage(code);
  for (const button of $("languages").children) button.ariaPressed = button.lang === code;
}

function chooseLanguage({ target }) {
  if (!target.lang) return;
  speak(target.lang);
  const address = new URL(location);
  address.searchParams.set("lang", target.lang);
  history.replaceState(null, "", address);
}

/* What the page listens to */

function listen() {
  $("record").addEventListener("click", pressRecord);
  $("send").addEventListener("click", send);
  document.querySelectorAll("[data-take]").forEach((button) => button.addEventListener("click", discard));
  $("file").addEventListener("change", ({ target }) => {
    takeFiles(target.files);
    target.value = ""; // so that the same file can be chosen again
  });
  $("languages").addEventListener("click", chooseLanguage);
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.addEventListener("click", async () => (await import("./answer.js")).copy($(button.dataset.copy)));
  });
  // A key held down presses one button, not also the one that the focus moves on to.
  document.addEventListener("keydown", (event) => {
    if (event.repeat && ["Enter", " "].includes(event.key) && event.target.matches("button")) event.preventDefault();
  });
  document.addEventListener("paste", ({ clipboardData }) => takeFiles(clipboardData.files));
  listenForDrops();
}

function listenForDrops() {
  const hover = (over) => document.body.classList.toggle("hover", over && takesFiles());
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    hover(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || hover(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hover(false);
    takeFiles(event.dataTransfer.files);
  });
}

sayDisclaimer($("disclaimer"), $("disclaimer").textContent);
speak(preferredLanguage());
listen();
document.body.dataset.ready = "";
const recorder = ahead("./record.js");
const asking = ahead("./asking.js");
