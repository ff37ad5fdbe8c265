/* Computes the mel spectrum of a sound: Hann window, Fourier transform, mel bands, decibels. */

export const WINDOW = 1024; // samples, 21 ms at 48 kHz
export const F_MIN = 50; // Hz, the range of the picture that the network sees
export const F_MAX = 8000;

const hann = Float32Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
const cosine = Float32Array.from({ length: WINDOW / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / WINDOW));
const sine = Float32Array.from({ length: WINDOW / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / WINDOW));
const bitReversed = Uint16Array.from({ length: WINDOW }, (_, i) => {
  let bits = 0;
  for (let bit = 1; bit < WINDOW; bit *= 2) bits = bits * 2 + (i & bit ? 1 : 0);
  return bits;
});

/* Returns the power at each of the WINDOW / 2 frequencies of WINDOW samples from `start` (radix-2 Cooley-Tukey). */
function powerSpectrum(samples, start) {
  const real = new Float32Array(WINDOW);
  const imaginary = new Float32Array(WINDOW);
  for (let i = 0; i < WINDOW; i += 1) real[bitReversed[i]] = hann[i] * (samples[start + i] ?? 0);
  for (let half = 1; half < WINDOW; half *= 2) {
    const stride = WINDOW / (2 * half);
    for (let a = 0; a < WINDOW; a += 1) {
      if (a & half) continue;
      const b = a + half;
      const twiddle = (a & (half - 1)) * stride;
      const re = real[b] * cosine[twiddle] - imaginary[b] * sine[twiddle];
      const im = real[b] * sine[twiddle] + imaginary[b] * cosine[twiddle];
      real[b] = real[a] - re;
      imaginary[b] = imaginary[a] - im;
      real[a] += re;
      imaginary[a] += im;
    }
  }
  return real.subarray(0, WINDOW / 2).map((re, i) => re * re + imaginary[i] * imaginary[i]);
}

/* Slaney's mel scale (Auditory Toolbox, 1998), which the server uses too: linear up to 1 kHz, then logarithmic. */
export const hertzToMel = (hertz) =>
  hertz < 1000 ? (hertz * 3) / 200 : 15 + (27 * Math.log(hertz / 1000)) / Math.log(6.4);
const melToHertz = (mel) => (mel < 15 ? (mel * 200) / 3 : 1000 * 6.4 ** ((mel - 15) / 27));

/* Returns the level of `bands` mel bands, lowest first, in decibels relative to a sine of full scale.
   A band's level is that of its loudest frequency. */
export function melDecibels(samples, start, rate, bands) {
  const power = powerSpectrum(samples, start);
  const lowest = hertzToMel(F_MIN);
  const step = (hertzToMel(Math.min(F_MAX, rate / 2)) - lowest) / bands;
  const bin = (band) => (melToHertz(lowest + band * step) * WINDOW) / rate;
  return Float32Array.from({ length: bands }, (_, band) => {
    const first = Math.round(bin(band));
    const last = Math.min(Math.max(first + 1, Math.round(bin(band + 1))), WINDOW / 2);
    const loudest = power.subarray(first, last).reduce((most, value) => Math.max(most, value), 1e-12);
    return 10 * Math.log10(loudest) - 20 * Math.log10(WINDOW / 4);
  });
}
