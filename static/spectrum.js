/* Samples -> the power of their tones: a Hann window, a Fourier transform, mel bands, decibels. */

export const WINDOW = 1024; // samples, 21 ms at 48 kHz
const F_MIN = 50; // Hz, the server's range, as far as the microphone's rate reaches
const F_MAX = 8000;

const hann = Float32Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
const cosine = Float32Array.from({ length: WINDOW / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / WINDOW));
const sine = Float32Array.from({ length: WINDOW / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / WINDOW));
const reversed = Uint16Array.from({ length: WINDOW }, (_, i) => {
  let bits = 0;
  for (let bit = 1; bit < WINDOW; bit *= 2) bits = bits * 2 + (i & bit ? 1 : 0);
  return bits;
});

/* Power of each of the WINDOW / 2 frequencies in WINDOW samples from `start` (radix-2 Cooley-Tukey). */
function powers(samples, start) {
  const real = new Float32Array(WINDOW);
  const imaginary = new Float32Array(WINDOW);
  for (let i = 0; i < WINDOW; i += 1) real[reversed[i]] = hann[i] * (samples[start + i] ?? 0);
  for (let half = 1; half < WINDOW; half *= 2) {
    const stride = WINDOW / (2 * half);
    for (let a = 0; a < WINDOW; a += 1) {
      if (a & half) continue;
      const b = a + half;
      const turn = (a & (half - 1)) * stride;
      const re = real[b] * cosine[turn] - imaginary[b] * sine[turn];
      const im = real[b] * sine[turn] + imaginary[b] * cosine[turn];
      real[b] = real[a] - re;
      imaginary[b] = imaginary[a] - im;
      real[a] += re;
      imaginary[a] += im;
    }
  }
  return real.subarray(0, WINDOW / 2).map((re, i) => re * re + imaginary[i] * imaginary[i]);
}

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (mels) => 700 * (10 ** (mels / 2595) - 1);

/* Decibels against a sine of full scale in `bands` mel bands, the lowest first: the loudest frequency of each. */
export function decibels(samples, start, rate, bands) {
  const power = powers(samples, start);
  const step = (mel(Math.min(F_MAX, rate / 2)) - mel(F_MIN)) / bands;
  const bin = (band) => (hertz(mel(F_MIN) + band * step) * WINDOW) / rate;
  return Float32Array.from({ length: bands }, (_, band) => {
    const first = Math.round(bin(band));
    const last = Math.min(Math.max(first + 1, Math.round(bin(band + 1))), WINDOW / 2);
    const loudest = power.subarray(first, last).reduce((most, value) => Math.max(most, value), 1e-12);
    return 10 * Math.log10(loudest) - 20 * Math.log10(WINDOW / 4);
  });
}
