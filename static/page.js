/* The page: a recording or a file becomes a sample, the sample is sent, the server's answer or its refusal is shown.

   idle -> asking (for the microphone) -> recording -> ready -> sending -> ready, now with an answer
   A file leads from idle, asking or ready straight to ready. */

import { clearAnswer, copy, labelKey, sayDisclaimer, showAnswer } from "./answer.js";
import { Recorder } from "./recorder.js";
import { clearStrip, drawLevel, hintAtCoughs } from "./strip.js";
import { preferredLanguage, say, setLanguage } from "./words.js";
import { encodeWav } from "./wav.js";

const MAX_SECONDS = 10; // of a recording
const MIN_SECONDS = 0.3; // the server's limit: shorter sounds hold no whole cough
const SILENT_PEAK = 0.001; // -60 dBFS, under which the server hears silence
const QUIET_SECONDS = 2; // of silence before the page speaks up
const MAX_FILE_BYTES = 10 * 2 ** 20; // the server's limit
const PATIENCE_MS = 60_000; // for an answer
const SOUND_ENDINGS = /\.(wav|flac|ogg|oga|opus|mp3|webm|weba|mp4|m4a|aac)$/i;

const $ = (id) => document.getElementById(id);
const BUTTON_WORDS = { idle: "record", asking: "asking", recording: "stop", ready: "record", sending: "sending" };

let state = "idle";
let recorder = null; // while recording
let loudest = 0; // peak of this recording so far
let sample = null; // what will be sent: {part, file, seconds of a recording}

function enter(next) {
  state = next;
  document.body.dataset.state = state;
  const again = state === "ready" && sample?.seconds;
  say($("record-word"), again ? "button.again" : `button.${BUTTON_WORDS[state]}`);
  // aria-disabled and not disabled, which would take the keyboard's focus away.
  $("record").ariaDisabled = state === "asking" || state === "sending";
  $("send").ariaDisabled = state === "sending";
  $("file").disabled = !takesFiles();
  $("ready").hidden = !sample;
}

const takesFiles = () => state === "idle" || state === "asking" || state === "ready";

function tell(status, problem, values) {
  say($("status"), status, values);
  say($("problem"), problem, values);
}

/* Recording */

async function pressRecord() {
  if (state === "recording") finishRecording();
  else if (state === "idle" || state === "ready") await beginRecording();
}

async function beginRecording() {
  setSample(null);
  clearStrip();
  loudest = 0;
  enter("asking");
  tell("status.asking");
  try {
    const started = await Recorder.start(hear, finishRecording);
    if (state !== "asking") return started.release(); // a file came first
    recorder = started;
    enter("recording");
    tell("status.recording");
  } catch (error) {
    if (state !== "asking") return;
    enter("idle");
    tell("", `microphone.${error.reason}`);
  }
}

/* A block of about 20 ms came from the microphone. */
function hear(peak, seconds) {
  if (state !== "recording") return;
  loudest = Math.max(loudest, peak);
  drawLevel(peak, seconds / MAX_SECONDS);
  say($("clock"), "clock", { seconds: Math.min(seconds, MAX_SECONDS) });
  if (seconds >= MAX_SECONDS) finishRecording();
  else if (seconds >= QUIET_SECONDS) warnOfQuiet();
}

function warnOfQuiet() {
  const wanted = loudest < SILENT_PEAK ? "status.quiet" : "status.recording";
  if ($("status").dataset.text !== wanted) say($("status"), wanted);
}

function finishRecording() {
  if (state !== "recording") return;
  const { samples, rate } = recorder.stop();
  const seconds = samples.length / rate;
  recorder = null;
  say($("clock"), "");
  if (seconds < MIN_SECONDS || loudest < SILENT_PEAK) {
    enter("idle");
    tell("", seconds < MIN_SECONDS ? "error.too_short" : "error.silence");
    return;
  }
  const file = new File([encodeWav(samples, rate)], "cough.wav", { type: "audio/wav" });
  offer({ part: "audio_data", file, seconds });
  tell("status.recorded");
}

/* Files */

function takeFiles(files) {
  const [file] = files;
  if (!file || !takesFiles()) return;
  setSample(null);
  hintAtCoughs();
  if (file.size > MAX_FILE_BYTES) {
    enter("idle");
    tell("", "error.too_large");
    return;
  }
  offer({ part: isSound(file) ? "audio_data" : "image_data", file });
  tell("status.chosen");
}

/* A guess that chooses part and preview. Some recorded sounds call themselves video. */
const isSound = ({ type, name }) => /^(audio|video)\//.test(type) || SOUND_ENDINGS.test(name);

/* The sample */

function offer(next) {
  setSample(next);
  enter("ready");
  $("send").focus();
}

function setSample(next) {
  clearAnswer();
  for (const shown of [$("player"), $("picture"), $("save")]) shown.hidden = true;
  if (sample) URL.revokeObjectURL(sample.url);
  sample = next;
  if (!sample) return;
  const { file, part, seconds } = sample;
  sample.url = URL.createObjectURL(file);
  if (seconds) say($("sample-name"), "ready.recording", { seconds });
  else say($("sample-name"), "ready.file", { name: file.name, size: file.size / 1000 });
  if (seconds) show($("save"), "href");
  if (part === "audio_data") show($("player"), "src");
  else if (/^image\/(png|jpeg)$/.test(file.type)) show($("picture"), "src");
}

function show(element, attribute) {
  element[attribute] = sample.url;
  element.hidden = false;
}

function discard() {
  setSample(null);
  hintAtCoughs();
  enter("idle");
  tell("status.idle");
  $("record").focus();
}

/* Sending */

async function send() {
  if (state !== "ready") return;
  clearAnswer();
  enter("sending");
  tell("status.sending");
  const sent = sample;
  try {
    const form = new FormData();
    form.append(sent.part, sent.file, sent.file.name);
    // Relative to the page's own address, so that Tosa may live behind a prefix.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch("?explain=1", { method: "POST", body: form, signal });
    await receive(response, sent);
  } catch {
    tell("", "error.network");
  } finally {
    enter("ready");
  }
}

async function receive(response, sent) {
  const answer = await response.json().catch(() => ({}));
  if (response.ok && answer.findings) {
    showAnswer(answer, sent);
    const [first] = answer.findings;
    const task = { key: `task.${first.task}`, otherwise: first.task };
    tell("status.answered", "", { task, diagnosis: labelKey(first.diagnosis), score: { share: first.score } });
  } else if (answer.error) {
    const seconds = response.headers.get("Retry-After") ?? "2";
    tell("", `error.${answer.error.code}`, { otherwise: answer.error.message, seconds });
  } else {
    tell("", "error.no_answer", { status: String(response.status) });
  }
}

/* Language */

function speak(code) {
  setLanguage(code);
  for (const button of $("languages").children) button.ariaPressed = button.lang === code;
}

function chooseLanguage({ target }) {
  if (!target.lang) return;
  speak(target.lang);
  const address = new URL(location);
  address.searchParams.set("lang", target.lang);
  history.replaceState(null, "", address); // the address remembers, so nothing else has to
}

/* Everything that can be pressed, chosen, dropped or pasted */

function listen() {
  $("record").addEventListener("click", pressRecord);
  $("send").addEventListener("click", send);
  $("discard").addEventListener("click", () => state === "ready" && discard());
  $("languages").addEventListener("click", chooseLanguage);
  $("file").addEventListener("change", ({ target }) => {
    takeFiles([...target.files]);
    target.value = ""; // so that the same file can be chosen once more
  });
  $("picture").addEventListener("error", () => ($("picture").hidden = true));
  // It loads after the focus has brought the button into sight, and pushes it down.
  $("picture").addEventListener("load", () => $("send").scrollIntoView({ block: "nearest" }));
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.addEventListener("click", () => copy($(button.dataset.copy)));
  });
  document.addEventListener("paste", ({ clipboardData }) => takeFiles(clipboardData.files));
  listenForDrops();
}

function listenForDrops() {
  const hover = (over) => document.body.classList.toggle("hover", over && takesFiles());
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    hover(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || hover(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hover(false);
    takeFiles(event.dataTransfer.files);
  });
}

hintAtCoughs();
sayDisclaimer($("disclaimer"), $("disclaimer").textContent);
speak(preferredLanguage());
listen();
