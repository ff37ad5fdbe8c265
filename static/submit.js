/* Submits what is pending: one request for a sound, a picture or both, or one request per file of a batch. */

import { showAnswer, summarize } from "./answer_view.js";
import { screen, screenBatch } from "./api.js";
import * as history from "./history.js";
import { say } from "./i18n.js";
import { atRest, enterState, state, tell } from "./page_state.js";
import * as pendingFiles from "./pending_files.js";

const $ = (id) => document.getElementById(id);
let batchStopped = false; // by the button, while a batch runs

/* Submits `parts` {audio_data, image_data}. entry: their line of the history; without it, a new one is added. */
export async function submitOnce(parts, entry) {
  const names = Object.values(parts).map(({ name }) => name).join(" + ");
  const line = entry ?? history.add(names, () => lookAgain(parts, line));
  history.setStatus(line, "history.sent");
  const result = await screen(parts);
  history.setResult(line, result);
  if (result.problem) {
    tell("", ...result.problem);
    return;
  }
  showAnswer(result.answer, parts);
  const drawn = result.answer.findings.find(({ from, picture }) => from === "picture" && picture);
  if (parts.image_data && drawn) pendingFiles.setPreview(drawn.picture);
  tell("status.answered", "", { answers: { list: result.answer.findings.map(summarize) } });
}

/* Submits the files of an entry once more, because the history keeps no pictures. Does nothing during a recording,
   which it would end. */
async function lookAgain(parts, entry) {
  if (!atRest()) return;
  $("answer").hidden = true;
  pendingFiles.clear();
  if (parts.audio_data) pendingFiles.setSound(parts.audio_data);
  if (parts.image_data) pendingFiles.setPicture(parts.image_data);
  enterState("sending");
  tell("status.sending");
  try {
    await submitOnce(parts, entry);
  } catch {
    tell("", "error.internal"); // the answer cannot be shown
  } finally {
    enterState("rest");
    // The pressed button was replaced, which moved the focus to the body. A refused entry has no button.
    const next = entry.row.querySelector(".look") ?? $("send");
    if (document.activeElement === document.body) next.focus({ preventScroll: true });
  }
}

/* Submits each file in a request of its own and fills the history. */
export async function submitBatch(files) {
  const jobs = files.map(batchJob);
  batchStopped = false;
  const counts = { answered: 0, refused: 0, all: files.length };
  $("batch").hidden = false;
  showProgress(counts);
  $("history").scrollIntoView({ block: "start" });
  const onResult = ({ entry }, result) => {
    history.setResult(entry, result);
    counts[result.problem ? "refused" : "answered"] += 1;
    showProgress(counts);
  };
  await screenBatch(jobs, onResult, () => batchStopped);
  const unsent = jobs.filter(({ entry }) => !entry.answer && !entry.problem);
  unsent.forEach(({ entry }) => history.setStatus(entry, "history.stopped"));
  pendingFiles.clear();
  tell(unsent.length ? "status.batch.stopped" : "status.batch");
  showProgress(counts);
}

function batchJob(file) {
  const parts = async () => ({ [await pendingFiles.partOf(file)]: file });
  const entry = history.add(file.name, async () => {
    const readable = await parts().catch(() => null); // the file was deleted since it was chosen
    if (readable) await lookAgain(readable, entry);
    else if (atRest()) tell("", "file.unreadable");
  });
  return { parts, entry };
}

function showProgress({ answered, refused, all }) {
  const done = answered + refused;
  const over = done === all || batchStopped;
  $("progress").max = all;
  $("progress").value = done;
  if (over && document.activeElement.matches("#stop, #ready *")) { // which disappear
    $("history").querySelector(".scroll").focus({ preventScroll: true });
  }
  const values = { done: String(done), all: String(all), refused: String(refused) };
  say($("batch-word"), over ? "batch.done" : "batch.running", values);
  $("stop").hidden = over;
}

$("stop").addEventListener("click", () => {
  batchStopped = true;
});
$("csv").addEventListener("click", history.download);
$("forget").addEventListener("click", () => {
  if (state() === "sending") return;
  history.clear();
  $("batch").hidden = true;
  $("record").focus();
});
addEventListener("pagehide", history.clear); // because browsers may keep the page for the Back button
