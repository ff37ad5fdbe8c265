/* The state of the page, and its messages.

   idle -> loading (the recorder) -> asking (for the microphone) -> counting -> recording -> ready -> sending ->
   answered. A file leads to ready from every state but recording and sending; a refusal leads back to ready. */

import { say } from "./i18n.js";
import * as pendingFiles from "./pending_files.js";

const BUTTON_WORDS = {
  idle: "record", loading: "cancel", asking: "cancel", counting: "cancel", recording: "stop", ready: "record",
  sending: "sending", answered: "new.recording",
};
const REST = ["idle", "ready", "answered"];
// Where a problem is shown: at the control or file that caused it.
const PLACES = { sound: "sound-door", picture: "picture-door", request: "desk" };

const $ = (id) => document.getElementById(id);

export const state = () => document.body.dataset.state;
export const atRest = () => REST.includes(state());
export const acceptsFiles = () => state() !== "recording" && state() !== "sending";

/* The control to begin with: the recorder, or the X-ray where the graph judges no sounds. */
export const firstControl = () => $($("sound-door").hidden ? "choose-picture" : "record");

/* Enters a state and updates the controls. "rest" means ready when there are files to send, answered while an answer
   is shown, else idle. */
export function enterState(name) {
  const next = name === "rest" ? restState() : name;
  document.body.dataset.state = next;
  const again = next === "ready" && pendingFiles.hasRecording();
  say($("record-word"), again ? "button.again" : `button.${BUTTON_WORDS[next]}`);
  say($("choose-picture").querySelector("span"), next === "answered" ? "button.new.picture" : "file.choose");
  // aria-disabled and not disabled, which would take the keyboard focus away.
  $("record").ariaDisabled = next === "sending";
  $("send").ariaDisabled = next !== "ready";
  document.querySelectorAll("[data-discard]").forEach((button) => (button.ariaDisabled = next === "sending"));
  document.querySelectorAll("[data-choose], [data-example]")
    .forEach((button) => (button.ariaDisabled = !acceptsFiles()));
  document.querySelectorAll(".look").forEach((button) => (button.ariaDisabled = !atRest()));
  $("file").disabled = !acceptsFiles();
  $("ready").hidden = pendingFiles.isEmpty();
}

function restState() {
  if (!pendingFiles.isEmpty()) return "ready";
  return $("answer").hidden ? "idle" : "answered";
}

/* Shows that new files are ready: the send button is in view and has the focus. */
export function offerFiles(status, values) {
  enterState("ready");
  tell(status, values);
  $("send").focus({ preventScroll: true });
  $("ready").scrollIntoView({ block: "nearest" });
}

/* Shows a status, a key of strings/en.json ("" for none), and clears the problem. */
export function tell(status, values) {
  say($("status"), status, values);
  say($("problem"), "");
}

/* Shows a problem, a key of strings/en.json, where it arose: "sound", "picture" or "request". */
export function tellProblem(place, key, values) {
  say($("status"), "");
  addProblem(place, key, values);
}

/* As tellProblem, and keeps the status. */
export function addProblem(place, key, values) {
  const door = $(PLACES[place]);
  const parent = door.hidden ? $(PLACES.request) : door;
  if ($("problem").parentElement !== parent) parent.append($("problem"));
  say($("problem"), key, values);
  $("problem").scrollIntoView({ block: "nearest" });
}

/* Shows what can be done now. */
export function tellAtRest() {
  tell(pendingFiles.isEmpty() ? "" : pendingFiles.hasRecording() ? "status.recorded" : "status.chosen");
}
