/* What the page is at, and what it tells of it.

   idle -> loading (the recorder) -> asking (for the microphone) -> counting -> recording -> ready -> sending -> ready,
   now with an answer. A file leads from all but recording and sending straight to ready. */

import * as shelf from "./shelf.js";
import { say } from "./words.js";

const BUTTON_WORDS = {
  idle: "record", loading: "cancel", asking: "cancel", counting: "cancel", recording: "stop", ready: "record",
  sending: "sending",
};

const $ = (id) => document.getElementById(id);

export const state = () => document.body.dataset.state;
export const atRest = () => state() === "idle" || state() === "ready";
export const takesFiles = () => state() !== "recording" && state() !== "sending";

/* With "rest": ready where there is something to send, else idle. */
export function enter(next) {
  const now = next === "rest" ? (shelf.isEmpty() ? "idle" : "ready") : next;
  document.body.dataset.state = now;
  say($("record-word"), now === "ready" && shelf.hasRecording() ? "button.again" : `button.${BUTTON_WORDS[now]}`);
  // aria-disabled and not disabled, which would take the keyboard's focus away.
  $("record").ariaDisabled = now === "sending";
  $("send").ariaDisabled = now !== "ready";
  document.querySelectorAll("[data-take]").forEach((button) => (button.ariaDisabled = now === "sending"));
  document.querySelectorAll(".look").forEach((button) => (button.ariaDisabled = !atRest()));
  $("file").disabled = !takesFiles();
  $("ready").hidden = shelf.isEmpty();
}

/* Something new is ready: the next key press sends it, and it is in view. */
export function offer(status) {
  enter("ready");
  tell(status);
  $("send").focus();
  $("samples").scrollIntoView({ block: "nearest" });
}

export function tell(status, problem, values) {
  say($("status"), status, values);
  say($("problem"), problem, values);
}

/* What can be done at rest. */
export function tellRest() {
  tell(shelf.isEmpty() ? "status.idle" : shelf.hasRecording() ? "status.recorded" : "status.chosen");
}
