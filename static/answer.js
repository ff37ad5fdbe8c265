/* The server's answer, drawn: a card for each finding, then what the model is and how to ask again elsewhere. */

import { keyOf, say, translate } from "./words.js";

const NEARLY_EVEN = 0.2; // two best scores closer than this are called undecided
const SHA_SHOWN = 12; // digits, enough to tell two graphs apart

const $ = (id) => document.getElementById(id);

/* Show `answer`, which came for `sample` {part, file}. */
export function showAnswer(answer, sample) {
  $("findings").replaceChildren(...answer.findings.map(card));
  sayDisclaimer($("answer-disclaimer"), answer.disclaimer);
  $("model").textContent = answer.model.sha256.slice(0, SHA_SHOWN);
  $("model").title = answer.model.sha256;
  $("json").textContent = JSON.stringify(withoutPictures(answer), null, 2);
  $("curl").textContent = curlLine(sample);
  say($("copied"), "");
  $("answer").hidden = false;
  $("answer").scrollIntoView({ block: "start" });
}

export function clearAnswer() {
  $("answer").hidden = true;
  $("findings").replaceChildren();
}

export const labelKey = (label) => ({ key: `label.${label}`, otherwise: label });

function card(finding) {
  const { task, diagnosis, score, scores } = finding;
  const element = $("finding").content.cloneNode(true).firstElementChild;
  const part = (name) => element.querySelector(`.${name}`);
  say(part("task"), `task.${task}`, { otherwise: task });
  say(part("diagnosis"), `label.${diagnosis}`, { otherwise: diagnosis });
  part("diagnosis").dataset.diagnosis = diagnosis;
  say(part("score"), "share", { share: { share: score } });
  part("score").value = score;
  part("whole").firstElementChild.style.width = `${100 * score}%`;
  part("undecided").hidden = !undecided(scores);
  part("demonstration").hidden = !finding.demonstration;
  say(part("note"), "verbatim", { otherwise: finding.note ?? "" });
  const rows = Object.entries(scores).map(([label, share]) => row(label, share, label === diagnosis));
  part("scores").tBodies[0].replaceChildren(...rows);
  explain(element, finding);
  say(part("meaning"), `meaning.${task}`, { otherwise: "" });
  translate(element);
  return element;
}

function undecided(scores) {
  const [best, second] = Object.values(scores).sort((a, b) => b - a);
  return best - second < NEARLY_EVEN;
}

function row(label, share, chosen) {
  const element = $("score-row").content.cloneNode(true).firstElementChild;
  element.classList.toggle("chosen", chosen);
  say(element.querySelector("th"), `label.${label}`, { otherwise: label });
  say(element.querySelector("data"), "share", { share: { share } });
  element.querySelector("data").value = share;
  element.querySelector(".bar").firstElementChild.style.width = `${100 * share}%`;
  return element;
}

function explain(element, { task, explanation }) {
  const figure = element.querySelector("figure");
  figure.hidden = !explanation;
  if (!explanation) return;
  const kind = task === "cough" ? "sound" : "picture";
  const picture = figure.querySelector("img");
  picture.src = explanation;
  picture.dataset.alt = `explanation.${kind}.alt`;
  say(figure.querySelector("figcaption"), `explanation.${kind}`);
}

/* The disclaimer as the server words it, translated where the words are the ones we know. */
export function sayDisclaimer(element, sentence) {
  say(element, keyOf("disclaimer", sentence), { otherwise: sentence });
}

/* What the terminal gets, which does not ask for pictures. */
function withoutPictures(answer) {
  return { ...answer, findings: answer.findings.map(({ explanation, ...finding }) => finding) };
}

function curlLine({ part, file }) {
  const plain = /^[\w+][\w.+-]*$/.test(file.name);
  // Inside the outer single quotes of the shell, curl reads its own double ones.
  const inCurl = file.name.replace(/[\\"]/g, "\\$&");
  const form = plain ? `${part}=@${file.name}` : `'${`${part}=@"${inCurl}"`.replaceAll("'", "'\\''")}'`;
  return `curl -F ${form} ${location.origin}${location.pathname}`;
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
