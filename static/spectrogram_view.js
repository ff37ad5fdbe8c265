/* Draws the spectrogram under the record button: live while recording, complete when there is a sound to play. */

import { say } from "./i18n.js";
import { melDecibels, WINDOW } from "./mel_spectrum.js";

const RANGE_DB = 80; // from black to the brightest color
const LIVE_TOP_DB = -15; // relative to full scale: the level of a loud cough's loudest frequencies
// Matplotlib's magma at six even steps, the colormap of the picture that the network sees.
const MAGMA = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const PLACEHOLDER_STARTS = [0.14, 0.4, 0.66]; // where the placeholder's three coughs start, of the width

const canvas = document.getElementById("spectrogram");
const cursor = document.getElementById("cursor");
const drawing = canvas.getContext("2d");
const { width, height } = canvas;

const colormap = Array.from({ length: 256 }, (_, level) => {
  const position = (level / 255) * (MAGMA.length - 1);
  const below = Math.min(Math.floor(position), MAGMA.length - 2);
  return MAGMA[below].map((from, i) => from + (MAGMA[below + 1][i] - from) * (position - below));
});

/* Clears the picture. seconds: the length of its time axis. */
export function clear(seconds) {
  drawing.clearRect(0, 0, width, height);
  cursor.hidden = true;
  say(document.getElementById("spectrogram-end"), "spectrogram.time", { seconds });
}

/* Draws the outline of three coughs, while there is no sound to show. */
export function drawPlaceholder() {
  clear(10);
  canvas.dataset.drawn = "placeholder";
  drawing.fillStyle = getComputedStyle(canvas).color;
  for (const start of PLACEHOLDER_STARTS) {
    for (let x = 0; x < width / 5; x += 6) {
      const tall = 4 + height * 0.75 * Math.exp(-x / 30);
      drawing.fillRect(start * width + x, (height - tall) / 2, 3, tall);
    }
  }
}

/* Draws one block of a recording. from, to: its start and end, as shares of the width. */
export function drawBlock(block, rate, from, to) {
  canvas.dataset.drawn = "live";
  const left = Math.floor(from * width);
  drawColumn(drawing, melDecibels(block, 0, rate, height), LIVE_TOP_DB, left, Math.max(1, Math.ceil(to * width) - left));
}

/* Draws a complete sound across the full width, relative to its own loudest frequency. */
export function drawSound(samples, rate) {
  clear(samples.length / rate);
  canvas.dataset.drawn = "complete";
  drawSpectrogram(canvas, samples, rate);
}

/* Draws a complete sound across any canvas. */
export function drawSpectrogram(target, samples, rate) {
  const lastStart = Math.max(0, samples.length - WINDOW);
  const columns = Array.from({ length: target.width }, (_, x) =>
    melDecibels(samples, Math.round((x / (target.width - 1)) * lastStart), rate, target.height));
  const top = Math.max(...columns.map((bands) => Math.max(...bands)));
  columns.forEach((bands, x) => drawColumn(target.getContext("2d"), bands, top, x, 1));
}

/* Returns the AudioBuffer of a file. Throws when the browser cannot decode its format; the server may. */
export const decodeFile = async (file) =>
  new OfflineAudioContext(1, 1, 22_050).decodeAudioData(await file.arrayBuffer());

function drawColumn(onto, bands, top, left, wide) {
  const { length } = bands;
  const pixels = onto.createImageData(1, length);
  bands.forEach((band, i) => {
    const level = Math.round(255 * Math.max(0, Math.min(1, 1 + (band - top) / RANGE_DB)));
    pixels.data.set([...colormap[level], 255], 4 * (length - 1 - i));
  });
  for (let x = left; x < left + wide; x += 1) onto.putImageData(pixels, x, 0);
}

/* Connects a player: the cursor follows it, and a click on the picture moves it. */
export function connectPlayer(player) {
  const move = () => {
    cursor.hidden = !Number.isFinite(player.duration) || canvas.dataset.drawn !== "complete";
    cursor.style.left = `${(100 * player.currentTime) / player.duration}%`;
  };
  const animate = () => {
    move();
    if (!player.paused) requestAnimationFrame(animate);
  };
  player.addEventListener("play", animate);
  for (const event of ["timeupdate", "seeked", "ended"]) player.addEventListener(event, move);
  canvas.addEventListener("click", ({ offsetX }) => {
    if (player.src && Number.isFinite(player.duration) && canvas.dataset.drawn === "complete") {
      player.currentTime = (player.duration * offsetX) / canvas.clientWidth;
    }
  });
}
