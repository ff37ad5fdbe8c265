/* Requests to the server: one for a sound, a picture or both, or one for each of many files. */

const ANSWER_TIMEOUT_MS = 60_000; // once the files are uploaded
const SLOWEST_UPLOAD = 20; // bytes per millisecond that the timeout still allows for
const RETRY_SECONDS = "2"; // when a busy server does not say
const BATCH_REQUESTS = 2; // in flight at once; the other slots of the server are for other people
const BATCH_TRIES = 20; // for one file, while the server is busy

/* POST {audio_data, image_data}, with the parameters of the address in `query`.
   Returns {answer}, or {problem: [key, values]} and, from a busy server, {wait: s}.
   The address is relative to the page's own, because Tosa may run under a path prefix. */
export async function screen(parts, query = "explain=1") {
  const form = new FormData();
  for (const [part, file] of Object.entries(parts)) form.append(part, file, file.name);
  const files = Object.values(parts);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  try {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS + bytes / SLOWEST_UPLOAD);
    const response = await fetch(`?${query}`, { method: "POST", body: form, signal });
    const answer = await response.json().catch(() => ({}));
    if (response.ok && answer.findings?.length) return { answer };
    if (!answer.error) return { problem: ["error.no_answer", { status: String(response.status) }] };
    const seconds = response.headers.get("Retry-After") ?? RETRY_SECONDS;
    const problem = [`error.${answer.error.code}`, { otherwise: answer.error.message, seconds }];
    return { problem, wait: response.status === 503 ? Number(seconds) || Number(RETRY_SECONDS) : undefined };
  } catch ({ name }) {
    if (name === "TimeoutError") return { problem: ["error.timeout"] };
    return { problem: [(await areReadable(files)) ? "error.network" : "file.unreadable"] };
  }
}

/* Returns whether the files can still be read; a file may have been deleted since it was chosen. */
const areReadable = (files) =>
  Promise.all(files.map((file) => file.slice(0, 1).arrayBuffer())).then(() => true, () => false);

/* Screens each job {parts} in turn, a few at once. Calls `onResult(job, result)` for each; ends early when
   `isStopped()`. */
export async function screenBatch(jobs, onResult, isStopped) {
  const queue = [...jobs];
  let retryAt = 0; // when a busy server accepts the next request
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  async function screenWithRetries(job) {
    for (let triesLeft = BATCH_TRIES; ; triesLeft -= 1) {
      while (Date.now() < retryAt) await sleep(retryAt - Date.now());
      const result = await screen(job.parts, "");
      if (!result.wait || triesLeft === 1 || isStopped()) return result;
      retryAt = Date.now() + 1000 * result.wait;
    }
  }

  async function worker() {
    while (queue.length && !isStopped()) {
      const job = queue.shift();
      onResult(job, await screenWithRetries(job));
    }
  }

  await Promise.all(Array.from({ length: BATCH_REQUESTS }, worker));
}
