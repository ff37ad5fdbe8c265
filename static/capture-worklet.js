/* Runs on the browser's audio thread: hands the microphone's raw samples to the page in blocks of about 20 ms.
   A MediaRecorder would compress them first, and what a codec throws away the network cannot see. */

const BLOCK = 1024; // samples

class Capture extends AudioWorkletProcessor {
  block = new Float32Array(BLOCK);
  filled = 0;

  process([input]) {
    const samples = input[0]; // one channel: the node mixes down. Missing until the microphone has started
    if (!samples) return true;
    this.block.set(samples, this.filled); // quanta of 128 divide a block exactly
    this.filled += samples.length;
    if (this.filled === BLOCK) {
      this.port.postMessage(this.block.slice());
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
