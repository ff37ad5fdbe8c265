/* The spectrogram under the record button: live while recording, whole when there is something to play. */

import { say } from "./words.js";
import { decibels, WINDOW } from "./spectrum.js";

const RANGE_DB = 80; // from black to the brightest
const LIVE_TOP_DB = -15; // of full scale: a loud cough's loudest tones
// Matplotlib's magma at six even steps: the colours of the picture that the network sees.
const MAGMA = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const HINTS = [0.14, 0.4, 0.66]; // where the hinted coughs start, of the width

const canvas = document.getElementById("scope");
const cursor = document.getElementById("cursor");
const drawing = canvas.getContext("2d");
const { width, height } = canvas;

const colours = Array.from({ length: 256 }, (_, level) => {
  const place = (level / 255) * (MAGMA.length - 1);
  const below = Math.min(Math.floor(place), MAGMA.length - 2);
  return MAGMA[below].map((from, i) => from + (MAGMA[below + 1][i] - from) * (place - below));
});

export function clear(seconds) {
  drawing.clearRect(0, 0, width, height);
  cursor.hidden = true;
  say(document.getElementById("scope-end"), "scope.time", { seconds });
}

/* While there is nothing to show: how three coughs would look, pale. */
export function hint() {
  clear(10);
  canvas.dataset.drawn = "hint";
  drawing.fillStyle = getComputedStyle(canvas).color;
  for (const start of HINTS) {
    for (let x = 0; x < width / 5; x += 6) {
      const tall = 4 + height * 0.75 * Math.exp(-x / 30);
      drawing.fillRect(start * width + x, (height - tall) / 2, 3, tall);
    }
  }
}

/* A block that ends at the share `to` of the width and began at `from`. */
export function live(block, rate, from, to) {
  canvas.dataset.drawn = "live";
  const left = Math.floor(from * width);
  column(decibels(block, 0, rate, height), LIVE_TOP_DB, left, Math.max(1, Math.ceil(to * width) - left));
}

/* All samples, from edge to edge, against their own loudest tone. */
export function whole(samples, rate) {
  clear(samples.length / rate);
  canvas.dataset.drawn = "whole";
  const last = Math.max(0, samples.length - WINDOW);
  const columns = Array.from({ length: width }, (_, x) =>
    decibels(samples, Math.round((x / (width - 1)) * last), rate, height));
  const top = Math.max(...columns.map((bands) => Math.max(...bands)));
  columns.forEach((bands, x) => column(bands, top, x, 1));
}

function column(bands, top, left, wide) {
  const pixels = drawing.createImageData(1, height);
  bands.forEach((band, i) => {
    const level = Math.round(255 * Math.max(0, Math.min(1, 1 + (band - top) / RANGE_DB)));
    pixels.data.set([...colours[level], 255], 4 * (height - 1 - i));
  });
  for (let x = left; x < left + wide; x += 1) drawing.putImageData(pixels, x, 0);
}

/* Let the cursor follow a player, and a click on the picture lead it. */
export function follow(player) {
  const move = () => {
    cursor.hidden = !Number.isFinite(player.duration) || canvas.dataset.drawn !== "whole";
    cursor.style.left = `${(100 * player.currentTime) / player.duration}%`;
  };
  const run = () => {
    move();
    if (!player.paused) requestAnimationFrame(run);
  };
  player.addEventListener("play", run);
  for (const event of ["timeupdate", "seeked", "ended"]) player.addEventListener(event, move);
  canvas.addEventListener("click", ({ offsetX }) => {
    if (player.src && Number.isFinite(player.duration) && canvas.dataset.drawn === "whole") {
      player.currentTime = (player.duration * offsetX) / canvas.clientWidth;
    }
  });
}
