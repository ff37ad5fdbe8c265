/* Recognises files by their first bytes, so that the page refuses an unreadable one when it is chosen.

   It also tells the kind that the served graph does not judge. Only formats that the server certainly refuses are refused here; it decides about all others. */

import { judges } from "./model_words.js";

const SAMPLE_BYTES = 1024;
const MIB = 2 ** 20;
const MAX_BYTES = { sound: 10 * MIB, picture: 64 * MIB }; // the server's limits
const HEIF_BRANDS = /^(hei[cmsx]|hev[cx]|mif1|msf1|avi[fs]|crx )$/; // they start like an MP4 sound

const PICTURES = [
  [0, "\x89PNG"], [0, "\xff\xd8\xff"], [0, "II*\0"], [0, "MM\0*"], [8, "WEBP"], [128, "DICM"],
  [0, "\x02\0\0\0UL"], [0, "\x08\0"], [0, "\0\x08"], // DICOM without its preamble
];
const SOUNDS = [
  [8, "WAVE"], [0, "OggS"], [0, "fLaC"], [0, "ID3"], [4, "ftyp"], [0, "\x1aE\xdf\xa3"], [0, "FORM"], [0, "caff"],
  [0, "#!AMR"], [0, "0&\xb2u"],
];
const UNREADABLE = [
  [0, "BM", "BMP"], [0, "GIF8", "GIF"], [0, "%PDF", "PDF"], [0, "PK\x03\x04", "ZIP"], [0, "MThd", "MIDI"],
  [0, "\xff\x0a", "JPEG XL"], [4, "JXL ", "JPEG XL"], [8, "AVI ", "AVI"], [0, "Rar!", "RAR"],
  [0, "7z\xbc\xaf", "7-Zip"],
];
const PICTURE_NAMES = ["BMP", "GIF", "PDF", "JPEG XL"]; // told at the X-ray

/* Returns {kind, problem}: "sound" or "picture", and what is wrong as [key, values] of strings/en.json, if anything.
   Throws when the file cannot be read. */
export async function inspect(file) {
  const bytes = new Uint8Array(await file.slice(0, SAMPLE_BYTES).arrayBuffer());
  const head = String.fromCharCode(...bytes);
  const startsAs = (formats) => formats.some(([at, signature]) => head.startsWith(signature, at));
  const known = startsAs(PICTURES) ? "picture" : startsAs(SOUNDS) ? "sound" : undefined;
  const kind = known ?? (judges("sound") ? "sound" : "picture");
  const format = unreadableFormat(head, bytes);
  const name = file.name;
  if (!bytes.length) return { kind, problem: ["error.nothing_sent"] };
  if (format) return { kind: format.kind ?? kind, problem: ["file.format", { name, format: format.name }] };
  if (known && !judges(known)) return { kind, problem: [`file.not_judged.${known}`, { name }] };
  if (file.size > MAX_BYTES[kind]) return { kind, problem: [`file.too_large.${kind}`, { name }] };
  return { kind };
}

function unreadableFormat(head, bytes) {
  if (head.startsWith("ftyp", 4) && HEIF_BRANDS.test(head.slice(8, 12))) return { name: "HEIC/AVIF", kind: "picture" };
  const known = UNREADABLE.find(([at, signature]) => head.startsWith(signature, at));
  if (known) return { name: known[2], kind: PICTURE_NAMES.includes(known[2]) ? "picture" : undefined };
  return isText(bytes) ? { name: { key: "file.text" } } : null;
}

/* Text is UTF-8 without control characters; the last bytes may be half a character. */
function isText(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return !/[\0-\x08\x0e-\x1f]/.test(text);
  } catch {
    return false;
  }
}
