/* One request: files to the server, its answer or the reason why there is none. */

const PATIENCE_MS = 60_000; // for an answer, once the files have come
const SLOWEST = 20; // bytes a millisecond, of a line that is still waited for
const RETRY_SECONDS = "2"; // where a busy server does not say
const AT_ONCE = 2; // requests of a batch in flight: the rest of the server is for others
const TRIES = 20; // of one file at a busy server

/* POST {audio_data, image_data}. Returns {answer}, or {problem: [key, values]} and, from a busy server, {wait: s}.
   The address is relative to the page's own, so that Tosa may live behind a prefix. */
export async function ask(parts, explain = true) {
  const form = new FormData();
  for (const [part, file] of Object.entries(parts)) form.append(part, file, file.name);
  const files = Object.values(parts);
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS + files.reduce((bytes, { size }) => bytes + size, 0) / SLOWEST);
    const response = await fetch(explain ? "?explain=1" : "?", { method: "POST", body: form, signal });
    const answer = await response.json().catch(() => ({}));
    if (response.ok && answer.findings?.length) return { answer };
    if (!answer.error) return { problem: ["error.no_answer", { status: String(response.status) }] };
    const seconds = response.headers.get("Retry-After") ?? RETRY_SECONDS;
    const problem = [`error.${answer.error.code}`, { otherwise: answer.error.message, seconds }];
    return { problem, wait: response.status === 503 ? Number(seconds) || Number(RETRY_SECONDS) : undefined };
  } catch ({ name }) {
    if (name === "TimeoutError") return { problem: ["error.timeout"] };
    return { problem: [(await readable(files)) ? "error.network" : "file.unreadable"] };
  }
}

/* Whether files are still there as they were chosen. */
const readable = (files) =>
  Promise.all(files.map((file) => file.slice(0, 1).arrayBuffer())).then(() => true, () => false);

/* Ask for each job {parts} in turn, a few at once. `done(job, result)` follows each; `stopped()` ends it early. */
export async function askEach(jobs, done, stopped) {
  const queue = [...jobs];
  let free = 0; // when a busy server wants to be asked again
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  async function patiently(job) {
    const parts = await job.parts().catch(() => null);
    if (!parts) return { problem: ["file.unreadable"] };
    for (let left = TRIES; ; left -= 1) {
      while (Date.now() < free) await sleep(free - Date.now());
      const result = await ask(parts, false);
      if (!result.wait || left === 1 || stopped()) return result;
      free = Date.now() + 1000 * result.wait;
    }
  }

  async function worker() {
    while (queue.length && !stopped()) {
      const job = queue.shift();
      done(job, await patiently(job));
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
