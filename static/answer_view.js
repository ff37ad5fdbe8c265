/* Shows the server's answer: each finding with its meaning, the picture of the selected one, and how to repeat the
   request in a terminal. */

import { isOutsideLungs } from "./heatmap.js";
import { keyOf, say, sayDisclaimer, translate } from "./i18n.js";
import { createViewer } from "./image_viewer.js";
import * as model from "./model_words.js";
import { showOperatingPoint } from "./operating_point.js";
import { isExample } from "./pending_files.js";
import { showTimeline } from "./timeline.js";

const UNDECIDED_MARGIN = 0.2; // between the two highest scores; below it, the finding is called undecided
const SHA_DIGITS = 12; // shown, enough to tell two graphs apart

const $ = (id) => document.getElementById(id);

/* Unlike cloneNode, importNode gives images a document in which they load before they are inserted. */
const copyOf = (template) => document.importNode($(template).content, true).firstElementChild;

/* Shows `answer`, the response to `parts` {audio_data, image_data}. recorded: the sound can be saved. */
export function showAnswer(answer, parts, recorded) {
  const elements = answer.findings.map(findingElement);
  $("findings").replaceChildren(...elements);
  const judged = answer.findings.findIndex(({ task }) => task === answer.timeline?.task);
  if (judged >= 0) showTimeline(elements[judged], answer.timeline, parts.audio_data);
  $("answer").style.gridTemplateRows = `auto repeat(${elements.length}, auto) 1fr`; // heading, findings, foot
  $("findings").classList.toggle("single", elements.length === 1);
  select(elements[0]);
  $("answer-files").textContent = Object.values(parts).map(({ name }) => name).join(" + ");
  const example = Object.entries(parts).find(([, file]) => isExample(file));
  $("answer-example").hidden = !example;
  say($("answer-example"), example && (example[0] === "audio_data" ? "example.sound" : "example.picture"));
  offerSaving(recorded && parts.audio_data);
  sayDisclaimer($("answer-disclaimer"), answer.disclaimer);
  $("model").textContent = answer.model.sha256.slice(0, SHA_DIGITS);
  $("model").title = answer.model.sha256;
  $("json").textContent = JSON.stringify(withoutPictures(answer), null, 2);
  $("curl").textContent = curlCommand(parts);
  say($("copied"), "");
  $("answer").hidden = false;
}

/* Returns a finding in one line, as a value for i18n.js. */
export const summarize = ({ task, diagnosis, score, demonstration }) => ({
  key: demonstration ? "finding.demonstration" : "finding.short",
  task: model.taskTitle(task),
  diagnosis: model.labelName(task, diagnosis),
  score: { share: score },
});

function offerSaving(file) {
  if ($("answer-save").href) URL.revokeObjectURL($("answer-save").href);
  $("answer-save").hidden = !file;
  if (file) $("answer-save").href = URL.createObjectURL(file);
}

/* Shows the details and the picture of one finding, and of the others their headlines. */
function select(element) {
  for (const other of $("findings").children) {
    other.classList.toggle("selected", other === element);
    other.querySelector(".select").ariaExpanded = other === element;
  }
}

function findingElement(finding) {
  const { task, diagnosis, score, scores, demonstration } = finding;
  const element = copyOf("finding");
  const part = (name) => element.querySelector(`.${name}`);
  const disagreement = showOperatingPoint(element, finding);
  const undecided = disagreement || isUndecided(scores);
  say(part("task"), "words", model.taskTitle(task));
  say(part("headline"), undecided ? "headline.undecided" : "words", model.headline(task, diagnosis));
  say(part("diagnosis"), "headline.label", { label: model.labelName(task, diagnosis) });
  part("diagnosis").dataset.diagnosis = diagnosis;
  say(part("score"), "share", { share: { share: score } });
  part("score").value = score;
  part("undecided").hidden = !undecided;
  say(part("undecided"), ...(disagreement ?? ["answer.undecided"]));
  element.classList.toggle("is-demonstration", Boolean(demonstration));
  part("demonstration").hidden = !demonstration;
  sayWords(part("note"), model.note(task) ?? finding.note);
  part("age").hidden = !finding.age_note;
  say(part("age"), keyOf(finding.age_note, "age.children", "age.adults"), { otherwise: finding.age_note ?? "" });
  const rows = Object.entries(scores).map(([name, share]) => scoreRow(model.labelName(task, name), share, name === diagnosis));
  part("scores").tBodies[0].replaceChildren(...rows);
  part("uncalibrated").hidden = finding.calibrated !== false;
  sayWords(part("reason"), model.uncalibratedReason(task) ?? finding.uncalibrated_reason);
  sayMeaning(part("description"), task, diagnosis);
  sayWords(part("limits"), model.limits(task));
  showPicture(element, finding);
  part("select").addEventListener("click", () => {
    select(element);
    part("headline").focus({ preventScroll: true }); // the button of the selected finding is hidden
  });
  translate(element);
  return element;
}

const sayWords = (element, words) => say(element, words && "words", { words });

function sayMeaning(element, task, label) {
  const words = model.description(task, label);
  say(element, words && "meaning", { label: model.labelName(task, label), description: { words } });
}

function isUndecided(scores) {
  const [best, second] = Object.values(scores).sort((a, b) => b - a);
  return best - second < UNDECIDED_MARGIN;
}

function scoreRow(label, share, chosen) {
  const element = copyOf("score-row");
  element.classList.toggle("chosen", chosen);
  say(element.querySelector("th"), "words", label);
  say(element.querySelector("data"), "share", { share: { share } });
  element.querySelector("data").value = share;
  element.querySelector(".fill").style.width = `${100 * share}%`;
  return element;
}

function showPicture(element, { from: kind, explanation, picture }) {
  const figure = element.querySelector("figure");
  figure.hidden = !picture;
  if (!picture) return;
  const onHeatmap = ({ peak }) => {
    element.querySelector(".outside").hidden = kind !== "picture" || !isOutsideLungs(peak);
  };
  const options = { tinted: explanation, alt: `explanation.${kind}.alt`, sound: kind === "sound", onHeatmap };
  element.querySelector(".viewer-place").replaceWith(createViewer(picture, options));
  figure.querySelector(".legend").hidden = !explanation;
  say(figure.querySelector("figcaption"), explanation ? `explanation.${kind}` : `explanation.${kind}.plain`);
}

/* Returns the answer as a terminal gets it, without pictures. */
function withoutPictures(answer) {
  return { ...answer, findings: answer.findings.map(({ explanation, picture, ...finding }) => finding) };
}

function curlCommand(parts) {
  const forms = Object.entries(parts).map(([part, { name }]) => {
    if (/^[\w+][\w.+-]*$/.test(name)) return `-F ${part}=@${name}`;
    // The shell's single quotes are outside; curl reads its own double quotes inside.
    const escaped = name.replace(/[\\"]/g, "\\$&");
    return `-F '${`${part}=@"${escaped}"`.replaceAll("'", "'\\''")}'`;
  });
  return `curl ${forms.join(" ")} ${location.origin}${location.pathname}`;
}

/* Copies an element's text. Without https a page may not write the clipboard; the text is then selected instead. */
export async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    say($("copied"), "copied");
  } catch {
    element.closest("details")?.setAttribute("open", "");
    getSelection().selectAllChildren(element);
    say($("copied"), "copy.selected");
  }
}
