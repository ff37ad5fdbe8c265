/* The timeline of a long sound: its spectrogram, the score of each second, and its episodes, each of which shows the
   heat map of its peak when it is pressed. */

import { screen } from "./api.js";
import { say, translate } from "./i18n.js";
import { createViewer } from "./image_viewer.js";
import { decodeFile, drawSpectrogram } from "./spectrogram_view.js";

const WINDOW_SECONDS = 2.5; // that a finding is about; a longer sound gets a timeline
const METADATA_MS = 2000; // until the duration counts as unknown
const HEIGHT = 100; // of the drawing, whose width is the duration in seconds
const UNJUDGED_HEIGHT = 8; // of the dashes where a second has no score
const SVG = "http://www.w3.org/2000/svg";
const TICKS = [0.5, 1, 2, 5, 10]; // s between two labels of the axis: the first that gives few enough
const MAX_TICKS = 7;
const NEAR_SECONDS = 1; // from an episode to a press in the drawing that means it
const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

const $ = (id) => document.getElementById(id);

/* Returns whether a sound lasts longer than a finding's window, or its duration is not known to the browser. */
export function isLong(file) {
  if (!file) return Promise.resolve(false);
  const url = URL.createObjectURL(file);
  const player = new Audio();
  return new Promise((resolve) => {
    player.addEventListener("loadedmetadata", () => resolve(player.duration > WINDOW_SECONDS));
    player.addEventListener("error", () => resolve(true));
    setTimeout(() => resolve(true), METADATA_MS);
    player.preload = "metadata";
    player.src = url;
  }).finally(() => {
    player.removeAttribute("src");
    player.load();
    URL.revokeObjectURL(url);
  });
}

/* Shows under the status that a request takes seconds, until the returned function is called. */
export function showListening() {
  const bar = document.createElement("progress"); // without a value: the server answers once, when it is done
  bar.id = "listening";
  bar.setAttribute("aria-labelledby", "status");
  $("status").after(bar);
  return () => bar.remove();
}

/* Shows `timeline`, of the answer to the sound `file`, in the element of the finding that it belongs to. */
export function showTimeline(element, timeline, file) {
  const view = document.importNode($("timeline").content, true).firstElementChild;
  const part = (name) => view.querySelector(`.${name}`);
  const { seconds, episodes, threshold } = timeline;
  say(part("timeline-title"), "timeline.title", { seconds });
  sayFound(part("timeline-word"), timeline);
  view.querySelector(".timeline-track").hidden = part("timeline-legend").hidden = !episodes;
  part("episodes").hidden = !episodes?.length;
  if (episodes) {
    drawScores(view.querySelector("svg"), timeline);
    part("peaks").replaceChildren(...episodes.map(({ peak_time: time }) => mark(time / seconds)));
    part("timeline-axis").replaceChildren(...ticks(seconds).map((time) => tick(time, seconds)));
    say(part("at-threshold"), "timeline.threshold", { threshold: { share: threshold } });
    connectEpisodes(element, view, timeline, file);
    drawSound(part("timeline-sound"), file);
  }
  translate(view);
  element.querySelector(".finding-body").append(view);
}

function sayFound(word, { episodes, windows }) {
  if (!episodes) return say(word, "timeline.missing");
  const judged = windows.some(({ scores }) => scores);
  if (episodes.length) return say(word, "timeline.found", { count: String(episodes.length) });
  return say(word, judged ? "timeline.none" : "timeline.unjudged");
}

/* Draws the spectrogram of the whole sound, where the browser can decode it. */
async function drawSound(canvas, file) {
  canvas.hidden = true;
  try {
    const decoded = await decodeFile(file);
    drawSpectrogram(canvas, decoded.getChannelData(0), decoded.sampleRate);
    canvas.hidden = false;
  } catch {
    // The scores stand alone.
  }
}

/* A bar for the middle of each second, as the seconds overlap by half; the first and the last reach to the ends. */
function drawScores(drawing, { windows, seconds, threshold, episodes }) {
  drawing.setAttribute("viewBox", `0 0 ${seconds} ${HEIGHT}`);
  const bars = windows.map(({ start, end, score, scores, above }, i) => {
    const left = i ? (start + windows[i - 1].end) / 2 : 0;
    const right = i < windows.length - 1 ? (windows[i + 1].start + end) / 2 : seconds;
    const height = scores ? HEIGHT * score : UNJUDGED_HEIGHT;
    const kind = !scores ? "unjudged" : above ? "above" : "below";
    return shape("rect", { class: kind, x: left, width: right - left, y: HEIGHT - height, height });
  });
  const spans = episodes.map(({ start, end }) =>
    shape("rect", { class: "episode", x: start, width: Math.max(end - start, seconds / 200), y: 0, height: HEIGHT }));
  const height = HEIGHT * (1 - threshold);
  drawing.replaceChildren(...spans, ...bars, shape("line", { x1: 0, x2: seconds, y1: height, y2: height }));
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function mark(share) {
  const element = document.createElement("span");
  element.textContent = "▼";
  element.style.left = `${100 * share}%`;
  return element;
}

function ticks(seconds) {
  const step = TICKS.find((candidate) => seconds / candidate <= MAX_TICKS) ?? TICKS.at(-1);
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, i) => i * step);
}

function tick(time, seconds) {
  const element = document.createElement("span");
  say(element, "spectrogram.time", { seconds: time });
  element.style.left = `${(100 * time) / seconds}%`;
  element.classList.toggle("end", time > 0.95 * seconds);
  return element;
}

/* One button for each episode. Only one of them is a stop of the Tab key; the arrow keys move between them. */
function connectEpisodes(element, view, timeline, file) {
  const list = view.querySelector(".episodes");
  const show = peakViewer(element, view, timeline, file);
  const buttons = timeline.episodes.map((episode, i) => episodeButton(episode, i, timeline.episodes.length));
  buttons.forEach((button, i) => button.addEventListener("click", () => show(button, timeline.episodes[i])));
  list.replaceChildren(...buttons);
  const focusOn = (button) => {
    for (const other of buttons) other.tabIndex = other === button ? 0 : -1;
    button.focus();
  };
  list.addEventListener("keydown", (event) => {
    const last = buttons.length - 1;
    const from = buttons.indexOf(document.activeElement);
    const to = { Home: 0, End: last }[event.key] ?? from + MOVES[event.key];
    if (!(to >= 0 && to <= last)) return; // another key, or there is no further episode
    event.preventDefault();
    focusOn(buttons[to]);
  });
  view.querySelector(".timeline-track").addEventListener("click", ({ clientX, currentTarget }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    const time = (timeline.seconds * (clientX - left)) / width;
    const far = timeline.episodes.map(({ start, end }) => Math.max(start - time, time - end, 0));
    const nearest = far.indexOf(Math.min(...far));
    if (!(far[nearest] <= NEAR_SECONDS)) return;
    focusOn(buttons[nearest]);
    buttons[nearest].click();
  });
}

function episodeButton({ peak_time: time, peak_score: score, peaks }, i, all) {
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = i ? -1 : 0;
  button.ariaPressed = "false";
  button.dataset.label = "timeline.episode.label";
  say(button, "timeline.episode", {
    time, peaks: String(peaks), number: String(i + 1), all: String(all), score: { share: score },
  });
  return button;
}

/* Returns what shows the peak of an episode in the finding's figure, in the place of the loudest part. */
function peakViewer(element, view, { windows }, file) {
  const figure = element.querySelector("figure");
  const caption = figure.querySelector("figcaption");
  const loudest = { viewer: figure.querySelector(".viewer"), key: caption.dataset.text };
  const word = view.querySelector(".timeline-word");
  const back = view.querySelector(".timeline-back");
  let asking = false;

  function place(viewer, key, values, pressed) {
    figure.querySelector(".viewer").replaceWith(viewer);
    say(caption, key, values);
    for (const button of view.querySelectorAll(".episodes button")) button.ariaPressed = button === pressed;
    back.hidden = !pressed;
  }

  back.addEventListener("click", () => {
    const pressed = view.querySelector(".episodes [aria-pressed=true]");
    place(loudest.viewer, loudest.key, {}, null);
    say(word, "timeline.loudest");
    pressed.focus();
  });

  return async (button, { peak_time: peak }) => {
    if (asking) return;
    asking = true;
    const time = { time: peak };
    say(word, "timeline.asking", time);
    const { answer, problem } = await screen({ audio_data: file }, `explain=1&at=${middleOf(windows, peak)}`);
    asking = false;
    const finding = answer?.findings[0];
    if (!finding?.picture) {
      say(word, ...(problem ?? ["error.no_answer", { status: "200" }]));
      return;
    }
    const score = { share: strongest(windows, peak).score };
    const options = { tinted: finding.explanation, alt: "timeline.seen.alt", sound: true };
    place(createViewer(finding.picture, options), "timeline.seen", { ...time, score }, button);
    say(word, "timeline.shown", { ...time, score });
    figure.scrollIntoView({ block: "nearest" });
  };
}

/* The second with the highest score among those that contain a time. */
const strongest = (windows, time) =>
  windows.filter(({ start, end, score }) => start <= time && time <= end && score !== undefined)
    .reduce((best, window) => (window.score > best.score ? window : best));

function middleOf(windows, time) {
  const { start, end } = strongest(windows, time);
  return (start + end) / 2;
}
