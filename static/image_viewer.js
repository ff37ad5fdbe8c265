/* A picture that can be zoomed, inverted and covered by a heat map of adjustable strength. */

import { say, translate } from "./i18n.js";

const TIME_TICKS = [0, 0.5, 1, 1.5, 2, 2.5]; // s, of the part of a sound that the network sees

/* Returns an element that shows the picture at `source`. Options: `tinted`, the same picture under its heat map;
   `alt`, the key of its alternative text; `sound`, for a time axis and no inverting. */
export function createViewer(source, { tinted, alt, sound = false }) {
  const element = document.getElementById("viewer").content.cloneNode(true).firstElementChild;
  const part = (selector) => element.querySelector(selector);
  part(".plain").dataset.alt = alt;
  part(".plain").addEventListener("load", ({ target }) =>
    element.style.setProperty("--ratio", target.naturalWidth / target.naturalHeight));
  part(".plain").src = source;
  part(".tinted").hidden = part(".opacity").hidden = !tinted;
  if (tinted) part(".tinted").src = tinted;
  part(".opacity input").addEventListener("input", ({ target }) =>
    element.style.setProperty("--opacity", target.value / 100));
  part(".invert").hidden = sound;
  part(".invert").addEventListener("click", ({ target }) =>
    (target.ariaPressed = element.classList.toggle("inverted")));
  part(".axis").hidden = !sound;
  if (sound) part(".axis").replaceChildren(...TIME_TICKS.map(timeTick));
  const stage = part(".stage");
  part(".zoom input").addEventListener("input", ({ target }) => zoom(stage, Number(target.value)));
  enableDragging(stage);
  translate(element);
  return element;
}

function timeTick(seconds) {
  const element = document.createElement("span");
  say(element, "spectrogram.time", { seconds });
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
