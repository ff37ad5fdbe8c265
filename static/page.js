/* The page: connects its controls, takes files by choice, drop or paste, and switches the language. */

import { preferredLanguage, say, sayDisclaimer, setLanguage } from "./i18n.js";
import { acceptsFiles, atRest, enterState, offerFiles, state, tell, tellAtRest } from "./page_state.js";
import * as pendingFiles from "./pending_files.js";

const MAX_FILE_BYTES = 10 * 2 ** 20; // the server's limit
const MAX_FILES = 500; // at once

const $ = (id) => document.getElementById(id);
let recording = null; // the module record_button.js, after its button was pressed

/* Fetches a module that the first view does not need, so that it is there even when the server is not reachable later.
   Returns a function that awaits it. Firefox remembers a failed address, so each retry uses a new one. */
function prefetch(address) {
  let tries = 0;
  let module = import(address);
  module.catch(() => {}); // reported where it is awaited
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

/* Files: a sound, a picture or one of each go into one request; more files get one request each. */

async function takeFiles(list) {
  const files = [...list];
  const [parts, problem] = await Promise.all([
    Promise.all(files.slice(0, 2).map(pendingFiles.partOf)), problemOf(files),
  ]).catch(() => [[], "file.unreadable"]); // a folder, or a file deleted since it was chosen
  if (files.length && state() === "recording") say($("problem"), "file.later");
  if (!files.length || !acceptsFiles()) return; // checked after the wait, during which a recording may have started
  recording?.cancelRecording();
  hideAnswer();
  if (problem) {
    enterState("rest");
    tell("", problem);
    return;
  }
  if (files.length > 2 || parts[0] === parts[1]) pendingFiles.setBatch(files);
  else files.forEach((file, i) => (parts[i] === "image_data" ? pendingFiles.setPicture : pendingFiles.setSound)(file));
  offerFiles("status.chosen");
}

/* Returns the key of what is wrong with the files, or "". In a batch, the server refuses each file on its own. */
async function problemOf(files) {
  if (files.length > MAX_FILES) return "file.too_many";
  if (files.length > 2) return "";
  if ((await Promise.all(files.map(pendingFiles.isHeif))).includes(true)) return "error.unsupported_format";
  return files.some(({ size }) => size > MAX_FILE_BYTES) ? "error.too_large" : "";
}

function discard({ currentTarget }) {
  if (state() === "sending") return;
  pendingFiles.remove(currentTarget.dataset.discard);
  hideAnswer();
  enterState(atRest() ? "rest" : state()); // a recording in progress continues
  if (atRest()) tellAtRest();
  $(pendingFiles.isEmpty() ? "record" : "send").focus();
}

function hideAnswer() {
  $("answer").hidden = true;
}

/* Sending */

async function send() {
  if (state() !== "ready") return;
  hideAnswer();
  enterState("sending");
  tell("status.sending");
  try {
    const { submitBatch, submitOnce } = await submitting();
    if (pendingFiles.batch()) await submitBatch(pendingFiles.batch());
    else await submitOnce(pendingFiles.parts());
  } catch {
    tell("", "error.network"); // the page cannot load its own next module
  } finally {
    enterState("rest");
  }
}

/* Language */

function applyLanguage(code) {
  setLanguage(code);
  for (const button of $("languages").children) button.ariaPressed = button.lang === code;
}

function chooseLanguage({ target }) {
  if (!target.lang) return;
  applyLanguage(target.lang);
  const address = new URL(location);
  address.searchParams.set("lang", target.lang);
  history.replaceState(null, "", address);
}

/* Events */

function connectControls() {
  $("record").addEventListener("click", pressRecord);
  $("send").addEventListener("click", send);
  document.querySelectorAll("[data-discard]").forEach((button) => button.addEventListener("click", discard));
  $("file").addEventListener("change", ({ target }) => {
    takeFiles(target.files);
    target.value = ""; // so that the same file can be chosen again
  });
  $("languages").addEventListener("click", chooseLanguage);
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.addEventListener("click", async () => (await import("./answer_view.js")).copy($(button.dataset.copy)));
  });
  // A key that is held down presses only one button, not also the one that gets the focus next.
  document.addEventListener("keydown", (event) => {
    if (event.repeat && ["Enter", " "].includes(event.key) && event.target.matches("button")) event.preventDefault();
  });
  document.addEventListener("paste", ({ clipboardData }) => takeFiles(clipboardData.files));
  connectDrops();
}

function connectDrops() {
  const hover = (over) => document.body.classList.toggle("hover", over && acceptsFiles());
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // otherwise the browser opens the file instead of the page
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
applyLanguage(preferredLanguage());
connectControls();
document.body.dataset.ready = "";
const recorder = prefetch("./record_button.js");
const submitting = prefetch("./submit.js");
