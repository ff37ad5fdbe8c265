/* The files that are ready to be sent: a sound, a picture or both in one request, or a batch with one request each. */

import { say } from "./i18n.js";
import { createViewer } from "./image_viewer.js";
import * as spectrogram from "./spectrogram_view.js";

const MAX_SHOWN_SECONDS = 60; // the server's limit; a longer sound is not decoded for its spectrogram
const NAMES_SHOWN = 5;
const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];
const DICM = [0x44, 0x49, 0x43, 0x4d];
const HEIF = /^ftyp(hei[cmsx]|hev[cx]|mif1|msf1|avi[fs])$/; // including AVIF: formats of telephone photos

const $ = (id) => document.getElementById(id);
const pending = {}; // by kind: sound, picture, batch

export const isEmpty = () => !Object.keys(pending).length;
export const batch = () => pending.batch?.files;
export const hasRecording = () => Boolean(pending.sound?.recording);

/* Returns the parts of one request: {audio_data, image_data}, each a File when there is one. */
export function parts() {
  const all = { audio_data: pending.sound?.file, image_data: pending.picture?.file };
  return Object.fromEntries(Object.entries(all).filter(([, file]) => file));
}

/* Returns the name of a file's part, from its first bytes. A file that is not a picture is treated as a sound. */
export async function partOf(file) {
  const bytes = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  const has = (signature, at = 0) => signature.every((byte, i) => bytes[at + i] === byte);
  return has(PNG) || has(JPEG) || has(DICM, 128) ? "image_data" : "audio_data";
}

/* Returns whether a file is a HEIC, HEIF or AVIF picture. These start like an MP4 sound and are not supported. */
export async function isHeif(file) {
  return HEIF.test(await file.slice(4, 12).text());
}

export function setSound(file, recording) {
  remove("batch");
  const sound = set("sound", file, { recording });
  $("player").src = sound.url;
  $("save").hidden = $("filters").hidden = !recording;
  if (!recording) {
    say(nameOf("sound"), "ready.file", { name: file.name, size: file.size / 1000 });
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

export function setPicture(file) {
  remove("batch");
  const picture = set("picture", file);
  say(nameOf("picture"), "ready.file", { name: file.name, size: file.size / 1000 });
  $("no-preview").hidden = true;
  const viewer = createViewer(picture.url, { alt: "ready.picture" });
  $("preview").replaceChildren(viewer);
  viewer.querySelector(".plain").addEventListener("error", () => {
    if (pending.picture !== picture) return;
    $("preview").replaceChildren();
    $("no-preview").hidden = false;
  });
}

/* Shows the picture of the answer, when the browser could not show the file itself. */
export function setPreview(source) {
  if ($("preview").childElementCount) return;
  $("preview").replaceChildren(createViewer(source, { alt: "ready.picture" }));
  $("no-preview").hidden = true;
}

export function setBatch(files) {
  clear();
  pending.batch = { files };
  $("ready-batch").hidden = false;
  say(nameOf("batch"), "ready.batch", { count: String(files.length) });
  const names = files.slice(0, NAMES_SHOWN).map((file) => file.name).join(", ");
  $("ready-batch").querySelector(".names").textContent = files.length > NAMES_SHOWN ? `${names}, …` : names;
}

/* Removes what is pending of a kind: sound, picture or batch. */
export function remove(kind) {
  $(`ready-${kind}`).hidden = true;
  if (pending[kind]?.url) URL.revokeObjectURL(pending[kind].url);
  delete pending[kind];
  if (kind !== "sound") return;
  $("player").removeAttribute("src");
  $("player").load();
  spectrogram.drawPlaceholder();
}

export function clear() {
  ["sound", "picture", "batch"].forEach(remove);
}

const nameOf = (kind) => $(`ready-${kind}`).querySelector(".sample-name");

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
    const decoded = await new OfflineAudioContext(1, 1, 22_050).decodeAudioData(await sound.file.arrayBuffer());
    if (pending.sound === sound) spectrogram.drawSound(decoded.getChannelData(0), decoded.sampleRate);
  } catch {
    // The browser cannot decode this format; the server may.
  }
}

$("player").addEventListener("loadedmetadata", drawSoundFile);
spectrogram.connectPlayer($("player"));
spectrogram.drawPlaceholder();
