/* The page: connects its controls and takes files by choice, drop, paste or as an example. */

import { inspect } from "./file_types.js";
import { loadAll, sayDisclaimer } from "./i18n.js";
import {
  acceptsFiles, addProblem, atRest, enterState, firstControl, offerFiles, state, tell, tellAtRest, tellProblem,
} from "./page_state.js";
import * as pendingFiles from "./pending_files.js";
import { applyPreferences } from "./preferences.js";

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
    tellProblem("sound", "microphone.unreachable");
    return;
  }
  await recording.pressRecord();
}

/* Files: a sound, a picture or one of each go into one request; more files get one request each. */

async function takeFiles(list) {
  const files = [...list];
  if (!files.length) return;
  const items = await inspectAll(files);
  if (state() === "recording") addProblem("sound", "file.later");
  if (!acceptsFiles()) return; // checked after the wait, during which a recording may have started
  recording?.cancelRecording();
  hideAnswer();
  const isBatch = pendingFiles.batch() || files.length > 2;
  const bad = items.filter(({ problem }) => problem);
  const refused = bad.length && !isBatch;
  if (pendingFiles.batchSize(files.length) > pendingFiles.MAX_BATCH || refused) {
    enterState("rest");
    if (refused) tellProblem(bad[0].kind, ...bad[0].problem);
    else tellProblem("request", "file.too_many");
    return;
  }
  const replaced = pendingFiles.add(items);
  if (replaced) offerFiles("status.replaced", { name: replaced });
  else offerFiles(pendingFiles.batch() ? "status.chosen.batch" : "status.chosen");
  if (bad.length) addProblem("request", "file.some_unreadable", { count: String(bad.length), names: namesOf(bad) });
}

/* Returns {file, kind, problem} for each file. In a batch, a file that is deleted meanwhile is reported when sent. */
const inspectAll = (files) => Promise.all(files.map(async (file) => {
  const result = await inspect(file).catch(() => ({ kind: "request", problem: ["file.unreadable"] }));
  return { file, ...result };
}));

const namesOf = (items) => ({ list: items.slice(0, 5).map(({ file }) => file.name) });

function discard({ currentTarget }) {
  if (state() === "sending") return;
  pendingFiles.remove(currentTarget.dataset.discard);
  enterState(atRest() ? "rest" : state()); // a recording in progress continues
  if (atRest()) tellAtRest();
  (pendingFiles.isEmpty() ? firstControl() : $("send")).focus();
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
    const { submitBatch, submitPending } = await submitting();
    if (pendingFiles.batch()) await submitBatch(pendingFiles.batch());
    else await submitPending();
  } catch {
    tellProblem("request", "error.network"); // the page cannot load its own next module
  } finally {
    enterState("rest");
  }
}

/* Fetches an example file and sends it at once. */
async function sendExample({ currentTarget }) {
  if (!acceptsFiles()) return;
  const name = currentTarget.dataset.example;
  const place = name.endsWith(".wav") ? "sound" : "picture";
  const response = await fetch(new URL(`examples/${name}`, import.meta.url)).catch(() => null);
  if (!response?.ok) {
    tellProblem(place, "error.network");
    return;
  }
  const blob = await response.blob();
  pendingFiles.clear();
  const file = new File([blob], name, { type: blob.type });
  pendingFiles.markExample(file);
  await takeFiles([file]);
  await send();
}

/* Events */

function connectControls() {
  $("record").addEventListener("click", pressRecord);
  $("send").addEventListener("click", send);
  document.querySelectorAll("[data-discard]").forEach((button) => button.addEventListener("click", discard));
  document.querySelectorAll("[data-example]").forEach((button) => button.addEventListener("click", sendExample));
  document.querySelectorAll("[data-choose]").forEach((button) => button.addEventListener("click", () => {
    if (acceptsFiles()) $("file").click();
  }));
  $("file").addEventListener("change", ({ target }) => {
    takeFiles(target.files);
    target.value = ""; // so that the same file can be chosen again
  });
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
  const showOverlay = (over) => document.body.classList.toggle("dragging", over && acceptsFiles());
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // otherwise the browser opens the file instead of the page
    showOverlay(event.dataTransfer.types.includes("Files"));
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || showOverlay(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    showOverlay(false);
    takeFiles(event.dataTransfer.files);
  });
}

sayDisclaimer($("disclaimer"), $("disclaimer").textContent);
applyPreferences();
connectControls();
enterState("idle");
performance.mark("usable");
const recorder = prefetch("./record_button.js");
const submitting = prefetch("./submit.js");
loadAll().then(() => (document.body.dataset.ready = ""));
