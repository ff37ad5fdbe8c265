/* The history: what was screened since the page was opened, as a table in this page only, and as CSV. */

import { summarize } from "./answer_view.js";
import { say } from "./i18n.js";
import { atRest } from "./page_state.js";

const COLUMNS = [
  "time", "file", "task", "diagnosis", "score", "operating_score", "threshold", "scores", "error", "model",
];

const $ = (id) => document.getElementById(id);
let entries = []; // {name, time, answer or problem, row}

/* Adds an entry for files called `name` and returns it. `onLook()` screens them again, with pictures. */
export function add(name, onLook) {
  const row = $("rows").insertRow();
  const entry = { name, row, onLook, time: new Date() };
  entries.push(entry);
  const heading = document.createElement("th");
  heading.scope = "row";
  heading.textContent = name;
  row.append(heading);
  row.insertCell();
  setStatus(entry, "history.waiting");
  $("history").hidden = false;
  return entry;
}

export function setStatus(entry, key) {
  const [, cell] = entry.row.cells;
  entry.row.className = "";
  cell.replaceChildren();
  say(addParagraph(cell), key);
}

/* Writes the result of a request, {answer} or {problem}, into an entry. */
export function setResult(entry, { answer, problem }) {
  Object.assign(entry, { answer, problem, time: new Date() });
  const [, cell] = entry.row.cells;
  entry.row.className = problem ? "refused" : "answered";
  cell.replaceChildren();
  if (problem) {
    say(addParagraph(cell), ...problem);
    return;
  }
  for (const finding of answer.findings) {
    const { key, ...values } = summarize(finding);
    say(addParagraph(cell), key, values);
  }
  cell.append(lookButton(entry));
}

function lookButton(entry) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "look";
  button.ariaDisabled = !atRest();
  button.addEventListener("click", entry.onLook);
  say(button, "button.look");
  return button;
}

function addParagraph(cell) {
  const paragraph = document.createElement("p");
  cell.append(paragraph);
  return paragraph;
}

export function clear() {
  entries = [];
  $("rows").replaceChildren();
  $("history").hidden = true;
}

/* Returns the history as CSV, one line per finding or refusal, in the server's English, for other programs. */
function toCsv() {
  const lines = entries.filter(({ answer, problem }) => answer || problem).flatMap(csvLines);
  return `\ufeff${[COLUMNS, ...lines].map((line) => line.map(quote).join(",")).join("\r\n")}\r\n`;
}

function csvLines({ name, time, answer, problem }) {
  const start = [time.toISOString(), name];
  if (problem) return [[...start, "", "", "", "", "", "", problem[0].replace("error.", ""), ""]];
  return answer.findings.map(({ task, diagnosis, score, scores, operating_point: point }) => {
    const all = Object.entries(scores).map(([label, share]) => `${label}: ${share}`).join("; ");
    return [...start, task, diagnosis, score, point?.score ?? "", point?.threshold ?? "", all, "", answer.model.sha256];
  });
}

/* A spreadsheet would run a file name that starts like a formula, so it gets an apostrophe. */
function quote(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCsv()], { type: "text/csv" }));
  link.download = "tosa.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
