/* One recording, from the press of the record button to its samples: ask, count down, record.

   `view` shows each step: state(name), countdown(seconds left), block(samples, rate, seconds; null before the
   recording starts), and reminder() when the browser's question stays unanswered. */

import { Microphone, MicrophoneError } from "./microphone.js";

export const MAX_SECONDS = 10; // of one recording
const COUNTDOWN_SECONDS = 3;
const REMINDER_MS = 10_000; // until the page points at the browser's question

export class RecordingSession {
  cancelled = false;
  recording = false;
  microphone = new Microphone();
  endStep = () => {}; // ends the step that is in progress

  constructor(view) {
    this.view = view;
  }

  /* Returns {samples, rate, filters}, or null when it was cancelled. Throws MicrophoneError. */
  async run() {
    this.view.state("loading");
    try {
      await this.openMicrophone();
      if (this.cancelled) return null;
      await this.countDown();
      if (this.cancelled) return null;
      this.microphone.restart();
      this.recording = true;
      this.view.state("recording");
      await new Promise((resolve) => (this.endStep = resolve));
      if (this.cancelled) return null;
      return { filters: this.microphone.activeFilters(), ...this.microphone.stop() };
    } finally {
      this.microphone.release();
    }
  }

  /* The record button was pressed again: finishes a recording, cancels any earlier step. */
  press() {
    this.cancelled = !this.recording;
    this.endStep();
  }

  cancel() {
    this.cancelled = true;
    this.endStep();
  }

  async openMicrophone() {
    let reminder;
    const onAsk = () => {
      this.view.state("asking");
      reminder = setTimeout(() => this.view.reminder(), REMINDER_MS);
    };
    const opened = this.microphone.start(onAsk, (...block) => this.receive(...block), () => this.endStep());
    try {
      await Promise.race([opened, new Promise((resolve) => (this.endStep = resolve))]);
    } finally {
      clearTimeout(reminder);
    }
  }

  async countDown() {
    this.view.state("counting");
    const stopped = new Promise((resolve) => (this.endStep = () => resolve(true)));
    for (let left = COUNTDOWN_SECONDS; left > 0; left -= 1) {
      this.view.countdown(left);
      const second = new Promise((resolve) => setTimeout(resolve, 1000));
      if (await Promise.race([second, stopped])) break;
    }
    const tracks = this.microphone.stream.getTracks();
    if (!this.cancelled && tracks.every(({ readyState }) => readyState === "ended")) {
      throw new MicrophoneError("failed");
    }
  }

  receive(samples, rate) {
    if (!this.recording) return this.view.block(samples, rate, null);
    const { seconds } = this.microphone;
    this.view.block(samples, rate, seconds);
    if (seconds >= MAX_SECONDS) this.endStep();
  }
}
