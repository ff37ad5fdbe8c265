/* Encodes samples from -1 to 1 as a WAV file: 16-bit PCM, mono. */

const HEADER_BYTES = 44;

export function encodeWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * samples.length));
  writeHeader(view, rate);
  samples.forEach((sample, i) => view.setInt16(HEADER_BYTES + 2 * i, Math.round(sample * 32767), true));
  return new Blob([view], { type: "audio/wav" });
}

function writeHeader(view, rate) {
  const writeText = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  writeText(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  writeText(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes in the format chunk
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes per second
  view.setUint16(32, 2, true); // bytes per frame
  view.setUint16(34, 16, true); // bits per sample
  writeText(36, "data");
  view.setUint32(40, view.byteLength - HEADER_BYTES, true);
}
