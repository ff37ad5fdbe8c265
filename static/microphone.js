/* The microphone: delivers its raw samples, or an error that names the reason why it cannot. */

// These filters improve telephone calls, but they remove parts of a cough.
const FILTERS = ["echoCancellation", "noiseSuppression", "autoGainControl"];

const REASONS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "in_use",
  AbortError: "in_use",
};

/* `reason` is insecure, unsupported, unreachable (the server), denied, missing, in_use or failed.
   strings/en.json has a sentence for each. */
export class MicrophoneError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

export class Microphone {
  blocks = [];
  length = 0; // samples
  released = false;

  /* Opens the microphone and starts to listen. Calls `onAsk()` before the browser asks the user,
     `onBlock(block, rate)` for each block and `onEnd()` when the device is unplugged.
     Stops early when it is released meanwhile. Throws MicrophoneError. */
  async start(onAsk, onBlock, onEnd) {
    if (!window.isSecureContext) throw new MicrophoneError("insecure");
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new MicrophoneError("unsupported");
    try {
      await this.loadWorklet(); // first, so that the microphone is not open while a slow server answers
      if (this.released) return;
      onAsk();
      const filtersOff = Object.fromEntries(FILTERS.map((filter) => [filter, false]));
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { ...filtersOff, channelCount: 1 } });
      if (this.released) this.release(); // the user allowed it after cancelling
      else await this.listen(onBlock, onEnd);
    } catch (error) {
      this.release();
      throw error instanceof MicrophoneError ? error : new MicrophoneError(REASONS[error.name] ?? "failed");
    }
  }

  async loadWorklet() {
    this.context = new AudioContext();
    try {
      await this.context.audioWorklet.addModule(new URL("capture_worklet.js", import.meta.url));
    } catch {
      throw new MicrophoneError("unreachable"); // it is an AbortError, which from a microphone would mean "in use"
    }
  }

  async listen(onBlock, onEnd) {
    const capture = new AudioWorkletNode(this.context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    const firstBlock = new Promise((resolve) => {
      capture.port.onmessage = ({ data: block }) => {
        this.blocks.push(block);
        this.length += block.length;
        onBlock(block, this.context.sampleRate);
        resolve();
      };
    });
    this.context.createMediaStreamSource(this.stream).connect(capture);
    capture.connect(this.context.destination); // it outputs silence; browsers may not run a node without a destination
    await this.context.resume();
    await firstBlock;
    this.stream.getTracks().forEach((track) => track.addEventListener("ended", onEnd));
  }

  /* Deletes the samples received so far. */
  restart() {
    this.blocks = [];
    this.length = 0;
  }

  get seconds() {
    return this.length / this.context.sampleRate;
  }

  /* Returns the filters that the browser applies although they were switched off. */
  activeFilters() {
    const settings = this.stream.getAudioTracks()[0]?.getSettings() ?? {};
    return FILTERS.filter((filter) => settings[filter]);
  }

  /* Closes the microphone and returns {samples, rate}. */
  stop() {
    this.release();
    const samples = new Float32Array(this.length);
    let offset = 0;
    for (const block of this.blocks) {
      samples.set(block.map((sample) => Math.max(-1, Math.min(1, sample))), offset); // the range of a WAV file
      offset += block.length;
    }
    return { samples, rate: this.context.sampleRate };
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (!this.released) this.context?.close();
    this.released = true;
  }
}
