/* The record button: what the page shows from its press until a recording is ready to be sent. */

import { say } from "./i18n.js";
import { addProblem, atRest, enterState, offerFiles, tell, tellAtRest, tellProblem } from "./page_state.js";
import * as pendingFiles from "./pending_files.js";
import { assessRecording, peakLevel } from "./recording_quality.js";
import { MAX_SECONDS, RecordingSession } from "./recording_session.js";
import * as spectrogram from "./spectrogram_view.js";
import { encodeWav } from "./wav.js";

const METER_RANGE_DB = 60; // the level meter starts this far below full scale
const QUIET_PEAK = 0.02; // -34 dBFS; below it, a cough is too far away
const SILENT_PEAK = 0.002; // -54 dBFS; below it, the microphone hears nothing
const LOUD_PEAK = 0.99; // of full scale, where microphones clip
const METER_DECAY = 0.9; // of the level meter, per frame
const QUIET_SECONDS = 2; // of silence, until the page says so

const $ = (id) => document.getElementById(id);
let session = null; // the RecordingSession in progress
let recordingPeak = 0; // of the current recording
let meterLevel = 0; // the peak that the level meter shows
let drawnShare = 0; // of the spectrogram's width
let latest = null; // what came since the last frame was drawn: {samples, rate, seconds, peak}

export async function pressRecord() {
  if (session) session.press();
  else if (atRest()) await record();
}

export function cancelRecording() {
  session?.cancel();
  clearSession();
}

function clearSession() {
  session = null;
  say($("clock"), "");
  say($("count"), "");
  document.body.style.setProperty("--level", 0);
}

async function record() {
  const started = (session = new RecordingSession({ state: showStep, countdown, block: receiveBlock, reminder }));
  try {
    const recording = await started.run();
    if (session === started) finish(recording);
  } catch (error) {
    if (session === started) finish(null, `microphone.${error.reason ?? "failed"}`);
  }
}

function showStep(name) {
  if (name === "recording") pendingFiles.remove("sound"); // an earlier one stays until this moment
  enterState(name);
  tell(`status.${name}`);
  say($("count"), "");
  if (name !== "recording") return;
  recordingPeak = drawnShare = 0;
  spectrogram.clear(MAX_SECONDS);
}

const countdown = (left) => say($("count"), "count", { left: String(left) });

const reminder = () => addProblem("sound", "microphone.unanswered");

/* Takes a block of about 20 ms from the microphone; `seconds` is null until the recording has started.
   The next frame draws it, so that a slow machine skips blocks instead of falling behind. */
function receiveBlock(samples, rate, seconds) {
  if (!latest) requestAnimationFrame(drawLatest);
  latest = { samples, rate, seconds, peak: Math.max(latest?.peak ?? 0, peakLevel(samples)) };
}

function drawLatest() {
  const { samples, rate, seconds, peak } = latest;
  latest = null;
  if (!session) return;
  showLevel(peak);
  if (seconds === null) return;
  recordingPeak = Math.max(recordingPeak, peak);
  const share = Math.min(seconds / MAX_SECONDS, 1);
  spectrogram.drawBlock(samples, rate, drawnShare, share);
  drawnShare = share;
  say($("clock"), "clock", { seconds: Math.min(seconds, MAX_SECONDS) });
  const quiet = seconds >= QUIET_SECONDS && recordingPeak < SILENT_PEAK;
  const status = quiet ? "status.quiet" : recordingPeak > LOUD_PEAK ? "status.loud.now" : "status.recording";
  if ($("status").dataset.text !== status) say($("status"), status);
}

/* The meter rises at once and falls slowly, so that the eye can follow it. */
function showLevel(peak) {
  meterLevel = Math.max(peak, meterLevel * METER_DECAY);
  const share = Math.max(0, 1 + (20 * Math.log10(Math.max(meterLevel, 1e-6))) / METER_RANGE_DB);
  document.body.style.setProperty("--level", share); // for the meter and the button's glow
  $("level").dataset.zone = meterLevel < QUIET_PEAK ? 1 : meterLevel < LOUD_PEAK ? 2 : 3;
}

function finish(recording, problem = "") {
  clearSession();
  const { refusal, warning } = recording ? assessRecording(recording.samples, recording.rate) : {};
  if (!recording || refusal) {
    enterState("rest");
    if (recording || problem) tellProblem("sound", refusal ?? problem);
    else tellAtRest();
    return;
  }
  const { samples, rate } = recording;
  pendingFiles.addRecording(new File([encodeWav(samples, rate)], "cough.wav", { type: "audio/wav" }), recording);
  offerFiles(warning ?? "status.recorded");
}
