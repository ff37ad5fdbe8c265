/* The server's answer, drawn: a card for each finding, then what the model is and how to ask again elsewhere. */

import { operate } from "./operating.js";
import { viewer } from "./viewer.js";
import { keyOf, say, sayDisclaimer, translate } from "./words.js";

const NEARLY_EVEN = 0.2; // two best scores closer than this are called undecided
const SHA_SHOWN = 12; // digits, enough to tell two graphs apart

const $ = (id) => document.getElementById(id);

/* Show `answer`, which came for `parts` {audio_data, image_data}. */
export function showAnswer(answer, parts) {
  $("findings").replaceChildren(...answer.findings.map(card));
  sayDisclaimer($("answer-disclaimer"), answer.disclaimer);
  $("model").textContent = answer.model.sha256.slice(0, SHA_SHOWN);
  $("model").title = answer.model.sha256;
  $("json").textContent = JSON.stringify(withoutPictures(answer), null, 2);
  $("curl").textContent = curlLine(parts);
  say($("copied"), "");
  $("answer").hidden = false;
  $("answer").scrollIntoView({ block: "start" });
}

/* A finding in a line, as a value for words.js. */
export const inShort = ({ task, diagnosis, score, demonstration }) => ({
  key: demonstration ? "finding.demonstration" : "finding.short",
  task: { key: `task.${task}`, otherwise: task },
  diagnosis: { key: `label.${diagnosis}`, otherwise: diagnosis },
  score: { share: score },
});

function card(finding) {
  const { task, diagnosis, score, scores } = finding;
  const element = $("finding").content.cloneNode(true).firstElementChild;
  const part = (name) => element.querySelector(`.${name}`);
  say(part("task"), `task.${task}`, { otherwise: task });
  say(part("diagnosis"), `label.${diagnosis}`, { otherwise: diagnosis });
  part("diagnosis").dataset.diagnosis = diagnosis;
  say(part("score"), "share", { share: { share: score } });
  part("score").value = score;
  const disagree = operate(element, finding);
  part("undecided").hidden = !disagree && !nearlyEven(scores);
  say(part("undecided"), disagree ? "operating.disagrees" : "answer.undecided");
  part("demonstration").hidden = !finding.demonstration;
  say(part("note"), keyOf(`note.${task}`, finding.note), { otherwise: finding.note ?? "" });
  const rows = Object.entries(scores).map(([label, share]) => row(label, share, label === diagnosis));
  part("scores").tBodies[0].replaceChildren(...rows);
  explain(element, finding);
  say(part("meaning"), `meaning.${task}`, { otherwise: "" });
  translate(element);
  return element;
}

function nearlyEven(scores) {
  const [best, second] = Object.values(scores).sort((a, b) => b - a);
  return best - second < NEARLY_EVEN;
}

function row(label, share, chosen) {
  const element = $("score-row").content.cloneNode(true).firstElementChild;
  element.classList.toggle("chosen", chosen);
  say(element.querySelector("th"), `label.${label}`, { otherwise: label });
  say(element.querySelector("data"), "share", { share: { share } });
  element.querySelector("data").value = share;
  element.querySelector(".fill").style.width = `${100 * share}%`;
  return element;
}

function explain(element, { from: kind, explanation, picture }) {
  const figure = element.querySelector("figure");
  figure.hidden = !picture;
  if (!picture) return;
  const plain = explanation ? `explanation.${kind}` : `explanation.${kind}.plain`;
  const shown = viewer(picture, { tinted: explanation, alt: `explanation.${kind}.alt`, sound: kind === "sound" });
  element.querySelector(".viewer-place").replaceWith(shown);
  say(figure.querySelector("figcaption"), plain);
}

/* What the terminal gets, which does not ask for pictures. */
function withoutPictures(answer) {
  return { ...answer, findings: answer.findings.map(({ explanation, picture, ...finding }) => finding) };
}

function curlLine(parts) {
  const forms = Object.entries(parts).map(([part, { name }]) => {
    if (/^[\w+][\w.+-]*$/.test(name)) return `-F ${part}=@${name}`;
    // Inside the outer single quotes of the shell, curl reads its own double ones.
    const inCurl = name.replace(/[\\"]/g, "\\$&");
    return `-F '${`${part}=@"${inCurl}"`.replaceAll("'", "'\\''")}'`;
  });
  return `curl ${forms.join(" ")} ${location.origin}${location.pathname}`;
}

/* Copy an element's text. A page without https may not write the clipboard: then the text is left selected. */
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
