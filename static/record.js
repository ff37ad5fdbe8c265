/* The record button: what the page shows and says from its press to a recording that is ready to be sent. */

import { judge, peakOf } from "./loudness.js";
import * as scope from "./scope.js";
import * as shelf from "./shelf.js";
import { atRest, enter, offer, tell, tellRest } from "./state.js";
import { MAX_SECONDS, Take } from "./take.js";
import { encodeWav } from "./wav.js";
import { say } from "./words.js";

const FLOOR_DB = 60; // below full scale, where the level meter begins
const QUIET = 0.02; // -34 dBFS, a peak under which a cough is too far away
const SILENT = 0.002; // -54 dBFS, under which nothing is heard
const LOUD = 0.99; // of full scale, where microphones clip
const DECAY = 0.9; // of the level meter, from one frame to the next
const QUIET_SECONDS = 2; // of silence before the page speaks up

const $ = (id) => document.getElementById(id);
let take = null; // while there is one
let loudest = 0; // peak of this recording so far
let meter = 0; // the peak that the level meter shows
let drawn = 0; // of the spectrogram's width
let latest = null; // what was heard since the last frame was drawn: {block, rate, seconds, peak}

export async function pressRecord() {
  if (take) take.press();
  else if (atRest()) await record();
}

export function cancelRecording() {
  take?.cancel();
  over();
}

/* Nothing of a recording under way is shown any more. */
function over() {
  take = null;
  say($("clock"), "");
  say($("count"), "");
  document.body.style.setProperty("--level", 0);
}

async function record() {
  const mine = (take = new Take({ state: step, count, heard, unanswered }));
  try {
    const recording = await mine.run();
    if (take === mine) finish(recording);
  } catch (error) {
    if (take === mine) finish(null, `microphone.${error.reason ?? "failed"}`);
  }
}

function step(name) {
  if (name === "recording") ["sound", "batch"].forEach(shelf.take); // what was there before, no sooner than this
  enter(name);
  tell(`status.${name}`);
  say($("count"), "");
  if (name !== "recording") return;
  loudest = drawn = 0;
  scope.clear(MAX_SECONDS);
}

const count = (left) => say($("count"), "count", { left: String(left) });

const unanswered = () => tell("status.asking", "microphone.unanswered");

/* A block of about 20 ms came from the microphone; `seconds` is null until the recording has begun.
   It is drawn with the next frame, so that a slow machine skips blocks instead of lagging behind. */
function heard(block, rate, seconds) {
  if (!latest) requestAnimationFrame(draw);
  latest = { block, rate, seconds, peak: Math.max(latest?.peak ?? 0, peakOf(block)) };
}

function draw() {
  const { block, rate, seconds, peak } = latest;
  latest = null;
  if (!take) return;
  showLevel(peak);
  if (seconds === null) return;
  loudest = Math.max(loudest, peak);
  const share = Math.min(seconds / MAX_SECONDS, 1);
  scope.live(block, rate, drawn, share);
  drawn = share;
  say($("clock"), "clock", { seconds: Math.min(seconds, MAX_SECONDS) });
  const quiet = seconds >= QUIET_SECONDS && loudest < SILENT;
  const wanted = quiet ? "status.quiet" : loudest > LOUD ? "status.loud.now" : "status.recording";
  if ($("status").dataset.text !== wanted) say($("status"), wanted);
}

/* The meter rises at once and falls slowly, so that the eye can follow. */
function showLevel(peak) {
  meter = Math.max(peak, meter * DECAY);
  const level = Math.max(0, 1 + (20 * Math.log10(Math.max(meter, 1e-6))) / FLOOR_DB);
  document.body.style.setProperty("--level", level); // the meter and the button's glow
  $("level").dataset.zone = meter < QUIET ? 1 : meter < LOUD ? 2 : 3;
}

function finish(recording, problem = "") {
  over();
  const { refusal, warning } = recording ? judge(recording.samples, recording.rate) : {};
  if (!recording || refusal) {
    enter("rest");
    if (recording || problem) tell("", refusal ?? problem);
    else tellRest();
    return;
  }
  const { samples, rate } = recording;
  shelf.putSound(new File([encodeWav(samples, rate)], "cough.wav", { type: "audio/wav" }), recording);
  offer(warning ?? "status.recorded");
}
