/* Shows the server's answer: a card for each finding, the model, and how to repeat the request in a terminal. */

import { keyOf, say, sayDisclaimer, translate } from "./i18n.js";
import { createViewer } from "./image_viewer.js";
import { showOperatingPoint } from "./operating_point.js";

const UNDECIDED_MARGIN = 0.2; // between the two highest scores; below it, the finding is called undecided
const SHA_DIGITS = 12; // shown, enough to tell two graphs apart

const $ = (id) => document.getElementById(id);

/* Shows `answer`, the response to `parts` {audio_data, image_data}. */
export function showAnswer(answer, parts) {
  $("findings").replaceChildren(...answer.findings.map(findingCard));
  sayDisclaimer($("answer-disclaimer"), answer.disclaimer);
  $("model").textContent = answer.model.sha256.slice(0, SHA_DIGITS);
  $("model").title = answer.model.sha256;
  $("json").textContent = JSON.stringify(withoutPictures(answer), null, 2);
  $("curl").textContent = curlCommand(parts);
  say($("copied"), "");
  $("answer").hidden = false;
  $("answer").scrollIntoView({ block: "start" });
}

/* Returns a finding in one line, as a value for i18n.js. */
export const summarize = ({ task, diagnosis, score, demonstration }) => ({
  key: demonstration ? "finding.demonstration" : "finding.short",
  task: { key: `task.${task}`, otherwise: task },
  diagnosis: { key: `label.${diagnosis}`, otherwise: diagnosis },
  score: { share: score },
});

function findingCard(finding) {
  const { task, diagnosis, score, scores } = finding;
  const element = $("finding").content.cloneNode(true).firstElementChild;
  const part = (name) => element.querySelector(`.${name}`);
  say(part("task"), `task.${task}`, { otherwise: task });
  say(part("diagnosis"), `label.${diagnosis}`, { otherwise: diagnosis });
  part("diagnosis").dataset.diagnosis = diagnosis;
  say(part("score"), "share", { share: { share: score } });
  part("score").value = score;
  const contradictory = showOperatingPoint(element, finding);
  part("undecided").hidden = !contradictory && !isUndecided(scores);
  say(part("undecided"), contradictory ? "operating.disagrees" : "answer.undecided");
  part("demonstration").hidden = !finding.demonstration;
  say(part("note"), keyOf(`note.${task}`, finding.note), { otherwise: finding.note ?? "" });
  const rows = Object.entries(scores).map(([label, share]) => scoreRow(label, share, label === diagnosis));
  part("scores").tBodies[0].replaceChildren(...rows);
  showPicture(element, finding);
  say(part("meaning"), `meaning.${task}`, { otherwise: "" });
  translate(element);
  return element;
}

function isUndecided(scores) {
  const [best, second] = Object.values(scores).sort((a, b) => b - a);
  return best - second < UNDECIDED_MARGIN;
}

function scoreRow(label, share, chosen) {
  const element = $("score-row").content.cloneNode(true).firstElementChild;
  element.classList.toggle("chosen", chosen);
  say(element.querySelector("th"), `label.${label}`, { otherwise: label });
  say(element.querySelector("data"), "share", { share: { share } });
  element.querySelector("data").value = share;
  element.querySelector(".fill").style.width = `${100 * share}%`;
  return element;
}

function showPicture(element, { from: kind, explanation, picture }) {
  const figure = element.querySelector("figure");
  figure.hidden = !picture;
  if (!picture) return;
  const options = { tinted: explanation, alt: `explanation.${kind}.alt`, sound: kind === "sound" };
  element.querySelector(".viewer-place").replaceWith(createViewer(picture, options));
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
