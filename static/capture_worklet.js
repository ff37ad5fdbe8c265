/* Runs on the browser's audio thread and passes the microphone's raw samples to the page in blocks of about 20 ms.
   A MediaRecorder would compress the sound first, and the network cannot see what a codec removes. */

const BLOCK_LENGTH = 1024; // samples

class Capture extends AudioWorkletProcessor {
  block = new Float32Array(BLOCK_LENGTH);
  filled = 0;

  process([input]) {
    const samples = input[0]; // the node mixes down to one channel; undefined until the microphone has started
    if (!samples) return true;
    this.block.set(samples, this.filled); // BLOCK_LENGTH is a multiple of the browser's 128-sample quantum
    this.filled += samples.length;
    if (this.filled === BLOCK_LENGTH) {
      this.port.postMessage(this.block.slice());
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
