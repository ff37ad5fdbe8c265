/* The operating point of a finding, where the graph has one: the threshold from which a sum of scores counts as
   positive, with what was measured there on the validation cases. */

import { say } from "./i18n.js";
import { labelName } from "./model_words.js";

/* Draws it into a finding. Returns whether the threshold contradicts the most likely label. */
export function showOperatingPoint(element, { task, diagnosis, demonstration, operating_point: point }) {
  const part = (name) => element.querySelector(`.${name}`);
  for (const name of ["what", "operating", "consequence", "rates", "frequency"]) part(name).hidden = !point;
  if (!point) return false;
  part("operating .fill").style.width = `${100 * point.score}%`;
  const { labels, above, threshold } = point;
  const what = { list: labels.map((label) => labelName(task, label)) };
  const sentence = labels.length > 1 ? "operating.together" : "operating.one";
  say(part("what"), sentence, { what, score: { share: point.score } });
  part("threshold").style.left = part("threshold-word").style.left = `${100 * threshold}%`;
  part("threshold-word").dataset.side = threshold > 0.5 ? "left" : "right";
  say(part("threshold-word"), "operating.mark", { threshold: { share: threshold } });
  say(part("consequence"), above ? "operating.above" : "operating.below", { what, threshold: { share: threshold } });
  // The validation cases of a demonstration have its confounders too, so they would promise too much.
  showRates(part, demonstration ? { ...point, cases: undefined } : point);
  return above !== labels.includes(diagnosis);
}

/* The rates, and the same as natural frequencies, which most readers understand better (Gigerenzer, 2002): of 100
   validation cases on this side of the threshold, how many were rightly there. */
function showRates(part, { above, sensitivity, specificity, cases }) {
  part("rates").hidden = sensitivity === undefined || specificity === undefined;
  part("frequency").hidden = part("rates").hidden || !cases;
  if (part("rates").hidden) return;
  say(part("rates"), "operating.rates", { sensitivity: { share: sensitivity }, specificity: { share: specificity } });
  if (!cases) return;
  const { ill, healthy } = cases;
  const right = above ? sensitivity * ill : specificity * healthy;
  const wrong = above ? (1 - specificity) * healthy : (1 - sensitivity) * ill;
  const share = Math.min(99, Math.max(1, Math.round((100 * right) / (right + wrong)))); // never certain
  say(part("frequency"), above ? "frequency.above" : "frequency.below", {
    right: String(share), wrong: String(100 - share), all: String(ill + healthy),
    positive: String(Math.round((100 * ill) / (ill + healthy))),
  });
}
