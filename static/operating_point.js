/* The score bar of a finding and, where the graph has one, its operating point: the threshold from which a sum of
   scores counts as positive, with the sensitivity and specificity measured there on the validation cases. */

import { say } from "./i18n.js";

/* Draws it into a finding's card. Returns whether the threshold contradicts the most likely label. */
export function showOperatingPoint(card, { diagnosis, score, operating_point: point }) {
  const part = (name) => card.querySelector(`.operating .${name}`);
  part("fill").style.width = `${100 * (point?.score ?? score)}%`;
  for (const name of ["what", "threshold", "threshold-word", "consequence", "rates"]) part(name).hidden = !point;
  if (!point) return false;
  const { labels, above, threshold, sensitivity, specificity } = point;
  const what = { list: labels.map((label) => ({ key: `label.${label}`, otherwise: label })) };
  const sentence = labels.length > 1 ? "operating.together" : "operating.one";
  say(part("what"), sentence, { what, score: { share: point.score } });
  part("threshold").style.left = part("threshold-word").style.left = `${100 * threshold}%`;
  part("threshold-word").dataset.side = threshold > 0.5 ? "left" : "right";
  say(part("threshold-word"), "operating.mark", { threshold: { share: threshold } });
  say(part("consequence"), above ? "operating.above" : "operating.below", { what, threshold: { share: threshold } });
  part("rates").hidden = sensitivity === undefined || specificity === undefined;
  const rates = { sensitivity: { share: sensitivity ?? 0 }, specificity: { share: specificity ?? 0 } };
  say(part("rates"), "operating.rates", rates);
  return above !== labels.includes(diagnosis);
}
