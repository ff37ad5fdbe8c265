/* The state of the page, and its messages.

   idle -> loading (the recorder) -> asking (for the microphone) -> counting -> recording -> ready -> sending -> ready,
   now with an answer. A file leads to ready from every state but recording and sending. */

import { say } from "./i18n.js";
import * as pendingFiles from "./pending_files.js";

const BUTTON_WORDS = {
  idle: "record", loading: "cancel", asking: "cancel", counting: "cancel", recording: "stop", ready: "record",
  sending: "sending",
};

const $ = (id) => document.getElementById(id);

export const state = () => document.body.dataset.state;
export const atRest = () => state() === "idle" || state() === "ready";
export const acceptsFiles = () => state() !== "recording" && state() !== "sending";

/* Enters a state and updates the controls. "rest" means ready when there are files to send, else idle. */
export function enterState(name) {
  const next = name === "rest" ? (pendingFiles.isEmpty() ? "idle" : "ready") : name;
  document.body.dataset.state = next;
  const again = next === "ready" && pendingFiles.hasRecording();
  say($("record-word"), again ? "button.again" : `button.${BUTTON_WORDS[next]}`);
  // aria-disabled and not disabled, which would take the keyboard focus away.
  $("record").ariaDisabled = next === "sending";
  $("send").ariaDisabled = next !== "ready";
  document.querySelectorAll("[data-discard]").forEach((button) => (button.ariaDisabled = next === "sending"));
  document.querySelectorAll(".look").forEach((button) => (button.ariaDisabled = !atRest()));
  $("file").disabled = !acceptsFiles();
  $("ready").hidden = pendingFiles.isEmpty();
}

/* Shows that new files are ready: the send button is in view and has the focus. */
export function offerFiles(status) {
  enterState("ready");
  tell(status);
  $("send").focus();
  $("samples").scrollIntoView({ block: "nearest" });
}

/* Shows a status and a problem, both keys of strings.json; an empty key clears the line. */
export function tell(status, problem, values) {
  say($("status"), status, values);
  say($("problem"), problem, values);
}

/* Shows what can be done now. */
export function tellAtRest() {
  tell(pendingFiles.isEmpty() ? "status.idle" : pendingFiles.hasRecording() ? "status.recorded" : "status.chosen");
}
