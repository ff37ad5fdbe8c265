/* The operating point of a finding, where the graph has one: the threshold from which a sum of scores counts as
   illness, with what was measured there on the cases that it was chosen on. */

import { say } from "./i18n.js";
import { labelName } from "./model_words.js";

/* Draws it into a finding. Returns the sentence on a threshold that contradicts the most likely label, as [key, values]
   for i18n.js; nothing where both agree. */
export function showOperatingPoint(element, { task, from, diagnosis, demonstration, operating_point: point }) {
  const part = (name) => element.querySelector(`.${name}`);
  for (const name of ["what", "operating", "consequence", "rates"]) part(name).hidden = !point;
  // The cases of a demonstration have its confounders too, so their frequencies would promise too much.
  part("frequency").hidden = !point || Boolean(demonstration);
  if (!point) return undefined;
  part("operating .fill").style.width = `${100 * point.score}%`;
  const { labels, above, threshold } = point;
  const names = labels.map((label) => labelName(task, label));
  const what = { list: names };
  const counted = { either: names.map((label) => ({ key: "quoted", label })) };
  const sentence = labels.length > 1 ? "operating.together" : "operating.one";
  say(part("what"), sentence, { what, score: { share: point.score } });
  part("threshold").style.left = part("threshold-word").style.left = `${100 * threshold}%`;
  part("threshold-word").dataset.side = threshold > 0.5 ? "left" : "right";
  say(part("threshold-word"), "operating.mark", { threshold: { share: threshold } });
  const consequence = above ? "operating.above" : "operating.below";
  say(part("consequence"), consequence, { labels: counted, threshold: { share: threshold } });
  showRates(part, point, counted, casesOf(point, from));
  if (above === labels.includes(diagnosis)) return undefined;
  const disagreement = above ? "operating.disagrees.above" : "operating.disagrees.below";
  return [disagreement, { diagnosis: labelName(task, diagnosis), what }];
}

/* Returns which cases the threshold was chosen on, as a value for i18n.js. */
function casesOf({ cases, training_cases: training, versions }, from) {
  const all = cases.ill + cases.healthy;
  let kind = { key: training === undefined ? "cases.unknown" : "cases.validation", all: String(all) };
  if (training) kind = { key: "cases.mixed", all: String(all), validation: String(all - training), training: String(training) };
  return versions > 1 ? { key: `cases.versions.${from}`, cases: kind, changed: String(versions - 1) } : kind;
}

/* The rates, and the same as natural frequencies, which most readers understand better (Gigerenzer, 2002): of 100
   such cases on this side of the threshold, how many were rightly there. */
function showRates(part, { labels, above, sensitivity, specificity, cases: { ill, healthy } }, counted, cases) {
  const rates = { sensitivity: { share: sensitivity }, specificity: { share: specificity } };
  say(part("rates"), "operating.rates", { labels: counted, cases, ...rates });
  const right = above ? sensitivity * ill : specificity * healthy;
  const wrong = above ? (1 - specificity) * healthy : (1 - sensitivity) * ill;
  const share = Math.min(99, Math.max(1, Math.round((100 * right) / (right + wrong)))); // never certain
  const several = labels.length > 1 ? "frequency.above.several" : "frequency.above";
  say(part("frequency"), above ? several : "frequency.below", {
    labels: counted, cases, right: String(share), wrong: String(100 - share),
    share: String(Math.round((100 * ill) / (ill + healthy))),
  });
}
