/* The strip of bars: a recording's levels from left to right, so that it shows loudness and time at once. */

const BARS = 100; // one for each tenth of a second
const FLOOR_DB = 50; // below full scale, where a bar vanishes
const HINTS = [16, 42, 68]; // bars where the hinted coughs start
const HINT_BARS = 14;

const $ = (id) => document.getElementById(id);
const bars = Array.from({ length: BARS }, () => document.createElement("span"));
$("strip").replaceChildren(...bars);

export function clearStrip() {
  for (const bar of bars) {
    bar.style.height = "";
    bar.dataset.level = 0;
  }
}

/* While there is nothing to show: how three coughs would look, pale. */
export function hintAtCoughs() {
  clearStrip();
  for (const start of HINTS) {
    bars.slice(start, start + HINT_BARS).forEach((bar, i) => (bar.style.height = `${60 * Math.exp(-i / 4)}%`));
  }
}

/* Show that after `share` of the longest recording a block peaked at `peak`, both from 0 to 1. */
export function drawLevel(peak, share) {
  const level = Math.max(0, 1 + (20 * Math.log10(Math.max(peak, 1e-6))) / FLOOR_DB);
  $("record").style.setProperty("--level", level); // its glow
  const bar = bars[Math.min(BARS - 1, Math.floor(share * BARS))];
  if (level <= bar.dataset.level) return;
  bar.dataset.level = level;
  bar.style.height = `${100 * level}%`;
}
