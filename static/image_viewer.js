/* A picture that can be zoomed, inverted and covered by a heat map of adjustable strength. */

import { say, translate } from "./i18n.js";
import { F_MAX, F_MIN, hertzToMel } from "./mel_spectrum.js";

const TIME_TICKS = [0, 0.5, 1, 1.5, 2, 2.5]; // s, of the part of a sound that the network sees
const FREQUENCY_TICKS = [0.5, 1, 2, 4, 8]; // kHz
const MEL_BANDS = 128; // rows of the network's picture before it is resized
const CONTOUR_PIXELS = 600; // per side of the contour's canvas

/* Returns an element that shows the picture at `source`. Options: `tinted`, the same picture under its heat map;
   `alt`, the key of its alternative text; `sound`, for axes of time and frequency and no inverting;
   `onHeatmap({values, peak})`, called once the heat map is drawn. */
export function createViewer(source, { tinted, alt, sound = false, onHeatmap = () => {} }) {
  const element = document.importNode(document.getElementById("viewer").content, true).firstElementChild;
  const part = (selector) => element.querySelector(selector);
  part(".plain").dataset.alt = alt;
  part(".plain").addEventListener("load", ({ target }) =>
    element.style.setProperty("--ratio", target.naturalWidth / target.naturalHeight));
  part(".plain").src = source;
  part(".tinted").hidden = part(".contour").hidden = part(".opacity").hidden = !tinted;
  if (tinted) showHeatmap(part, tinted, onHeatmap);
  part(".opacity input").addEventListener("input", ({ target }) =>
    element.style.setProperty("--opacity", target.value / 100));
  part(".invert").hidden = sound;
  part(".invert").addEventListener("click", ({ target }) =>
    (target.ariaPressed = element.classList.toggle("inverted")));
  part(".axis").hidden = part(".frequencies").hidden = !sound;
  element.classList.toggle("with-axes", sound);
  if (sound) showAxes(part);
  const stage = part(".stage");
  part(".zoom input").addEventListener("input", ({ target }) => zoom(stage, Number(target.value)));
  enableDragging(stage);
  translate(element);
  return element;
}

async function showHeatmap(part, source, onHeatmap) {
  const [plain, tinted, contour] = [".plain", ".tinted", ".contour"].map(part);
  tinted.src = source;
  const { drawContour, readHeatmap } = await import("./heatmap.js"); // the first view does without
  try {
    await Promise.all([plain.decode(), tinted.decode()]);
  } catch {
    return; // the browser cannot show one of them
  }
  const heatmap = readHeatmap(plain, tinted);
  contour.width = contour.height = CONTOUR_PIXELS;
  drawContour(contour, heatmap.values);
  onHeatmap(heatmap);
}

function showAxes(part) {
  part(".axis").replaceChildren(...TIME_TICKS.map((seconds) => tick("spectrogram.time", { seconds })));
  const lowest = hertzToMel(F_MIN);
  const range = hertzToMel(F_MAX) - lowest;
  const labels = FREQUENCY_TICKS.map((kilohertz) => {
    const band = ((hertzToMel(1000 * kilohertz) - lowest) / range) * (MEL_BANDS + 1) - 1; // bands lie between two edges
    const label = tick("spectrogram.frequency", { kilohertz });
    label.style.bottom = `${(100 * (band + 0.5)) / MEL_BANDS}%`;
    return label;
  });
  part(".frequencies").replaceChildren(...labels);
}

function tick(key, values) {
  const element = document.createElement("span");
  say(element, key, values);
  return element;
}

/* The centre of the view stays where it is. */
function zoom(stage, factor) {
  const centre = (start, size, whole) => (start + size / 2) / whole;
  const x = centre(stage.scrollLeft, stage.clientWidth, stage.scrollWidth);
  const y = centre(stage.scrollTop, stage.clientHeight, stage.scrollHeight);
  stage.style.setProperty("--zoom", factor);
  stage.scrollTo(x * stage.scrollWidth - stage.clientWidth / 2, y * stage.scrollHeight - stage.clientHeight / 2);
}

/* For the mouse; touch and arrow keys scroll without our help. */
function enableDragging(stage) {
  stage.addEventListener("pointermove", ({ buttons, pointerType, movementX, movementY }) => {
    if (pointerType === "mouse" && buttons & 1) stage.scrollBy(-movementX, -movementY);
  });
}
