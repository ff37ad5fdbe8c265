/* Checks a recording by the server's own rules, so that the page reports an unusable one before it is sent. */

const MIN_SECONDS = 0.3; // a shorter sound holds no complete cough
const SILENCE_RMS = 0.001; // -60 dBFS, root mean square of the loudest frame
const FRAME_SECONDS = 0.02;
const MAX_CLIPPED_SHARE = 0.3; // of the samples, at the sound's own extremes
const CLIPPING_LEVEL = 0.99; // of full scale
const LOUD_SHARE = 0.001; // of the samples at full scale; above it, parts were too loud for the microphone

export function peakLevel(samples) {
  return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
}

/* Returns {refusal} or {warning}, keys of strings/en.json; {} for a good recording. samples: Float32Array, -1 to 1. */
export function assessRecording(samples, rate) {
  if (samples.length < MIN_SECONDS * rate) return { refusal: "error.too_short" };
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  const centred = samples.map((sample) => sample - mean);
  if (loudestFrameRms(centred, Math.round(FRAME_SECONDS * rate)) < SILENCE_RMS) return { refusal: "error.silence" };
  if (shareAbove(centred, CLIPPING_LEVEL * peakLevel(centred)) > MAX_CLIPPED_SHARE) return { refusal: "error.clipped" };
  return shareAbove(samples, CLIPPING_LEVEL) > LOUD_SHARE ? { warning: "status.loud" } : {};
}

function loudestFrameRms(samples, length) {
  let loudest = 0;
  for (let start = 0; start < samples.length; start += length) {
    const energy = samples.subarray(start, start + length).reduce((sum, sample) => sum + sample * sample, 0);
    loudest = Math.max(loudest, Math.sqrt(energy / length));
  }
  return loudest;
}

const shareAbove = (samples, limit) => samples.filter((sample) => Math.abs(sample) > limit).length / samples.length;
