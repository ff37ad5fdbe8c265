/* What is ready to be sent: a sound, a picture or both, which go together; or more files, which go one by one. */

import * as scope from "./scope.js";
import { say } from "./words.js";
import { viewer } from "./viewer.js";

const MAX_SHOWN_SECONDS = 60; // the server's limit: longer sounds are not decoded for their spectrogram
const NAMES_SHOWN = 5;
const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];
const DICM = [0x44, 0x49, 0x43, 0x4d];
const HEIF = /^ftyp(hei[cmsx]|hev[cx]|mif1|msf1|avi[fs])$/; // with the brands of AVIF: what telephones make of a photo

const $ = (id) => document.getElementById(id);
const held = {}; // by shelf: sound, picture, batch

export const isEmpty = () => !Object.keys(held).length;
export const batch = () => held.batch?.files;
export const hasRecording = () => Boolean(held.sound?.recording);

/* What one request would send: {audio_data, image_data}, each a File where there is one. */
export function parts() {
  const found = { audio_data: held.sound?.file, image_data: held.picture?.file };
  return Object.fromEntries(Object.entries(found).filter(([, file]) => file));
}

/* The name of the part that a file goes into, told by its first bytes. What is no picture is taken for a sound. */
export async function partOf(file) {
  const bytes = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  const has = (mark, at = 0) => mark.every((byte, i) => bytes[at + i] === byte);
  return has(PNG) || has(JPEG) || has(DICM, 128) ? "image_data" : "audio_data";
}

/* Whether a file is a HEIC, HEIF or AVIF picture, which begins as an MP4 sound does and is not read. */
export async function isHeif(file) {
  return HEIF.test(await file.slice(4, 12).text());
}

export function putSound(file, recording) {
  take("batch");
  const sound = put("sound", file, { recording });
  $("player").src = sound.url;
  $("save").hidden = $("filters").hidden = !recording;
  if (!recording) {
    say(name("sound"), "ready.file", { name: file.name, size: file.size / 1000 });
    scope.hint();
    return;
  }
  const { samples, rate, filters } = recording;
  $("save").href = sound.url;
  say(name("sound"), "ready.recording", { seconds: samples.length / rate });
  scope.whole(samples, rate);
  $("filters").hidden = !filters.length;
  say($("filters"), "ready.filters", { filters: { list: filters.map((filter) => ({ key: `filter.${filter}` })) } });
}

export function putPicture(file) {
  take("batch");
  const picture = put("picture", file);
  say(name("picture"), "ready.file", { name: file.name, size: file.size / 1000 });
  $("drawn-later").hidden = true;
  const shown = viewer(picture.url, { alt: "ready.picture" });
  $("preview").replaceChildren(shown);
  shown.querySelector(".plain").addEventListener("error", () => {
    if (held.picture !== picture) return;
    $("preview").replaceChildren();
    $("drawn-later").hidden = false;
  });
}

/* For a file that the browser could not draw: the picture that came with its answer. */
export function drawPicture(source) {
  if ($("preview").childElementCount) return;
  $("preview").replaceChildren(viewer(source, { alt: "ready.picture" }));
  $("drawn-later").hidden = true;
}

export function putBatch(files) {
  clear();
  held.batch = { files };
  $("ready-batch").hidden = false;
  say(name("batch"), "ready.batch", { count: String(files.length) });
  const names = files.slice(0, NAMES_SHOWN).map((file) => file.name).join(", ");
  $("ready-batch").querySelector(".names").textContent = files.length > NAMES_SHOWN ? `${names}, …` : names;
}

export function take(shelf) {
  $(`ready-${shelf}`).hidden = true;
  if (held[shelf]?.url) URL.revokeObjectURL(held[shelf].url);
  delete held[shelf];
  if (shelf !== "sound") return;
  $("player").removeAttribute("src");
  $("player").load();
  scope.hint();
}

export function clear() {
  ["sound", "picture", "batch"].forEach(take);
}

const name = (shelf) => $(`ready-${shelf}`).querySelector(".sample-name");

function put(shelf, file, more) {
  if (held[shelf]) take(shelf);
  held[shelf] = { file, url: URL.createObjectURL(file), ...more };
  $(`ready-${shelf}`).hidden = false;
  return held[shelf];
}

/* The spectrogram of a file, once the player knows that it is short enough to decode. */
async function drawFile() {
  const { sound } = held;
  if (!sound || sound.recording || !(this.duration <= MAX_SHOWN_SECONDS)) return;
  try {
    const decoded = await new OfflineAudioContext(1, 1, 22_050).decodeAudioData(await sound.file.arrayBuffer());
    if (held.sound === sound) scope.whole(decoded.getChannelData(0), decoded.sampleRate);
  } catch {
    // The browser cannot read it; the server may.
  }
}

$("player").addEventListener("loadedmetadata", drawFile);
scope.follow($("player"));
scope.hint();
