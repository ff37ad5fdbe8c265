/* What was asked in this visit, as a table in this page only and as CSV. */

import { inShort } from "./answer.js";
import { say } from "./words.js";

const COLUMNS = ["time", "file", "task", "diagnosis", "score", "operating_score", "threshold", "scores", "error", "model"];

const $ = (id) => document.getElementById(id);
let records = []; // {name, time, answer or problem, row}

/* Add a line for files called `name`. `look()` asks for it again, with pictures. */
export function add(name, look) {
  const row = $("rows").insertRow();
  const record = { name, row, look, time: new Date() };
  records.push(record);
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  row.append(head);
  row.insertCell();
  wait(record, "visit.waiting");
  $("visit").hidden = false;
  return record;
}

export function wait(record, key) {
  record.row.className = "";
  say(line(record.row.cells[1]), key);
}

/* Write what came into a line: {answer} or {problem}. */
export function fill(record, { answer, problem }) {
  Object.assign(record, { answer, problem, time: new Date() });
  const [, said] = record.row.cells;
  record.row.className = problem ? "refused" : "answered";
  if (problem) {
    say(line(said), ...problem);
    return;
  }
  said.replaceChildren();
  for (const finding of answer.findings) {
    const { key, ...values } = inShort(finding);
    say(line(said, false), key, values);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "look";
  button.ariaDisabled = document.body.dataset.state === "sending";
  button.addEventListener("click", record.look);
  say(button, "button.look");
  said.append(button);
}

function line(cell, only = true) {
  const element = document.createElement("p");
  if (only) cell.replaceChildren(element);
  else cell.append(element);
  return element;
}

export function forget() {
  records = [];
  $("rows").replaceChildren();
  $("visit").hidden = true;
}

/* One line a finding or refusal, in English as the server words it, for programs and spreadsheets. */
export function csv() {
  const lines = records.filter(({ answer, problem }) => answer || problem).flatMap(lines_of);
  return `\ufeff${[COLUMNS, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n")}\r\n`;
}

function lines_of({ name, time, answer, problem }) {
  const start = [time.toISOString(), name];
  if (problem) return [[...start, "", "", "", "", "", "", problem[0].replace("error.", ""), ""]];
  return answer.findings.map(({ task, diagnosis, score, scores, operating_point: point }) => {
    const all = Object.entries(scores).map(([label, share]) => `${label}: ${share}`).join("; ");
    return [...start, task, diagnosis, score, point?.score ?? "", point?.threshold ?? "", all, "", answer.model.sha256];
  });
}

/* A spreadsheet would take a file name that begins like a formula for one. */
function quoted(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "tosa.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
