/* One recording, from the press of the button to its samples: ask, count down, listen.

   `show` has what the page does at each step: state(name), count(seconds left), heard(block, rate, seconds or null
   before the recording has begun), unanswered() while the browser's question stays open. */

import { MicrophoneError, Recorder } from "./recorder.js";

export const MAX_SECONDS = 10; // of a recording
const COUNT = 3; // seconds to get ready in
const UNANSWERED_MS = 10_000; // after which the page points at the browser's question

export class Take {
  cancelled = false;
  recorder = new Recorder();
  over = () => {}; // ends the step that is waited for

  constructor(show) {
    this.show = show;
  }

  /* Returns {samples, rate, filters}, null if it was cancelled. Throws MicrophoneError. */
  async run() {
    this.show.state("loading");
    try {
      await this.ask();
      if (this.cancelled) return null;
      await this.countDown();
      if (this.cancelled) return null;
      this.recorder.restart();
      this.recording = true;
      this.show.state("recording");
      await new Promise((resolve) => (this.over = resolve));
      if (this.cancelled) return null;
      return { filters: this.recorder.filters(), ...this.recorder.stop() };
    } finally {
      this.recorder.release();
    }
  }

  /* The button again: done while recording, not wanted before. */
  press() {
    this.cancelled = !this.recording;
    this.over();
  }

  cancel() {
    this.cancelled = true;
    this.over();
  }

  async ask() {
    let reminder;
    const asking = () => {
      this.show.state("asking");
      reminder = setTimeout(() => this.show.unanswered(), UNANSWERED_MS);
    };
    const started = this.recorder.start(asking, (...block) => this.hear(...block), () => this.over());
    try {
      await Promise.race([started, new Promise((resolve) => (this.over = resolve))]);
    } finally {
      clearTimeout(reminder);
    }
  }

  async countDown() {
    this.show.state("counting");
    const stopped = new Promise((resolve) => (this.over = () => resolve(true)));
    for (let left = COUNT; left > 0; left -= 1) {
      this.show.count(left);
      const second = new Promise((resolve) => setTimeout(resolve, 1000));
      if (await Promise.race([second, stopped])) break;
    }
    const tracks = this.recorder.stream.getTracks();
    if (!this.cancelled && tracks.every(({ readyState }) => readyState === "ended")) {
      throw new MicrophoneError("failed");
    }
  }

  hear(block, rate) {
    if (!this.recording) return this.show.heard(block, rate, null);
    const { seconds } = this.recorder;
    this.show.heard(block, rate, seconds);
    if (seconds >= MAX_SECONDS) this.over();
  }
}
