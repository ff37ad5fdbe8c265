/* How loud a sound is, by the server's own measures, so that what it would refuse is said before it is sent. */

const MIN_SECONDS = 0.3; // shorter sounds hold no whole cough
const SILENT = 0.001; // -60 dBFS, root mean square of the loudest frame
const FRAME_SECONDS = 0.02;
const FLAT_SHARE = 0.3; // of the samples at the rails
const RAIL = 0.99; // of full scale
const LOUD_SHARE = 0.001; // of the samples at full scale, past which a microphone was too loud here and there

export function peakOf(samples) {
  return samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
}

/* {refusal} or {warning}, keys of strings.json; neither where a recording is fit to be sent. */
export function judge(samples, rate) {
  if (samples.length < MIN_SECONDS * rate) return { refusal: "error.too_short" };
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  const centred = samples.map((sample) => sample - mean);
  if (loudestFrame(centred, Math.round(FRAME_SECONDS * rate)) < SILENT) return { refusal: "error.silence" };
  if (shareAbove(centred, RAIL * peakOf(centred)) > FLAT_SHARE) return { refusal: "error.clipped" };
  return shareAbove(samples, RAIL) > LOUD_SHARE ? { warning: "status.loud" } : {};
}

function loudestFrame(samples, length) {
  let loudest = 0;
  for (let start = 0; start < samples.length; start += length) {
    const energy = samples.subarray(start, start + length).reduce((sum, sample) => sum + sample * sample, 0);
    loudest = Math.max(loudest, Math.sqrt(energy / length));
  }
  return loudest;
}

const shareAbove = (samples, limit) => samples.filter((sample) => Math.abs(sample) > limit).length / samples.length;
