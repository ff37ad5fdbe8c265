/* What the served graph judges and what it says of its tasks. The server writes it into the page.

   Each function returns a value for i18n.js. What the graph does not name is shown by its plain name. */

const model = JSON.parse(document.body.dataset.model);

/* Returns whether the graph judges files of a kind: "sound" or "picture". */
export const judges = (kind) => model.kinds.includes(kind);

const wordsOf = (task) => model.tasks[task] ?? {}; // a graph that replaced the page's one may have other tasks

export const taskTitle = (task) => ({ words: wordsOf(task).title ?? task });
export const labelName = (task, label) => ({ words: wordsOf(task).names?.[label] ?? label });

/* The answer as one sentence; without one, the name of its label. */
export const headline = (task, label) => ({ words: wordsOf(task).headlines?.[label] ?? labelName(task, label).words });

/* These return undefined where the graph has no words for it. */
export const description = (task, label) => wordsOf(task).descriptions?.[label];
export const limits = (task) => wordsOf(task).limits;
export const note = (task) => wordsOf(task).note;
export const uncalibratedReason = (task) => wordsOf(task).uncalibrated_reason;
