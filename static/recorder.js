/* The microphone: raw samples as they come, and a named reason where there are none. */

// What these repair for a telephone call, they take out of a cough.
const FILTERS = ["echoCancellation", "noiseSuppression", "autoGainControl"];

const REASONS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "in_use",
  AbortError: "in_use",
};

/* `reason` is insecure, unsupported, unreachable (the server), denied, missing, in_use or failed; each has its
   sentence in strings.json. */
export class MicrophoneError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

export class Recorder {
  blocks = [];
  length = 0;
  released = false;

  /* Ask for the microphone and listen. `onAsk()` comes before the browser's question, `onBlock(block, rate)` with
     every block, `onEnd()` with a pulled plug. Released meanwhile, it goes no further. Throws MicrophoneError. */
  async start(onAsk, onBlock, onEnd) {
    if (!window.isSecureContext) throw new MicrophoneError("insecure");
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new MicrophoneError("unsupported");
    try {
      await this.load(); // first, so that no microphone is open while a server hangs
      if (this.released) return;
      onAsk();
      const wishes = Object.fromEntries(FILTERS.map((filter) => [filter, false]));
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { ...wishes, channelCount: 1 } });
      if (this.released) this.release(); // of the late microphone too
      else await this.listen(onBlock, onEnd);
    } catch (error) {
      this.release();
      throw error instanceof MicrophoneError ? error : new MicrophoneError(REASONS[error.name] ?? "failed");
    }
  }

  async load() {
    this.context = new AudioContext();
    try {
      await this.context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    } catch {
      throw new MicrophoneError("unreachable"); // an AbortError, which of a microphone would mean that it is in use
    }
  }

  async listen(onBlock, onEnd) {
    const capture = new AudioWorkletNode(this.context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    const heard = new Promise((resolve) => {
      capture.port.onmessage = ({ data: block }) => {
        this.blocks.push(block);
        this.length += block.length;
        onBlock(block, this.context.sampleRate);
        resolve();
      };
    });
    this.context.createMediaStreamSource(this.stream).connect(capture);
    capture.connect(this.context.destination); // silent, but what leads nowhere may not be run
    await this.context.resume();
    await heard;
    this.stream.getTracks().forEach((track) => track.addEventListener("ended", onEnd));
  }

  /* Forget what came so far. */
  restart() {
    this.blocks = [];
    this.length = 0;
  }

  get seconds() {
    return this.length / this.context.sampleRate;
  }

  /* The filters that the browser kept on all the same. */
  filters() {
    const applied = this.stream.getAudioTracks()[0]?.getSettings() ?? {};
    return FILTERS.filter((filter) => applied[filter]);
  }

  /* Let go of the microphone. Returns {samples, rate}. */
  stop() {
    this.release();
    const samples = new Float32Array(this.length);
    let at = 0;
    for (const block of this.blocks) {
      samples.set(block.map((sample) => Math.max(-1, Math.min(1, sample))), at); // as a file will hold them
      at += block.length;
    }
    return { samples, rate: this.context.sampleRate };
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (!this.released) this.context?.close();
    this.released = true;
  }
}
