/* Submits what is pending: one request for a sound, a picture or both, or one request per file of a batch. */

import { showAnswer, summarize } from "./answer_view.js";
import { screen, screenBatch } from "./api.js";
import * as history from "./history.js";
import { say } from "./i18n.js";
import { atRest, enterState, firstControl, state, tell, tellProblem } from "./page_state.js";
import * as pendingFiles from "./pending_files.js";
import { isLong, showListening } from "./timeline.js";

const PICTURE_ERRORS = [
  "not_a_chest_xray", "several_frames", "compressed_dicom", "picture_too_large", "no_picture", "missing_element",
];
const REQUEST_ERRORS = ["network", "timeout", "no_answer", "busy", "starting", "stopping", "internal", "cross_site"];
const SOUND_ERRORS = ["too_short", "silence", "clipped", "sample_rate", "sound_too_long"];

const $ = (id) => document.getElementById(id);
let batchStopped = false; // by the button, while a batch runs

/* Submits the pending sound, picture or both in one request. */
export const submitPending = () => submitOnce(pendingFiles.parts(), pendingFiles.hasRecording());

/* Submits `parts` {audio_data, image_data}. recorded: the sound is the page's own recording, which can be saved.
   entry: their line of the history; without it, a new one is added. */
async function submitOnce(parts, recorded, entry) {
  const names = Object.values(parts).map(({ name }) => name).join(" + ");
  const line = entry ?? history.add(names, () => lookAgain(parts, line));
  history.setStatus(line, "history.sent");
  const result = await (await isLong(parts.audio_data) ? screenLong(parts) : screen(parts));
  history.setResult(line, result);
  if (result.problem) {
    tellProblem(placeOf(result.problem[0], parts), ...result.problem);
    return;
  }
  showAnswer(result.answer, parts, recorded);
  pendingFiles.clear();
  tell("status.answered", { answers: { list: result.answer.findings.map(summarize) } });
  enterState("rest");
  $("answer-title").focus({ preventScroll: true });
  $("doors").scrollIntoView({ block: "start" });
}

/* As `screen`, with a timeline of the sound. That takes seconds. */
async function screenLong(parts) {
  tell("status.listening");
  const hideProgress = showListening();
  try {
    return await screen(parts, "explain=1&timeline=1");
  } finally {
    hideProgress();
  }
}

/* Returns where to show a problem: at the file that caused it, or at the send button when that is not known. */
function placeOf(key, { audio_data: sound, image_data: picture }) {
  const code = key.replace("error.", "");
  if (REQUEST_ERRORS.includes(code)) return "request";
  if (sound && (!picture || SOUND_ERRORS.includes(code))) return "sound";
  return picture && (!sound || PICTURE_ERRORS.includes(code)) ? "picture" : "request";
}

/* Submits the files of an entry once more, because the history keeps no pictures. Does nothing during a recording,
   which it would end, and while other files are pending, which it would replace. */
async function lookAgain(parts, entry) {
  if (!atRest()) return;
  $("answer").hidden = true;
  enterState("sending");
  tell("status.sending");
  try {
    await submitOnce(parts, false, entry);
  } catch {
    tellProblem("request", "error.internal"); // the answer cannot be shown
  } finally {
    enterState("rest");
    // The pressed button was replaced, which moved the focus to the body.
    const next = entry.row.querySelector(".look") ?? firstControl();
    if (document.activeElement === document.body) next.focus({ preventScroll: true });
  }
}

/* Submits each of `items` {file, kind, problem} in a request of its own and fills the history. */
export async function submitBatch(items) {
  const jobs = items.map(batchJob);
  batchStopped = false;
  const counts = { answered: 0, refused: 0, all: items.length };
  $("batch").hidden = false;
  showProgress(counts);
  $("history").scrollIntoView({ block: "start" });
  const onResult = ({ entry }, result) => {
    history.setResult(entry, result);
    counts[result.problem ? "refused" : "answered"] += 1;
    showProgress(counts);
  };
  jobs.filter(({ problem }) => problem).forEach((job) => onResult(job, job));
  await screenBatch(jobs.filter(({ problem }) => !problem), onResult, () => batchStopped);
  const unsent = jobs.filter(({ entry }) => !entry.answer && !entry.problem);
  unsent.forEach(({ entry }) => history.setStatus(entry, "history.stopped"));
  pendingFiles.clear();
  tell(unsent.length ? "status.batch.stopped" : "status.batch");
  showProgress(counts);
}

function batchJob({ file, kind, problem }) {
  const parts = { [kind === "picture" ? "image_data" : "audio_data"]: file };
  const entry = history.add(file.name, () => lookAgain(parts, entry));
  return { parts, entry, problem };
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
  firstControl().focus();
});
addEventListener("pagehide", history.clear); // because browsers may keep the page for the Back button
