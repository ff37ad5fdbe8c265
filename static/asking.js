/* Sending: one request for what is ready, or one for each of several files, and what came of it. */

import { inShort, showAnswer } from "./answer.js";
import { ask, askEach } from "./send.js";
import * as shelf from "./shelf.js";
import { atRest, enter, state, tell } from "./state.js";
import * as visit from "./visit.js";
import { say } from "./words.js";

const $ = (id) => document.getElementById(id);
let stopped = false; // by the button, while a batch runs

/* Ask what `parts` {audio_data, image_data} hold. `record` is the visit's line, a new one without it. */
export async function askOnce(parts, record) {
  const names = Object.values(parts).map(({ name }) => name).join(" + ");
  const kept = record ?? visit.add(names, () => lookAgain(parts, kept));
  visit.wait(kept, "visit.sent");
  const result = await ask(parts);
  visit.fill(kept, result);
  if (result.problem) {
    tell("", ...result.problem);
    return;
  }
  showAnswer(result.answer, parts);
  const drawn = result.answer.findings.find(({ from, picture }) => from === "picture" && picture);
  if (parts.image_data && drawn) shelf.drawPicture(drawn.picture);
  tell("status.answered", "", { answers: { list: result.answer.findings.map(inShort) } });
}

/* The table keeps no pictures: the file is sent once more. Not while a recording is under way, which it would end. */
async function lookAgain(parts, record) {
  if (!atRest()) return;
  $("answer").hidden = true;
  shelf.clear();
  if (parts.audio_data) shelf.putSound(parts.audio_data);
  if (parts.image_data) shelf.putPicture(parts.image_data);
  enter("sending");
  tell("status.sending");
  try {
    await askOnce(parts, record);
  } catch {
    tell("", "error.internal"); // an answer that cannot be drawn
  } finally {
    enter("rest");
    // The button that was pressed has gone from the line, and the focus with it. A refused line has no new one.
    const next = record.row.querySelector(".look") ?? $("send");
    if (document.activeElement === document.body) next.focus({ preventScroll: true });
  }
}

export async function askBatch(files) {
  const jobs = files.map((file) => {
    const parts = async () => ({ [await shelf.partOf(file)]: file });
    const record = visit.add(file.name, async () => {
      const found = await parts().catch(() => null); // gone since it was chosen
      if (found) await lookAgain(found, record);
      else if (atRest()) tell("", "file.unreadable");
    });
    return { parts, record };
  });
  stopped = false;
  let answered = 0;
  let refused = 0;
  const progress = () => {
    $("progress").max = files.length;
    $("progress").value = answered + refused;
    const values = { done: String(answered + refused), all: String(files.length), refused: String(refused) };
    const over = answered + refused === files.length || stopped;
    if (over && document.activeElement.matches("#stop, #ready *")) { // which go
      $("visit").querySelector(".scroll").focus({ preventScroll: true });
    }
    say($("batch-word"), over ? "batch.done" : "batch.running", values);
    $("stop").hidden = over;
  };
  const done = ({ record }, result) => {
    visit.fill(record, result);
    if (result.problem) refused += 1;
    else answered += 1;
    progress();
  };
  $("batch").hidden = false;
  progress();
  $("visit").scrollIntoView({ block: "start" });
  await askEach(jobs, done, () => stopped);
  const unsent = jobs.filter(({ record }) => !record.answer && !record.problem);
  unsent.forEach(({ record }) => visit.wait(record, "visit.stopped"));
  shelf.clear();
  tell(unsent.length ? "status.batch.stopped" : "status.batch");
  progress();
}

$("stop").addEventListener("click", () => {
  stopped = true;
});
$("csv").addEventListener("click", visit.download);
$("forget").addEventListener("click", () => {
  if (state() === "sending") return;
  visit.forget();
  $("batch").hidden = true;
  $("record").focus();
});
addEventListener("pagehide", visit.forget); // also where the browser would keep the page for its Back button
