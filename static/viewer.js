/* A picture to look at closely: zoom, invert, and a heat map over it that fades. */

import { say, translate } from "./words.js";

const TICKS = [0, 0.5, 1, 1.5, 2, 2.5]; // s, of the part of a sound that the network sees

/* An element that shows the picture at `source`. Options: `tinted`, the same picture under its heat map; `alt`, the
   key of what to say in its place; `sound`, for a time axis instead of inverting. */
export function viewer(source, { tinted, alt, sound = false }) {
  const element = document.getElementById("viewer").content.cloneNode(true).firstElementChild;
  const part = (name) => element.querySelector(name);
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
  if (sound) part(".axis").replaceChildren(...TICKS.map(tick));
  const stage = part(".stage");
  part(".zoom input").addEventListener("input", ({ target }) => zoom(stage, Number(target.value)));
  dragToMove(stage);
  translate(element);
  return element;
}

function tick(seconds) {
  const element = document.createElement("span");
  say(element, "scope.time", { seconds });
  return element;
}

/* What lies in the middle stays there. */
function zoom(stage, factor) {
  const middle = (start, size, whole) => (start + size / 2) / whole;
  const x = middle(stage.scrollLeft, stage.clientWidth, stage.scrollWidth);
  const y = middle(stage.scrollTop, stage.clientHeight, stage.scrollHeight);
  stage.style.setProperty("--zoom", factor);
  stage.scrollTo(x * stage.scrollWidth - stage.clientWidth / 2, y * stage.scrollHeight - stage.clientHeight / 2);
}

/* With a mouse; fingers and arrow keys scroll by themselves. */
function dragToMove(stage) {
  stage.addEventListener("pointermove", ({ buttons, pointerType, movementX, movementY }) => {
    if (pointerType === "mouse" && buttons & 1) stage.scrollBy(-movementX, -movementY);
  });
}
