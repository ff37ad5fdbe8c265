/* The files that are ready to be sent: a sound, a picture or both in one request, or a batch with one request each. */

import { say } from "./i18n.js";
import { createViewer } from "./image_viewer.js";
import * as spectrogram from "./spectrogram_view.js";

const MAX_SHOWN_SECONDS = 60; // the server's limit; a longer sound is not decoded for its spectrogram
const NAMES_SHOWN = 5;
export const MAX_BATCH = 500; // files

const $ = (id) => document.getElementById(id);
const pending = {}; // by kind: sound, picture, batch

const examples = new WeakSet(); // files that nobody's body made

/* Marks a file as one of the page's examples. */
export const markExample = (file) => examples.add(file);
export const isExample = (file) => examples.has(file);

export const isEmpty = () => !Object.keys(pending).length;
export const batch = () => pending.batch?.items;
export const hasRecording = () => Boolean(pending.sound?.recording);
export const has = (kind) => kind in pending;

/* Returns the parts of one request: {audio_data, image_data}, each a File when there is one. */
export function parts() {
  const all = { audio_data: pending.sound?.file, image_data: pending.picture?.file };
  return Object.fromEntries(Object.entries(all).filter(([, file]) => file));
}

/* Adds `items` {file, kind, problem}. A sound and a picture go into one request; more files become a batch, together
   with what was pending before, so that nothing gets lost. A single file replaces a pending one of its kind.
   Returns the name of the file that was replaced, or "". */
export function add(items) {
  const kinds = items.map(({ kind }) => kind);
  if (pending.batch || items.length > 2 || kinds[0] === kinds[1]) {
    setBatch([...earlierItems(), ...items]);
    return "";
  }
  const replaced = kinds.map((kind) => pending[kind]?.file.name).filter(Boolean).join(", ");
  for (const { file, kind } of items) (kind === "picture" ? setPicture : setSound)(file);
  return replaced;
}

/* Returns how many files would be pending with `count` more in a batch. */
export const batchSize = (count) => earlierItems().length + count;

function earlierItems() {
  if (pending.batch) return pending.batch.items;
  return ["sound", "picture"].filter(has).map((kind) => ({ kind, file: pending[kind].file }));
}

/* Adds a recording {samples, rate, filters}, which `file` holds: to a pending batch, or as the pending sound. */
export function addRecording(file, recording) {
  if (pending.batch) setBatch([...pending.batch.items, { file, kind: "sound" }]);
  else setSound(file, recording);
}

function setSound(file, recording) {
  const sound = set("sound", file, { recording });
  $("player").src = sound.url;
  $("save").hidden = $("filters").hidden = !recording;
  if (!recording) {
    sayFile("sound", file);
    spectrogram.drawPlaceholder();
    return;
  }
  const { samples, rate, filters } = recording;
  $("save").href = sound.url;
  say(nameOf("sound"), "ready.recording", { seconds: samples.length / rate });
  spectrogram.drawSound(samples, rate);
  $("filters").hidden = !filters.length;
  say($("filters"), "ready.filters", { filters: { list: filters.map((filter) => ({ key: `filter.${filter}` })) } });
}

function setPicture(file) {
  const picture = set("picture", file);
  sayFile("picture", file);
  $("no-preview").hidden = true;
  const viewer = createViewer(picture.url, { alt: "ready.picture" });
  $("preview").replaceChildren(viewer);
  viewer.querySelector(".plain").addEventListener("error", () => {
    if (pending.picture !== picture) return;
    $("preview").replaceChildren();
    $("no-preview").hidden = false;
  });
}

function setBatch(items) {
  clear();
  pending.batch = { items };
  $("ready-batch").hidden = false;
  say(nameOf("batch"), "ready.batch", { count: String(items.length) });
  const names = items.slice(0, NAMES_SHOWN).map(({ file }) => file.name).join(", ");
  $("ready-batch").querySelector(".names").textContent = items.length > NAMES_SHOWN ? `${names}, …` : names;
}

/* Removes what is pending of a kind: sound, picture or batch. */
export function remove(kind) {
  $(`ready-${kind}`).hidden = true;
  if (pending[kind]?.url) URL.revokeObjectURL(pending[kind].url);
  delete pending[kind];
  if (kind === "picture") $("preview").replaceChildren();
  if (kind !== "sound") return;
  $("player").removeAttribute("src");
  $("player").load();
  spectrogram.drawPlaceholder();
}

export function clear() {
  ["sound", "picture", "batch"].forEach(remove);
}

const nameOf = (kind) => $(`ready-${kind}`).querySelector(".sample-name");

function sayFile(kind, { name, size }) {
  const [key, amount] = size < 1e6 ? ["ready.file", size / 1e3] : ["ready.file.large", size / 1e6];
  say(nameOf(kind), key, { name, size: amount });
}

function set(kind, file, more) {
  if (pending[kind]) remove(kind);
  pending[kind] = { file, url: URL.createObjectURL(file), ...more };
  $(`ready-${kind}`).hidden = false;
  return pending[kind];
}

/* Draws the spectrogram of a file, once the player knows that it is short enough to decode. */
async function drawSoundFile() {
  const { sound } = pending;
  if (!sound || sound.recording || !(this.duration <= MAX_SHOWN_SECONDS)) return;
  try {
    const decoded = await spectrogram.decodeFile(sound.file);
    if (pending.sound === sound) spectrogram.drawSound(decoded.getChannelData(0), decoded.sampleRate);
  } catch {
    // The browser cannot decode this format; the server may.
  }
}

$("player").addEventListener("loadedmetadata", drawSoundFile);
spectrogram.connectPlayer($("player"));
spectrogram.drawPlaceholder();
